"""Neural network layers on the engine, with PyTorch's names and shapes.

Read next: `nn/module.py`, the base class of every layer.
"""

from nn import init, losses, optim, schedules
from nn.layers import Dropout, Embedding, LayerNorm, Linear, RMSNorm
from nn.module import Module, ModuleList, Sequential
from nn.optim import clip_grad_norm
from nn.positions import LearnedPositions, RotaryPositions, SinusoidalPositions
from nn.transformer import FeedForward, MultiHeadAttention, TransformerBlock

__all__ = [
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
    "RotaryPositions",
    "Sequential",
    "SinusoidalPositions",
    "TransformerBlock",
    "clip_grad_norm",
    "init",
    "losses",
    "optim",
    "schedules",
]
