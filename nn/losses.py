"""Loss functions.

Read next: `nn/optim.py`, which minimises them.
"""

from engine import cross_entropy

__all__ = ["cross_entropy"]
