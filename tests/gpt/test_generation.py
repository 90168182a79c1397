"""Generation: which token is chosen, where a text ends, and that a text is the same in pieces and in a batch."""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
import gpt
from gpt.errors import TokenError
from gpt.generation.generate import generate, generate_batch, stream
from gpt.generation.sampling import Sampling
from gpt.generation.scores import log_probabilities, next_logits
from gpt.generation.steps import steps
from gpt.generation.stops import UntilStop
from gpt.generation.why import OTHERS, STRONGEST, Why, explained
from gpt.model import GPT, GPTConfig
from gpt.tokenizers import CharTokenizer, Tokenizer

ALPHABET = CharTokenizer("\nabcd")
BLOCK = 8


def model(vocab_size: int = len(ALPHABET), **changes: Any) -> GPT:
    """A model with random parameters, and scores that are far from equal."""
    engine.random.seed(3)
    made = GPT(GPTConfig(vocab_size, BLOCK, n_layer=2, n_head=2, n_embd=8, tie=False, **changes))
    made.head.weight.assign(4 * made.head.weight.numpy())
    made.eval()
    return made


MODEL = model()


class Bytes:
    """A tokenizer of the bytes of UTF-8, so that one character may take several tokens."""

    kind = "bytes"

    def __len__(self) -> int:
        return 256

    def encode(self, text: str) -> Any:
        return np.frombuffer(text.encode(), np.uint8).astype(np.int64)

    def decode(self, ids: Iterable[int]) -> str:
        return bytes(ids).decode(errors="replace")

    def pieces(self, text: str) -> list[str]:
        return [self.show(id) for id in self.encode(text)]

    def show(self, id: int) -> str:
        return f"{id:02x}"

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind}

    def decoder(self) -> Any:
        incremental = codecs.getincrementaldecoder("utf-8")(errors="replace")

        class Decoder:
            def push(self, id: int) -> str:
                return incremental.decode(bytes([id]))

            def end(self) -> str:
                return incremental.decode(b"", final=True)

        return Decoder()


class Says:
    """A model that says what it is told, token by token, whatever it reads; it is all but sure of each."""

    def __init__(self, ids: Any, vocab_size: int) -> None:
        self.config = GPTConfig(vocab_size, BLOCK, n_layer=1, n_head=1, n_embd=2)
        self.rest = iter(ids)

    def __call__(self, ids: Any, only: Any, cache: Any) -> Any:
        return engine.Tensor(10.0 * (np.arange(self.config.vocab_size) == next(self.rest)))[None]


def said(text: str, **settings: Any) -> tuple[str, list[str]]:
    """The text and the pieces that come from a model which says `text`, a byte a token."""
    tokenizer, length = Bytes(), len(text.encode())
    whole = generate(Says(tokenizer.encode(text), 256), tokenizer, "?", limit=length, **settings).text  # type: ignore[arg-type]
    pieces = stream(Says(tokenizer.encode(text), 256), tokenizer, "?", limit=length, **settings)  # type: ignore[arg-type]
    return whole, list(pieces)


# ---- which token -----------------------------------------------------------------------------------------------------

SCORES = st.lists(
    st.one_of(st.integers(-3, 3).map(float), st.just(-math.inf), st.floats(-50, 50)), min_size=1, max_size=9
).filter(lambda scores: max(scores) > -math.inf)


def expected(scores: list[float], temperature: float, top_k: int | None, top_p: float | None) -> list[float]:
    """The probabilities, with loops over tokens and as few ideas as possible."""
    kept: list[int]
    weights = [math.exp((score - max(scores)) / temperature) for score in scores]
    order = sorted(range(len(scores)), key=lambda token: (-scores[token], token))[:top_k]
    if top_p is not None and top_p < 1:
        kept, total = [], math.fsum(weights[token] for token in order)
        for token in order:
            if kept and math.fsum(weights[one] for one in kept) / total >= top_p:
                break
            kept.append(token)
        order = kept
    total = math.fsum(weights[token] for token in order)
    return [weights[token] / total if token in order else 0.0 for token in range(len(scores))]


