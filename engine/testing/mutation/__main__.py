"""`python -m engine.testing.mutation`: plant wrong rules everywhere and see whether the checker finds them.

Exit status 1 if one survived, if a right rule was found fault with, or if a declared equivalent is none.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from engine.primitive import registry
from engine.testing.mutation.run import mutants, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with these arguments, the command line's by default; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.testing.mutation", description="Check the checker: plant wrong rules and look for them."
    )
    parser.add_argument("ops", nargs="*", metavar="op", help="only the mutants of these ops (default: all)")
    parser.add_argument("--kind", action="append", help="only mutants of this kind, such as sign; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one per core)")
    parser.add_argument("--list", action="store_true", help="print the names of the mutants, and plant none")
    given = parser.parse_args(arguments)
    kinds = {mutant.kind for mutant in mutants().values()}
    for what, asked, known in (("op", given.ops, registry), ("kind", given.kind or [], kinds)):
        for name in asked:
            if name not in known:
                parser.error(f"no {what} named {name!r}; there are {', '.join(sorted(known))}")
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
