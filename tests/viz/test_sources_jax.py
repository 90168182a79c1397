"""A flow of a JAX function: its gradients are those of `jax.grad`, its names and scopes those of the program."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import viz
from tests.viz.jax_models import (
    CELL,
    IDS,
    LAYERS,
    MODELS,
    TRANSFORMER,
    Model,
    floats,
    jax,
    jnp,
    lax,
    perceptron,
    recurrent,
    ruled,
    transformer,
)


@pytest.fixture(params=[pytest.param(False, id="float32", marks=pytest.mark.deep), pytest.param(True, id="x64")])
def exact(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether JAX computes in float64."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", request.param)
    yield request.param
    jax.config.update("jax_enable_x64", before)


def leaves(flow: viz.BlameFlow) -> dict[str | None, viz.Node]:
    return {node.name: node for node in flow.nodes if node.op == "leaf"}


def ops(flow: viz.BlameFlow) -> list[str]:
    return [node.op for node in flow.nodes]


def gradients(model: Model) -> dict[str, Any]:
    """The gradients by `jax.grad`, by the names of their leaves."""
    given = [*model.arguments]
    where, held = zip(*[(k, given[k]) for k in model.argnums], strict=True)
    flat, tree = jax.tree_util.tree_flatten_with_path(held)
    floating = [jnp.issubdtype(jnp.result_type(value), jnp.floating) for _, value in flat]

    def loss(arrays: Any) -> Any:
        filled = iter(arrays)
        new = tree.unflatten([next(filled) if f else value for f, (_, value) in zip(floating, flat, strict=True)])
        for k, value in zip(where, new, strict=True):
            given[k] = value
        return model.loss(*given)

    found = jax.grad(loss)([jnp.asarray(value) for f, (_, value) in zip(floating, flat, strict=True) if f])
    names = [*inspect.signature(model.loss).parameters]
    paths = [path for f, (path, _) in zip(floating, flat, strict=True) if f]
    told = [
        f"{names[0]}[{where[path[0].idx]}]" if model.name == "any-number" else names[where[path[0].idx]]
        for path in paths
    ]
    return {name + jax.tree_util.keystr(path[1:]): g for name, path, g in zip(told, paths, found, strict=True)}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_gradients_are_those_of_jax_and_shares_add_up(model: Model, exact: bool) -> None:
    flow = viz.trace(model.loss, *model.arguments)
    assert flow.loss == pytest.approx(float(model.loss(*model.arguments)), rel=1e-12 if exact else 1e-5)
    digits = 1e-9 if exact else 1e-3
    found = leaves(flow)
    for name, truth in gradients(model).items():
        truth = np.asarray(truth, np.float64)
        if name not in found:
            assert not truth.any()
            continue
        assert found[name].dtype == ("float64" if exact else "float32")
        assert found[name].norm == pytest.approx(np.linalg.norm(truth), rel=digits)
        numbers = found[name].gradient
        if numbers is not None:
            scale = max(abs(truth).max(), 1e-30)
            assert [numbers.mean, numbers.least, numbers.greatest] == pytest.approx(
                [truth.mean(), truth.min(), truth.max()], rel=digits, abs=digits * scale
            )
    shares: dict[str, float] = {}
    for edge in flow.edges:
        shares[edge.target] = shares.get(edge.target, 0.0) + edge.share
    assert {round(share, 6) for share in shares.values() if not np.isnan(share)} <= {1.0}
    assert all(node.value is not None for node in flow.nodes if node.shape != (0, 3) and node.dtype[0] == "f")


def test_an_edge_tells_its_argument_its_rule_and_its_local_derivative() -> None:
    flow = viz.trace(lambda a, b: a * b, 2.0, -3.0)
    told = [(edge.target, edge.argument, edge.rule, edge.local, edge.each) for edge in flow.edges]
    assert told == [("n0", 0, "jax.vjp of multiply", "-3", (-3.0,)), ("n1", 1, "jax.vjp of multiply", "2", (2.0,))]
    flow = viz.trace(lambda x: jnp.sum(x**2), np.array([1.0, 3.0]))
    assert [edge.local for edge in flow.edges] == ["[[1] [1]]", "[2 6]"]


def test_views_are_left_out_where_they_are_used_once() -> None:
    def loss(w: Any, x: Any) -> Any:
        return jnp.sum((x.reshape(2, 3) @ w.T)[:, None])

    flow = viz.trace(loss, floats(4, 3), floats(6))
    assert ops(flow) == ["reduce_sum", "dot_general", "leaf", "leaf"]
    to_leaves = {edge.rule for edge in flow.edges if edge.target in ("n0", "n1")}
    assert all(rule.startswith("jax.vjp of dot_general, ") for rule in to_leaves)
    kept = viz.trace(lambda x: jnp.sum(x.reshape(3, 2) ** 2) + jnp.sum(jnp.sin(jnp.sum(x.T))), floats(6))
    assert "reshape" not in ops(kept)

    def twice(x: Any) -> Any:
        y = x.reshape(3, 2)
        return jnp.sum(y * y)

    assert ops(viz.trace(twice, floats(6))) == ["reduce_sum", "multiply", "reshape", "leaf"]


def test_a_cast_to_another_precision_is_no_view() -> None:
    flow = viz.trace(lambda x: jnp.sum(x.astype(jnp.float32) ** 2), jnp.ones(3, jnp.bfloat16))
    assert ops(flow) == ["reduce_sum", "integer_pow", "convert_element_type", "leaf"]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_measured_without_overflow(dtype: str) -> None:
    flow = viz.trace(lambda x: jnp.sum(x * jnp.asarray(300.0, dtype)), jnp.full(4, 200.0, dtype))
    (leaf,) = leaves(flow).values()
    assert leaf.dtype == dtype
    assert leaf.norm == pytest.approx(600.0, rel=1e-2)


def test_a_function_with_a_rule_of_its_own_is_one_box_by_its_name() -> None:
    flow = viz.trace(lambda x: jnp.sum(ruled(x)), np.ones(3))
    assert ops(flow) == ["reduce_sum", "sevenfold", "leaf"]
    assert flow.edges[1].local == "[7 7 7]"
    assert ops(viz.trace(lambda x: jnp.sum(jax.nn.relu(x)), floats(3))) == ["reduce_sum", "relu", "leaf"]
    branching = viz.trace(lambda x: jnp.sum(lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x)), floats(3))
    assert ops(branching) == ["reduce_sum", "cond", "leaf"]


def test_calls_that_only_group_equations_are_entered() -> None:
    def loss(x: Any) -> Any:
        return jnp.sum(jax.vmap(jax.checkpoint(jax.jit(jnp.sin)))(x))

    assert ops(viz.trace(loss, floats(3))) == ["reduce_sum", "sin", "leaf"]


def test_a_long_scan_inside_a_scan_is_one_step_of_it() -> None:
    def loss(x: Any, xs: Any) -> Any:
        def inner(h: Any, _: Any) -> Any:
            return jnp.sin(h), None

        return lax.scan(lambda h, y: (lax.scan(inner, h * y, length=50)[0], None), x, xs)[0]

    assert ops(viz.trace(loss, 1.0, floats(2))).count("sin") == 100
    assert ops(viz.trace(loss, 1.0, floats(3))).count("scan") == 3


def test_stop_gradient_and_what_is_not_used_send_nothing() -> None:
    flow = viz.trace(lambda p: jnp.sum(p["a"]) * lax.stop_gradient(jnp.sum(p["b"])), {"a": 2.0, "b": 3.0, "c": 1.0})
    assert [*leaves(flow)] == ["p['a']"]


def test_leaves_are_named_by_signature_and_path() -> None:
    flow = viz.trace(perceptron, LAYERS, floats(2, 4), floats(2, 2))
    assert {*leaves(flow)} == {"x", "y", *(f"params['layers'][{k}]['{name}']" for k in (0, 1) for name in "wb")}


def test_without_scopes_a_parameter_stands_in_its_place_in_the_tree() -> None:
    flow = viz.trace(lambda params: perceptron(params, floats(2, 4), floats(2, 2)), LAYERS)
    assert [stage.name for stage in flow.stages(depth=2)] == ["layers.0", "layers.1"]
    one = {"net": {"w": floats(3)}}
    flow = viz.trace(lambda p, q: jnp.sum(p["net"]["w"] * q["net"]["w"]), one, one)
    assert {stage.name for stage in flow.stages(depth=2)} == {"p.net", "q.net"}


def test_the_same_scope_around_every_layer_does_not_hide_the_layers() -> None:
    linear = jax.named_scope("Linear")(lambda layer, x: x @ layer["w"])

    def loss(layers: Any) -> Any:
        return jnp.sum(linear(layers[1], jnp.tanh(linear(layers[0], jnp.ones(2)))))

    flow = viz.trace(loss, [{"w": floats(2, 2)}, {"w": floats(2, 2)}])
    assert [stage.name for stage in flow.stages()] == ["0", "1"]
    assert [(node.scope, node.calls) for node in flow.nodes if node.op == "dot_general"] == [
        (("Linear",), (1,)),
        (("Linear",), (0,)),
    ]


def test_named_scopes_are_modules_and_equal_blocks_fold() -> None:
    flow = viz.trace(transformer, TRANSFORMER, IDS)
    assert {node.scope for node in flow.nodes if node.op == "logistic"} == {("block.0", "mlp"), ("block.1", "mlp")}
    assert [stage.name for stage in flow.stages()] == ["params['table']", "params['places']", "block.0"]
    (block,) = [node for node in flow.fold().nodes if node.op == "module"]
    assert (block.label, block.count) == ("block.0-1", 2)
    assert np.shape(flow.positions) == IDS.shape
    assert "block.0-1" in flow.fold().svg()
    assert "block.0" in flow.html()


def test_marks_of_transforms_and_formulas_of_einsum_are_no_scopes() -> None:
    def loss(x: Any) -> Any:
        with jax.named_scope("outer"):
            square = jax.named_scope("inner")(lambda x: x * x)
            return jnp.sum(jax.vmap(square)(x)) + jnp.einsum("i,i->", x, x)

    scopes = {(node.op, node.scope) for node in viz.trace(loss, floats(3)).nodes}
    assert ("multiply", ("outer", "inner")) in scopes
    assert ("dot_general", ("outer",)) in scopes


def test_calls_of_a_jitted_module_are_told_apart() -> None:
    layer = jax.jit(jax.named_scope("layer")(lambda x: jnp.tanh(jnp.sin(x))))
    flow = viz.trace(lambda x: jnp.sum(layer(layer(layer(x)))), floats(3))
    assert [node.calls for node in flow.nodes if node.op == "tanh"] == [(2,), (1,), (0,)]
    (box,) = [node for node in flow.fold().nodes if node.op == "module"]
    assert box.count == 3


def test_a_scan_is_unrolled_up_to_a_bound_and_its_steps_fold() -> None:
    flow = viz.trace(recurrent, CELL, floats(5, 2))
    assert ops(flow).count("tanh") == 5
    assert {node.scope for node in flow.nodes if node.op == "tanh"} == {(f"scan.{k}",) for k in range(5)}
    (cell,) = [node for node in flow.fold().nodes if node.op == "module"]
    assert (cell.label, cell.count) == ("scan.0-4", 5)
    assert {leaf.scope for leaf in leaves(flow).values()} == {()}
    long = viz.trace(recurrent, CELL, floats(200, 2))
    assert "tanh" not in ops(long)
    assert "scan" in ops(long)


def test_lines_are_those_of_the_function_and_recorded_when_asked_for() -> None:
    def loss(x: Any) -> Any:
        y = jnp.tanh(x)
        return jnp.sum(jax.nn.relu(y) * jnp.where(y > 0, y, x))

    start = inspect.getsourcelines(loss)[1]
    lines = {node.op: node.line for node in viz.trace(loss, floats(3), lines=True).nodes}
    assert lines["leaf"] is None
    tanh = lines["tanh"]
    assert tanh is not None
    assert __file__.endswith(tanh.file)
    assert (tanh.number, tanh.text) == (start + 1, "y = jnp.tanh(x)")
    assert {line.number for op, line in lines.items() if line and op != "tanh"} == {start + 2}
    assert all(node.line is None for node in viz.trace(loss, floats(3)).nodes)


def test_a_line_of_an_installed_package_counts_as_the_line_that_calls_it(tmp_path: Path) -> None:
    package = tmp_path / "site-packages"
    package.mkdir()
    (package / "layers_for_lines.py").write_text("def double(x):\n    return x * 2\n", encoding="utf-8")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import viz, layers_for_lines as layers\n"
        "def loss(x):\n"
        "    return layers.double(x)\n"
        "print(viz.trace(loss, 1.0, lines=True).nodes[0].line, viz.trace(layers.double, 1.0, lines=True).nodes[0].line)"
    )
    script = tmp_path / "program.py"
    script.write_text(program, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(viz.__file__).parent.parent)}
    run = [sys.executable, str(script), str(package)]
    told = subprocess.run(run, capture_output=True, text=True, check=True, env=environment).stdout
    assert told.split() == ["program.py:4", "layers_for_lines.py:2"]


def test_the_function_runs_its_effects_once(capsys: pytest.CaptureFixture[str]) -> None:
    def loss(x: Any) -> Any:
        jax.debug.print("seen {}", x)
        return x * 2

    viz.trace(loss, 1.0)
    jax.effects_barrier()
    assert capsys.readouterr().out == "seen 1.0\n"


def aux(x: Any) -> Any:
    return jnp.sum(x), x


def branching(x: Any) -> Any:
    return x if x > 0 else -x


def looping(x: Any) -> Any:
    return lax.while_loop(lambda y: y < 10, lambda y: y * 2, x)


@pytest.mark.parametrize(
    ("loss", "arguments", "error", "text"),
    [
        (lambda x: x, (np.ones((2, 3)),), RuntimeError, r"an array of shape \(2, 3\) is no loss; .* with jnp.sum"),
        (aux, (np.ones(2),), TypeError, "must return the loss alone, not a tuple; has_aux is not supported"),
        (lambda x: jnp.argmax(x), (np.ones(2),), TypeError, "a loss is a float, not int"),
        (lambda x: None, (np.ones(2),), TypeError, "must return the loss alone, not None"),
        (lambda n: n * 2, (3,), viz.NothingToTrace, "no argument of the function holds floats"),
        (lambda x: 1.0, (1.0,), viz.NothingToTrace, "does not depend on a float of the arguments"),
        (lambda x: lax.stop_gradient(x), (1.0,), viz.NothingToTrace, "does not depend on a float"),
        (branching, (1.0,), TypeError, "decides by the value of an argument.*use jnp.where or jax.lax.cond"),
        (looping, (1.0,), RuntimeError, "no backward pass through while_loop.*use scan"),
        (lambda z: z.real, (1j,), TypeError, "z is complex"),
        (lambda x: x, (1.0, 2.0), TypeError, r"<lambda>\(x\) does not fit the arguments after it: too many"),
        (
            lambda x: x,
            (),
            TypeError,
            "give the loss as a Tensor, not function; with JAX, give the function that computes it",
        ),
        (1.0, (2.0,), TypeError, "arguments belong to a JAX function, and the loss is a float"),
    ],
)
def test_what_cannot_be_traced_is_refused_in_one_line(loss: Any, arguments: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=rf"^trace: [^\n]*{text}[^\n]*$"):
        viz.trace(loss, *arguments)


def test_an_array_is_no_function_and_a_tracer_has_no_value() -> None:
    with pytest.raises(
        TypeError, match=r"^trace: give the loss as a Tensor, not ArrayImpl; with JAX, give the function"
    ):
        viz.trace(jnp.sum(jnp.ones(3)))
    with pytest.raises(TypeError, match=r"^trace: x has no value inside jit, grad or vmap; call trace outside of them"):
        jax.jit(lambda x: viz.trace(lambda x: x * 2, x))(1.0)
    with pytest.raises(TypeError, match=r"^trace: the function uses arrays without a value; call trace outside jit"):
        jax.jit(lambda y: viz.trace(lambda x: x * y, 2.0))(1.0)
