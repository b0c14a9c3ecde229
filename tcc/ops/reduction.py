"""Reductions over axes: sum, prod, max, min, any, all, argmax, argmin."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir import dim
from tcc.ir import dtype as dtypes
from tcc.ir.dtype import I32, I64, U64, DType
from tcc.ir.forms import Reduce
from tcc.ir.graph import Attributes, Value
from tcc.ir.op import NOT_DIFFERENTIABLE, Array, NotDifferentiable, Op
from tcc.ir.scalar import COMBINES, Expr, Scalars, compute_dtype
from tcc.ir.types import TensorType
from tcc.ops import axes, batching, infer, samples
from tcc.ops.elementwise import NUMBER
from tcc.ops.logic import truth
from tcc.ops.operands import Operand, error, node, value

Types = tuple[TensorType, ...]

_CALLS: tuple[tuple[tuple[tuple[int, ...], ...], Mapping[str, Any]], ...] = (
    (((5,),), {"axes": (0,)}),
    (((3, 4),), {"axes": (1,)}),
    (((3, 4),), {"axes": (0,)}),
    (((2, 3, 4),), {"axes": (0, 2)}),
    (((2, 3),), {"axes": ()}),
    (((1, 1),), {"axes": (0, 1)}),
    (((0, 3),), {"axes": (1,)}),
)
_EMPTY: tuple[tuple[tuple[tuple[int, ...], ...], Mapping[str, Any]], ...] = (
    (((0,),), {"axes": (0,)}),
    (((3, 0),), {"axes": (1,)}),
)


def _accumulator(types: Types, _attributes: Attributes) -> tuple[DType, ...]:
    return (compute_dtype(types[0].dtype),)


def _reduction(
    name: str,
    doc: str,
    kinds: str,
    combine: str,
    gradient: Callable[..., tuple[Value]] | NotDifferentiable,
    reference: Callable[..., Any],
    *,
    empty: bool,
    distinct: bool = False,
    tolerance: float = 4.0,
) -> Op:
    return Op(
        name=name,
        doc=doc,
        operands=(f"x: {kinds}",),
        infer=infer.reduced(),
        form=Reduce(combine, _accumulator),
        gradient=gradient,
        batch=batching.along(name, "axes"),
        reference=reference,
        samples=samples.shapes(
            *_CALLS, *(_EMPTY if empty else ()), make=samples.distinct if distinct else samples.random
        ),
        tolerance=tolerance,
    )


def spread(g: Value, x: Value, reduced: tuple[int, ...]) -> Value:
    """A reduction's result repeated over the axes that it was reduced over."""
    return ops.broadcast_to(ops.reshape(g, axes.with_ones(x.type.shape, reduced)), x.type.shape)


def _sum_reference(x: Array, axes: tuple[int, ...]) -> Any:
    if x.dtype.kind in "fcV":
        wide = np.complex128 if x.dtype.kind == "c" else np.float64
        return np.asarray(x.astype(wide).sum(axes)).astype(x.dtype)
    return np.asarray(x.sum(axes, dtype=x.dtype))


SUM = _reduction(
    "sum",
    "The sum over axes; 0 over none. Half floats accumulate in f32; the order of summation depends on the sizes only.",
    NUMBER,
    "add",
    lambda g, x, y, axes: (spread(g, x, axes),),
    _sum_reference,
    empty=True,
)


def _prod_gradient(g: Value, x: Value, _y: Value, axes: tuple[int, ...]) -> tuple[Value]:
    zero = ops.equal(x, 0)
    count = spread(ops.sum(zero, axis=axes), x, axes)
    kept = ops.where(zero, 1, x)
    others = spread(node(PROD, kept, axes=axes), x, axes)
    at_zero = ops.where(ops.equal(count, 1), others, 0)
    elsewhere = ops.where(ops.equal(count, 0), ops.divide(others, kept), 0)
    return (ops.multiply(spread(g, x, axes), ops.where(zero, at_zero, elsewhere)),)


