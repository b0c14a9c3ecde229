"""Layers and activations, for traced values and for NumPy arrays.

Plain functions over `tcc.ops`, made public here: inside a traced function they trace, elsewhere they
compute on NumPy values.
"""

from __future__ import annotations

from tcc import ops
from tcc.frontends.numpy.public import public
from tcc.nn import spatial

relu = public(ops.relu)
leaky_relu = public(ops.leaky_relu)
elu = public(ops.elu)
gelu = public(ops.gelu)
silu = public(ops.silu)
sigmoid = public(ops.sigmoid)
softplus = public(ops.softplus)
softmax = public(ops.softmax)
log_softmax = public(ops.log_softmax)
logsumexp = public(ops.logsumexp)
layer_norm = public(ops.layer_norm)
one_hot = public(ops.one_hot)
attention = public(ops.attention)
conv2d = public(spatial.conv2d)
max_pool2d = public(spatial.max_pool2d)
avg_pool2d = public(spatial.avg_pool2d)

__all__ = [
    "attention",
    "avg_pool2d",
    "conv2d",
    "elu",
    "gelu",
    "layer_norm",
    "leaky_relu",
    "log_softmax",
    "logsumexp",
    "max_pool2d",
    "one_hot",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
]
