"""The memory that training takes: the most that a process had, resident, in its first steps.

    python benchmarks/memory.py [--model w1] [--quick]

Each contestant has a fresh process. The first column is the peak before the first step, with the libraries imported and
the model made; the second the peak after 20 steps.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.contest import BASE, Contest, parser, repeat, serve
from benchmarks.contestants import CONTESTANTS
from benchmarks.machine import peak_memory
from benchmarks.tables import table
from benchmarks.workload import WORKLOADS

STEPS = 20
NAMES = [name for name in CONTESTANTS if name != "command-line"]  # which has its memory in two processes


def main() -> None:
    arguments = parser(__doc__, NAMES, rounds=1)
    arguments.add_argument("--model", choices=WORKLOADS, default="w1")
    args = arguments.parse_args()
    if args.worker:
        step = CONTESTANTS[args.worker].step(WORKLOADS[args.model])
        answers = iter([peak_memory()])  # to the request that every contest begins with
        serve(lambda steps: next(answers, None) or (repeat(step, steps), peak_memory())[1])
        return
    rows, peaks = [], {}
    for name in NAMES:
        contest = Contest(__file__, [name], ["--model", args.model])
        for reason in contest.left_out:
            print(f"{reason}\n")
        if not contest.left_out:
            contest.ask(name, STEPS)
            peaks[name] = contest.last[name]
            rows.append([CONTESTANTS[name].title, f"{contest.first[name]:.0f}", f"{peaks[name]:.0f}"])
        contest.close()
    if BASE in peaks:
        rows = [[*row, f"{peak / peaks[BASE]:.2f}"] for row, peak in zip(rows, peaks.values(), strict=True)]
    head = [f"resident memory, {args.model}, MB", "before the first step", "peak", "relative to PyTorch eager"]
    print(table(head[: len(rows[0])], rows))


if __name__ == "__main__":
    main()
