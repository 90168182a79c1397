"""Ops that a transformer spends its time in, with hand-derived backward passes that make few passes over memory.

Each names its `reference`, the same function composed of small ops. The laws check that both agree in value and in
gradient, and a recorded sweep (`create_graph=True`) differentiates the reference. So the rules here may be plain NumPy:
they are called with arrays only. The exception is `dropout`, a function that calls `multiply`: it has no rules and no
reference.

Read next: `engine/ops/fused/linear.py`.
"""
