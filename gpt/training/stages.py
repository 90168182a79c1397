"""Stages: the parts of a model whose gradients are compared, `embedding`, `blocks.0.attention` and so on.

Read next: `gpt/training/metrics.py`.
"""

from __future__ import annotations

import re

from gpt.model import GPT
from nn.clipping import joint_norm


def stage_of(path: str) -> str:
    """The stage a parameter belongs to: the first two names of its module's path, `blocks.0` counting as one name."""
    names = re.findall(r"[^.]+(?:\.\d+)*", path.rpartition(".")[0])  # blocks.0.attention.query.weight: blocks.0, ...
    return ".".join(names[:2])


def squared_by_stage(model: GPT) -> dict[str, float]:
    """The squared norm of the gradient in `.grad`, by stage, in the order of the model."""
    squared: dict[str, float] = {}
    for path, parameter in model.named_parameters():
        if parameter.grad is not None:
            stage = stage_of(path)
            squared[stage] = squared.get(stage, 0.0) + joint_norm([parameter.grad.array]) ** 2
    return squared
