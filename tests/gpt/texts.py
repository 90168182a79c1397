"""Texts that tokenizers find hard, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

FRAGMENTS = [
    "the", " under", "standing", "'s", "'ll", "'LL", "'ſ", "_", "1", "23", "456789", "²", "Ⅷ", "½", "٣", "𝟘", "𐄇",
    " ", "    ", "\n", "\r\n", "\t", "\x00", "\x1c", "\x1f", "\x85", "\xa0", "\u2028", "\u3000", "\u200b", "\ufeff",
    "¡", "é", "e\u0301", "ß", "İ", "ǆ", "ﬆ", "中文", "日本語", "ไทย", "हिन्दी", "👍", "👩\u200d👩\u200d👧", "🇫🇷",
    "<|end|>", "<|x|>", "<|end|>!", "\ufffd",
]  # fmt: skip
# `Cs`: halves of surrogate pairs, which are no characters; `Cn`: what another version of Unicode may know
CHARACTERS = st.characters(exclude_categories=("Cs", "Cn"))
TEXTS = st.lists(st.sampled_from(FRAGMENTS) | st.text(CHARACTERS, max_size=5), max_size=12).map("".join)