def _prod_reference(x: Array, axes: tuple[int, ...]) -> Any:
    if x.dtype.kind in "fcV":
        wide = np.complex128 if x.dtype.kind == "c" else np.float64
        return np.asarray(x.astype(wide).prod(axes)).astype(x.dtype)
    return np.asarray(x.prod(axes, dtype=x.dtype))


PROD = _reduction(
    "prod",
    "The product over axes; 1 over none.",
    NUMBER,
    "mul",
    _prod_gradient,
    _prod_reference,
    empty=True,
    tolerance=16.0,
)


def _extreme_gradient(g: Value, x: Value, y: Value, axes: tuple[int, ...]) -> tuple[Value]:
    hit = ops.equal(x, spread(y, x, axes))
    share = ops.divide(g, ops.astype(ops.sum(hit, axis=axes), g.type.dtype))
    return (ops.where(hit, spread(share, x, axes), ops.zeros_like(x)),)


def _extreme_reference(function: Callable[..., Any], combine: str) -> Callable[..., Any]:
    def reference(x: Array, axes: tuple[int, ...]) -> Any:
        if x.size == 0:
            # NumPy has no greatest element of none.
            shape = [n for k, n in enumerate(x.shape) if k not in axes]
            (extreme,) = COMBINES[combine].identity((dtypes.of(x.dtype),))
            return np.full(shape, extreme, x.dtype)
        return np.asarray(function(x, axes)).astype(x.dtype)

    return reference


MAX = _reduction(
    "max",
    "The greatest element over axes; nan if there is one. Its gradient is shared by equal greatest elements.",
    "bool|int|uint|float",
    "max",
    _extreme_gradient,
    _extreme_reference(np.maximum.reduce, "max"),
    empty=False,
    distinct=True,
    tolerance=0,
)

MIN = _reduction(
    "min",
    "The least element over axes; nan if there is one. Its gradient is shared by equal least elements.",
    "bool|int|uint|float",
    "min",
    _extreme_gradient,
    _extreme_reference(np.minimum.reduce, "min"),
    empty=False,
    distinct=True,
    tolerance=0,
)

ANY_OF = _reduction(
    "any",
    "Whether any element over axes is true; False over none.",
    "bool",
    "or",
    NOT_DIFFERENTIABLE,
    lambda x, axes: np.asarray(x.any(axes)),
    empty=True,
    tolerance=0,
)

ALL_OF = _reduction(
    "all",
    "Whether all elements over axes are true; True over none.",
    "bool",
    "and",
    NOT_DIFFERENTIABLE,
    lambda x, axes: np.asarray(x.all(axes)),
    empty=True,
    tolerance=0,
)


def _arg(name: str, doc: str, reference: Callable[..., Any]) -> Op:
    def rule(types: Types, attributes: Attributes) -> Types:
        if len(attributes["axes"]) != 1:
            raise UserError(f"{name} takes one axis, got {attributes['axes']}")
        return infer.reduced(lambda d: I64)(types, attributes)

    def element(_s: Scalars, x: Expr, position: Expr, **_attributes: Any) -> tuple[Expr, ...]:
        return x, position

    def finish(s: Scalars, _best: Expr, position: Expr, **_attributes: Any) -> Expr:
        return s.cast(position, I64)

    def compared(types: Types, attributes: Attributes) -> tuple[DType, ...]:
        # Positions of as many bits as most elements have need no more registers than these.
        _, most = dim.bounds(types[0].shape[attributes["axes"][0]])
        return compute_dtype(types[0].dtype), I32 if most is not None and most < 1 << 31 else I64

    return Op(
        name=name,
        doc=doc,
        operands=("x: bool|int|uint|float",),
        infer=rule,
        form=Reduce(name, compared, element, finish),
        gradient=NOT_DIFFERENTIABLE,
        batch=batching.along(name, "axes"),
        reference=lambda x, axes: np.asarray(reference(x, axes[0])).astype(np.int64),
        samples=samples.shapes(*(c for c in _CALLS if len(c[1]["axes"]) == 1)),
        tolerance=0,
    )


