"""All mutants of the engine, judged by several processes, and a table of the results.

Processes are started fresh and get the names of mutants, because the functions that plant them cannot be sent.

Read next: `engine/testing/mutation/__main__.py`.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache

from engine.primitive import registry
from engine.testing.mutation.equivalent import EQUIVALENT, stale
from engine.testing.mutation.generic import generic_mutants
from engine.testing.mutation.mutant import CONTROL, Mutant
from engine.testing.mutation.source import source_mutants
from engine.testing.mutation.trial import Verdict, judge


@cache
def mutants() -> dict[str, Mutant]:
    """Every mutant by name."""
    ops = [op for op in registry.values() if op.__module__.startswith("engine.")]
    generic = [mutant for op in ops for mutant in generic_mutants(op)]
    return {mutant.name: mutant for mutant in [*generic, *source_mutants(ops)]}


def judged(names: Sequence[str], jobs: int) -> Iterator[Verdict]:
    """The verdicts on these mutants, in the order in which they are ready."""
    processes = multiprocessing.get_context("spawn")  # works on systems that cannot fork, too
    with processes.Pool(jobs) as pool:
        yield from pool.imap_unordered(_judge, names, chunksize=4)


def _judge(name: str) -> Verdict:
    return judge(mutants()[name])


def run(names: Sequence[str], jobs: int) -> bool:
    """Judge these mutants and print the results. Returns whether all mistakes were found and all declarations hold."""
    verdicts = []
    for verdict in judged(names, jobs):
        verdicts.append(verdict)
        if sys.stderr.isatty() or len(verdicts) % 500 == 0:
            print(f"\r{len(verdicts)} of {len(names)}", end="" if sys.stderr.isatty() else "\n", file=sys.stderr)
    verdicts.sort(key=lambda verdict: names.index(verdict.mutant))
    false_alarms = [v for v in verdicts if mutants()[v.mutant].kind == CONTROL and v.found_by]
    survivors = [v.mutant for v in verdicts if _outcome(v) == "survived"]
    stale_entries = list(stale(mutants(), verdicts))
    print("\n".join(table(verdicts)))
    for heading, lines in (
        ("survived", [name + " (not only in a rule)" * mutants()[name].shared for name in survivors]),
        ("right, but reported as wrong", [f"{v.mutant}: {v.how}" for v in false_alarms]),
        ("stale in engine/testing/mutation/equivalent.py", stale_entries),
    ):
        if lines:
            print(f"\n{heading}:")
            print("\n".join(f"  {line}" for line in lines))
    return not (false_alarms or survivors or stale_entries)


OUTCOMES = ("check_op", "another seed", "the traps", "the faults", "other tests", "equivalent", "survived")


def _outcome(verdict: Verdict) -> str:
    if verdict.found_by:
        return verdict.found_by
    if mutants()[verdict.mutant].kind == CONTROL:
        return CONTROL
    return "equivalent" if verdict.mutant in EQUIVALENT else "survived"


def table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Counts by kind of mutant: how many there are, and how many each check found."""
    counts: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        kind = mutants()[verdict.mutant].kind
        if kind != CONTROL:
            counts.setdefault(kind, Counter())[_outcome(verdict)] += 1
    total: Counter[str] = sum(counts.values(), Counter())
    yield f"{'kind':30}{'mutants':>10}" + "".join(f"{outcome:>14}" for outcome in OUTCOMES)
    for kind, row in [*counts.items(), ("total", total)]:
        yield f"{kind:30}{row.total():10}" + "".join(f"{row[outcome]:14}" for outcome in OUTCOMES)
