"""Tests of the checker: wrong rules are planted in every op, and `check_op` must find each of them by its defaults.

    python -m engine.testing.mutation                     all mutants
    python -m engine.testing.mutation exp --kind sign     some

A mutant that survives shows that a law is missing. Mutants that compute the same function as the right rule cannot be
found; `equivalent.py` declares them, with reasons.

Read next: `engine/testing/mutation/mutant.py`.
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
