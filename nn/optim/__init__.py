"""Optimizers: each is its update rule and little more.

Read next: `nn/optim/optimizer.py`, the base class.
"""

from nn.optim.adam import Adam, AdamW
from nn.optim.muon import Muon
from nn.optim.optimizer import Optimizer
from nn.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Muon", "Optimizer"]
