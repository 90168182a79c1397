"""Judge: holds the gradients that rules claim against numerical truth, and has three verdicts.

    agrees         within what the truth knows about its own error
    disagrees      outside, and a second look (`remainder.py`) makes sure that it is the rule's fault
    inconclusive   the truth does not know: a kink, noise, or no value on one side

Every entry gets one. One that disagrees raises GradientError at once, about the worst; what could not be decided is
remembered, and `finish` raises Inconclusive for it. So nothing undecided is ever a pass.

Read next: `engine/testing/comparison.py` for functions, `engine/testing/laws/` for ops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.testing.hints import hint
from engine.testing.numeric import ENOUGH, Estimate
from engine.testing.remainder import AGREES, DISAGREES, Line, allowed, distance, examine
from engine.testing.report import GradientError, Inconclusive, disagreement, element
from engine.testing.tally import tally

__tracebackhide__ = True  # in pytest's tracebacks: what failed is what was checked

LOST = 1e-8  # a smaller slope of a function that does not move at all may have been lost in its rounding
LOOKS = 64  # so many suspicious entries get a second look; what then remains of them is undecided


@dataclass
class Entries:
    """What stands behind the entries of a claim, by their flat indices.

    Fields:
        line: the function of one number whose slope at 0 an entry is.
        where: how to write the place of an entry; as an element of what is judged if None.
        guess: what a wrong entry looks like, for the report.
        slack: an error that is allowed in addition, for the rounding of a rule.
        unsure: entries that cannot be wrong, because the function has no derivative there whatever they are.
        group: how many entries in a row belong to one element of the inputs.
        shaken: the same claim with its arguments moved by a unit in the last place, at random. A rule that is then as
            far from itself as from the truth is not wrong, but ill-conditioned.
    """

    line: Callable[[int], Line]
    where: Callable[[int], str] | None = None
    guess: Callable[[int], str] | None = None
    slack: Any = 0.0
    unsure: Any = False
    group: int = 1
    shaken: Callable[[], Array] | None = None


class Judge:
    """Judges one function at one point.

    Attributes:
        subject: what is judged, as reports name it.
        subgradient: at a kink, take any value between the two slopes.
        entries: how many were compared.
        checked, undecided: the same by elements of the inputs; one is undecided if any result is, as it moves.
        worst: the largest relative error that passed.
    """

    def __init__(self, subject: str, subgradient: bool = False) -> None:
        self.subject = subject
        self.subgradient = subgradient
        self.entries = self.checked = self.undecided = 0
        self.worst = 0.0
        self._reason = ""

    def hold(self, law: str, name: str, claim: Any, truth: Estimate, behind: Entries) -> None:
        """Hold what a law's rule claims of `name` against the truth. Raises GradientError if an entry is wrong."""
        what = f"{self.subject}: the {law} of {name}"
        claim = self.shaped(what, claim, truth.value.shape)
        with np.errstate(all="ignore"):
            far, room = distance(claim, truth, self.subgradient), allowed(truth, behind.slack)
            smooth = np.isfinite(truth.value) & (self.subgradient | (truth.jump == 0))
            constant = (truth.value == 0) & (truth.scale == 0)
            agrees = smooth & (far <= room) & (truth.decided | (constant & (np.abs(claim) <= truth.flat)))
            lost = behind.unsure | (constant & (np.abs(claim) < LOST))
            suspects = np.flatnonzero(smooth & ~(far <= room) & ~np.broadcast_to(lost, claim.shape))
            surplus = np.nan_to_num((far - room).flat[suspects], nan=np.inf)
        for at in map(int, suspects[np.argsort(-surplus)][:LOOKS]):
            slack = float(np.broadcast_to(behind.slack, claim.shape).flat[at])
            finding = examine(behind.line(at), float(claim.flat[at]), subgradient=self.subgradient, slack=slack)
            if finding.verdict == DISAGREES and not _ill_conditioned(claim, far, at, behind):
                tally.record(self.subject, law)
                place = behind.where(at) if behind.where else element(name, claim.shape, at)
                looks = behind.guess(at) if behind.guess else hint(claim, truth.value, at, {})
                raise GradientError(
                    disagreement(what, place, float(claim.flat[at]), finding.truth, looks, finding.order), law
                )
            if finding.verdict == AGREES:
                agrees.flat[at], far.flat[at] = True, abs(claim.flat[at] - finding.truth.value)
        self._count(law, name, np.where(far > behind.slack, far, 0.0), truth, agrees, behind)

    def _count(self, law: str, name: str, far: Array, truth: Estimate, agrees: Array, behind: Entries) -> None:
        """Remember how many entries agreed, how well, and why one did not."""
        place_of = behind.where or (lambda at: element(name, agrees.shape, at))
        self.entries += agrees.size
        self.checked += agrees.size // behind.group
        self.undecided += int((~agrees).reshape(-1, behind.group).any(axis=1).sum())
        worst, place = 0.0, ""
        if agrees.any():
            with np.errstate(all="ignore"):
                scale = np.maximum(np.abs(truth.value), np.maximum(truth.scale, truth.flat))
                relative = np.where(agrees & (scale > 0), far / scale, 0.0)
            at = int(np.argmax(relative))
            worst, place = float(relative.flat[at]), place_of(at)
        if not agrees.all():
            at = int(np.flatnonzero(~agrees)[0])
            self._reason = f"the {law} at {place_of(at)}, {_why(truth, at)}"
        self.worst = max(self.worst, worst)
        tally.record(self.subject, law, conclusive=bool(agrees.all()), error=worst, where=place)

    def leave(self, count: int, reason: str) -> None:
        """Remember entries that could not be looked at."""
        self.checked += count
        self.undecided += count
        self._reason = reason

    def equal(self, law: str, name: str, claim: Any, expected: Any, tolerance: Any) -> None:
        """Two things that a law says are the same, up to rounding. Raises GradientError naming the worst element.

        Where what is expected or the tolerance is not a finite number, nothing is compared.
        """
        what = f"{self.subject}: {law!r} does not hold for {name}"
        expected = np.asarray(getattr(expected, "array", expected))
        claim = self.shaped(what, claim, expected.shape)
        tally.record(self.subject, law)
        with np.errstate(all="ignore"):
            same = (claim == expected) | ~np.isfinite(expected) | ~np.isfinite(tolerance)
            surplus = np.where(same, -1.0, np.abs(claim - expected) - tolerance)
            surplus = np.where(
                same | ~np.isfinite(expected) | (tolerance == np.inf), -1.0, np.abs(claim - expected) - tolerance
            )
        if not (surplus <= 0).all():
            at = int(np.argmax(np.nan_to_num(surplus, nan=np.inf)))
            raise GradientError(
                f"{what}: at {element(name, claim.shape, at)} it is {claim.flat[at]:.12g}, "
                f"and should be {expected.flat[at]:.12g}",
                law,
            )

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
                f"{self.subject}: inconclusive, {self.undecided} of {self.checked} elements could not be decided: "
                f"{self._reason}",
                self.undecided,
                self.checked,
            )


def _ill_conditioned(claim: Array, far: Array, at: int, behind: Entries) -> bool:
    """Whether an entry scatters about as much as it is wrong when its arguments are moved by their rounding.

    Two moved points are compared, because a rule may be wrong at one point alone, at 0 perhaps.
    """
    if behind.shaken is None or not np.isfinite(claim.flat[at]):
        return False
    return bool(16 * abs(behind.shaken().flat[at] - behind.shaken().flat[at]) >= far.flat[at])


def _why(truth: Estimate, at: int) -> str:
    """In words, why an entry could not be decided."""
    value, error, jump = (float(field.flat[at]) for field in (truth.value, truth.error, truth.jump))
    if not np.isfinite(value):
        return "has no value on both sides of the point"
    if jump:
        return f"is at a kink: its slope is {value - jump / 2:.6g} on the left, {value + jump / 2:.6g} on the right"
    if error <= ENOUGH * abs(value):
        return (
            f"where f does not look smooth: central differences find {value:.6g}, but right and left sides do not meet"
        )
    return f"where central differences find a slope of {value:.3g}, give or take {error:.1g}"
