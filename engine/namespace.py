"""Where the operators and methods of a tensor find the ops, without importing them.

An op is made of a `Primitive`, whose call takes and returns tensors; a tensor's `x * y` calls the op `multiply`. One of
the two must be defined before the other, so the tensor comes first and looks its ops up here, by name, when an operator
is used. `engine/__init__.py` fills the namespace after everything has been imported.

Read next: `engine/ops/elementwise/arithmetic.py`, the smallest ops.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

ops: Any = ModuleType("ops")  # a module, because Python reads a module's attributes fastest
