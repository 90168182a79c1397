"""The calculator data: arithmetic in number words, read character by character. Generated; nothing to download.

    two plus three equals five
    ninety nine minus seven equals ninety two

All sums, differences and products of the numbers zero to ninety nine whose result is zero to ninety nine:
10,772 problems. A fixed tenth is held out: exact answers there show that the model generalises instead of recalling the
training problems. The loss counts the answer only, because the question cannot be predicted.

Read next: `gpt/data/exercise.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine import no_grad
from engine.arrays import Array
from gpt.data.objective import Lines, next_token
from gpt.model import GPT, IGNORED
from gpt.tokenizers import CharTokenizer, Tokenizer

_SMALL = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen""".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
WORDS = (*_SMALL, *(tens + unit for tens in _TENS for unit in ["", *(f" {digit}" for digit in _SMALL[1:10])]))

OPERATIONS = ("plus", "minus", "times")
TWINS = "with its twin held out"
_SPLIT_SEED = 1729


class Problem(NamedTuple):
    """A question and its answer, with the name of the operation."""

    question: str  # "two plus three equals "
    answer: str  # "five"
    operation: str


class Encoded(NamedTuple):
    """Problems as arrays, (problems, time): the characters the model reads, and the character after each."""

    ids: Array
    labels: Array  # IGNORED on the question and the padding
    lengths: Array  # (problems,)


def all_problems() -> list[Problem]:
    """Every problem, in a fixed order."""
    problems = []
    for operation in OPERATIONS:
        for a in range(100):
            for b in range(100):
                result = {"plus": a + b, "minus": a - b, "times": a * b}[operation]
                if 0 <= result <= 99:
                    question = f"{WORDS[a]} {operation} {WORDS[b]} equals "
                    problems.append(Problem(question, WORDS[result], operation))
    return problems


def split() -> tuple[list[Problem], list[Problem]]:
    """Problems to train on, and the fixed tenth held out."""
    problems = all_problems()
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(problems))
    held_out = len(problems) // 10
    return [problems[i] for i in order[held_out:]], [problems[i] for i in order[:held_out]]


def tokenizer() -> CharTokenizer:
    """A tokenizer whose alphabet is the characters of all problems and the line end."""
    return CharTokenizer("\n" + "".join(problem.question + problem.answer for problem in all_problems()))


def lines_of(problems: list[Problem], tokenizer: Tokenizer) -> Lines:
    """Problems as rows of tokens; the model is asked for the answer and the line end."""
    rows = [(tokenizer.encode(p.question), tokenizer.encode(p.answer + "\n")) for p in problems]
    longest = max(len(question) + len(answer) for question, answer in rows)
    ids = np.full((len(rows), longest), tokenizer.encode("\n")[0])
    real, asked = np.zeros(ids.shape, bool), np.zeros(ids.shape, bool)
    for row, (question, answer) in enumerate(rows):
        start, end = len(question), len(question) + len(answer)
        ids[row, :end] = np.concatenate([question, answer])
        real[row, :end] = True
        asked[row, start:end] = True
    return Lines(ids, real, asked)


def encode(problems: list[Problem], tokenizer: Tokenizer) -> Encoded:
    """Each problem as one row: question and answer to read; the answer and the line end as labels."""
    lines = lines_of(problems, tokenizer)
    return Encoded(*next_token(lines), lines.real.sum(axis=1) - 1)


def take(data: Encoded, rows: Array) -> tuple[Array, Array]:
    """Ids and labels of some rows, cut to the longest of them."""
    longest = int(data.lengths[rows].max())
    return data.ids[rows, :longest], data.labels[rows, :longest]


def exactly_right(model: GPT, data: Encoded, batch: int = 256) -> Array:
    """For each problem, whether the greedy answer is right to the last character and the line end.

    Greedy decoding is right exactly if each character of the right answer is the likeliest after those before it: up
    to the first mistake the model reads the same text either way. So one forward pass over question and answer decides,
    without generating.
    """
    right = np.zeros(len(data.ids), bool)
    order = np.argsort(data.lengths, kind="stable")  # rows of similar length in a batch need little padding
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        ids, labels = take(data, rows)
        with no_grad():
            guesses = model(ids).numpy().argmax(axis=-1)
        right[rows] = ((guesses == labels) | (labels == IGNORED)).all(axis=1)
    return right


def accuracy(right: Array, problems: Sequence[Problem]) -> dict[str, float]:
    """The fraction of right answers: of all problems, by operation, and of the problems whose twin is among them.

    The twin of a sum or a product is the same with the numbers in the other order. A model that has learned one of two
    twins may know the other from it; where both are held out, it may not.
    """
    questions = {problem.question for problem in problems}
    groups = {"all": [True] * len(problems)}
    for operation in OPERATIONS:
        groups[operation] = [problem.operation == operation for problem in problems]
    groups[TWINS] = [twin(problem) in questions - {problem.question} for problem in problems]
    return {name: float(right[members].mean()) for name, members in groups.items() if any(members)}


def twin(problem: Problem) -> str | None:
    """The question with the numbers in the other order; None for a difference, which has another answer then."""
    if problem.operation == "minus":
        return None
    first, second = problem.question.removesuffix(" equals ").split(f" {problem.operation} ")
    return f"{second} {problem.operation} {first} equals "
