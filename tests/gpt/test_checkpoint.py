"""Files of arrays: whatever is done to one is found and said in a line, and a write that fails leaves the old one.

Rows 58 to 60 of the awkward cases.
"""

from __future__ import annotations

import errno
import json
import os
import random
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import gpt
from gpt import checkpoint, files, runs
from gpt.commands.settings import complete
from gpt.errors import CheckpointError, GPTError
from gpt.runs import LAST, MODEL
from gpt.training.session import begun, resumed, settings_of

SMALL = {"layers": 1, "heads": 2, "width": 8, "block": 16, "batch-size": 4, "steps": 2, "parts": 1}
ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(2.0), "c": np.zeros((0, 4), np.int64)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    (folder / "text.txt").write_text("".join(f"{k} and {k + 1}\n" for k in range(200)))
    training = begun(folder / "run", complete({**SMALL, "data": str(folder / "text.txt")}))
    for _ in training.trainer.all_steps():
        pass
    training.save()
    return folder / "run"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    facts = {"names": ["é", '"'], "number": 1e-300, "nothing": None}
    checkpoint.write(tmp_path / "x", ARRAYS, facts)
    arrays, found = checkpoint.read(tmp_path / "x")
    assert found == facts
    assert arrays.keys() == ARRAYS.keys()
    for name, array in arrays.items():
        assert (array.dtype, array.shape) == (ARRAYS[name].dtype, ARRAYS[name].shape)
        np.testing.assert_array_equal(array, ARRAYS[name])


