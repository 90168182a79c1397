"""The model against the same model made of reference ops, and whether it learns."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
from engine import Tensor
from engine.backward import gradients
from engine.primitive import registry
from gpt.data import calculator
from gpt.data.calculator import Problem, exactly_right
from gpt.data.config import DataConfig
from gpt.data.exercise import Exercise, Parts
from gpt.generation.generate import generate
from gpt.model import GPT, GPTConfig
from gpt.training.config import TrainingConfig
from gpt.training.trainer import Trainer, new_model
from nn import Cache

TOKENIZER = calculator.tokenizer()


def small(**changes: Any) -> GPTConfig:
    shape: dict[str, Any] = {"n_layer": 2, "n_head": 2, "n_embd": 16, "positions": "rotary", "tie": False, **changes}
    return GPTConfig(vocab_size=len(TOKENIZER), block_size=64, **shape)


def at_float64(model: GPT) -> GPT:
    """The same model with wide parameters."""
    for _, module in model.named_modules():
        for name, value in list(module.tensors()):
            wide = Tensor(value.numpy().astype(np.float64), requires_grad=value.requires_grad, name=value.name)
            setattr(module, name, wide)
    return model


@pytest.mark.parametrize("positions", ["rotary", "learned", "sinusoidal"])
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_loss_and_every_gradient_agree_with_the_composed_references(
    positions: str, norm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = calculator.encode(calculator.all_problems()[::997], TOKENIZER)
    model = new_model(lambda: GPT(small(positions=positions, norm=norm)), seed=3)
    loss = model.loss(data.ids, data.labels)
    loss.backward()
    found = {name: p.grad for name, p in model.named_parameters()}

    fused = [op for op in registry.values() if op.reference and op.__module__.startswith("engine.")]
    used = set()
    for op in fused:  # every fused op is replaced by small ones

        def composed(*args: Any, op: Any = op, **metadata: Any) -> Any:
            used.add(op.name)
            return op.reference(*op.signature.bind(args, metadata)[0], **op.signature.bind(args, metadata)[1])

        monkeypatch.setattr(engine, op.name, composed)
    twin = at_float64(new_model(lambda: GPT(small(positions=positions, norm=norm)), seed=3))
    truth = twin.loss(data.ids, data.labels)
    truth.backward()

    assert {"linear", "layer_norm", "gelu", "embedding", "cross_entropy", "scaled_dot_product_attention"} <= used
    assert loss.dtype == np.float32
    assert truth.dtype == np.float64
    assert loss.item() == pytest.approx(truth.item(), rel=1e-5)
    largest = max(np.abs(p.grad.numpy()).max() for p in twin.parameters() if p.grad is not None)
    for name, parameter in twin.named_parameters():
        mine = found[name]
        assert mine is not None
        assert parameter.grad is not None
        scale = np.abs(parameter.grad.numpy()).max()
        allowed = 2e-5 * scale + 1e-7 * largest  # the gradient of a key's bias is exactly zero: softmax ignores shifts
        np.testing.assert_allclose(mine.numpy(), parameter.grad.numpy(), atol=allowed, rtol=1e-3, err_msg=name)


def test_leaving_out_ignored_positions_changes_nothing() -> None:
    data = calculator.encode(calculator.all_problems()[::997], TOKENIZER)
    for norm in ("pre", "post"):
        model = at_float64(new_model(lambda norm=norm: GPT(small(norm=norm)), seed=3))  # type: ignore[misc]
        whole = engine.cross_entropy(model(data.ids), data.labels)
        short = model.loss(data.ids, data.labels)
        assert short.item() == pytest.approx(whole.item(), rel=1e-12)
        ours = gradients(short, model.parameters())
        for mine, theirs in zip(ours, gradients(whole, model.parameters()), strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-12)


def test_a_tied_head_is_the_embedding() -> None:
    model = GPT(small(tie=True))
    assert model.head.weight is model.embedding.weight
    assert sum(name.endswith("head.weight") for name, _ in model.named_parameters()) == 0


def exercise(problems: list[Problem] | None = None) -> Exercise:
    """These problems to learn, to choose by and to measure; or all problems of the calculator, each for one of it."""
    return Exercise(DataConfig(), TOKENIZER, Parts(problems, problems, problems) if problems else None)


def test_it_learns_a_tiny_problem_to_zero_loss_and_answers_it() -> None:
    problems = [
        Problem("two plus three equals ", "five", "plus"),
        Problem("nine minus nine equals ", "zero", "minus"),
        Problem("six times seven equals ", "forty two", "times"),
    ]
    model = new_model(lambda: GPT(small()), seed=0)
    settings = TrainingConfig(parts=1, steps=300, batch_size=3, learning_rate=1e-2, warmup=10, weight_decay=0.0)
    trainer = Trainer(model, settings, data := exercise(problems))
    losses = [progress.loss for progress in trainer.all_steps()]
    assert losses[0] > 2
    assert losses[-1] < 0.01
    assert data.final(model)["all"] == 1.0
    for problem in problems:
        text, probability = generate(model, TOKENIZER, problem.question)
        assert text == problem.answer
        assert probability > 0.95


def test_the_parts_of_a_batch_add_up_to_the_whole() -> None:
    def first_steps(parts: int) -> list[float]:
        model = new_model(lambda: GPT(small()), seed=0)
        trainer = Trainer(model, TrainingConfig(steps=3, parts=parts), exercise())
        return [progress.loss for progress in trainer.all_steps()]

    one = first_steps(1)
    assert first_steps(1) == one  # the same bits
    assert first_steps(2) == pytest.approx(one, rel=1e-4)


def test_one_pass_over_the_answer_finds_what_generating_finds() -> None:
    learned, _ = calculator.split()
    problems = learned[:16]
    model = new_model(lambda: GPT(small()), seed=0)
    settings = TrainingConfig(parts=1, steps=70, batch_size=16, learning_rate=1e-2, warmup=5)
    for _ in Trainer(model, settings, exercise(problems)).all_steps():
        pass
    right = exactly_right(model, calculator.encode(problems, TOKENIZER))
    generated = [generate(model, TOKENIZER, p.question)[0] == p.answer for p in problems]
    assert right.tolist() == generated
    assert any(generated)
    assert not all(generated)


@st.composite
def configs(draw: st.DrawFn) -> GPTConfig:
    """Any shape of a small model."""
    heads = draw(st.sampled_from([1, 2, 4]))
    choices: dict[str, Any] = {
        "positions": ["learned", "sinusoidal", "rotary"],
        "norm": ["pre", "post"],
        "norm_kind": ["layer", "rms"],
        "n_hidden": [None, 5],
        "activation": ["gelu", "relu", "relu2", "swiglu"],
        "kv_heads": [None, *(k for k in (1, 2, 4) if heads % k == 0)],
        "dropout": [0.0, 0.2],
        **{name: [True, False] for name in ("bias", "tie", "causal")},
    }
    return GPTConfig(
        vocab_size=draw(st.integers(2, 9)),
        block_size=draw(st.integers(2, 7)),
        n_layer=draw(st.integers(1, 3)),
        n_head=heads,
        n_embd=heads * draw(st.sampled_from([4, 6])),
        **{name: draw(st.sampled_from(values)) for name, values in choices.items()},
    )


@given(configs(), st.data())
def test_what_holds_for_a_model_of_any_shape(config: GPTConfig, data: st.DataObject) -> None:
    model = new_model(lambda: GPT(config), seed=0)
    time = data.draw(st.integers(2, config.block_size), label="time")
    ids, labels = np.random.default_rng(0).integers(0, config.vocab_size, (2, 2, time))
    loss = model.loss(ids, labels)
    loss.backward()
    assert np.isfinite(loss.item())
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert np.isfinite(parameter.grad.numpy()).all(), name

    model.eval()
    changed = data.draw(st.integers(1, time - 1), label="changed")
    others = ids.copy()
    others[:, changed] = (ids[:, changed] + 1) % config.vocab_size
    with engine.no_grad():
        logits, after = model(ids).numpy(), model(others).numpy()
        rounding = 1e-5 * np.abs(logits).max()
        differs = np.abs(after - logits)[:, :changed].max() > rounding
        assert differs != config.causal  # whether an earlier position sees what changed
        if config.causal:
            cache = Cache()
            pieces = [model(piece, cache=cache).numpy() for piece in np.split(ids, [changed], axis=1)]
            np.testing.assert_allclose(np.concatenate(pieces, axis=1), logits, rtol=1e-4, atol=rounding)
    for weights in model.attention_weights(ids):
        assert weights.shape == (2, config.n_head, time, time)
        np.testing.assert_allclose(weights.numpy().sum(axis=-1), 1, rtol=1e-5)
        assert (np.triu(weights.numpy(), 1) == 0).all() == config.causal


def test_a_configuration_of_an_older_version_still_loads() -> None:
    older = {**asdict(small())}
    for name in ("kv_heads", "norm_kind", "causal"):
        older.pop(name)
    assert GPTConfig(**older) == small()


def test_summary_and_text_show_shared_heads_and_gates() -> None:
    model = GPT(small(n_head=4, kv_heads=2, norm_kind="rms", activation="swiglu", n_layer=1, causal=False))
    shapes = {line.split()[0]: line.split("  ")[1:] for line in model.summary().splitlines()}
    assert {"blocks.0.attention.key.weight", "blocks.0.feed_forward.gate.weight", "norm.weight"} < shapes.keys()
    assert "blocks.0.attention_norm.bias" not in shapes
    assert sum(p.size for p in model.parameters()) == int(model.summary().split()[-1].replace(",", ""))
    text = repr(model)
    assert "(attention): MultiHeadAttention(heads=4, kv_heads=2, causal=False" in text
    assert "(feed_forward): FeedForward(swiglu" in text
    assert "(norm): RMSNorm(16, eps=1e-05)" in text


def test_mistakes_in_the_configuration_are_named() -> None:
    with pytest.raises(ValueError, match="n_embd 16 does not divide into n_head 3"):
        small(n_head=3)
    with pytest.raises(ValueError, match=r"^GPTConfig: kv_heads must divide n_head 2, and is 3$"):
        small(kv_heads=3)
    with pytest.raises(ValueError, match="n_layer must be a positive integer, not 0"):
        small(n_layer=0)
    with pytest.raises(ValueError, match="time up to 64"):
        GPT(small())(np.zeros((1, 65), int))


def test_a_loss_that_is_not_a_number_stops_before_the_step() -> None:
    model = new_model(lambda: GPT(small()), seed=0)
    model.head.weight.assign(np.full(model.head.weight.shape, np.nan))
    before = model.state_dict()
    trainer = Trainer(model, TrainingConfig(parts=1, steps=3), exercise())
    with pytest.raises(FloatingPointError, match="loss is nan at step 1"):
        next(trainer.all_steps())
    np.testing.assert_array_equal(model.state_dict()["embedding.weight"], before["embedding.weight"])
