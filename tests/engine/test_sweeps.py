"""The sweep on random graphs: the law of conservation, and agreement with central differences."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine import Node, Tensor
from engine.backward import gradients
from engine.graph import reachable
from engine.sweeps import reverse_sweep
from engine.testing.numeric import directional
from tests.engine.programs import inputs, programs, run


@given(programs)
def test_contributions_into_a_node_add_up_to_its_gradient(program: tuple[int, list[Any]]) -> None:
    seed, steps = program
    loss = run(steps, [Tensor(a, requires_grad=True) for a in inputs(seed)])
    arrived: dict[Node, Any] = defaultdict(lambda: 0.0)

    def observe(node: Node, argument: int, parent: Node, contribution: Any) -> None:
        assert node.parents[argument] is parent
        assert node.serial > parent.serial
        arrived[parent] = arrived[parent] + contribution

    everything = set(reachable(loss.node))
    found = reverse_sweep(loss.node, np.ones(()), retain_graph=True, observe=observe)
    assert set(arrived) | {loss.node} == everything
    for node in everything - {loss.node}:  # an independent way to each gradient: end the sweep there
        alone = reverse_sweep(loss.node, np.ones(()), retain_graph=True, inputs={node})
        np.testing.assert_allclose(arrived[node], alone[node], rtol=1e-9, atol=1e-12)
    for node, gradient in found.items():
        np.testing.assert_allclose(arrived[node], gradient, rtol=1e-9, atol=1e-12)


@given(programs, st.integers(0, 2**16))
def test_gradients_of_random_programs_agree_with_central_differences(program: tuple[int, list[Any]], seed: int) -> None:
    arrays = inputs(program[0])
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    ours = gradients(run(program[1], tensors), tensors)
    rng = np.random.default_rng(seed)
    directions = [rng.normal(size=a.shape) for a in arrays]

    def value(*moved: Any) -> Any:
        return run(program[1], [Tensor(a) for a in moved]).item()

    truth = directional(value, arrays, directions)
    slope = sum(np.vdot(g, d) for g, d in zip(ours, directions, strict=True))
    # maximum has a kink; where one is near, the estimate of the error says so
    assert abs(slope - truth.value) <= 10 * truth.error + 1e-6 * max(1, abs(slope))