def file_with(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
BAD: dict[str, bytes] = {
    "nothing": b"",
    "too short": b"\x01\x00",
    "a pickle": b"\x80\x04\x95" + bytes(100),
    "a huge header": struct.pack("<Q", 1 << 62) + b"{}",
    "a header longer than the file": struct.pack("<Q", 1000) + b"{}",
    "no JSON": file_with(b"{"),
    "deep JSON": file_with(b"[" * 100_000),
    "not an object": file_with([1, 2]),
    "cut short": file_with({"a": ONE}, bytes(4)),
    "shapes that overflow": file_with({"a": {**ONE, "shape": [1 << 40, 1 << 40]}}, bytes(8)),
    "a negative shape": file_with({"a": {**ONE, "shape": [-2]}}, bytes(8)),
    "an unknown dtype": file_with({"a": {**ONE, "dtype": "Q7"}}, bytes(8)),
    "overlapping tensors": file_with({"a": ONE, "b": {**ONE, "data_offsets": [4, 12]}}, bytes(12)),
    "a hole": file_with({"a": ONE, "b": {**ONE, "data_offsets": [16, 24]}}, bytes(24)),
    "bytes after the end": file_with({"a": ONE}, bytes(16)),
    "facts that are no JSON": file_with({"__metadata__": {"blameflow": "{"}, "a": ONE}, bytes(8)),
    "metadata that is a list": file_with({"__metadata__": [1], "a": ONE}, bytes(8)),
    "half precision of another kind": file_with({"a": {**ONE, "dtype": "F8_E4M3", "shape": [8]}}, bytes(8)),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_is_not_such_a_file_is_refused_in_a_line(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(CheckpointError, match=r"bad\.safetensors: ") as caught:
        checkpoint.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert peak < 20e6  # bounded by the file, not by what it says


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x"
    checkpoint.write(path, ARRAYS, {"step": 3})
    data = path.read_bytes()
    step = 1 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 7
    for place in range(0, 8 * len(data), step):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            arrays, facts = checkpoint.read(path)
        except CheckpointError:
            continue
        np.testing.assert_equal(arrays, ARRAYS)
        assert facts == {}  # the bit is in the name of the entry, so the file seems to be another program's


def spoiled(data: bytes, chance: random.Random) -> bytes:
    """A file with random damage."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) or 1)
        kind = chance.randrange(5)
        if kind == 0 and changed:
            changed[at] = chance.randrange(256)
        elif kind == 1:
            del changed[at:]
        elif kind == 2:
            del changed[at : at + chance.randrange(1, 64)]
        elif kind == 3:
            changed[at:at] = chance.randbytes(chance.randrange(1, 64))
        else:
            piece = changed[at : at + chance.randrange(1, 200)]
            changed[at:at] = piece
    return bytes(changed)


def test_a_spoiled_run_is_loaded_as_it_was_or_refused_in_a_line(run: Path, tmp_path: Path) -> None:
    trials = 20_000 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 200
    whole = gpt.load(run).model.state_dict()
    contents = {name: (run / name).read_bytes() for name in (MODEL, LAST, "config.json", "tokenizer.json")}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    chance, refused, read = random.Random(1), 0, 0
    for k in range(trials):
        name = list(contents)[k % len(contents)]
        (tmp_path / name).write_bytes(spoiled(contents[name], chance))
        try:
            if name == LAST:
                settings_of(tmp_path)
                resumed(tmp_path, tmp_path, None, None)
            else:
                found = gpt.load(tmp_path).model.state_dict()
                if name == MODEL:
                    np.testing.assert_equal(found, whole)
        except GPTError as error:
            refused += "\n" not in str(error)
        else:
            read += 1
        (tmp_path / name).write_bytes(contents[name])
    assert refused + read == trials
    assert refused > trials / 2


def test_a_run_whose_files_belong_to_different_models_is_refused(run: Path, tmp_path: Path) -> None:
    for name in (MODEL, "config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    config = json.loads((run / "config.json").read_text())

    def with_model(**changes: Any) -> None:
        (tmp_path / "config.json").write_text(json.dumps({**config, "model": {**config["model"], **changes}}))

    with_model(n_embd=16)
    with pytest.raises(CheckpointError, match=r"config\.json and model\.safetensors are of different models"):
        gpt.load(tmp_path)
    foreign = safetensors.numpy.save(safetensors.numpy.load((run / MODEL).read_bytes()))
    (tmp_path / MODEL).write_bytes(foreign)  # of a program that says no more than the arrays
    for changes in ({"n_embd": 1 << 20}, {"vocab_size": 1 << 40}, {"block_size": 1 << 40}, {"n_layer": 10**9}):
        with_model(**changes)
        with pytest.raises(CheckpointError, match=r"does not fit the model of config\.json, which is larger"):
            gpt.load(tmp_path)
    with_model(n_layer=2)
    with pytest.raises(CheckpointError, match=r"does not fit the model of config\.json: .*missing blocks\.1"):
        gpt.load(tmp_path)


# ---- writes that fail ------------------------------------------------------------------------------------------------


def failing(monkeypatch: pytest.MonkeyPatch, number: int, error: OSError) -> Callable[[], int]:
    """Lets the operation on files with this number, counted from 0, fail; returns a function that counts them."""
    count = [0]

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            count[0] += 1
            if count[0] - 1 == number:
                raise error
            return real(*args, **kwargs)

        return call

    class File:
        """A file whose writes are counted."""

        def __init__(self, file: Any) -> None:
            self.file = file
            self.write, self.flush = counted(file.write), counted(file.flush)
            self.fileno = file.fileno

        def __enter__(self) -> File:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

    opened = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, mode="r", **rest: _counted_open(path, mode, rest, opened, counted, File)
    )
    monkeypatch.setattr(Path, "replace", counted(Path.replace))
    monkeypatch.setattr(os, "fsync", counted(os.fsync))
    return lambda: count[0]


def _counted_open(path: Path, mode: str, rest: Any, opened: Any, counted: Any, kind: Any) -> Any:
    if mode != "wb":
        return opened(path, mode, **rest)
    return kind(counted(opened)(path, mode, **rest))


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), PermissionError(errno.EACCES, "no")]
)
def test_a_save_that_fails_anywhere_leaves_a_run_that_goes_on(run: Path, tmp_path: Path, error: OSError) -> None:
    text = str(run.parent / "text.txt")
    sections = complete({**SMALL, "data": text, "steps": 4, "evaluate-every": 1})
    out = tmp_path / "run"
    training = begun(out, sections)
    steps = training.trainer.all_steps()
    next(steps)
    training.save()
    old = {path.name: path.read_bytes() for path in out.iterdir()}
    next(steps)
    with pytest.MonkeyPatch.context() as patch:
        count = failing(patch, -1, error)
        training.save()
        operations = count()
    assert operations >= 5 * 4  # config, tokenizer, model and the checkpoint, each opened, written, flushed, renamed
    new = {path.name: path.read_bytes() for path in out.iterdir()}
    assert new[LAST] != old[LAST]
    for number in range(operations):
        for name, data in old.items():
            (out / name).write_bytes(data)
        with pytest.MonkeyPatch.context() as patch:
            failing(patch, number, error)
            with pytest.raises(OSError, match=str(error.strerror)):
                training.save()
        found = {path.name: path.read_bytes() for path in out.iterdir()}
        assert found.keys() == old.keys()  # no temporary file is left
        assert all(found[name] in (old[name], new[name]) for name in found)
        gpt.load(out)
        assert resumed(out, out, None, None).trainer.steps == 1


def test_another_models_parameters_are_named_and_nothing_is_assigned(run: Path) -> None:
    model = gpt.load(run).model
    before = model.state_dict()
    with pytest.raises(ValueError, match="missing") as caught:
        model.load_state_dict({"head.weight": np.zeros((2, 2)), "other": np.zeros(3)})
    assert "\n" not in str(caught.value)
    np.testing.assert_equal(model.state_dict(), before)


def test_pickle_is_not_imported_to_load_a_run() -> None:
    for module in (checkpoint, runs, files):
        assert "pickle" not in vars(module)
