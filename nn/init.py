"""How parameters begin. Each function makes a new parameter; the generator is `engine.random`'s."""

from __future__ import annotations

import math

import numpy as np

from engine import Tensor, random
from engine.arrays import default_dtype


def parameter(values: Tensor) -> Tensor:
    """A tensor with these values that wants a gradient."""
    return Tensor(values, requires_grad=True)


def zeros(*shape: int) -> Tensor:
    """All zeros."""
    return parameter(Tensor(np.zeros(shape, default_dtype())))


def ones(*shape: int) -> Tensor:
    """All ones."""
    return parameter(Tensor(np.ones(shape, default_dtype())))


def normal(*shape: int, std: float = 0.02) -> Tensor:
    """Normal with mean 0; 0.02 is GPT-2's standard deviation."""
    return parameter(random.normal(shape, std=std))


def fan_in_normal(outputs: int, inputs: int) -> Tensor:
    """Normal with standard deviation 1/sqrt(inputs), so that an affine map keeps the size of what it maps."""
    return normal(outputs, inputs, std=1 / math.sqrt(inputs))


def fan_in_uniform(*shape: int) -> Tensor:
    """Uniform in +-1/sqrt(fan in), the last axis being the inputs: PyTorch's default for Linear."""
    bound = 1 / math.sqrt(shape[-1])
    return parameter(random.uniform(shape, low=-bound, high=bound))
