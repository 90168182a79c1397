"""Parts of a batch in processes of their own: the bits, the random numbers, and how processes start, fail and end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine
from engine.blas import openblas
from gpt.data import calculator
from gpt.errors import TrainingError
from gpt.model import GPT
from gpt.training.parallel import Parallel
from gpt.training.trainer import new_model
from gpt.training.worker import Settings
from tests.gpt.test_model import TOKENIZER, small

DATA = calculator.encode(calculator.all_problems()[::4000], TOKENIZER)
LIMIT = 120  # seconds for a program that takes one or two

SCRIPT = """
import numpy as np
from gpt import GPT, GPTConfig
from gpt.training.parallel import Parallel

model = GPT(GPTConfig(vocab_size=5, block_size=3, n_layer=1, n_head=1, n_embd=4))
ids = np.ones((2, 3), int)
parallel = Parallel(model, parts=2, processes=2)
parallel.backward([(ids[:1], ids[:1]), (ids[1:], ids[1:])])
print("done", flush=True)
"""


def pieces(parts: int) -> list[tuple[Any, Any]]:
    return list(zip(np.array_split(DATA.ids, parts), np.array_split(DATA.labels, parts), strict=True))


def bits(parallel: Parallel, batches: int = 2, parts: int = 3) -> list[Any]:
    """The loss and the gradient of some batches: the same one, but for what dropout leaves of it."""
    found: list[Any] = []
    for _ in range(batches):
        found.append(parallel.backward(pieces(parts)))
        found.append(b"".join(p.grad.numpy().tobytes() for p in parallel.parameters if p.grad is not None))
    return found


def started(parts: int = 3, processes: int = 2, seed: int = 0, **shape: Any) -> Parallel:
    model = new_model(lambda: GPT(small(**{"dropout": 0.1, "activation": "gelu", **shape})), seed=0)
    return Parallel(model, parts, seed, processes=processes)


def python(*command: str, text: str | None = None, cwd: Path) -> str:
    """What a Python program prints; its worker must have ended too, because it writes to the same pipe for errors."""
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, *command],
        input=text,
        env={**os.environ, "PYTHONPATH": root, "TMPDIR": str(cwd)},
        cwd=cwd,
        timeout=LIMIT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr
    return done.stdout


# ---- the result ------------------------------------------------------------------------------------------------------


def test_the_bits_depend_on_the_parts_and_not_on_the_processes() -> None:
    alone = bits(started(processes=1))
    assert alone[0] != alone[2]  # dropout draws other numbers for the next batch
    for processes in (2, 3):
        assert bits(started(processes=processes)) == alone
    assert bits(started(parts=4, processes=2)) == alone  # three pieces for four parts
    assert bits(started(processes=1, seed=1)) != alone


def test_each_part_draws_other_random_numbers_and_none_of_the_main_program() -> None:
    parallel = started(parts=2, processes=1)
    states = parallel.states()
    assert states[0] != states[1]
    ids, labels = DATA.ids[:1], DATA.labels[:1]
    engine.random.seed(7)
    before = engine.random.generator().bit_generator.state
    parallel.backward([(ids, labels), (ids, labels)])
    assert engine.random.generator().bit_generator.state == before
    assert all(one != other for one, other in zip(states, parallel.states(), strict=True))


@pytest.mark.parametrize("processes", [1, 2])
def test_random_numbers_go_on_where_they_were(processes: int) -> None:
    first = started(processes=processes)
    bits(first)
    states = json.loads(json.dumps(first.states()))
    second = started(processes=processes, seed=5)
    second.restore(states)
    assert bits(second) == bits(first)


def test_states_that_do_not_fit_are_refused_in_one_line() -> None:
    parallel = started(processes=1)
    states = parallel.states()
    with pytest.raises(ValueError, match="random numbers of 2 parts given for 3 parts"):
        parallel.restore(states[:2])
    for wrong in ({}, {"bit_generator": "MT19937"}, 3, {**states[0], "state": {}}):
        with pytest.raises(ValueError, match="not the state of a NumPy generator"):
            parallel.restore([wrong] * 3)  # type: ignore[list-item]
    assert parallel.states() == states


def test_a_part_whose_labels_are_all_ignored_adds_nothing() -> None:
    parallel = started(parts=2, dropout=0.0)
    ids, labels = DATA.ids[:1], DATA.labels[:1]
    ignored = ids, np.full_like(labels, -100)
    one = parallel.backward([(ids, labels)]), [p.grad.numpy() for p in parallel.parameters if p.grad is not None]
    for batch in ([(ids, labels), ignored], [ignored, (ids, labels)]):
        assert parallel.backward(batch) == one[0]
        for parameter, gradient in zip(parallel.parameters, one[1], strict=True):
            assert parameter.grad is not None
            np.testing.assert_array_equal(parameter.grad.numpy(), gradient)
    with pytest.raises(ValueError, match="every label of the batch is ignored"):
        parallel.backward([ignored, ignored])


class SaysSettings(GPT):
    """Its loss says under which settings it is computed."""

    def loss(self, ids: Any, labels: Any) -> Any:
        library = openblas()
        raise LookupError(Settings.here(), library and (library.core, library.threads))


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
def test_a_worker_computes_under_the_settings_of_the_main_process(kernels: str) -> None:
    if kernels == "numba":
        pytest.importorskip("numba")
    library = openblas()
    threads = library.threads if library else 1
    engine.set_default_dtype(np.float64)
    try:
        if library:
            library.threads = 1
        model = SaysSettings(small())
        parallel = Parallel(model, parts=2, processes=2)
        engine.kernels.use(kernels)  # after the worker has started
        model.loss = lambda *piece: GPT.loss(model, *piece)  # type: ignore[method-assign]
        with pytest.raises(LookupError) as caught:
            parallel.backward(pieces(2))
        assert caught.value.args == (Settings(kernels, np.dtype(np.float64)), library and (library.core, 1))
    finally:
        engine.kernels.use("numpy")
        engine.set_default_dtype(np.float32)
        if library:
            library.threads = threads


# ---- starting --------------------------------------------------------------------------------------------------------


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    assert python(str(script), cwd=tmp_path) == "done\n"
    assert python("-c", SCRIPT, cwd=tmp_path) == "done\n"
    assert python("-", text=SCRIPT, cwd=tmp_path) == "done\n"


def test_the_packages_are_found_from_another_folder_too(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    moved = f"import os, sys\nsys.path.append({os.path.relpath(root, tmp_path)!r})\nimport gpt.training.parallel\n"
    moved += f"os.chdir('/')\n{SCRIPT}"
    done = subprocess.run([sys.executable, "-c", moved], cwd=tmp_path, timeout=LIMIT, capture_output=True, check=False)
    assert done.stdout == b"done\n", done.stderr


def test_a_model_that_a_worker_cannot_have_is_refused_in_one_line(tmp_path: Path) -> None:
    script = SCRIPT.replace("model = GPT(", "class Mine(GPT):\n    pass\n\nmodel = Mine(")
    script = script.replace("parallel.backward(", "try:\n    parallel.backward(").replace(
        "print(", "except Exception as error:\n    print(type(error).__name__, error)\nprint("
    )
    said, _ = python("-c", script, cwd=tmp_path).splitlines()
    assert said.startswith("TrainingError a worker process cannot load the model: Can't get attribute 'Mine' on")
    assert said.endswith(
        "move what it is made of from the script into a module that can be imported, or train with one part"
    )
    model: Any = GPT(small())
    model.scale = lambda x: x
    with pytest.raises(
        TrainingError, match=r"^the model cannot be sent to a worker process: .*; move what it is made of"
    ):
        Parallel(model, parts=2, processes=2)
    Parallel(model, parts=2, processes=1).backward(pieces(2))


def test_what_a_model_prints_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(
        "from gpt import GPT\n\nclass Loud(GPT):\n    def loss(self, *piece):\n"
        "        print('hello', flush=True)\n        return super().loss(*piece)\n"
    )
    script = SCRIPT.replace("GPT(GPTConfig", "Loud(GPTConfig").replace("import GPT,", "import")
    script = "from loud import Loud\n" + script
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        timeout=LIMIT,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.stdout == b"hello\ndone\n"
    assert done.stderr == b"hello\n"


# ---- failing ---------------------------------------------------------------------------------------------------------


def test_an_error_of_any_part_arrives_and_the_next_batch_is_right() -> None:
    truth, parallel = started(), started()
    wrong = np.full((1, 3), 99), np.zeros((1, 3), int)
    for place in range(3):
        with pytest.raises(IndexError, match="id 99"):
            parallel.backward([wrong if k == place else piece for k, piece in enumerate(pieces(3))])
    assert bits(parallel) == bits(truth)


class ConstructedError(Exception):
    """Its arguments are not those of its constructor, so that it cannot be unpickled."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")


