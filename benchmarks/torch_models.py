"""PyTorch models of many kinds to be looked at, small and with random weights; `gpt2` is as large as the real one.

Each function returns a model and what computes a loss of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Made = tuple[Any, Callable[[], Any]]

_SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
_WORDS = 100
_IMAGES: dict[str, Any] = {"image_size": 16, "patch_size": 8}


def mlp() -> Made:
    model = nn.Sequential(nn.Linear(10, 20), nn.Tanh(), nn.Linear(20, 3))
    x, labels = torch.randn(8, 10), torch.randint(0, 3, (8,))
    return model, lambda: functional.cross_entropy(model(x), labels)


def encoder() -> Made:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    model, x = nn.TransformerEncoder(layer, 3), torch.randn(2, 7, 32)
    return model, lambda: model(x).pow(2).mean()


def cnn() -> Made:
    first = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)]
    last = [nn.Conv2d(8, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5)]
    model, x, labels = nn.Sequential(*first, *last), torch.randn(4, 3, 16, 16), torch.randint(0, 5, (4,))
    return model, lambda: functional.cross_entropy(model(x), labels)


class _Recurrent(nn.Module):
    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.recurrent = kind(8, 12, 2, batch_first=True)
        self.head = nn.Linear(12, 11)

    def forward(self, ids: Any) -> Any:
        return self.head(self.recurrent(self.embedding(ids))[0])


def _recurrent(kind: Any) -> Made:
    model, ids = _Recurrent(kind), torch.randint(0, 11, (3, 6))
    return model, lambda: functional.cross_entropy(model(ids).flatten(0, 1), ids.roll(-1, 1).flatten())


def _text(kind: str, task: str, batch: int = 2, length: int = 10, **settings: Any) -> Made:
    """A language model of the `transformers` library; its loss is that of predicting the text it is given."""
    import transformers

    settings = {"vocab_size": _WORDS, **settings}
    model = getattr(transformers, kind + task)(getattr(transformers, kind + "Config")(**settings))
    ids = torch.randint(3, settings["vocab_size"], (batch, length))
    return model, lambda: model(input_ids=ids, labels=ids).loss


def gpt2(layers: int = 12, width: int = 768, words: int = 50257, length: int = 128) -> Made:
    sizes = {"n_layer": layers, "n_embd": width, "n_head": max(width // 64, 1), "n_positions": 1024}
    return _text("GPT2", "LMHeadModel", batch=1, length=length, vocab_size=words, **sizes)


def _vit() -> Made:
    from transformers import ViTConfig, ViTForImageClassification

    model, pixels = ViTForImageClassification(ViTConfig(**_SMALL, **_IMAGES)), torch.randn(2, 3, 16, 16)
    return model, lambda: model(pixel_values=pixels, labels=torch.tensor([0, 1])).loss


def _clip() -> Made:
    from transformers import CLIPConfig, CLIPModel

    text = {**_SMALL, "vocab_size": _WORDS, "max_position_embeddings": 16}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config={**_SMALL, **_IMAGES}, projection_dim=16))
    ids, pixels = torch.randint(3, _WORDS, (2, 10)), torch.randn(2, 3, 16, 16)
    return model, lambda: model(input_ids=ids, pixel_values=pixels, return_loss=True).loss


def _t5() -> Made:
    sizes = {"num_layers": 2, "d_model": 32, "d_kv": 8, "num_heads": 4, "d_ff": 64}
    return _text("T5", "ForConditionalGeneration", decoder_start_token_id=0, **sizes)


def _opt() -> Made:
    sizes = {name: size for name, size in _SMALL.items() if name != "intermediate_size"}
    return _text("OPT", "ForCausalLM", ffn_dim=64, word_embed_proj_dim=32, **sizes)


MODELS: dict[str, Callable[[], Made]] = {
    "mlp": mlp,
    "encoder": encoder,
    "cnn": cnn,
    "gru": lambda: _recurrent(nn.GRU),
    "lstm": lambda: _recurrent(nn.LSTM),
    "gpt2-2": lambda: gpt2(2, 64, _WORDS, 32),
    "bert": lambda: _text("Bert", "ForMaskedLM", **_SMALL),
    "t5": _t5,
    "vit": _vit,
    "clip": _clip,
    "llama": lambda: _text("Llama", "ForCausalLM", num_key_value_heads=2, **_SMALL),
    "mixtral": lambda: _text("Mixtral", "ForCausalLM", num_key_value_heads=2, num_local_experts=4, **_SMALL),
    "mamba": lambda: _text("Mamba", "ForCausalLM", hidden_size=32, num_hidden_layers=2, state_size=4),
    "gptneox": lambda: _text("GPTNeoX", "ForCausalLM", **_SMALL),
    "opt": _opt,
    "gpt2-12": gpt2,
}
