"""The checker checked: wrong rules are planted in every op, and each must be found by `check_op` as it is shipped.

    python -m engine.testing.mutation                     all of them
    python -m engine.testing.mutation exp --kind sign     some

A mutant that survives shows a law that is missing. What cannot be found because it is no mistake is declared, with the
reason, in `equivalent.py`.

Read next: `mutant.py`, `sites.py`, `mistakes.py`, `generic.py`; then `functions.py`, `changes.py`, `source.py`.
"""

from engine.testing.mutation.equivalent import EQUIVALENT, stale
from engine.testing.mutation.generic import generic_mutants
from engine.testing.mutation.mutant import Mutant
from engine.testing.mutation.run import mutants
from engine.testing.mutation.source import source_mutants
from engine.testing.mutation.trial import Verdict, judge

__all__ = [
    "EQUIVALENT",
    "Mutant",
    "Verdict",
    "generic_mutants",
    "judge",
    "mutants",
    "source_mutants",
    "stale",
]