class Failing(GPT):
    def loss(self, ids: Any, labels: Any) -> Any:
        raise ConstructedError("this loss", "is never computed")


def test_an_error_that_cannot_be_sent_is_told() -> None:
    model = Failing(small())
    parallel = Parallel(model, parts=2, processes=2)
    model.loss = lambda *piece: GPT.loss(model, *piece)  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match=r"^ConstructedError in a worker process: this loss: is never computed$"):
        parallel.backward(pieces(2))


def test_after_an_interrupted_batch_the_next_one_gets_its_own_answers() -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    truth, parallel = started(), started()
    model: Any = parallel.model
    model.loss = interrupted
    (worker,) = parallel.workers.processes
    with pytest.raises(KeyboardInterrupt):
        parallel.backward(pieces(3)[::-1])
    assert worker.returncode == 0
    del model.loss
    assert bits(parallel) == bits(truth)


def test_a_worker_that_dies_is_reported_and_the_next_batch_starts_another() -> None:
    truth, parallel = started(), started()
    (worker,) = parallel.workers.processes
    worker.kill()
    worker.wait()
    with pytest.raises(TrainingError, match="ended unexpectedly"):
        parallel.backward(pieces(3))
    assert bits(parallel) == bits(truth)


# ---- ending ----------------------------------------------------------------------------------------------------------


