"""Neural network layers on the engine, with PyTorch's names and shapes.

Read next: `nn/module.py`, the base class of every layer.
"""

from nn import init, losses, optim, schedules
from nn.cache import Cache
from nn.clipping import clip_grad_norm
from nn.containers import ModuleList, Sequential
from nn.layers import GELU, Dropout, Embedding, LayerNorm, Linear, ReLU, RMSNorm, SiLU
from nn.module import Module
from nn.positions import LearnedPositions, RotaryPositions, SinusoidalPositions
from nn.reader import reader
from nn.transformer import FeedForward, MultiHeadAttention, TransformerBlock

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
