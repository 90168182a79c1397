"""Ops that a transformer spends its time in, with hand-derived backward passes that make few passes over memory.

Each of them that has rules of its own names its `reference`, the same function composed of small ops. The laws hold the
two against each other in value and in gradient, and a recorded sweep (`create_graph=True`) differentiates the
reference. So the rules here may be plain NumPy: they only ever see arrays.

Read next: `engine/ops/fused/linear.py`.
"""
