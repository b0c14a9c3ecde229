"""Composites over whole axes: softmax, log_softmax, layer_norm; and one_hot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

import tcc.ops as ops
from tcc.ir import dtype as dt
from tcc.ir.dtype import F16, F32, I64, DType
from tcc.ir.graph import Attributes, Value
from tcc.ir.op import NOT_DIFFERENTIABLE, Array, Op
from tcc.ir.scalar import compute_dtype
from tcc.ir.types import TensorType
from tcc.ops import axes as axis_rules
from tcc.ops import batching, infer, samples
from tcc.ops.nonlinear import in_f64, widened
from tcc.ops.operands import Operand, inexact, node, promoted, value

Types = tuple[TensorType, ...]


def _shifted(x: Value, axes: tuple[int, ...]) -> Value:
    """x less its greatest element over axes."""
    return ops.subtract(x, ops.stop_gradient(ops.max(x, axes, keepdims=True)))


def _softmax(x: Value, axes: tuple[int, ...]) -> Value:
    grown = ops.exp(_shifted(x, axes))
    # One division a row: one for each element would cost as much as the exponential.
    return ops.multiply(grown, ops.divide(1.0, ops.sum(grown, axes, keepdims=True)))


def _softmax_gradient(g: Value, _x: Value, y: Value, axes: tuple[int, ...]) -> tuple[Value]:
    return (ops.multiply(y, ops.subtract(g, ops.sum(ops.multiply(g, y), axes, keepdims=True))),)


def _log_softmax(x: Value, axes: tuple[int, ...]) -> Value:
    low = _shifted(x, axes)
    return ops.subtract(low, ops.log(ops.sum(ops.exp(low), axes, keepdims=True)))


def _log_softmax_gradient(g: Value, _x: Value, y: Value, axes: tuple[int, ...]) -> tuple[Value]:
    return (ops.subtract(g, ops.multiply(ops.exp(y), ops.sum(g, axes, keepdims=True))),)


def _layer_norm(x: Value, axes: tuple[int, ...], epsilon: float) -> Value:
    centred = ops.subtract(x, ops.mean(x, axes, keepdims=True))
    return ops.multiply(centred, ops.rsqrt(ops.add(ops.mean(ops.square(centred), axes, keepdims=True), epsilon)))


def _layer_norm_gradient(g: Value, x: Value, _y: Value, axes: tuple[int, ...], epsilon: float) -> tuple[Value]:
    wide, seed = (ops.astype(v, compute_dtype(x.type.dtype)) for v in (x, g))
    centred = ops.subtract(wide, ops.mean(wide, axes, keepdims=True))
    scale = ops.rsqrt(ops.add(ops.mean(ops.square(centred), axes, keepdims=True), epsilon))
    y = ops.multiply(centred, scale)
    level = ops.mean(seed, axes, keepdims=True)
    tilt = ops.multiply(y, ops.mean(ops.multiply(seed, y), axes, keepdims=True))
    return (ops.astype(ops.multiply(scale, ops.subtract(ops.subtract(seed, level), tilt)), x.type.dtype),)


def _layer_norm_reference(x: Array, axes: tuple[int, ...], epsilon: float) -> Any:
    count = max(int(np.prod([x.shape[a] for a in axes])), 1)
    centred = x - x.sum(axes, keepdims=True) / count
    return centred / np.sqrt((centred**2).sum(axes, keepdims=True) / count + epsilon)


def _normalised(
    name: str,
    doc: str,
    expand: Callable[..., Value],
    gradient: Callable[..., tuple[Value]],
    reference: Callable[..., Any],
    **options: Any,
) -> Op:
    """A composite over the axes in ``axes``."""
    return Op(
        name=name,
        doc=doc,
        operands=("x: float",),
        infer=infer.same,
        expand=widened(expand),
        gradient=gradient,
        batch=batching.along(name, "axes"),
        reference=in_f64(reference),
        samples=samples.shapes(
            (((3, 5),), {"axes": (1,), **options}),
            (((3, 5),), {"axes": (0,), **options}),
            (((2, 3, 4),), {"axes": (1, 2), **options}),
            (((1, 1),), {"axes": (1,), **options}),
            (((0, 3),), {"axes": (1,), **options}),
        ),
        tolerance=16.0,
    )


SOFTMAX = _normalised(
    "softmax",
    "exp(x) over its sum over ``axes``, without overflow.",
    _softmax,
    _softmax_gradient,
    lambda x, axes: special.softmax(x, axes) if x.size else x,
)
LOG_SOFTMAX = _normalised(
    "log_softmax",
    "The logarithm of softmax over ``axes``, without overflow.",
    _log_softmax,
    _log_softmax_gradient,
    lambda x, axes: special.log_softmax(x, axes) if x.size else x,
)
LAYER_NORM = _normalised(
    "layer_norm",
    "x less its mean over ``axes``, over the square root of its variance plus ``epsilon``.",
    _layer_norm,
    _layer_norm_gradient,
    _layer_norm_reference,
    epsilon=1e-5,
)


def softmax(x: Operand, axis: axis_rules.Axes = -1) -> Value:
    """exp(x) over its sum over ``axis``, without overflow."""
    (v,) = promoted((x,), inexact)
    return node(SOFTMAX, v, axes=axis_rules.several("softmax", axis, v.type.rank))


def log_softmax(x: Operand, axis: axis_rules.Axes = -1) -> Value:
    """The logarithm of `softmax`, without overflow."""
    (v,) = promoted((x,), inexact)
    return node(LOG_SOFTMAX, v, axes=axis_rules.several("log_softmax", axis, v.type.rank))


def layer_norm(
    x: Operand,
    weight: Operand | None = None,
    bias: Operand | None = None,
    axis: axis_rules.Axes = -1,
    epsilon: float = 1e-5,
) -> Value:
    """x normalised over ``axis``, times ``weight``, plus ``bias`` (which broadcast against x)."""
    (v,) = promoted((x,), inexact)
    result = node(LAYER_NORM, v, axes=axis_rules.several("layer_norm", axis, v.type.rank), epsilon=float(epsilon))
    if weight is not None:
        result = ops.multiply(result, weight)
    return result if bias is None else ops.add(result, bias)


def _one_hot_type(types: Types, attributes: Attributes) -> Types:
    return (TensorType(attributes["dtype"], (*types[0].shape, attributes["classes"])),)


def _one_hot(x: Value, classes: Any, dtype: DType) -> Value:
    shape = (*x.type.shape, classes)
    place = ops.iota(shape, x.type.rank, I64)
    return ops.astype(ops.equal(ops.expand_dims(ops.astype(x, I64), -1), place), dtype)


ONE_HOT = Op(
    name="one_hot",
    doc="A new last axis of ``classes`` elements: 1 at the position that x gives, 0 elsewhere (all 0 out of range).",
    operands=("x: int|uint",),
    infer=_one_hot_type,
    expand=_one_hot,
    gradient=NOT_DIFFERENTIABLE,
    batch=batching.elementwise("one_hot"),
    reference=lambda x, classes, dtype: (x[..., None].astype(np.int64) == np.arange(classes)).astype(dtype.numpy),
    samples=samples.shapes(
        (((4,),), {"classes": 3, "dtype": F32}),
        (((2, 2),), {"classes": 5, "dtype": I64}),
        (((),), {"classes": 2, "dtype": F16}),
    ),
    tolerance=0,
)


def one_hot(x: Operand, num_classes: Any, dtype: Any = F32) -> Value:
    """A new last axis with 1 at the position that each integer gives, 0 elsewhere."""
    classes = axis_rules.size("one_hot", "num_classes", num_classes)
    return node(ONE_HOT, value(x), classes=classes, dtype=dt.of(dtype))
