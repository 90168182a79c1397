"""Neural network layers on the engine, with PyTorch's names and shapes.

Read next: `nn/module.py`, the base class of every layer.
"""

from nn import init, losses, optim, schedules
from nn.attention import MultiHeadAttention
from nn.cache import Cache
from nn.clipping import clip_grad_norm
from nn.containers import ModuleList, Sequential
from nn.feed_forward import FeedForward
from nn.layers import GELU, Dropout, Embedding, Linear, ReLU, SiLU
from nn.module import Module
from nn.norms import LayerNorm, RMSNorm
from nn.positions import LearnedPositions, RotaryPositions, SinusoidalPositions
from nn.reader import reader
from nn.transformer import TransformerBlock

__all__ = [
    "GELU",
    "Cache",
    "Dropout",
    "Embedding",
    "FeedForward",
    "LayerNorm",
    "LearnedPositions",
    "Linear",
    "Module",
    "ModuleList",
    "MultiHeadAttention",
    "RMSNorm",
    "ReLU",
    "RotaryPositions",
    "Sequential",
    "SiLU",
    "SinusoidalPositions",
    "TransformerBlock",
    "clip_grad_norm",
    "init",
    "losses",
    "optim",
    "reader",
    "schedules",
]
