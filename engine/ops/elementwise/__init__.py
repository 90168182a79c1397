"""Elementwise ops: each element of the result depends on the elements in its own place; arguments are broadcast.

Rules never undo broadcasting; the sweep does. A rule that reads `out` costs the node one array, one that reads
an argument keeps that argument alive, and `add` keeps nothing at all.

At kinks and ties the rules choose as written in their docstrings; everywhere else they are the textbook derivative.
Where the slope is infinite or undefined, the sweep sees to it that a zero cotangent sends zero
(`engine/zero_cotangent.py`).

Read next: `engine/ops/elementwise/arithmetic.py`.
"""
