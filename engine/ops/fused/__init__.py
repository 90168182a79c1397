"""What a transformer spends its time in: ops with hand-derived backward passes that make few passes over memory.

Each names its `reference`, the same function composed of small ops. The laws hold the two against each other in
value and in gradient, and a recorded sweep (`create_graph=True`) differentiates the reference. So the rules
here may be plain NumPy: they only ever see arrays.
"""

from engine.ops.fused.attention import rotary, scaled_dot_product_attention
from engine.ops.fused.cross_entropy import cross_entropy
from engine.ops.fused.dropout import dropout
from engine.ops.fused.embedding import embedding
from engine.ops.fused.gelu import gelu
from engine.ops.fused.layer_norm import layer_norm
from engine.ops.fused.linear import linear
from engine.ops.fused.rms_norm import rms_norm
from engine.ops.fused.softmax import log_softmax, softmax

__all__ = [
    "cross_entropy",
    "dropout",
    "embedding",
    "gelu",
    "layer_norm",
    "linear",
    "log_softmax",
    "rms_norm",
    "rotary",
    "scaled_dot_product_attention",
    "softmax",
]
