"""Op: everything that is known about an op, except what happens when it is called.

How to compute it, how to differentiate it, and what the laws of `engine.testing` need to try it. A node of the graph
refers to its op, and a sweep runs the op's rules; neither needs to know how a call records a node. That is added by
`engine/primitive.py`, the class that users see.

Read next: `engine/shortcuts.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.degree import Degree, scalings
from engine.examples import Example
from engine.plan import Joint, Plan, Rule, named_rules
from engine.signature import Signature

_FEW = 4  # arguments of an op whose plans are kept


class Op:
    """A differentiable function of arrays.

    Attributes:
        name: the function's name; another may be given where a function of that name prepares the arguments.
        forward: computes the result from arrays.
        vjp, jvp: the rules, one per argument; None where an argument has no derivative (an index, a condition).
        examples: draws arguments for the laws of `engine.testing`.
        broadcasts: the function broadcasts its arguments, so the sweep sums contributions back to their shapes.
        pointwise: each element of the result depends on the elements in its own place only.
        along: the axis along which it works, or the name of the metadata that gives its axes: each slice of the result
            depends on the same slice of the arguments only (see `engine/zero_cotangent.py`).
        selects: the result may leave out values of the arguments, which are then not used.
        degree: how the result is scaled when the arguments are, None if it is not homogeneous (see `engine/degree.py`).
        moves: the function moves values and computes nothing, so that float16 needs no care (see `engine/half.py`).
        residuals: names of what the function returns beside its result, for the rules.
        reference: the same function composed of other ops, for a fused op.
        signature: the names of its parameters.
        constants: a bit for each argument that has no derivative.
        scalings: the degree, one way to scale the arguments at a time.
        arity, metadata_count: how many array arguments a call has (-1 for `*arrays`), and how many others.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        *,
        vjp: Sequence[Rule | None] | Joint,
        jvp: Sequence[Rule | None] | Joint | Rule | None = None,
        examples: Example | None = None,
        broadcasts: bool = False,
        pointwise: bool = False,
        along: str | int | None = None,
        moves: bool = False,
        selects: bool = False,
        degree: Degree | None = None,
        residuals: tuple[str, ...] = (),
        reference: Callable[..., Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.forward = forward
        self.name = name or forward.__name__
        self.__doc__ = forward.__doc__
        self.__module__ = forward.__module__
        self.__wrapped__ = forward  # where `inspect.signature` and editors find the signature
        self.signature = Signature(self.name, forward, residuals, keep_arguments=reference is not None)
        self.vjp = vjp
        self.jvp = jvp
        self.examples = examples
        self.broadcasts = broadcasts
        self.pointwise = pointwise
        self.along = along
        self.moves = moves
        self.selects = selects
        self.degree = degree
        self.residuals = residuals
        self.reference = reference
        self.arity = self.signature.arity
        self.metadata_count = len(self.signature.metadata)
        rules = () if isinstance(vjp, Joint) or self.arity < 0 else vjp
        self.constants = sum(1 << k for k, rule in enumerate(rules) if rule is None)
        with_rules = [name for k, name in enumerate(self.signature.arguments) if not self.constants >> k & 1]
        self.scalings = scalings(self.signature, degree, with_rules)
        self._plans: dict[tuple[bool, bool, int], Plan] = {}
        for given in (vjp, jvp):
            if given is not None:  # a rule that asks for an unknown name fails here
                named_rules(self.signature, given, (True,) * abs(self.arity))

    def implement(self, forward: Callable[..., Any], vjp: Sequence[Rule | None] | Joint) -> None:
        """Compute with these functions from now on. Nodes recorded before keep their rules."""
        self.forward = forward
        self.vjp = vjp
        self._plans.clear()

    def plan(self, forward_mode: bool, count: int, wanted: int, half: bool = False) -> Plan:
        """The plan for a call with so many arguments, of which those in the bit mask `wanted` require a derivative.

        With `half` its rules compute in float32 on values in float16.
        """
        key = forward_mode, half, 1 << count | wanted
        known = self._plans.get(key)
        if known is not None:
            return known
        plan = Plan(self, self.jvp if forward_mode else None, count, wanted, half)
        if count <= _FEW:  # so that the plans of an op of any number of arguments do not pile up
            self._plans[key] = plan
        return plan
