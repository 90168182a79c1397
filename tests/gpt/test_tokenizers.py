"""What holds for every tokenizer, and what is particular to characters and words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt import runs
from gpt.errors import TokenError
from gpt.model import GPT, GPTConfig
from gpt.tokenizers import CharTokenizer, Tokenizer, WordTokenizer, from_json, read, train_bpe

TEXT = "to be, or not to be:\tthat is the question.\n"
ALL: dict[str, Tokenizer] = {
    "char": CharTokenizer(TEXT),
    "word": WordTokenizer.from_text(TEXT),
    "bpe": train_bpe(TEXT * 2, 270),
}
KINDS = pytest.mark.parametrize("kind", ALL)
KNOWN = st.lists(st.sampled_from(["to", "be", "that", " ", "\n", "\t", ":", ",", "."]), max_size=20).map(" ".join)


@KINDS
@given(text=KNOWN)
def test_what_is_encoded_is_decoded_whole_and_piece_by_piece(kind: str, text: str) -> None:
    tokenizer = ALL[kind]
    ids = tokenizer.encode(text)
    assert ids.dtype == np.int64
    assert ids.ndim == 1
    assert tokenizer.decode(ids) == text
    decoder = tokenizer.decoder()
    assert "".join(map(decoder.push, ids)) + decoder.end() == text
    assert tokenizer.pieces(text) == [tokenizer.show(number) for number in ids]
    assert "".join(tokenizer.pieces(text)) == text.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")


@KINDS
def test_an_equal_one_is_read_from_json(kind: str) -> None:
    tokenizer = ALL[kind]
    assert tokenizer.kind == kind
    twin = from_json(json.loads(json.dumps(tokenizer.to_json())))
    assert (twin.kind, len(twin), twin.to_json()) == (kind, len(tokenizer), tokenizer.to_json())
    assert np.array_equal(twin.encode(TEXT), tokenizer.encode(TEXT))


@KINDS
def test_a_run_keeps_it(kind: str, tmp_path: Path) -> None:
    tokenizer = ALL[kind]
    runs.save(tmp_path / "run", GPT(GPTConfig(len(tokenizer), 8, n_layer=1, n_head=1, n_embd=8)), tokenizer, {})
    for found in runs.load(tmp_path / "run").tokenizer, read(tmp_path / "run"):
        assert found.to_json() == tokenizer.to_json()


@KINDS
def test_a_number_that_is_no_id_is_named(kind: str) -> None:
    tokenizer = ALL[kind]
    for number in (-1, len(tokenizer)):
        for use in (lambda n: tokenizer.decode([n]), tokenizer.show, tokenizer.decoder().push):
            with pytest.raises(TokenError, match=rf"no token has the id {number}; there are {len(tokenizer)}"):
                use(number)


def test_ids_follow_the_order_of_characters_and_words() -> None:
    assert CharTokenizer("banana").characters == "abn"
    assert CharTokenizer("banana").encode("nab").tolist() == [2, 0, 1]
    words = WordTokenizer.from_text("To be or_not, to be!\r\n")
    assert words.words == ["\n", "\r", " ", "!", ",", "To", "be", "or_not", "to"]
    assert words.encode("be be").tolist() == [6, 2, 6]


def test_the_alphabet_of_an_older_run_is_read() -> None:
    tokenizer = from_json({"characters": "cab"})
    assert tokenizer.encode("abc").tolist() == [0, 1, 2]


def test_unknown_words_are_named() -> None:
    with pytest.raises(TokenError, match=r"^unknown words 'Hamlet', 'speaks'; the model knows 14 words of its data$"):
        ALL["word"].encode("Hamlet speaks to Hamlet")
    with pytest.raises(TokenError, match=r"'j' and 4 more; "):
        ALL["word"].encode(" ".join("abcdefghijklmn"))
    with pytest.raises(ValueError, match="'to be' is not one word"):
        WordTokenizer(["to be"])


def test_what_cannot_be_printed_is_shown_as_an_escape() -> None:
    assert CharTokenizer("\x1b\u202e\r\xa0é").pieces("\x1b\u202e\r\xa0é") == ["\\x1b", "\\u202e", "\\r", "\\xa0", "é"]


@pytest.mark.parametrize(
    "data",
    [None, [], "abc", {}, {"kind": "char"}, {"characters": 3}, {"kind": "word", "words": [1]},
     {"kind": "word", "words": [""]}, {"kind": "wordpiece", "characters": "abc"}, {"kind": ["char"]}, {"kind": "bpe"}],
)  # fmt: skip
def test_what_is_no_tokenizer_is_a_value_error_of_one_line(data: object) -> None:
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        from_json(data)
