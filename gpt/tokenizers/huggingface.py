"""Vocabularies of other programs as BPETokenizer: Hugging Face's tokenizer.json, and GPT-2's two files.

The ids are those that the package `tokenizers` gives with the same files and `add_special_tokens=False`: the ids of the
text alone. What a post-processor puts around a text, such as a token for its beginning, is up to whoever makes
sequences of it. Any other part of a file that would change the ids is understood or refused.

Read next: `gpt/tokenizers/files.py`.
"""

from __future__ import annotations

from typing import Any

from gpt.tokenizers.added import AddedToken
from gpt.tokenizers.bpe import LETTERS, BPETokenizer
from gpt.tokenizers.splits import ByteLevel, Split

_UNSUPPORTED = (  # parts that have to be missing, null, false, 0 or empty
    ("", "normalizer"),
    ("", "truncation"),
    ("", "padding"),
    ("model", "dropout"),
    ("model", "continuing_subword_prefix"),
    ("model", "end_of_word_suffix"),
    ("model", "byte_fallback"),
    ("model", "ignore_merges"),
)


def read_json(data: Any) -> BPETokenizer:
    """The tokenizer of a parsed tokenizer.json. Raises ValueError, in one line, for what is none or not supported."""
    model = _field(data, "model", dict)
    kind = model.get("type", "BPE")
    if kind != "BPE":
        raise ValueError(f"a tokenizer of the kind {kind!r} is not supported, only byte-level BPE is")
    for part, name in _UNSUPPORTED:
        value = (data[part] if part else data).get(name)
        if value:
            raise ValueError(f"the part {name!r} is {_brief(value)}, which is not supported")
    decoder = data.get("decoder")
    if decoder is not None and _field(decoder, "type", str) != "ByteLevel":
        raise ValueError(f"the decoder {decoder['type']!r} is not supported, only ByteLevel is")
    vocabulary = _vocabulary(_field(model, "vocab", dict))
    if model.get("unk_token") and not vocabulary.keys() >= {*LETTERS.values()}:
        raise ValueError("an unknown token is not supported where the vocabulary lacks some bytes")
    merges = [_merge(merge) for merge in _field(model, "merges", list)]
    added = [_added(token) for token in (_field(data, "added_tokens", list) if data.get("added_tokens") else [])]
    return BPETokenizer(vocabulary, merges, added, _splits(data.get("pre_tokenizer")))


def read_gpt2(vocabulary: Any, merges: str) -> BPETokenizer:
    """The tokenizer of a parsed vocab.json, and the text of merges.txt. Raises ValueError for what is not one.

    A token that is no byte and no merge makes, such as <|endoftext|>, is a special one.
    """
    known = _vocabulary(vocabulary)
    lines = [line for line in merges.split("\n") if line and not line.startswith("#version")]
    pairs = [_merge(line) for line in lines]
    plain = {*LETTERS.values(), *(a + b for a, b in pairs)}
    return BPETokenizer(known, pairs, [AddedToken(token, id) for token, id in known.items() if token not in plain])


def _vocabulary(data: Any) -> dict[str, int]:
    if not isinstance(data, dict) or not all(type(id) is int for id in data.values()):
        raise ValueError("the vocabulary is not a table of tokens and their ids")
    return data


def _merge(data: Any) -> tuple[str, str]:
    parts = data.split(" ") if isinstance(data, str) else data
    if isinstance(parts, list) and len(parts) == 2 and all(isinstance(part, str) and part for part in parts):
        return parts[0], parts[1]
    raise ValueError(f"{_brief(data)} is not a merge of two tokens")


def _added(data: Any) -> AddedToken:
    content, special = _field(data, "content", str), _flag(data, "special", False)
    for name in ("single_word", "lstrip", "rstrip"):
        if data.get(name):
            raise ValueError(f"the added token {content!r} has {name}, which is not supported")
    return AddedToken(content, _field(data, "id", int), special, _flag(data, "normalized", not special))


def _splits(data: Any) -> list[ByteLevel | Split]:
    """The steps of a pre-tokenizer, the last of which must turn the text into bytes."""
    steps = [data]
    if isinstance(data, dict) and data.get("type") == "Sequence":
        steps = _field(data, "pretokenizers", list)
    if not steps or not isinstance(steps[-1], dict) or steps[-1].get("type") != "ByteLevel":
        raise ValueError(f"the pre-tokenizer {_brief(data)} is not supported, only ByteLevel and Split before it are")
    return [*(_split(step) for step in steps[:-1]), _byte_level(steps[-1])]


def _byte_level(data: dict[str, Any]) -> ByteLevel:
    return ByteLevel(_flag(data, "add_prefix_space", True), _flag(data, "use_regex", True))


def _split(data: Any) -> Split:
    kind = _field(data, "type", str)
    if kind != "Split" or data.get("behavior") != "Isolated" or data.get("invert"):
        raise ValueError(f"the pre-tokenizer {_brief(data)} is not supported before ByteLevel, only Split, Isolated is")
    return Split(_field(_field(data, "pattern", dict), "Regex", str))


def _field(data: Any, name: str, kind: type) -> Any:
    """A part of a JSON object, of a kind that it must have."""
    value = data.get(name) if isinstance(data, dict) else None
    if type(value) is not kind:
        raise ValueError(f"not a tokenizer.json of Hugging Face: its part {name!r} is missing or of the wrong kind")
    return value


def _flag(data: dict[str, Any], name: str, default: bool) -> bool:
    return _field(data, name, bool) if name in data else default


def _brief(data: Any) -> str:
    text = repr(data)
    return text if len(text) < 60 else f"{text[:56]} ..."
