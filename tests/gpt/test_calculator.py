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


def test_twins_have_the_numbers_in_the_other_order() -> None:
    questions = {problem.question: problem.answer for problem in calculator.all_problems()}
    for problem in calculator.all_problems():
        other = calculator.twin(problem)
        assert (other is None) == (problem.operation == "minus")
        if other is not None:
            assert questions[other] == problem.answer


def test_accuracy_counts_each_group() -> None:
    names = ["two plus three", "three plus two", "four plus four", "nine minus two", "two times nine"]
    problems = [calculator.Problem(f"{name} equals ", "", name.split()[1]) for name in names]
    found = calculator.accuracy(np.array([True, False, True, True, False]), problems)
    assert found == {"all": 0.6, "plus": 2 / 3, "minus": 1.0, "times": 0.0, calculator.TWINS: 0.5}