def test_workers_end_with_the_object_that_started_them() -> None:
    parallel = started()
    (worker,) = parallel.workers.processes
    assert worker.poll() is None
    del parallel
    assert worker.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_is_for_the_main_process() -> None:
    parallel = started()
    (worker,) = parallel.workers.processes
    assert os.getpgid(worker.pid) != os.getpgid(0)  # a terminal's Ctrl-C does not reach it
    bits(parallel)
    worker.send_signal(signal.SIGINT)
    bits(parallel)
    assert worker.poll() is None


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("when", ["starting", "idle", "busy"])
def test_a_killed_main_process_leaves_no_worker_and_no_file(when: str, tmp_path: Path) -> None:
    script = (
        SCRIPT
        + {
            "starting": "Parallel(GPT(GPTConfig(5, 3, 1, 1, 256)), parts=2, processes=2)\n",  # more than a pipe holds
            "idle": "input()\n",
            "busy": "while True:\n    parallel.backward([(ids[:1], ids[:1]), (ids[1:], ids[1:])])\n",
        }[when]
    )
    main = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert main.stdout is not None
    assert main.stdout.readline() == b"done\n"
    time.sleep(0.2)
    main.kill()
    _, said = main.communicate(timeout=LIMIT)  # returns when its worker, too, has let go of the pipe for errors
    assert said == b""
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux says what a process has mapped")
def test_the_shared_memory_has_no_name_to_be_left_behind() -> None:
    def mapped() -> set[str]:
        return {line for line in Path("/proc/self/maps").read_text().splitlines() if "memfd:blameflow" in line}

    before = mapped()
    parallel = started()
    (ours,) = mapped() - before
    assert ours.endswith("(deleted)")
    del parallel
    assert ours not in mapped()
