"""The generated data: its problems, its split, and the characters that the loss counts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from gpt.data import calculator
from gpt.errors import TokenError
from gpt.model import IGNORED


def test_all_10772_problems_are_there_and_right() -> None:
    problems = calculator.all_problems()
    counts = Counter(problem.operation for problem in problems)
    assert (len(problems), counts) == (10772, {"plus": 5050, "minus": 5050, "times": 672})
    number = {word: value for value, word in enumerate(calculator.WORDS)}
    sign = {"plus": "+", "minus": "-", "times": "*"}
    for problem in problems:
        left, right = problem.question.removesuffix(" equals ").split(f" {problem.operation} ")
        assert eval(f"{number[left]} {sign[problem.operation]} {number[right]}") == number[problem.answer]


def test_a_tenth_is_held_out_and_always_the_same() -> None:
    learned, held_out = calculator.split()
    assert (len(learned), len(held_out)) == (9695, 1077)
    assert not set(learned) & set(held_out)
    assert calculator.split()[1] == held_out


def test_the_loss_counts_the_answer_and_the_line_end_only() -> None:
    tokenizer = calculator.tokenizer()
    problem = calculator.Problem("two plus three equals ", "five", "plus")
    data = calculator.encode([problem], tokenizer)
    counted = data.labels[0] != IGNORED
    assert tokenizer.decode(data.labels[0][counted]) == "five\n"
    assert tokenizer.decode(data.ids[0][counted]) == " five"


def test_rows_are_cut_to_the_longest_of_them() -> None:
    data = calculator.encode(calculator.all_problems(), calculator.tokenizer())
    shortest = int(data.lengths.argmin())
    ids, labels = calculator.take(data, np.array([shortest]))
    assert ids.shape == labels.shape == (1, data.lengths.min())


def test_the_tokenizer_decodes_what_it_encodes_and_names_unknown_characters() -> None:
    tokenizer = calculator.tokenizer()
    assert tokenizer.decode(tokenizer.encode("two plus")) == "two plus"
    with pytest.raises(TokenError, match="'!', '2'"):
        tokenizer.encode("2 plus two!")
