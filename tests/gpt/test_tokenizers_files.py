"""Vocabularies in files: the ids of the package `tokenizers`, and one line for what cannot be read."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt.__main__ import main
from gpt.errors import VocabularyError
from gpt.tokenizers import CharTokenizer, from_json, read, train_bpe
from gpt.tokenizers.bpe import BPETokenizer
from gpt.tokenizers.splits import GPT2, ByteLevel
from tests.gpt.test_tokenizers_splits import GPT4
from tests.gpt.texts import TEXTS

TEXT = "the understanding of the misunderstanding is the standing 123 1234's they'll 👍👎 é è\n\n  the  <|end|> \r\n"
TRAINED = train_bpe(TEXT * 2, 300)
ADDED = [
    {"id": 300, "content": "<|end|>", "special": True, "normalized": False},
    {"id": 301, "content": "<|end|>!", "special": True, "normalized": False},
    {"id": 302, "content": "<|x|>", "special": False, "normalized": True},
    {"id": 303, "content": "|x", "special": False, "normalized": False},
    {"id": TRAINED.vocabulary["!"], "content": "!", "special": False, "normalized": True},
]


def split_of(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def sequence(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": [*steps]}


PRE_TOKENIZERS = {
    "gpt2": ByteLevel().to_json(),
    "prefix": ByteLevel(add_prefix_space=True).to_json(),
    "whole": ByteLevel(use_regex=False).to_json(),
    "whole, prefix": ByteLevel(add_prefix_space=True, use_regex=False).to_json(),
    "gpt2 as a pattern": sequence(split_of(GPT2), ByteLevel(use_regex=False).to_json()),
    "gpt4": sequence(split_of(GPT4), ByteLevel(use_regex=False).to_json()),
    "several": sequence(split_of(r"\p{N}{1,3}"), split_of("[一-龥ぁ-ん]+"), ByteLevel(add_prefix_space=True).to_json()),
}


def described(pre_tokenizer: str = "gpt2", **model: Any) -> dict[str, Any]:
    """A tokenizer.json with added tokens."""
    data = json.loads(json.dumps(TRAINED.to_json()))
    data["added_tokens"] = [{"single_word": False, "lstrip": False, "rstrip": False, **token} for token in ADDED]
    data["pre_tokenizer"] = PRE_TOKENIZERS[pre_tokenizer]
    data["model"] |= model
    return data


@pytest.mark.parametrize("pre_tokenizer", PRE_TOKENIZERS)
@given(text=TEXTS)
def test_the_ids_are_those_of_tokenizers(pre_tokenizer: str, text: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    pytest.importorskip("regex")
    data = described(pre_tokenizer)
    theirs, ours = tokenizers.Tokenizer.from_str(json.dumps(data)), from_json(data)
    assert isinstance(ours, BPETokenizer)
    assert len(ours) == theirs.get_vocab_size()
    ids = ours.encode(text, special=True)
    assert ids.tolist() == theirs.encode(text).ids
    assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=False)
    theirs.encode_special_tokens = True
    assert ours.encode(text).tolist() == theirs.encode(text).ids
    assert tokenizers.Tokenizer.from_str(json.dumps(ours.to_json())).encode(text).ids == ids.tolist()


@given(
    text=st.text("abc ", max_size=30),
    pairs=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=25),
    order=st.randoms(use_true_random=False),
)
def test_merges_in_any_order_give_the_ids_of_tokenizers(text: str, pairs: list[tuple[int, int]], order: Any) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    tokens = ["a", "b", "c", "Ġ"]
    merges: list[list[str]] = []
    for a, b in pairs:
        merges.append([tokens[a % len(tokens)], tokens[b % len(tokens)]])
        tokens += [token for token in ["".join(merges[-1])] if token not in tokens]
    order.shuffle(merges)
    data = described(vocab={token: id for id, token in enumerate(tokens)}, merges=merges)
    data["added_tokens"] = []
    assert from_json(data).encode(text).tolist() == tokenizers.Tokenizer.from_str(json.dumps(data)).encode(text).ids


@pytest.mark.parametrize("names", [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")])
def test_the_two_files_of_gpt2_are_read(names: tuple[str, str], tmp_path: Path) -> None:
    vocabulary, merges = (tmp_path / name for name in names)
    vocabulary.write_text(json.dumps({**TRAINED.vocabulary, "<|endoftext|>": 300}), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in TRAINED.merges), ""]
    merges.write_text("\n".join(lines), encoding="utf-8")
    for path in (tmp_path, vocabulary, merges):
        ours = read(path)
        assert isinstance(ours, BPETokenizer)
        assert ours.encode(TEXT).tolist() == TRAINED.encode(TEXT).tolist()
        assert ours.encode("<|endoftext|>", special=True).tolist() == [300]
        assert 300 not in ours.encode("<|endoftext|>")
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.Tokenizer(tokenizers.models.BPE.from_file(str(vocabulary), str(merges)))
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert theirs.encode(TEXT).ids == TRAINED.encode(TEXT).tolist()
    merges.unlink()
    with pytest.raises(VocabularyError, match=f"{merges.name} is missing; {vocabulary.name} and {merges.name} belong"):
        read(tmp_path)


def test_older_files_are_read() -> None:
    data = described()
    del data["model"]["type"], data["pre_tokenizer"]["use_regex"], data["added_tokens"]
    data["model"] |= {
        "merges": [" ".join(pair) for pair in TRAINED.merges],
        "dropout": 0.0,
        "continuing_subword_prefix": "",
    }
    assert from_json(data).encode(TEXT).tolist() == TRAINED.encode(TEXT).tolist()


def changed(path: str, value: Any) -> dict[str, Any]:
    """A tokenizer.json with another value at a path such as model/type."""
    data = copy.deepcopy(described("gpt2 as a pattern"))
    *way, last = path.split("/")
    part: Any = data
    for step in way:
        part = part[int(step) if isinstance(part, list) else step]
    part[int(last) if isinstance(part, list) else last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("model/type", "WordPiece", "a tokenizer of the kind 'WordPiece' is not supported, only byte-level BPE is"),
        ("model/type", "Unigram", "'Unigram'"),
        ("normalizer", {"type": "NFC"}, "the part 'normalizer' is {'type': 'NFC'}, which is not supported"),
        ("truncation", {"max_length": 3}, "the part 'truncation'"),
        ("padding", {"pad_id": 0}, "the part 'padding'"),
        ("model/dropout", 0.1, "the part 'dropout' is 0.1"),
        ("model/byte_fallback", True, "the part 'byte_fallback' is True"),
        ("model/ignore_merges", True, "'ignore_merges'"),
        ("model/continuing_subword_prefix", "##", "'continuing_subword_prefix' is '##'"),
        ("model/end_of_word_suffix", "</w>", "'end_of_word_suffix'"),
        ("model/vocab", [], "its part 'vocab' is missing or of the wrong kind"),
        ("model/vocab", {"a": 0.5}, "not a table of tokens and their ids"),
        ("model/vocab", {"\ud800": 0}, "surrogates not allowed"),
        ("model/merges/3", "a b c", "'a b c' is not a merge of two tokens"),
        ("model/merges/3", ["a", ""], "not a merge"),
        ("model/merges/3", ["\x00", "a"], "needs the token"),
        ("pre_tokenizer", None, "the pre-tokenizer None is not supported, only ByteLevel and Split before it are"),
        ("pre_tokenizer", {"type": "Whitespace"}, "'Whitespace'"),
        ("pre_tokenizer/pretokenizers", [], "the pre-tokenizer"),
        ("pre_tokenizer/pretokenizers/0", {"type": "Digits"}, "not supported before ByteLevel"),
        ("pre_tokenizer/pretokenizers/0/behavior", "Removed", "only Split, Isolated is"),
        ("pre_tokenizer/pretokenizers/0/invert", True, "only Split, Isolated is"),
        ("pre_tokenizer/pretokenizers/0/pattern", {"String": " "}, "'Regex' is missing"),
        ("pre_tokenizer/pretokenizers/0/pattern", {"Regex": "^a"}, "has parts that are not supported"),
        ("pre_tokenizer/pretokenizers/1/add_prefix_space", "no", "'add_prefix_space' is missing or of the wrong kind"),
        ("decoder", {"type": "WordPiece"}, "the decoder 'WordPiece' is not supported, only ByteLevel is"),
        ("added_tokens/0/lstrip", True, "the added token '<|end|>' has lstrip, which is not supported"),
        ("added_tokens/0/content", "", "an added token is empty"),
        ("added_tokens/0/id", 400, "the ids of 304 tokens are not 0 to 303"),
        ("added_tokens", {"a": 1}, "its part 'added_tokens'"),
    ],
)
def test_what_is_not_supported_is_named(path: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z") as caught:
        from_json(changed(path, value))
    assert said in str(caught.value)


def test_an_unknown_token_counts_only_where_bytes_are_missing() -> None:
    assert len(from_json(described(unk_token="<|end|>"))) == 304
    with pytest.raises(ValueError, match="an unknown token is not supported where the vocabulary lacks some bytes"):
        from_json(described(unk_token="a", vocab={"a": 0}, merges=[]))


def paths_in(data: Any, start: str = "") -> list[str]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    found = []
    for key, value in items:
        if "/" not in str(key):
            found += [f"{start}{key}", *paths_in(value, f"{start}{key}/")]
    return found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "a", "id", "content"]), inner),
    max_leaves=5,
)
FEW = sorted(
    {
        path
        for path in paths_in(described("gpt2 as a pattern"))
        if not path.startswith(("model/vocab/", "model/merges/1"))
    }
)


@given(path=st.sampled_from(FEW), value=JSON)
def test_whatever_is_wrong_in_a_file_ends_in_one_line_or_in_a_tokenizer(path: str, value: Any) -> None:
    said = ""
    try:
        tokenizer = from_json(changed(path, value))
    except ValueError as error:
        said = str(error)
    assert "\n" not in said
    if not said:
        assert tokenizer.decode(tokenizer.encode("abc")) in ("abc", " abc")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"{", b"[" * 100_000, b"[]", b'{"kind": "bpe"}', b"a text"])
def test_a_damaged_file_ends_in_one_line(content: bytes, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "other.json"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(VocabularyError, match=rf"\A{path}: [^\n]+\Z"):
            read(path)
    (tmp_path / "vocab.json").write_bytes(content)
    (tmp_path / "merges.txt").write_bytes(b"\xff")
    for name in ("vocab.json", "merges.txt"):
        with pytest.raises(VocabularyError, match=rf"\A{tmp_path}: vocab.json or merges.txt: [^\n]+\Z"):
            read(tmp_path / name)


@pytest.fixture
def tokenize(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in this process; returns its status and what it printed."""
    monkeypatch.setattr("gpt.__main__.prepare", lambda: None)

    def run(*args: str | Path) -> tuple[int, str, str]:
        status = main(["tokenize", *map(str, args)])
        return status, *capsys.readouterr()

    return run


