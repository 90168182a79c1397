"""All benchmarks in one command, whose tables it writes into `benchmarks/README.md`.

    python -m benchmarks [step sampling ...] [--quick]

Each part is a script of this folder that also runs alone; what it prints goes between the marks of its name. With
`--quick` everything runs, with too few rounds to quote, and nothing is written.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import description
from benchmarks.tables import write

FOLDER = Path(__file__).resolve().parent
PAGE = FOLDER / "README.md"


class Part(NamedTuple):
    """One script.

    Fields:
        script: its file.
        options: for figures to quote.
        quick: in their place, with `--quick`.
        plain: whether it prints text rather than Markdown.
    """

    script: str
    options: Sequence[str] = ()
    quick: Sequence[str] = ("--quick",)
    plain: bool = False


PARTS = {
    "step": Part("step.py", ["--model", "w1", "w2", "w3", "calculator"], ["--model", "w1", "--quick"]),
    "sampling": Part("sampling.py"),
    "memory": Part("memory.py"),
    "cost": Part("cost.py", ["--picture", str(FOLDER / "cost.svg")]),
    "overhead": Part("overhead.py", plain=True),
}


def run(name: str, quick: bool) -> str | None:
    """What a part prints, also shown here; None if it failed."""
    part = PARTS[name]
    command = [sys.executable, str(FOLDER / part.script), *(part.quick if quick else part.options)]
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(f"{done.stdout}\n{name}: {time.perf_counter() - began:.0f} s, exit status {done.returncode}\n", flush=True)
    if done.returncode:
        return None
    return f"```text\n{done.stdout.strip()}\n```" if part.plain else done.stdout


def main() -> int:
    """Run the parts that are named, or all; the exit status is 1 if one failed."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0])
    options.add_argument("parts", nargs="*", metavar="part", help=f"all if none is named: {', '.join(PARTS)}")
    options.add_argument("--quick", action="store_true", help="see that everything runs; writes nothing")
    given = options.parse_args()
    for name in given.parts:
        if name not in PARTS:
            options.error(f"no part {name!r}; there are {', '.join(PARTS)}")
    print(f"{description()}\n")
    failed = []
    for name in given.parts or PARTS:
        printed = run(name, given.quick)
        if printed is None:
            failed.append(name)
        elif not given.quick:
            write(PAGE, name, printed)
            write(PAGE, "machine", description())
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
