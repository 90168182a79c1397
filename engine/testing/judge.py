"""Judge: compares the gradients that rules claim with numerical truth, and gives one of three verdicts.

    agrees         the difference is within the estimated error of the truth
    disagrees      the difference is larger, and the second test (`remainder.py`) confirms that the rule is wrong
    inconclusive   the truth is not known: a kink, noise, or no value on one side

Every entry gets a verdict. If any disagrees, `hold` raises GradientError for the worst; undecided entries are counted,
and `finish` raises Inconclusive if there are any. So an undecided entry is never a pass.

Read next: `engine/testing/report.py`, the errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.testing.hints import hint
from engine.testing.noise import Noise
from engine.testing.numeric import ENOUGH, SHARE, Estimate
from engine.testing.remainder import AGREES, DISAGREES, Line, allowed, constant, distance, examine
from engine.testing.report import GradientError, Inconclusive, disagreement, element
from engine.testing.tally import tally

__tracebackhide__ = True  # in pytest's tracebacks: what failed is what was checked

LOST_SLOPE = 1e-8  # if f does not change at all, a slope smaller than this may be lost in its rounding
SECOND_LOOKS = 64  # so many suspicious entries get the second test; the others are undecided


@dataclass
class Context:
    """How the entries of a claim are computed and reported. Functions take the flat index of an entry.

    Fields:
        line: the function of one number whose slope at 0 is the entry.
        where: the name of the entry in the report; by default its element of the claim.
        guess: the hint for a wrong entry in the report.
        slack: an additional error that is allowed, for the rounding of a rule.
        unsure: the entries at which the function has no derivative, so that no claim is wrong there.
        group: the number of consecutive entries that belong to one element of the inputs.
        shaken: computes the claim again with its arguments moved by a unit in the last place, at random. A rule that
            differs from itself then by as much as from the truth is ill-conditioned, not wrong.
        size: the largest slope beside an entry, as a share of which it is judged.
        share: the share that counts as nothing.
        terms, weight: the size of what `rtol` is relative to, the slope itself by default, and the weight of `atol`.
        noise: how far f is off by rounding, if that is more than its dtype says.
    """

    line: Callable[[int], Line]
    where: Callable[[int], str] | None = None
    guess: Callable[[int], str] | None = None
    slack: Any = 0.0
    unsure: Any = False
    group: int = 1
    shaken: Callable[[], Array] | None = None
    size: Any = 0.0
    share: Any = SHARE
    terms: Any = None
    weight: Any = 1.0
    noise: Callable[[int], float] | None = None


class Judge:
    """Judges one function at one point.

    Attributes:
        subject: the name of the function in reports.
        subgradient: at a kink, accept any value between the two slopes.
        rtol, atol: deliberate deviations: by how much a rule may differ besides, relative to the slope and absolutely.
        entries: the number of entries that were compared.
        checked, undecided: the numbers of elements of the inputs; an element is undecided if any of its entries is.
        worst: the largest relative error that passed.
        calls: how often the function was called.
        noise: how it is rounded.
    """

    def __init__(self, subject: str, subgradient: bool = False, rtol: float = 0.0, atol: float = 0.0) -> None:
        self.subject = subject
        self.subgradient = subgradient
        self.rtol, self.atol = rtol, atol
        self.entries = self.checked = self.undecided = self.calls = 0
        self.worst = 0.0
        self.noise: Noise | None = None
        self._reason = ""

    def counted(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """A function whose calls are counted."""

        @wraps(f, updated=())
        def call(*args: Any, **metadata: Any) -> Any:
            self.calls += 1
            tally.calls += 1
            return f(*args, **metadata)

        return call

    def hold(self, law: str, name: str, claim: Any, truth: Estimate, context: Context) -> None:
        """Compare what a rule claims for `name` with the truth. Raises GradientError if an entry is wrong."""
        what = f"{self.subject}: the {law} of {name}"
        claim = self.shaped(what, claim, truth.value.shape)
        with np.errstate(all="ignore"):
            terms = np.abs(truth.value) if context.terms is None else context.terms
            slack = context.slack + self.rtol * terms + self.atol * context.weight
            far, room = np.array(distance(claim, truth, self.subgradient)), allowed(truth, slack)
            smooth = np.isfinite(truth.value) & (self.subgradient | (truth.jump == 0))
            constant = (truth.value == 0) & (truth.scale == 0)
            agrees = np.array(smooth & (far <= room) & truth.decided)  # an array to be written into, if of no axes
            lost = context.unsure | (constant & (np.abs(claim) < LOST_SLOPE))
            suspects = np.flatnonzero(smooth & ~(far <= room) & ~np.broadcast_to(lost, claim.shape))
            surplus = np.nan_to_num((far - room).flat[suspects], nan=np.inf)
            seen = np.maximum(np.abs(truth.value), truth.scale)
            hidden = (seen <= truth.flat) & (truth.flat > context.share * context.size)
            hidden &= agrees & ~(constant & (claim == 0))
        for at in map(int, suspects[np.argsort(-surplus)][:SECOND_LOOKS]):
            loose = float(np.broadcast_to(slack, claim.shape).flat[at])
            noise = context.noise(at) if context.noise else 0.0
            finding = examine(
                context.line(at), float(claim.flat[at]), subgradient=self.subgradient, slack=loose, noise=noise
            )
            if finding.verdict == DISAGREES and not _ill_conditioned(claim, far, at, context):
                tally.record(self.subject, law)
                place = context.where(at) if context.where else element(name, claim.shape, at)
                guess = context.guess(at) if context.guess else hint(claim, truth.value, at, {})
                message = disagreement(what, place, float(claim.flat[at]), finding.truth, guess, finding.order)
                raise GradientError(message + "".join(f"\n  {line}" for line in self.remarks()), law)
            if finding.verdict == AGREES:
                agrees.flat[at], far.flat[at] = True, abs(claim.flat[at] - finding.truth.value)
        for look, at in enumerate(map(int, np.flatnonzero(hidden))):
            agrees.flat[at] = look < SECOND_LOOKS and _flat(claim, at, context)
        self._count(law, name, claim, np.where(far > context.slack, far, 0.0), truth, agrees, context)

    def remarks(self) -> list[str]:
        """What else a report says: deliberate deviations, and how the function is rounded."""
        given = {"rtol": self.rtol, "atol": self.atol}
        allowed = " and ".join(f"{name}={value:g}" for name, value in given.items() if value)
        noise = self.noise.words if self.noise else ""
        return [remark for remark in (f"allowed: {allowed}" if allowed else "", noise) if remark]

    def _count(
        self, law: str, name: str, claim: Array, far: Array, truth: Estimate, agrees: Array, context: Context
    ) -> None:
        """Count the entries that agreed, with the largest error among them, and keep the reason why one did not."""
        place_of = context.where or (lambda at: element(name, agrees.shape, at))
        self.entries += agrees.size
        self.checked += agrees.size // context.group
        self.undecided += int((~agrees).reshape(-1, context.group).any(axis=1).sum())
        worst, place = 0.0, ""
        if agrees.any():
            with np.errstate(all="ignore"):
                scale = np.maximum(np.abs(truth.value), np.maximum(truth.scale, truth.flat))
                scale = np.where(scale > context.share * context.size, scale, context.size)  # of what counts as nothing
                relative = np.where(agrees & (scale > 0), far / scale, 0.0)
            at = int(np.argmax(relative))
            worst, place = float(relative.flat[at]), place_of(at)
        if not agrees.all():
            at = int(np.flatnonzero(~agrees)[0])
            self._reason = f"the {law} at {place_of(at)}, {_why(truth, at, float(claim.flat[at]))}"
        self.worst = max(self.worst, worst)
        tally.record(self.subject, law, conclusive=bool(agrees.all()), error=worst, where=place)

    def leave_undecided(self, count: int, reason: str) -> None:
        """Count elements that could not be compared."""
        self.checked += count
        self.undecided += count
        self._reason = reason

    def equal(self, law: str, name: str, claim: Any, expected: Any, tolerance: Any) -> None:
        """Compare two values that are equal by a law, up to rounding. Raises GradientError naming the worst element.

        Elements whose expected value or tolerance is not finite are not compared.
        """
        what = f"{self.subject}: {law!r} does not hold for {name}"
        expected = np.asarray(getattr(expected, "array", expected))
        claim = self.shaped(what, claim, expected.shape)
        tally.record(self.subject, law)
        with np.errstate(all="ignore"):
            same = (claim == expected) | ~np.isfinite(expected) | ~np.isfinite(tolerance)
            surplus = np.where(same, -1.0, np.abs(claim - expected) - tolerance)
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
                + "; ".join([self._reason, *self.remarks(), f"{self.calls:,} calls of f"]),
                self.undecided,
                self.checked,
            )


def _ill_conditioned(claim: Array, far: Array, at: int, context: Context) -> bool:
    """Whether an entry varies about as much as it is wrong when its arguments are moved by their rounding.

    Moved points are compared with one another, because a rule may be wrong at one point only, such as 0.
    """
    if context.shaken is None or not np.isfinite(claim.flat[at]):
        return False
    return bool(16 * np.ptp([context.shaken().flat[at] for _ in range(3)]) >= far.flat[at])


def _flat(claim: Array, at: int, context: Context) -> bool:
    """Whether a slope too small for the rounding of f is 0: f is constant, and so is what the rule claims, but for it.

    Or else the slope is hidden by the rounding, and every claim as small as that would agree.
    """
    claimed = np.abs(claim)
    rounding = claimed.flat[at] <= np.broadcast_to(context.slack, claim.shape).flat[at]
    return constant(context.line(at), context.noise(at) if context.noise else 0.0) and bool(
        rounding or context.shaken is None or _ill_conditioned(claim, claimed, at, context)
    )


def _why(truth: Estimate, at: int, claim: float) -> str:
    """The reason why an entry could not be decided, in words."""
    value, error, jump, flat = (float(field.flat[at]) for field in (truth.value, truth.error, truth.jump, truth.flat))
    rule = f"; the rule gives {claim:.3g}"
    if not np.isfinite(value):
        return "has no value on both sides of the point" + rule
    if jump:
        sides = f"{value - jump / 2:.6g} on the left, {value + jump / 2:.6g} on the right"
        return f"is at a kink: its slope is {sides}{rule}"
    if abs(value) <= flat and error <= flat:
        return f"where the rounding of f hides every slope smaller than {flat:.1g}{rule}"
    if error <= ENOUGH * abs(value):
        return (
            f"where f does not look smooth: central differences find {value:.6g}, but the right and left slopes differ"
            + rule
        )
    return f"where central differences find a slope of {value:.3g} with an error of {error:.1g}{rule}"
