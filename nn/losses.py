"""What to minimise."""

from engine import cross_entropy

__all__ = ["cross_entropy"]
