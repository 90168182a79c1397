"""Judge: holds the gradients that rules claim against numerical truth, and has three verdicts.

    agrees         within what the truth knows about its own error
    disagrees      outside, and a second look (`remainder.py`) makes sure that it is the rule's fault
    inconclusive   the truth does not know: a kink, noise, or no value on one side

Every entry gets one. One that disagrees raises GradientError at once, about the worst; what could not be decided is
remembered, and `finish` raises Inconclusive for it. So nothing undecided is ever a pass.

Read next: `engine/testing/gradcheck.py` for functions, `engine/testing/laws.py` for ops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.tensor import Array
from engine.testing.hints import hint
from engine.testing.numeric import Estimate
from engine.testing.remainder import AGREES, DISAGREES, Line, allowed, distance, examine
from engine.testing.report import GradientError, Inconclusive, disagreement, element
from engine.testing.tally import tally

LOOKS = 64  # so many suspicious entries get a second look; what then remains of them is undecided


class Judge:
    """Judges one function at one point.

    Attributes:
        subject: what is judged, as reports name it.
        subgradient: at a kink, take any value between the two slopes.
        checked, undecided: numbers of entries.
        worst: the largest relative error that passed.
    """

    def __init__(self, subject: str, subgradient: bool = False) -> None:
        self.subject = subject
        self.subgradient = subgradient
        self.checked = self.undecided = 0
        self.worst = 0.0
        self._reason = ""

    def hold(
        self,
        law: str,
        name: str,
        claim: Any,
        truth: Estimate,
        line: Callable[[int], Line],
        *,
        where: Callable[[int], str] | None = None,
        known: Mapping[str, Array] | None = None,
        slack: Array | float = 0.0,
        unsure: Array | bool = False,
    ) -> None:
        """Hold a claim against the truth, entry by entry. Raises GradientError if one is certainly wrong.

        Args:
            law, name: which rule, and of which argument.
            claim: what the rule gives, in the shape of the truth.
            truth: what central differences give.
            line: for the flat index of an entry, the function of one number whose slope at 0 it is.
            where: how to write the place of an entry; as an element of `name` by default.
            known: values a mistake may have multiplied or forgotten, for the report.
            slack: an error that is allowed in addition, for the rounding of a rule.
            unsure: entries that cannot be wrong, because the function has no derivative there whatever they are.
        """
        what = f"{self.subject}: the {law} of {name}"
        claim = self.shaped(what, claim, truth.value.shape)
        with np.errstate(all="ignore"):
            far = distance(claim, truth, self.subgradient)
            known_there = np.isfinite(truth.value) & (self.subgradient | (truth.jump == 0))
            near = far <= allowed(truth, slack)
            constant = (truth.value == 0) & (truth.scale == 0) & (np.abs(claim) <= truth.flat)
            agrees = known_there & near & (truth.decided | constant)
            suspects = np.flatnonzero(known_there & ~near & ~np.broadcast_to(unsure, claim.shape))
            surplus = np.nan_to_num(far - allowed(truth, slack), nan=np.inf).reshape(-1)[suspects]
        for at in map(int, suspects[np.argsort(-surplus)][:LOOKS]):
            room = float(np.broadcast_to(slack, claim.shape).flat[at])
            finding = examine(line(at), float(claim.flat[at]), subgradient=self.subgradient, slack=room)
            if finding.verdict == DISAGREES:
                tally.record(self.subject, law)
                place = where(at) if where else element(name, claim.shape, at)
                value, error = float(finding.truth.value), float(finding.truth.error)
                guess = hint(claim, truth.value, at, known or {})
                raise GradientError(
                    disagreement(what, place, float(claim.flat[at]), value, error, guess, finding.order)
                )
            if finding.verdict == AGREES:
                agrees.flat[at], far.flat[at] = True, 0.0
        self._count(law, name, claim, truth, np.where(far > slack, far, 0.0), agrees, where)

    def _count(
        self,
        law: str,
        name: str,
        claim: Array,
        truth: Estimate,
        far: Array,
        agrees: Array,
        where: Callable[[int], str] | None,
    ) -> None:
        passed = int(agrees.sum())
        self.checked += claim.size
        self.undecided += claim.size - passed
        worst, place = 0.0, ""
        if passed:
            with np.errstate(all="ignore"):
                scale = np.maximum(np.abs(truth.value), np.maximum(truth.scale, truth.flat))
                relative = np.where(agrees & (scale > 0), far / scale, 0.0)
            at = int(np.argmax(relative))
            worst, place = float(relative.flat[at]), element(name, claim.shape, at)
        if passed < claim.size:
            at = int(np.flatnonzero(~agrees)[0])
            place = where(at) if where else element(name, claim.shape, at)
            self._reason = f"the {law} at {place}, {_why(truth, at)}"
        self.worst = max(self.worst, worst)
        tally.record(self.subject, law, conclusive=passed == claim.size, error=worst, where=place)

    def equal(self, law: str, name: str, claim: Any, expected: Any, tolerance: Any) -> None:
        """Two things that must be the same, up to rounding. Raises GradientError naming the worst element."""
        what = f"{self.subject}: {law} does not hold for {name}"
        expected = np.asarray(getattr(expected, "array", expected))
        claim = self.shaped(what, claim, expected.shape)
        if claim.size:
            with np.errstate(all="ignore"):
                surplus = np.abs(claim - expected) - tolerance
                surplus = np.where((claim == expected) | (np.isnan(claim) & np.isnan(expected)), -1.0, surplus)
            at = int(np.argmax(np.where(np.isnan(surplus), np.inf, surplus)))
            if not surplus.flat[at] <= 0:
                tally.record(self.subject, law)
                raise GradientError(
                    f"{what}: at {element(name, claim.shape, at)} it is {claim.flat[at]:.9g}, "
                    f"and should be {expected.flat[at]:.9g}"
                )
        tally.record(self.subject, law)

    def shaped(self, what: str, claim: Any, shape: tuple[int, ...]) -> Array:
        """The claim as an array of float64. Raises GradientError if it has another shape."""
        claim = np.asarray(getattr(claim, "array", claim))
        if claim.shape != shape:
            raise GradientError(f"{what} has shape {claim.shape}, and should have {shape}")
        if claim.dtype.kind not in "fiub":
            raise GradientError(f"{what} has dtype {claim.dtype}, and should be real numbers")
        return claim.astype(np.float64)

    def finish(self) -> None:
        """Raise Inconclusive if anything could not be decided."""
        if self.undecided:
            raise Inconclusive(
                f"{self.subject}: inconclusive, {self.undecided} of {self.checked} entries could not be decided: "
                f"{self._reason}",
                self.undecided,
                self.checked,
            )


def _why(truth: Estimate, at: int) -> str:
    """In words, why an entry could not be decided."""
    value, error, jump = (float(field.flat[at]) for field in (truth.value, truth.error, truth.jump))
    if not np.isfinite(value):
        return "has no value on both sides of the point"
    if jump and np.isfinite(jump):
        return f"is at a kink, with slope {value - jump / 2:.6g} on the left and {value + jump / 2:.6g} on the right"
    if jump:
        return "is at a kink"
    return f"where central differences are good to {error:.1g} only, for a slope of {value:.3g}"
