"""What a training step costs as the work grows: time and memory, ours and PyTorch's, with and without checkpoints.

    python benchmarks/cost.py [--picture benchmarks/cost.svg] [--quick]

The W1 model with one thing changed at a time: the number of layers and so of parameters, the width, the length of the
text it reads, and how many texts. Memory is what the model and its steps add to the resident memory of a process that
has trained a tiny model before. With checkpoints each block runs again in the backward pass instead of keeping its
values: `engine.checkpoint`, and `torch.utils.checkpoint`.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.contest import QUICK, Contest, parser, repeat, serve, watch_for
from benchmarks.contestants import Step, ours, pytorch
from benchmarks.machine import peak_memory
from benchmarks.quiet import Watch
from benchmarks.tables import table
from benchmarks.workload import Workload, nano
from viz.charts import STYLE
from viz.charts.axes import Axis
from viz.charts.marks import short, tag, words

TURN = 0.4  # seconds

ours_fast = partial(ours, kernels="numba", tuned=True)
CONTESTANTS: dict[str, tuple[str, Callable[[Workload], Step]]] = {
    "blameflow": ("blameflow", ours_fast),
    "blameflow-checkpoint": ("with checkpoints", partial(ours_fast, checkpointed=True)),
    "pytorch": ("PyTorch", pytorch),
    "pytorch-checkpoint": ("with checkpoints", partial(pytorch, checkpointed=True)),
}


class Sweep(NamedTuple):
    """One thing that grows: its name, its values, and the workload of each."""

    name: str
    values: Sequence[int]
    workload: Callable[[int], Workload]


def w1(block_size: int = 64, n_layer: int = 4, n_embd: int = 128, batch: int = 12) -> Workload:
    return nano(block_size, n_layer, 4, n_embd, batch)


SWEEPS = {
    "layers": Sweep("parameters", (1, 2, 4, 8, 16), lambda layers: w1(n_layer=layers)),
    "width": Sweep("width", (64, 128, 256, 512), lambda width: w1(n_embd=width)),
    "context": Sweep("context", (32, 64, 128, 256, 512), lambda context: w1(block_size=context)),
    "batch": Sweep("batch", (3, 6, 12, 24, 48), lambda batch: w1(batch=batch)),
}


class Cost(NamedTuple):
    """Of one step: seconds, and the MB that the model and its steps take."""

    seconds: float
    memory: float


class Point(NamedTuple):
    """The costs at one value, by contestant."""

    x: int
    costs: dict[str, Cost]


def point(sweep: str, value: int, rounds: int, watch: Watch) -> Point:
    """Measured in fresh processes, which take turns."""
    contest = Contest(__file__, list(CONTESTANTS), ["--sweep", sweep, "--value", str(value)], watch)
    for reason in contest.left_out:
        print(f"{reason}\n")
    times = contest.rounds(rounds, contest.amounts(TURN))
    contest.close()
    model = SWEEPS[sweep].workload(value).model()
    x = sum(p.size for p in model.parameters()) if sweep == "layers" else value
    return Point(x, {name: Cost(statistics.median(found), contest.last[name]) for name, found in times.items()})


# ---- the picture ---------------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, GAP = 250, 190, 46, 34, 44, 14
HEAD = 40  # pixels above the panels, for the key
LOOK = {
    "blameflow": "ours",
    "blameflow-checkpoint": "ours again",
    "pytorch": "theirs",
    "pytorch-checkpoint": "theirs again",
}
LINES = """
.chart .ours { stroke: var(--blue); }
.chart .theirs { stroke: var(--crimson); }
.chart .again { stroke-dasharray: 5 3; }
svg { background: var(--paper); }
"""


def picture(found: dict[str, list[Point]]) -> str:
    """Time above and memory below, one column for each thing that grows; both axes of every panel are logarithmic."""
    width, height = GAP + len(found) * (WIDTH + GAP), HEAD + 2 * HEIGHT
    marks = [tag("style", STYLE + LINES), _key(list(found.values()))]
    for row, (quantity, scale) in enumerate({"ms a step": 1e3, "MB": 1.0}.items()):
        for column, (name, points) in enumerate(found.items()):
            curves: dict[str, list[tuple[float, float]]] = {
                contestant: [(p.x, scale * p.costs[contestant][row]) for p in points if contestant in p.costs]
                for contestant in CONTESTANTS
            }
            at = f"translate({GAP + column * (WIDTH + GAP)} {HEAD + row * HEIGHT})"
            marks.append(tag("g", _panel(curves, quantity, SWEEPS[name].name), transform=at))
    size: dict[str, Any] = {"width": width, "height": height, "viewBox": f"0 0 {width} {height}"}
    about = "time and memory of a training step as the work grows"
    return tag("svg", *marks, xmlns="http://www.w3.org/2000/svg", class_="chart", role="img", aria_label=about, **size)


def _key(columns: list[list[Point]]) -> str:
    taking_part = [name for name in CONTESTANTS if any(name in point.costs for points in columns for point in points)]
    marks = []
    for number, name in enumerate(taking_part):
        left = GAP + LEFT + 190 * number
        marks.append(tag("line", class_=f"curve {LOOK[name]}", x1=left, x2=left + 30, y1=16, y2=16))
        marks.append(words(CONTESTANTS[name][0], left + 38, 20))
    return "".join(marks)


def _panel(curves: dict[str, list[tuple[float, float]]], quantity: str, growing: str) -> str:
    points = [point for curve in curves.values() for point in curve]
    bottom = HEIGHT - BOTTOM
    across = Axis.of([x for x, _ in points], LEFT + 10, WIDTH - 14, log=True)
    up = Axis.of([y for _, y in points], bottom - 4, TOP, log=True)
    marks = [words(quantity, 0, 16, "name"), words(growing, WIDTH - 4, HEIGHT - 8, "name", "end")]
    for value in up.ticks():
        at = up.place(value)
        marks.append(tag("line", class_="grid", x1=LEFT, x2=WIDTH - 4, y1=at, y2=at))
        marks.append(words(short(value), LEFT - 8, at + 4, "tick", "end"))
    marks.append(tag("line", class_="axis", x1=LEFT, x2=WIDTH - 4, y1=bottom, y2=bottom))
    for value in sorted({x for x, _ in points}):
        at = across.place(value)
        marks.append(tag("line", class_="axis", x1=at, x2=at, y1=bottom, y2=bottom + 5))
        marks.append(words(_brief(value), at, bottom + 19, "tick", "middle"))
    for name, curve in curves.items():
        path = " ".join(f"{across.place(x):.1f},{up.place(y):.1f}" for x, y in curve if y > 0)
        marks.append(tag("polyline", class_=f"curve {LOOK[name]}", points=path))
    return "".join(marks)


def _brief(count: float) -> str:
    """A count in at most four letters or so: 48, 406k, 3.2M."""
    if count < 1e4:
        return f"{count:.0f}"
    return f"{count / 1e3:.0f}k" if count < 1e6 else f"{count / 1e6:.1f}M"


# ---- the command ---------------------------------------------------------------------------------------------------


def rows(found: dict[str, list[Point]]) -> list[list[str]]:
    return [
        [
            f"{SWEEPS[name].name} {_brief(p.x)}",
            *(_cell(p.costs[c]) if c in p.costs else "" for c in CONTESTANTS),
        ]
        for name, points in found.items()
        for p in points
    ]


def _cell(cost: Cost) -> str:
    return f"{1e3 * cost.seconds:.1f} ms, {cost.memory:.0f} MB"


def main() -> None:
    arguments = parser(__doc__, CONTESTANTS, rounds=5)
    arguments.add_argument("--picture", type=Path)
    arguments.add_argument("--sweep", choices=SWEEPS)
    arguments.add_argument("--value", type=int)
    args = arguments.parse_args()
    if args.worker:
        make = CONTESTANTS[args.worker][1]
        make(w1(block_size=8, n_layer=1, n_embd=16, batch=1))()  # loads what every step needs
        before = peak_memory()
        step = make(SWEEPS[args.sweep].workload(args.value))
        serve(lambda steps: (repeat(step, steps), peak_memory() - before)[1])
        return
    watch, found = watch_for(args.rounds), {}
    for name in [args.sweep] if args.sweep else SWEEPS:
        values = SWEEPS[name].values
        values = (values[0], values[-1]) if args.rounds == QUICK else values
        found[name] = [point(name, value, args.rounds, watch) for value in values]
        print(f"{name} done", file=sys.stderr)
    print(table(["w1, with one thing changed", *(title for title, _ in CONTESTANTS.values())], rows(found)))
    print(f"\nMedians of {args.rounds} rounds. {watch}")
    if args.picture:
        args.picture.write_text(picture(found), encoding="utf-8")


if __name__ == "__main__":
    main()
