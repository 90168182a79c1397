"""Elementwise ops: each element of the result depends on the elements in its own place; arguments are broadcast.

Rules never undo broadcasting; the sweep does. A rule that names `out` makes the node keep its result, a rule that names
an argument keeps that argument alive, and `add` keeps nothing.

At kinks and ties the rules send what their docstrings say; everywhere else they are the textbook derivative. Where the
slope is infinite or undefined, the sweep makes sure that a zero cotangent sends zero (`engine/zero_cotangent.py`).

Read next: `engine/ops/elementwise/powers.py`.
"""
