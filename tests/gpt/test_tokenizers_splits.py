"""The pieces within which byte pairs are merged: GPT-2's, by Python's own `re`, and those of any other pattern."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given

from gpt.tokenizers.splits import GPT2, ByteLevel, Split, cut, gpt2_pieces
from tests.gpt.texts import TEXTS

GPT4 = (  # Llama 3's too
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def test_pieces_are_words_with_the_space_before_them() -> None:
    text = "I'll go  at 10:30,\n\n it's_I "
    assert gpt2_pieces(text) == [
        "I",
        "'ll",
        " go",
        " ",
        " at",
        " 10",
        ":",
        "30",
        ",",
        "\n\n",
        " it",
        "'s",
        "_",
        "I",
        " ",
    ]


def test_every_character_that_python_knows_is_of_the_same_class_for_regex() -> None:
    regex = pytest.importorskip("regex")
    theirs = regex.compile(GPT2)
    known = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) not in ("Cn", "Cs")]
    for start in range(0, len(known), 4096):
        text = "".join(f"a{c}1{c}!{c} {c}" for c in known[start : start + 4096])
        assert gpt2_pieces(text) == theirs.findall(text)


@given(text=TEXTS)
def test_a_text_has_the_pieces_of_regex(text: str) -> None:
    regex = pytest.importorskip("regex")
    assert gpt2_pieces(text) == regex.findall(GPT2, text)


def nothing_is_lost(text: str, splits: list[ByteLevel | Split]) -> None:
    pieces = cut(text, splits)
    assert "".join(pieces) == text
    assert all(pieces)


@given(text=TEXTS)
def test_nothing_is_lost_between_pieces(text: str) -> None:
    nothing_is_lost(text, [ByteLevel()])
    nothing_is_lost(text, [Split(GPT2), ByteLevel(use_regex=False)])


@given(text=TEXTS)
def test_nothing_is_lost_between_the_matches_of_a_pattern(text: str) -> None:
    pytest.importorskip("regex")
    nothing_is_lost(text, [Split(GPT4), ByteLevel(use_regex=False)])
    nothing_is_lost(text, [Split(r"\p{L}"), Split("1")])


def test_a_space_in_front_is_added_where_there_is_none() -> None:
    assert cut("a b", [ByteLevel(add_prefix_space=True)]) == [" a", " b"]
    assert cut(" a b", [ByteLevel(add_prefix_space=True, use_regex=False)]) == [" a b"]
    assert cut("", [ByteLevel(add_prefix_space=True)]) == []


@pytest.mark.parametrize(
    "pattern",
    [
        "^a",
        "a$",
        r"\w+",
        r"\bword",
        r"(?<=a)b",
        r"(?P<n>a)",
        r"[a[b]]",
        r"[a&&b]",
        r"\1(a)",
        r"a{1,3}+",
        r"(?m:a)",
        "[",
    ],
)
def test_a_pattern_that_might_mean_something_else_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="has parts that are not supported"):
        Split(pattern)


def test_a_pattern_that_is_none_is_refused() -> None:
    pytest.importorskip("regex")
    with pytest.raises(ValueError, match="is not a regular expression"):
        Split("(a")


def test_another_pattern_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "regex", None)
    with pytest.raises(ValueError, match=r"package regex is needed: pip install 'blameflow\[bpe\]'"):
        Split(r"\p{L}+| +")
    assert Split(GPT2).pieces("a b") == ["a", " b"]