@given(
    scores=SCORES,
    temperature=st.floats(0.2, 5),
    top_k=st.none() | st.integers(1, 12),
    top_p=st.none() | st.floats(0.01, 1, exclude_max=True).map(lambda p: p + 1e-7) | st.just(1.0),
)
def test_probabilities_are_those_of_a_plain_reference(
    scores: list[float], temperature: float, top_k: int | None, top_p: float | None
) -> None:
    top_p = None if top_p is None else min(top_p, 1.0)
    found = Sampling(temperature, top_k, top_p).probabilities(np.array(scores))
    np.testing.assert_allclose(found, expected(scores, temperature, top_k, top_p), rtol=1e-9, atol=1e-12)


@given(scores=SCORES, temperature=st.sampled_from([5e-324, 1e-3, 1.0, 1e300]), seed=st.integers(0, 99))
def test_the_likeliest_token_and_of_equal_ones_the_first(scores: list[float], temperature: float, seed: int) -> None:
    logits, rng = np.array(scores), np.random.default_rng(seed)
    likeliest = int(logits.argmax())
    assert Sampling(0.0, top_k=3, top_p=0.5).choose(logits, rng) == likeliest
    assert Sampling(temperature, top_k=1).choose(logits, rng) == likeliest
    assert Sampling(temperature, top_p=5e-324).choose(logits, rng) == likeliest


@given(scores=SCORES, temperature=st.floats(0.1, 1e300), seed=st.integers(0, 99))
def test_settings_that_keep_all_change_no_draw(scores: list[float], temperature: float, seed: int) -> None:
    logits = np.array(scores)
    drawn = {
        Sampling(temperature, top_k, top_p).choose(logits, np.random.default_rng(seed))
        for top_k in (None, len(scores), 10**9)
        for top_p in (None, 1, 1.0)
    }
    assert len(drawn) == 1
    assert logits[drawn.pop()] > -math.inf


def test_top_p_keeps_the_fewest_that_reach_it() -> None:
    halves = np.log([0.5, 0.25, 0.125, 0.125])
    for top_p, kept in [(0.4, 1), (0.6, 2), (0.8, 3), (0.9, 4)]:
        assert np.count_nonzero(Sampling(1.0, top_p=top_p).probabilities(halves)) == kept
    equal = Sampling(1.0, top_k=3, top_p=0.5).probabilities(np.zeros(8))  # of three thirds, two reach a half
    assert equal.tolist() == [0.5, 0.5, 0, 0, 0, 0, 0, 0]


def test_draws_have_the_probabilities() -> None:
    logits, rng = np.array([1.0, 0.0, -math.inf, 2.0]), np.random.default_rng(0)
    for sampling in (Sampling(1.0), Sampling(0.5, top_k=2), Sampling(2.0, top_p=0.7)):
        drawn = [sampling.choose(logits, rng) for _ in range(4000)]
        found = np.bincount(drawn, minlength=4) / len(drawn)
        np.testing.assert_allclose(found, sampling.probabilities(logits), atol=0.03)
        assert not found[sampling.probabilities(logits) == 0].any()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("temperature", [-1, math.nan, math.inf, None, True]),
        ("top_k", [0, -1, 1.5, True, "3"]),
        ("top_p", [0, -0.5, 1.5, math.nan, True]),
        ("limit", [-1, 2.5, None]),
        ("stop", [3, [None], "", ["\n", ""]]),
    ],
)
def test_settings_are_checked_before_anything_is_read(name: str, wrong: list[Any]) -> None:
    for value in wrong:
        for function in (generate, stream):
            with pytest.raises((TypeError, ValueError), match=r"^generate: [^\n]+$|^'int' object is not iterable"):
                function(None, ALPHABET, "ab", **{name: value})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^generate_batch: count must be a positive integer, not 0"):
        generate_batch(MODEL, ALPHABET, "ab", 0)


# ---- where a text ends -----------------------------------------------------------------------------------------------


def before_stop(text: str, stops: Iterable[str]) -> str:
    """The text before the stop string that is complete first, looking at every beginning of the text in turn."""
    for end in range(len(text) + 1):
        ending = [stop for stop in stops if text[:end].endswith(stop)]
        if ending:
            return text[: end - max(map(len, ending))]
    return text