def test_the_command_shows_pieces_and_ids(tmp_path: Path, tokenize: Callable[..., tuple[int, str, str]]) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(TRAINED.to_json()))
    status, printed, _ = tokenize(tmp_path, "the understanding\n[b]:smile: ")
    pieces, ids = printed.splitlines()
    assert status == 0
    assert pieces.replace("|", "") == "the␣understanding⏎[b]:smile:␣"
    assert "|".join(TRAINED.show(int(number)) for number in ids.split()) == pieces
    assert tokenize(tmp_path / "tokenizer.json", "")[:2] == (0, "\n\n")


def test_the_command_ends_in_one_line_where_it_cannot(
    tmp_path: Path, tokenize: Callable[..., tuple[int, str, str]]
) -> None:
    assert tokenize(tmp_path / "x", "a") == (2, "", f"blameflow: {tmp_path / 'x'}: no such file or folder\n")
    assert "no vocabulary in it, neither tokenizer.json nor vocab.json with merges.txt" in tokenize(tmp_path, "a")[2]
    (tmp_path / "tokenizer.json").write_text(json.dumps(CharTokenizer("abc").to_json()))
    assert tokenize(tmp_path, "bab") == (0, "b|a|b\n1 0 1\n", "")
    assert "unknown characters 'x'; the model knows 'abc'" in tokenize(tmp_path, "abx")[2]
