"""What to train on, as settings that a run keeps.

Read next: `gpt/data/objective.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpt.data.objective import OBJECTIVES
from nn.settings import choice, size

TOKENIZERS = ("char", "word", "bpe")


@dataclass(frozen=True)
class DataConfig:
    """Where the data comes from, how it is cut into tokens, and what the model has to predict.

    Fields:
        data: "calculator", "shakespeare", "names", or the path of a text file or of a folder of text files.
        tokenizer: "char", "word" or "bpe", made from the data; or the path of a `tokenizer.json`, or of a folder with
            the vocabulary of GPT-2.
        vocabulary: how many tokens byte-pair encoding makes; the other tokenizers have as many as there are.
        objective: "next" (each token from those before it) or "masked" (hidden tokens from both sides).
    """

    data: str = "calculator"
    tokenizer: str = "char"
    vocabulary: int = 1024
    objective: str = "next"

    def __post_init__(self) -> None:
        size("DataConfig", "vocabulary", self.vocabulary)
        choice("DataConfig", "objective", self.objective, tuple(OBJECTIVES))
