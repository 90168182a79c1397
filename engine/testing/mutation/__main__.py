"""`python -m engine.testing.mutation`: plant wrong rules in every op and report which of them the checker finds.

The exit status is 1 if a mutant survived, if the checker reported a right rule, or if a declaration in `equivalent.py`
is wrong.

Read next: `nn/__init__.py`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from engine.primitive import registry
from engine.testing.mutation.run import mutants, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with these arguments, by default those of the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.testing.mutation", description="Check the checker: plant wrong rules and look for them."
    )
    parser.add_argument("ops", nargs="*", metavar="op", help="only the mutants of these ops (default: all)")
    parser.add_argument("--kind", action="append", help="only mutants of this kind, such as sign; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one per core)")
    parser.add_argument("--list", action="store_true", help="only print the names of the mutants")
    given = parser.parse_args(arguments)
    kinds = {mutant.kind for mutant in mutants().values()}
    for what, asked, existing in (("op", given.ops, registry), ("kind", given.kind or [], kinds)):
        for name in asked:
            if name not in existing:
                parser.error(f"no {what} named {name!r}; there are {', '.join(sorted(existing))}")
    names = [
        name
        for name, mutant in mutants().items()
        if (not given.ops or set(given.ops) & set(mutant.ops)) and (not given.kind or mutant.kind in given.kind)
    ]
    if given.list:
        print("\n".join(names))
        return 0
    return 0 if run(names, given.jobs) else 1


if __name__ == "__main__":
    raise SystemExit(main())
