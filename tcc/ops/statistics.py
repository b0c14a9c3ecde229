"""Statistics over axes, made of reductions: mean, var, std, logsumexp."""

from __future__ import annotations

from typing import Any

import tcc.ops as ops
from tcc.ir import dim
from tcc.ir import dtype as dt
from tcc.ir.dim import Size
from tcc.ir.graph import Value
from tcc.ir.scalar import compute_dtype
from tcc.ops import axes
from tcc.ops.operands import Operand, inexact, promoted, quotient, value


def mean(a: Operand, axis: axes.Axes = None, dtype: Any = None, keepdims: bool = False) -> Value:
    """The mean over ``axis``: f64 of integers; half floats are summed and divided in f32."""
    x = value(a)
    target = dt.of(dtype) if dtype is not None else quotient(x.type.dtype)
    total = ops.sum(ops.astype(x, compute_dtype(target)), axis, keepdims=keepdims)
    return ops.astype(ops.divide(total, _count(x, axis)), target)


def _count(x: Value, axis: axes.Axes) -> Size:
    """The number of elements over ``axis``."""
    return dim.product(x.type.shape[a] for a in axes.several("mean", axis, x.type.rank))


def var(a: Operand, axis: axes.Axes = None, dtype: Any = None, ddof: int | float = 0, keepdims: bool = False) -> Value:
    """The variance over ``axis``: the mean of squared distances from the mean, over n - ``ddof``."""
    x = value(a)
    target = dt.of(dtype) if dtype is not None else quotient(x.type.dtype)
    wide = ops.astype(x, compute_dtype(target))
    centred = ops.subtract(wide, mean(wide, axis, keepdims=True))
    squares = ops.real(ops.multiply(centred, ops.conj(centred))) if wide.type.dtype.is_complex else ops.square(centred)
    total = ops.sum(squares, axis, keepdims=keepdims)
    n = _count(x, axis)
    degrees = ops.maximum(ops.subtract(ops.astype(value(n), total.type.dtype), ddof), 0)
    return ops.astype(ops.divide(total, degrees), target.real)


def std(a: Operand, axis: axes.Axes = None, dtype: Any = None, ddof: int | float = 0, keepdims: bool = False) -> Value:
    """The standard deviation over ``axis``: the square root of `var`."""
    return ops.sqrt(var(a, axis, dtype, ddof, keepdims))


def logsumexp(a: Operand, axis: axes.Axes = None, keepdims: bool = False) -> Value:
    """log(sum(exp(x))) over ``axis``, without overflow: the greatest element is taken out first."""
    (x,) = promoted((a,), inexact)
    wide = ops.astype(x, compute_dtype(x.type.dtype))
    top = ops.stop_gradient(ops.max(wide, axis, keepdims=True))
    shift = ops.where(ops.isfinite(top), top, 0)
    total = ops.log(ops.sum(ops.exp(ops.subtract(wide, shift)), axis, keepdims=True))
    result = ops.add(total, shift)
    reduced = axes.several("logsumexp", axis, x.type.rank)
    return ops.astype(result if keepdims else ops.reshape(result, axes.without(x.type.shape, reduced)), x.type.dtype)
