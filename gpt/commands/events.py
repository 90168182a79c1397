"""The measurements of a training as events for TensorBoard, beside those in metrics.jsonl.

Read next: `gpt/commands/train.py`.
"""

from __future__ import annotations

from pathlib import Path

from gpt.errors import TrainingError
from gpt.training.trainer import Progress

EVENTS = "events"  # the folder in that of the run


class Events:
    """Writes events into a folder; what stands there from after `step` is replaced."""

    def __init__(self, folder: Path, step: int) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise TrainingError("--tensorboard needs tensorboardX; pip install 'blameflow[tensorboard]'") from None
        self._writer = SummaryWriter(str(folder), purge_step=step + 1, flush_secs=10)

    def add(self, progress: Progress) -> None:
        """Write what was measured at a step, if anything was."""
        if progress.squared is None:
            return
        numbers = {"loss": progress.loss, "learning rate": progress.learning_rate, "gradient norm": progress.norm}
        numbers |= {f"gradient of {stage}": squared**0.5 for stage, squared in progress.squared.items()}
        numbers |= {f"validation {name}": value for name, value in (progress.validation or {}).items()}
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, progress.step)

    def close(self) -> None:
        """Write what is still waiting."""
        self._writer.close()