@given(
    pieces=st.lists(st.text("ab", max_size=4), max_size=8),
    stops=st.lists(st.text("ab", min_size=1, max_size=4), max_size=3),
)
def test_a_stop_string_ends_the_text_however_it_comes_in_pieces(pieces: list[str], stops: list[str]) -> None:
    until, given_out = UntilStop(stops), ""
    whole = before_stop("".join(pieces), stops)
    for k, piece in enumerate(pieces):
        given_out += until.push(piece)
        assert whole.startswith(given_out)
        sure = before_stop("".join(pieces[: k + 1]), stops)
        longest = max(map(len, stops), default=1)
        assert len(sure) - len(given_out) < longest  # no more is held back than may begin a stop string
    assert given_out + until.end() == whole
    assert until.found == (whole != "".join(pieces))


@given(
    text=st.text("aé€😀\n", min_size=1, max_size=8),
    stops=st.lists(st.text("aé€😀\n", min_size=1, max_size=3), max_size=2),
)
def test_pieces_are_whole_characters_and_join_to_the_text(text: str, stops: list[str]) -> None:
    whole, pieces = said(text, stop=stops)
    assert whole == "".join(pieces) == before_stop(text, stops)
    assert "\N{REPLACEMENT CHARACTER}" not in whole
    assert all(pieces)


def test_a_text_that_ends_within_a_character_says_so() -> None:
    tokenizer = Bytes()
    ids = tokenizer.encode("a€")[:-1]
    for limit in (2, 3):
        found = generate(Says(ids, 256), tokenizer, "?", limit=limit)  # type: ignore[arg-type]
        assert found.text == "a\N{REPLACEMENT CHARACTER}"


def test_a_stop_string_spans_tokens_and_counts_in_the_probability() -> None:
    text, probability = generate(Says([0, 1, 2, 3, 4], 5), ALPHABET, "a", stop=["bc", "x"])  # type: ignore[arg-type]
    assert text == "\na"
    assert probability == pytest.approx((1 / (1 + 4 * math.exp(-10))) ** 4)


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_the_limit_gives_out_what_was_held_back(limit: int) -> None:
    found = generate(Says([1, 1, 1], 5), ALPHABET, "a", limit=limit, stop="aaaa")  # type: ignore[arg-type]
    assert found.text == "a" * limit
    assert (found.probability == 1) == (limit == 0)


# ---- the same text, whole, in pieces and in a batch ------------------------------------------------------------------

WAYS = {
    "temperature": st.sampled_from([0.0, 0.7, 1.0, 3.0]),
    "top_k": st.sampled_from([None, 1, 3]),
    "top_p": st.sampled_from([None, 0.5, 0.95]),
    "limit": st.integers(0, 20),
    "stop": st.sampled_from(["\n", (), "ab", ("da", "c", "bb")]),
}


@settings(max_examples=30)
@given(prompt=st.text(ALPHABET.characters, max_size=12), seed=st.integers(0, 9), how=st.fixed_dictionaries(WAYS))
def test_the_pieces_and_the_rows_of_a_batch_are_the_text_itself(prompt: str, seed: int, how: dict[str, Any]) -> None:
    def rng() -> np.random.Generator:
        return np.random.default_rng(seed)

    whole = generate(MODEL, ALPHABET, prompt, rng=rng(), **how)
    assert "".join(stream(MODEL, ALPHABET, prompt, rng=rng(), **how)) == whole.text
    many = generate_batch(MODEL, ALPHABET, prompt, 3, rng=rng(), **how)
    for own, (text, probability) in zip(rng().spawn(3), many, strict=True):
        alone = generate(MODEL, ALPHABET, prompt, rng=own, **how)
        assert text == alone.text
        assert probability == pytest.approx(alone.probability, rel=1e-3)
    assert generate_batch(MODEL, ALPHABET, prompt, 1, rng=rng(), **how)[0].text == many[0].text