ARGMAX = _arg(
    "argmax", "The position of the greatest element along an axis: of equal ones the first; the first nan.", np.argmax
)
ARGMIN = _arg(
    "argmin", "The position of the least element along an axis: of equal ones the first; the first nan.", np.argmin
)


def _apply(record: Op, x: Value, axis: axes.Axes, keepdims: bool) -> Value:
    reduced = axes.several(record.name, axis, x.type.rank)
    if record in (MAX, MIN) or record in (ARGMAX, ARGMIN):
        _check_not_empty(record.name, x, reduced)
    result = node(record, x, axes=reduced)
    return ops.reshape(result, axes.with_ones(x.type.shape, reduced)) if keepdims else result


def _check_not_empty(name: str, x: Value, reduced: tuple[int, ...]) -> None:
    if builtins.any(x.type.shape[a] == 0 for a in reduced):
        raise error(f"{name} over an axis of size 0 of {x.type}", why="it has no value there")


def _accumulating(a: Operand, dtype: Any) -> Value:
    """The operand in the dtype that it sums in: i64 and u64 for narrower integers and bools."""
    x = value(a)
    if dtype is not None:
        return ops.astype(x, dtype)
    if x.type.dtype.kind in ("bool", "int"):
        return ops.astype(x, I64)
    return ops.astype(x, U64) if x.type.dtype.kind == "uint" else x


def sum(a: Operand, axis: axes.Axes = None, dtype: Any = None, keepdims: bool = False) -> Value:
    """The sum over ``axis`` (one, several, None: all). Integers and bools sum as 64 bits unless ``dtype`` is given."""
    return _apply(SUM, _accumulating(a, dtype), axis, keepdims)


def prod(a: Operand, axis: axes.Axes = None, dtype: Any = None, keepdims: bool = False) -> Value:
    """The product over ``axis``. Integers and bools multiply as 64 bits unless ``dtype`` is given."""
    return _apply(PROD, _accumulating(a, dtype), axis, keepdims)


def max(a: Operand, axis: axes.Axes = None, keepdims: bool = False) -> Value:
    """The greatest element over ``axis``; nan if there is one.

    -inf or the least integer over a size that is 0 at run time; UserError where it is known to be 0.
    """
    return _apply(MAX, value(a), axis, keepdims)


def min(a: Operand, axis: axes.Axes = None, keepdims: bool = False) -> Value:
    """The least element over ``axis``; nan if there is one.

    inf or the greatest integer over a size that is 0 at run time; UserError where it is known to be 0.
    """
    return _apply(MIN, value(a), axis, keepdims)


def any(a: Operand, axis: axes.Axes = None, keepdims: bool = False) -> Value:
    """Whether any element over ``axis`` is not zero."""
    return _apply(ANY_OF, truth(a), axis, keepdims)


def all(a: Operand, axis: axes.Axes = None, keepdims: bool = False) -> Value:
    """Whether all elements over ``axis`` are not zero."""
    return _apply(ALL_OF, truth(a), axis, keepdims)


def _position(record: Op, a: Operand, axis: int | None, keepdims: bool) -> Value:
    x = value(a)
    if axis is not None:
        return _apply(record, x, axis, keepdims)
    result = _apply(record, ops.reshape(x, -1), 0, False)
    return ops.reshape(result, (1,) * x.type.rank) if keepdims else result


def argmax(a: Operand, axis: int | None = None, keepdims: bool = False) -> Value:
    """The position (i64) of the greatest element along ``axis``; None: in the flattened operand."""
    return _position(ARGMAX, a, axis, keepdims)


def argmin(a: Operand, axis: int | None = None, keepdims: bool = False) -> Value:
    """The position (i64) of the least element along ``axis``; None: in the flattened operand."""
    return _position(ARGMIN, a, axis, keepdims)
