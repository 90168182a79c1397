"""What Numba does not offer and threads need: reading and writing a whole number in one piece, in a fixed order.

Each function takes an array of int64 and an index. What a thread wrote before `store` is seen by a thread after the
`load` that reads the stored number.

Read next: `engine/kernels/team.py`.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic

_BYTES = 8


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """The address of array[index], from the first two arguments of a call."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """array[index]"""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_place(context, builder, signature, arguments), "acquire", _BYTES)

    return types.int64(array, index), generate


@intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index] = value"""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[2], _place(context, builder, signature, arguments), "release", _BYTES)
        return context.get_dummy_value()

    return types.void(array, index, types.int64), generate


@intrinsic
def increase(typing: Any, array: Any, index: Any) -> Any:
    """array[index] += 1"""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = context.get_constant(types.int64, 1)
        builder.atomic_rmw("add", _place(context, builder, signature, arguments), one, "seq_cst")
        return context.get_dummy_value()

    return types.void(array, index), generate


@intrinsic
def replace(typing: Any, array: Any, index: Any, expected: Any, value: Any) -> Any:
    """Set array[index] to `value` if it is `expected`; whether it was."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments)
        found = builder.cmpxchg(place, arguments[2], arguments[3], "seq_cst", "seq_cst")
        return builder.extract_value(found, 1)

    return types.boolean(array, index, types.int64, types.int64), generate