@pytest.mark.parametrize("positions", ["rotary", "learned", "sinusoidal"])
@pytest.mark.parametrize("prompt", ["a", "abcdabcdabcd"])
def test_a_text_grows_beyond_the_block_in_a_moving_window(positions: str, prompt: str) -> None:
    made, ids = model(positions=positions), [int(token) for token in ALPHABET.encode(prompt)]
    log = 0.0
    for _ in range(3 * BLOCK):
        scores = next_logits(made, np.array([ids[-BLOCK:]]))[0]
        ids.append(int(scores.argmax()))
        log += float(log_probabilities(scores)[ids[-1]])
    text, probability = generate(made, ALPHABET, prompt, limit=3 * BLOCK, stop=())
    assert text == ALPHABET.decode(ids[len(prompt) :])
    assert math.log(probability) == pytest.approx(log, rel=1e-3)


def test_prompts_at_the_edges() -> None:
    with pytest.raises(TokenError, match=r"^unknown characters '\?', 'é'; the model knows '\\nabcd'"):
        generate(MODEL, ALPHABET, "é?a")
    assert generate(MODEL, ALPHABET, "") == generate(MODEL, ALPHABET, "\n")
    without: Tokenizer = CharTokenizer("abcd")
    assert generate(model(4), without, "", stop=()) == generate(model(4), without, "a", stop=())
    longer = "dcba" * 20
    assert generate(MODEL, ALPHABET, longer) == generate(MODEL, ALPHABET, longer[-BLOCK:])


def test_a_seed_decides_every_draw() -> None:
    texts = [
        generate_batch(MODEL, ALPHABET, "a", 4, stop=(), limit=12, rng=np.random.default_rng(seed))
        for seed in (0, 0, 1)
    ]
    assert texts[0] == texts[1] != texts[2]
    assert len({found.text for found in texts[0]}) > 1


def test_it_is_a_public_name() -> None:
    assert gpt.generate is generate


# ---- why -------------------------------------------------------------------------------------------------------------


def whys(prompt: str, sampling: Sampling = Sampling(1.0), limit: int = 6, stop: str = "never") -> list[Why]:  # noqa: B008
    found = steps(MODEL, ALPHABET, prompt, sampling, [np.random.default_rng(2)], limit=limit, stop=stop)
    return list(explained(MODEL, ALPHABET, prompt, (step for (step,) in found if step)))


@pytest.mark.parametrize("prompt", ["", "ab", "abcdabcdab"])
def test_why_shows_what_each_token_was_chosen_from(prompt: str) -> None:
    found = whys(prompt)
    text, probability = generate(
        MODEL, ALPHABET, prompt, temperature=1.0, limit=6, stop="never", rng=np.random.default_rng(2)
    )
    assert "".join(why.text for why in found) == text
    assert math.prod(why.chosen.probability for why in found) == pytest.approx(probability)
    before = prompt or "\n"
    for why, token in zip(found, text, strict=True):
        scores = log_probabilities(next_logits(MODEL, ALPHABET.encode(before)[None]))[0]
        rest = sorted(((-score, id) for id, score in enumerate(scores) if ALPHABET.characters[id] != token))[:OTHERS]
        assert [other.token for other in why.others] == [ALPHABET.show(id) for _, id in rest]
        assert [other.probability for other in why.others] == pytest.approx(
            [math.exp(-score) for score, _ in rest], 1e-4
        )
        assert why.chosen.token == ALPHABET.show(int(ALPHABET.encode(token)[0]))
        before += token


@pytest.mark.parametrize("prompt", ["ab", "abcdabcdab"])
def test_why_shows_where_the_last_position_looked(prompt: str) -> None:
    first = whys(prompt)[0]
    start = max(0, len(prompt) - BLOCK)
    weights = [
        found.numpy()[0].mean(axis=0)[-1] for found in MODEL.attention_weights(ALPHABET.encode(prompt)[None, start:])
    ]
    assert len(first.looked_at) == len(weights) == MODEL.config.n_layer
    for of_block, expected_weights in zip(first.looked_at, weights, strict=True):
        assert len(of_block) == min(STRONGEST, len(prompt))
        assert [one.weight for one in of_block] == sorted(expected_weights.tolist(), reverse=True)[:STRONGEST]
        for position, token, weight in of_block:
            assert token == prompt[position - 1]
            assert weight == expected_weights[position - 1 - start]


def test_why_shows_the_stop_string_too() -> None:
    (only,) = whys("ab", Sampling(0.0), stop="b")
    assert (only.chosen.token, only.text) == ("b", "")
