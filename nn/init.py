"""Initial values of parameters. Each function makes a new parameter; random values come from `engine.random`.

Read next: `nn/settings.py`.
"""

from __future__ import annotations

import math

import numpy as np

from engine import Tensor, random
from engine.arrays import default_dtype


def parameter(values: Tensor) -> Tensor:
    """A tensor with these values that requires a gradient."""
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
    """Normal with standard deviation 1/sqrt(inputs): an affine map's outputs are about as large as its inputs."""
    return normal(outputs, inputs, std=1 / math.sqrt(inputs))


def fan_in_uniform(*shape: int) -> Tensor:
    """Uniform in +-1/sqrt(inputs), where inputs is the length of the last axis: PyTorch's default for Linear."""
    bound = 1 / math.sqrt(shape[-1])
    return parameter(random.uniform(shape, low=-bound, high=bound))
