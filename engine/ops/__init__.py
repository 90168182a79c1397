"""All ops, by the names of the Array API standard and NumPy.

An op is one block in one file. A file lists its public ops in `__all__`, and this package re-exports them.

Read next: `engine/ops/elementwise/__init__.py`.
"""

from typing import TYPE_CHECKING

from engine.ops.contraction import *
from engine.ops.creation import *
from engine.ops.einsum import *
from engine.ops.elementwise.activations import *
from engine.ops.elementwise.arithmetic import *
from engine.ops.elementwise.choices import *
from engine.ops.elementwise.comparisons import *
from engine.ops.elementwise.powers import *
from engine.ops.elementwise.trigonometry import *
from engine.ops.fused.attention import *
from engine.ops.fused.cross_entropy import *
from engine.ops.fused.dropout import *
from engine.ops.fused.embedding import *
from engine.ops.fused.gelu import *
from engine.ops.fused.layer_norm import *
from engine.ops.fused.linear import *
from engine.ops.fused.rms_norm import *
from engine.ops.fused.rotary import *
from engine.ops.fused.softmax import *
from engine.ops.indexing import *
from engine.ops.linalg import *
from engine.ops.moments import *
from engine.ops.moves import *
from engine.ops.order import *
from engine.ops.reductions import *
from engine.ops.scans import *
from engine.ops.shapes import *

names = sorted(name for name, op in vars().items() if getattr(op, "__module__", "").startswith(__name__))

if not TYPE_CHECKING:  # type checkers follow the star imports, but cannot read a computed list
    __all__ = names
