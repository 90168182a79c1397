"""Byte pairs: merges as they are defined, held against slow programs that do the same; training; streaming."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt.errors import DataError, TokenError
from gpt.tokenizers import BPETokenizer, train_bpe
from gpt.tokenizers.added import AddedToken
from gpt.tokenizers.bpe import LETTERS
from gpt.tokenizers.merging import Merges, merged
from gpt.tokenizers.splits import ByteLevel, gpt2_pieces
from tests.gpt.texts import TEXTS

SHAKESPEARE = Path(__file__).parents[3] / "shared" / "data" / "tinyshakespeare.txt"
LETTERED = sorted(LETTERS.values())
SMALL = train_bpe("the understanding of the misunderstanding is the standing of 👍👎 é è", 300)
FEW = st.text("ab ", max_size=60)


def slowly_merged(ids: list[int], merges: Merges) -> list[int]:
    while found := [(merges[pair], place) for place, pair in enumerate(pairwise(ids)) if pair in merges]:
        (_, new), place = min(found)
        ids = [*ids[:place], new, *ids[place + 2 :]]
    return ids


@given(
    ids=st.lists(st.integers(0, 3), max_size=30),
    pairs=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=12, unique=True),
)
def test_a_word_is_merged_in_the_order_of_ranks_and_places(ids: list[int], pairs: list[tuple[int, int]]) -> None:
    merges = {pair: (rank, 4 + rank) for rank, pair in enumerate(pairs)}
    assert merged(ids, merges) == slowly_merged(ids, merges)


def test_a_long_word_takes_no_time_squared() -> None:
    tokenizer = train_bpe("aaaa" * 8, 259)
    assert tokenizer.encode("a" * 2**16).tolist() == [258] * 2**13


def slowly_trained(text: str, size: int) -> list[tuple[str, str]]:
    tokens = [*LETTERED]
    words = [[tokens.index(LETTERS[byte]) for byte in word.encode()] for word in gpt2_pieces(text)]
    merges = []
    while len(tokens) < size:
        counts = Counter(pair for word in words for pair in pairwise(word))
        if not counts:
            break
        a, b = max(counts, key=lambda pair: (counts[pair], -pair[0], -pair[1]))
        merges.append((tokens[a], tokens[b]))
        tokens.append(tokens[a] + tokens[b])
        words = [slowly_merged(word, {(a, b): (0, len(tokens) - 1)}) for word in words]
    return merges


@given(text=FEW | TEXTS, size=st.integers(256, 290))
def test_training_takes_the_most_frequent_pair_each_time(text: str, size: int) -> None:
    tokenizer = train_bpe(text, size)
    assert tokenizer.merges == slowly_trained(text, size)
    assert len(tokenizer) == 256 + len(tokenizer.merges) == len({*tokenizer.vocabulary})


@given(text=TEXTS)
def test_any_text_is_encoded_and_decoded(text: str) -> None:
    assert SMALL.decode(SMALL.encode(text)) == text


def test_training_learns_the_pieces_of_frequent_words() -> None:
    tokenizer = train_bpe("the king understands, standing under a tree, singing: understand the standing ring", 266)
    assert tokenizer.pieces("to understanding") == ["t", "o", "␣under", "stand", "ing"]


def test_training_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="size must be at least 256, a token for each byte, and is 255"):
        train_bpe("a", 255)
    with pytest.raises(DataError, match=r"^'\\udc80' in the text: half of a surrogate pair is no character$"):
        train_bpe("a\udc80", 300)
    assert len(train_bpe("", 300)) == 256


@given(ids=st.lists(st.integers(0, len(SMALL) - 1), max_size=20))
def test_a_stream_says_what_decode_says_and_no_half_characters(ids: list[int]) -> None:
    decoder = SMALL.decoder()
    said = [decoder.push(number) for number in ids]
    assert "".join(said) + decoder.end() == SMALL.decode(ids)


def test_a_character_of_many_tokens_is_held_back_until_it_is_whole() -> None:
    bytes_only = train_bpe("", 256)
    decoder = bytes_only.decoder()
    assert [decoder.push(number) for number in bytes_only.encode("é👍a")] == ["", "é", "", "", "", "👍", "a"]
    assert [decoder.push(number) for number in bytes_only.encode("👍")[:3]] == ["", "", ""]
    assert decoder.end() == "\ufffd"
    assert bytes_only.pieces("é ") == ["\\xc3", "\\xa9", "␣"]


def test_special_tokens_in_a_text_are_text_unless_asked_for() -> None:
    plain = train_bpe("", 256)
    added = [AddedToken("<end>", 256), AddedToken("<end><end>", 257), AddedToken("<tool>", 258, special=False)]
    tokenizer = BPETokenizer(plain.vocabulary, [], added)
    text = "a<tool><end><end><end>"
    assert tokenizer.encode(text).tolist() == [*plain.encode("a"), 258, *plain.encode("<end><end><end>")]
    assert tokenizer.encode(text, special=True).tolist() == [*plain.encode("a"), 258, 257, 256]
    assert tokenizer.decode(tokenizer.encode(text, special=True)) == text
    assert tokenizer.show(256) == "<end>"


def test_what_has_no_bytes_or_no_token_is_named() -> None:
    with pytest.raises(TokenError, match=r"^'\\ud83d' in the text: half of a surrogate pair is no character$"):
        SMALL.encode("a\ud83d")
    without = {token: id for id, token in enumerate("aé")}
    tokenizer = BPETokenizer(without, [])
    assert tokenizer.encode("aa").tolist() == [0, 0]
    with pytest.raises(TokenError, match=r"^unknown characters ' ', 'z', 'é': the vocabulary lacks bytes of theirs$"):
        tokenizer.encode("aé z")
    with pytest.raises(TokenError, match="unknown characters ' '"):
        BPETokenizer(without, [], splits=[ByteLevel(add_prefix_space=True)]).encode("a")


@pytest.mark.parametrize(
    ("vocabulary", "merges", "added", "said"),
    [
        ({"a": 0, "b": 0}, [], [], "two tokens have the same id"),
        ({"a": 0, "b": 2}, [], [], "the ids of 2 tokens are not 0 to 1"),
        ({"a": -1, "b": 0}, [], [], "the ids of 2 tokens are not 0 to 1"),
        ({"a": 0}, [("a", "b")], [], "the merge of 'a' and 'b' needs the token 'b', which has no id"),
        ({"a": 0, "b": 1}, [("a", "b")], [], "needs the token 'ab'"),
        ({"a": 0}, [], [AddedToken("", 1)], "an added token is empty"),
        ({"a": 0}, [], [AddedToken("<x>", 0)], "the id 0 of the added token '<x>' does not fit the vocabulary"),
        ({"a": 0, "<x>": 1}, [], [AddedToken("<x>", 2)], "the id 2 of the added token '<x>' does not fit"),
        ({"a": 0}, [], [AddedToken("<x>", 1), AddedToken("<y>", 1)], "the id 1 of the added token '<y>' does not fit"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(
    vocabulary: dict[str, int], merges: list[tuple[str, str]], added: list[AddedToken], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        BPETokenizer(vocabulary, merges, added)


# ---- beside the package tokenizers -------------------------------------------------------------------------------


def trained_by_tokenizers(text: str, size: int) -> Any:
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE())
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    theirs.train_from_iterator([text], trainer)
    return theirs


def merges_of(theirs: Any) -> list[tuple[str, str]]:
    return [(a, b) for a, b in json.loads(theirs.to_str())["model"]["merges"]]


@given(text=FEW | TEXTS, size=st.integers(256, 290))
def test_training_finds_the_merges_of_tokenizers(text: str, size: int) -> None:
    theirs = trained_by_tokenizers(text, size)
    ours = train_bpe(text, size)
    assert ours.merges == merges_of(theirs)
    assert ours.encode(text).tolist() == theirs.encode(text).ids


@pytest.mark.skipif(not SHAKESPEARE.exists(), reason="there is no tinyshakespeare.txt beside the repository")
def test_a_real_text_gets_the_merges_and_ids_of_tokenizers() -> None:
    text = SHAKESPEARE.read_text(encoding="utf-8")[:300_000]
    theirs = trained_by_tokenizers(text, 800)
    ours = train_bpe(text, 800)
    assert ours.merges == merges_of(theirs)
    assert ours.encode(text).tolist() == theirs.encode(text).ids
    assert ours.decode(ours.encode(text)) == text
