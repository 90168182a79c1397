"""Equivalent mutants: those whose changed rule is the same function as the right one, each with the reason.

An entry is stale if no mutant has its name any more, or if its mutant is found; the run fails for a stale entry as for
a survivor.

Read next: `engine/testing/mutation/run.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from engine.testing.mutation.trial import Verdict

EQUIVALENT: dict[str, str] = {}


def because(reason: str, *mutants: str) -> None:
    """Declare mutants equivalent."""
    EQUIVALENT.update(dict.fromkeys(mutants, reason))


def stale(names: Collection[str], verdicts: Sequence[Verdict]) -> Iterator[str]:
    """The stale entries, given the names of all mutants and the verdicts on those that were judged."""
    for name in EQUIVALENT:
        if name not in names:
            yield f"no such mutant: {name}"
    for verdict in verdicts:
        if verdict.found_by and verdict.mutant in EQUIVALENT:
            yield f"found by {verdict.found_by}: {verdict.mutant}"


# ---- generic mutants -------------------------------------------------------------------------------------------------

_ALWAYS_ZERO = ("sign", "doubled", "a thousandth off", "zero", "ignores g", "clips g", "averages g", "rolled")

because(
    "the derivative is zero everywhere, and stays zero with this change",
    *(f"sign.{way}(x): {kind}" for way in ("vjp", "jvp") for kind in (*_ALWAYS_ZERO, "wrong in float32", "detached")),
    *(f"sign.{way}(x): {kind}" for way in ("vjp", "jvp") for kind in ("wrong on tensors", "wrong on a strided g")),
    "sign.jvp(x): missing",
)
because(
    "the two rules are the same function of g",
    "add.vjp(x) and (y): exchanged",
    "add.jvp(x) and (y): exchanged",
)
because(
    "the rule reads only positions and signs from its values, and these have zero derivative",
    *(
        f"{op}.{way}({argument}): detached factor"
        for op, arguments in (
            *((op, "x") for op in ("abs", "relu", "max", "min", "take", "take_along_axis")),
            *((op, "x y") for op in ("maximum", "minimum", "where")),
            ("clip", "x min max"),
        )
        for way in ("vjp", "jvp")
        for argument in arguments.split()
    ),
)

# ---- source-level mutants --------------------------------------------------------------------------------------------

because(
    "a placeholder for a value that has no effect: the result is multiplied by zero, or divides zero",
    "powers._pow_base: x = where(constant & np.isinf(np.power(as_operand(x), -1.0)), ⟦1.0 → 2.0⟧, x)",
    "choices.nonzero_divisor: return where(zero, ⟦1.0 → 2.0⟧, x) if zero.any() else x",
)
because(
    "a placeholder for an infinite shift of values that are all -inf, and stay -inf",
    "reductions._softmax: e = exp(x - restore_axes(np.where(out == -np.inf, ⟦0 → 1⟧, out), x.shape, axis))",
    "attention._reference: e = exp(subtract(scores, np.where(np.isfinite(largest), largest, ⟦0 → 1⟧)"
    ".astype(scores.dtype)))",
)
because(
    "softmax does not change if the same number is added to all scores that a row may attend to",
    "attention_weights.bias_of: given = np.where(mask, ⟦0 → 1⟧, -np.inf) if mask.dtype == bool else mask",
)
because(
    "without channels all scores are zero, and scaling does not change them",
    "attention_weights.default_scale: return 1 / math.sqrt(query.shape[-1] or ⟦1 → 2⟧)"
    " if scale is None else float(scale)",
)
because(
    "a recurrence is zero before its first value, so the factor there has no effect",
    "scans._cumprod_backward: later = _recurrence(delayed(backward, axis, fill=⟦0.0 → 1.0⟧),"
    " flip(in_wider_range(g), axis=axis), axis)",
    "scans._recurrence: a = a * delayed(a, axis, fill=⟦0.0 → 1.0⟧, by=by)",
)
because(
    "one more round of doubling adds zeros",
    "scans._recurrence: while ⟦by < v.shape[axis] → by <= v.shape[axis]⟧:",
)
because(
    "the sweep sums over the remaining axis",
    "linalg._matmul_left: return ⟦reshape(product, shape=(*product.shape[:-2], product.shape[-1])) → product⟧"
    " if len(x_shape) == 1 else product",
    "linear.vjp(bias): lambda g: ⟦np.ones(rows(g).shape[0], g.dtype) @ rows(g) → rows(g)⟧",
    "layer_norm._backward: return (_row_derivative(g if weight is None else g * weight, normalized, inverse)"
    " if wanted[0] else None, ⟦ones @ rows(g * normalized) → rows(g * normalized)⟧ if wanted[1] else None,"
    " ones @ rows(g) if wanted[2] else None)",
    "layer_norm._backward: return (_row_derivative(g if weight is None else g * weight, normalized, inverse)"
    " if wanted[0] else None, ones @ rows(g * normalized) if wanted[1] else None,"
    " ⟦ones @ rows(g) → rows(g)⟧ if wanted[2] else None)",
    "rms_norm._backward: return (_row_derivative(g if weight is None else g * weight, normalized, inverse)"
    " if wanted[0] else None,"
    " ⟦np.ones(rows(g).shape[0], g.dtype) @ rows(g * normalized) → rows(g * normalized)⟧ if wanted[1] else None)",
)
because(
    "the sum of all tangents, or the sweep, broadcasts it",
    "linear._forward_tangent: terms = [None if t_x is None else linear(t_x, weight), None if t_weight is None"
    " else linear(x, t_weight), None if t_bias is None else"
    " ⟦np.broadcast_to(t_bias, (*x.shape[:-1], weight.shape[0])) → t_bias⟧]",
)
because(
    "this is the last axis in both forms",
    "linalg._matmul_right: product = matmul(expand_dims(x, axis=⟦-1 → 1⟧) if x.ndim == 1"
    " else swapaxes(x, axis1=-1, axis2=-2), g)",
    "cross_entropy._backward: return contribution.reshape(*_positions(np.asarray(labels)), excess.shape[⟦-1 → 1⟧])",
    "cross_entropy._forward_tangent: losses = (excess * t.reshape(excess.shape)).sum(axis=⟦-1 → 1⟧)",
)
because(
    "the loss of an ignored position has the weight 0, whatever its target and its scores",
    "cross_entropy._reference: scores = log_softmax(where(kept[..., None], logits, ⟦0.0 → 1.0⟧), axis=-1)",
    "cross_entropy._targets: targets[np.arange(labels.size), np.where(labels == ignore_index, ⟦0 → 1⟧, labels)"
    ".reshape(-1)] = 1",
)
because(
    "the slice goes to the end in both forms",
    "rotary._rotary_reference: a, b = (getitem(pairs, (..., slice(0, 1))), getitem(pairs, (..., slice(1, ⟦2 → 3⟧))))",
)
because(
    "NumPy accepts any negative number for the unknown side",
    "cross_entropy._labels_backward: scale = g.reshape(-⟦1 → 2⟧) * _weights(labels, ignore_index, reduction, g.dtype)",
    "cross_entropy._targets: targets = labels.reshape(-⟦1 → 2⟧, classes).astype(dtype)",
    "cross_entropy._backward: contribution = excess if (g == 1).all() else excess * g.reshape(-⟦1 → 2⟧, 1)",
    "cross_entropy._kept: return (labels != ignore_index).reshape(-⟦1 → 2⟧)",
    "cross_entropy._targets: targets[np.arange(labels.size), np.where(labels == ignore_index, 0, labels)"
    ".reshape(-⟦1 → 2⟧)] = 1",
    "linear.rows: return x.reshape(-⟦1 → 2⟧, x.shape[-1]) if x.size"
    " else x.reshape(int(np.prod(x.shape[:-1])), x.shape[-1])",
    "embedding._backward: flat, cotangents = (np.asarray(ids).reshape(-⟦1 → 2⟧), rows(g))",
)
because(
    "the same result, only slower",
    "linear.vjp(x): lambda g, weight: matmul(⟦rows(g) → g⟧, weight).reshape(*g.shape[:-1], weight.shape[1])",
    "embedding._backward: ⟦if size <= _SMALL_TABLE: → if not size <= _SMALL_TABLE:⟧",
    "embedding._backward: if ⟦size <= _SMALL_TABLE → size < _SMALL_TABLE⟧:",
    "embedding._backward: if ⟦size <= _SMALL_TABLE → size >= _SMALL_TABLE⟧:",
    "sweeps.reverse_sweep: allowed = None if inputs is None else"
    " ⟦set(between(root, inputs, oldest)) → between(root, inputs, oldest)⟧",
)
because(
    "the number of an evaluation, or of an assignment, is never a node's",
    "sweeps.reverse_sweep: if inputs is not None and ⟦node.serial < oldest → node.serial <= oldest⟧:",
    "sweeps.reverse_sweep: if saved is None or create_graph or (not plan.direct) or"
    " ⟦versions.last_assigned > node.serial → versions.last_assigned >= node.serial⟧:",
)
because(
    "no two nodes have one number",
    "sweeps.reverse_sweep: if pending and (ahead is None or ⟦-pending[0][0] > ahead.serial →"
    " -pending[0][0] >= ahead.serial⟧):",
)
because(
    "a sum",
    "sweeps.reverse_sweep: sent = ⟦_added(sent, contribution) → _added(contribution, sent)⟧",
    "sweeps.reverse_sweep: collected[parent] = ⟦_added(collected[parent], contribution) →"
    " _added(contribution, collected[parent])⟧",
)
because(
    "the saved value is an index or a condition: a contiguous copy made by the engine, and not a floating array",
    *(
        f"{op}.{way}({argument}): {kind}"
        for op, arguments in (("take", "x"), ("take_along_axis", "x"), ("embedding", "weight"), ("where", "x y"))
        for way in ("vjp", "jvp")
        for argument in arguments.split()
        for kind in ("wrong on a strided value", "writes a value")
    ),
)
because(
    "on an axis of length 0 the extra element disappears when the result is multiplied by an empty array",
    "scans.delayed: by = ⟦min(by, x.shape[axis]) → by⟧",
)
because(
    "softmax does not change if the same number is added to all scores of a row",
    "attention_weights.bias_of: bias = np.where(allowed, ⟦0 → 1⟧, -np.inf).astype(dtype)",
)
because(
    "the rule itself sums over the batch, so the sweep has no axis left to sum over",
    "linear.vjp(bias): summed over the wrong axis",
)
because(
    "the contribution never has size 0, because rows without values raise an error",
    *(f"{op}.vjp({argument}): fails on size 0" for op, argument in (("layer_norm", "weight"), ("layer_norm", "bias"))),
    *(f"{op}.jvp({argument}): fails on size 0" for op, argument in (("layer_norm", "weight"), ("layer_norm", "bias"))),
    "rms_norm.vjp(weight): fails on size 0",
    "rms_norm.jvp(weight): fails on size 0",
)
because(
    "the saved value is a tuple of all arrays, and this mistake affects arrays only",
    "concat.jvp(tensors): wrong on a strided value",
    "concat.jvp(tensors): writes a value",
)
because(
    "the other factor is in float64, and so is the product",
    "scans._cumprod_backward: later = _recurrence(delayed(backward, axis, fill=0.0),"
    " flip(⟦in_wider_range(g) → g⟧, axis=axis), axis)",
    "scans._cumprod_forward: return _recurrence(wide, ⟦in_wider_range(t) → t⟧ * _products_before(wide, axis), axis)"
    ".astype(x.dtype)",
    "reductions._prod_backward: return (⟦in_wider_range(restore_axes(g, x.shape, axis))"
    " → restore_axes(g, x.shape, axis)⟧ * _product_of_others(x, axis)).astype(x.dtype)",
    "reductions._prod_forward: return sum(⟦in_wider_range(t) → t⟧ * _product_of_others(x, axis), axis=axis,"
    " keepdims=keepdims).astype(x.dtype)",
)
because(
    "a placeholder for a key or value that no query reads, or for what belongs to a query whose cotangent is zero",
    "attention._without_unused: kept = [np.where(np.isfinite(x), x, ⟦0 → 1⟧).astype(x.dtype) for x in by_key]",
    "attention._without_unused: return kept + [None if x is None else np.where(used, x, ⟦0 → 1⟧).astype(x.dtype)"
    " for x in by_query]",
    "attention._reference: key, value = (where(unread, ⟦0.0 → 1.0⟧, key), where(unread, 0.0, value))",
    "attention._reference: key, value = (where(unread, 0.0, key), where(unread, ⟦0.0 → 1.0⟧, value))",
)
because(
    "placeholders for unread keys and values are put in without need, and have no effect",
    "attention._reference: if ⟦bias is not None and (not (_is_finite(key) and _is_finite(value)))"
    " → bias is not None or not (_is_finite(key) and _is_finite(value))⟧:",
)
because(
    "equality is symmetric",
    "attention._reference: masked = ⟦np.equal(bias, -np.inf) → np.equal(-np.inf, bias)⟧"
    " & np.ones((query.shape[-2], 1), bool)",
)
because(
    "a truth of NumPy serves as one of Python",
    "attention._is_finite: return ⟦bool(np.isfinite(np.vdot(as_operand(x), as_operand(x))))"
    " → np.isfinite(np.vdot(as_operand(x), as_operand(x)))⟧",
)
because(
    "a placeholder for an infinite shift of values that are all -inf, and stay -inf",
    "softmax._below_top: below = where(is_top, 0.0, subtract(x, where(finite, largest, ⟦0.0 → 1.0⟧)))",
)
because(
    "the array is empty, and so is the result, or it is one number, which is its own sum",
    "softmax._below_top: return (x - values, ⟦sum(exp(x - values), axis=axis, keepdims=True) → exp(x - values)⟧ - 1.0)",
    "softmax._below_top: return (x - values, ⟦sum(exp(x - values), axis=axis, keepdims=True)"
    " → sum(exp(x - values), axis=axis - 1, keepdims=True)⟧ - 1.0)",
)
because(
    "the rule is run again without need, and returns the same",
    "zero_cotangent.mended: possible = ⟦saved and (op.pointwise or op.along is not None)"
    " → saved or (op.pointwise or op.along is not None)⟧",
    "zero_cotangent.mended: unused = _Unused.under(node, g, result, np.isnan) if ⟦possible and _has_nan(result)"
    " → possible or _has_nan(result)⟧ else None",
)
