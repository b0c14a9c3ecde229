"""NumPy's functions that are a few ops: each takes NumPy's parameters and gives NumPy's result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from tcc import ops
from tcc.errors import Unsupported, UserError
from tcc.ir import dim
from tcc.ir import dtype as dt
from tcc.ir.dim import Size
from tcc.ir.graph import Value

Axis = Any


def _average(a: Any, axis: Axis = None, weights: Any = None, keepdims: bool = False) -> Value:
    if weights is None:
        return ops.mean(a, axis, keepdims=bool(keepdims is True))
    x, w = ops.value(a), ops.value(weights)
    if w.type.rank != x.type.rank:
        if not isinstance(axis, int) or w.type.rank != 1:
            why = f"the array is {x.type}, the weights {w.type}"
            raise UserError(
                "np.average: the weights' shape differs from the array's", why=why, fix="give weights of its shape"
            )
        w = ops.reshape(w, [-1 if k == axis % x.type.rank else 1 for k in range(x.type.rank)])
    keep = bool(keepdims is True)
    total = ops.sum(ops.multiply(x, w), axis, keepdims=keep)
    return ops.divide(total, ops.sum(ops.broadcast_to(w, x.type.shape), axis, keepdims=keep))


def _fliplr(m: Value) -> Value:
    return ops.flip(m, 1)


def _flipud(m: Value) -> Value:
    return ops.flip(m, 0)


def _rot90(m: Value, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Value:
    first, second = axes
    if k % 4 == 2:
        return ops.flip(m, axes)
    if k % 4 == 0:
        return m
    return (
        ops.flip(ops.swapaxes(m, first, second), first)
        if k % 4 == 1
        else ops.swapaxes(ops.flip(m, first), first, second)
    )


def _cross(a: Any, b: Any, axis: int = -1) -> Value:
    x, y = (ops.moveaxis(ops.value(v), axis, -1) for v in (a, b))
    if x.type.shape[-1] != 3 or y.type.shape[-1] != 3:
        raise Unsupported(
            f"np.cross of vectors of {x.type.shape[-1]} and {y.type.shape[-1]} elements",
            why="it is for vectors of 3 elements",
            fix="pad them with zeros, or write a[0]*b[1] - a[1]*b[0]",
        )

    def turned(v: Value, by: int) -> Value:
        return ops.roll(v, by, -1)

    product = ops.subtract(ops.multiply(turned(x, -1), turned(y, -2)), ops.multiply(turned(x, -2), turned(y, -1)))
    return ops.moveaxis(product, -1, axis)


def _trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Value:
    values = ops.value(y)
    rank = values.type.rank
    later, earlier = _ends(values, axis)
    if x is not None:
        points = ops.value(x)
        steps = ops.subtract(*_ends(points, axis if points.type.rank > 1 else 0))
        dx = steps if points.type.rank > 1 else ops.reshape(steps, [-1 if k == axis % rank else 1 for k in range(rank)])
    return ops.sum(ops.divide(ops.multiply(dx, ops.add(later, earlier)), 2.0), axis)


def _ends(x: Value, axis: int) -> tuple[Value, Value]:
    before = (slice(None),) * (axis % x.type.rank)
    return ops.getitem(x, (*before, slice(1, None))), ops.getitem(x, (*before, slice(None, -1)))


def _isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Value:
    near = ops.less_equal(ops.abs(ops.subtract(a, b)), ops.add(atol, ops.multiply(rtol, ops.abs(b))))
    close = ops.logical_or(ops.logical_and(near, ops.isfinite(b)), ops.equal(a, b))
    return ops.logical_or(close, ops.logical_and(ops.isnan(a), ops.isnan(b))) if equal_nan else close


def _diag(v: Value, k: int = 0) -> Value:
    if k:
        raise Unsupported(
            f"np.diag with k={k}", why="only the main diagonal is there", fix="slice x, or pad the result"
        )
    if v.type.rank == 2:
        return ops.diagonal(v)
    n = v.type.shape[0]
    return ops.where(ops.eye(n, dtype=dt.BOOL), v, ops.zeros((n, n), v.type.dtype))


def _meshgrid(*xi: Any, sparse: bool = False, indexing: str = "xy") -> tuple[Value, ...]:
    rank = len(xi)
    order = [1, 0, *range(2, rank)] if indexing == "xy" and rank > 1 else list(range(rank))
    grids = [ops.reshape(ops.value(x), [-1 if k == order[i] else 1 for k in range(rank)]) for i, x in enumerate(xi)]
    shape = ops.broadcast_shapes("meshgrid", [g.type.shape for g in grids])
    return tuple(grids) if sparse else tuple(ops.broadcast_to(g, shape) for g in grids)


def _select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Value:
    common = dt.promote(*(ops.value(c).type.dtype for c in choicelist))
    result: Any = ops.astype(ops.value(default), common)
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        result = ops.where(condition, ops.astype(ops.value(choice), common), result)
    return result


def _angle(z: Any, deg: bool = False) -> Value:
    x = ops.value(z)
    turn = ops.arctan2(ops.imag(x), ops.real(x))
    return ops.multiply(turn, 180 / np.pi) if deg else turn


def _without_nan(reduce: Callable[..., Value], neutral: Any) -> Callable[..., Value]:
    """The reduction with a neutral element in place of each nan; of the greatest and least, nan where all are."""

    def reduced(a: Any, axis: Axis = None, keepdims: bool = False) -> Value:
        x, keep = ops.value(a), bool(keepdims is True)
        if not x.type.dtype.is_inexact:
            return reduce(x, axis, keepdims=keep)
        nan = ops.isnan(x)
        result = reduce(ops.where(nan, neutral, x), axis, keepdims=keep)
        return result if neutral in (0, 1) else ops.where(ops.all(nan, axis, keepdims=keep), np.nan, result)

    return reduced


def _nanmean(a: Any, axis: Axis = None, keepdims: bool = False) -> Value:
    x, keep = ops.value(a), bool(keepdims is True)
    if not x.type.dtype.is_inexact:
        return ops.mean(x, axis, keepdims=keep)
    nan = ops.isnan(x)
    total = ops.sum(ops.where(nan, 0, x), axis, keepdims=keep)
    return ops.divide(total, ops.astype(ops.sum(ops.logical_not(nan), axis, keepdims=keep), x.type.dtype))


def _median(a: Any, axis: Axis = None, keepdims: bool = False) -> Value:
    x = ops.value(a)
    if axis is None:
        flat = _median(ops.ravel(x), 0)
        return ops.reshape(flat, [1] * x.type.rank) if keepdims is True else flat
    ordered = ops.moveaxis(ops.sort(x, axis), axis, -1)
    n: Size = x.type.shape[cast(int, axis)]
    if not dim.positive(n):
        why = "nothing has no median"
        fix = "give the size a range: f32[n:1..]"
        raise UserError(f"np.median over {n} elements, which may be none", why=why, fix=fix)
    middle = ops.getitem(ordered, (..., slice((n - 1) // 2, n // 2 + 1)))
    last = ops.getitem(ordered, (..., -1))
    result = _middle_mean(middle, n)
    if x.type.dtype.is_inexact:
        result = ops.where(ops.isnan(last), np.nan, result)
    return ops.expand_dims(result, axis) if keepdims is True else result


def _middle_mean(middle: Value, n: Size) -> Value:
    return (
        ops.divide(ops.sum(middle, -1), n // 2 + 1 - (n - 1) // 2)
        if middle.type.dtype.is_inexact
        else ops.mean(middle, -1)
    )


def _dstack(tup: Sequence[Any]) -> Value:
    parts = [ops.value(x) for x in tup]
    parts = [ops.reshape(x, (1, -1)) if x.type.rank < 2 else x for x in parts]
    return ops.concatenate([ops.expand_dims(x, 2) if x.type.rank == 2 else x for x in parts], axis=2)


def _cumulative_sum(x: Any, axis: int | None = None, dtype: Any = None) -> Value:
    v = ops.value(x)
    if axis is None and v.type.rank != 1:
        why = f"the array has {v.type.rank} dimensions"
        raise UserError(
            "np.cumulative_sum needs an axis for more than one dimension", why=why, fix="axis=-1 is the last"
        )
    return ops.cumsum(v, axis=0 if axis is None else axis, dtype=dtype)


def _hsplit(ary: Value, indices_or_sections: Any) -> Any:
    return ops.split(ary, indices_or_sections, axis=0 if ary.type.rank == 1 else 1)


def _vsplit(ary: Value, indices_or_sections: Any) -> Any:
    return ops.split(ary, indices_or_sections, axis=0)


def _kron(a: Any, b: Any) -> Value:
    x, y = ops.value(a), ops.value(b)
    rank = max(x.type.rank, y.type.rank)
    left = (*(1,) * (rank - x.type.rank), *x.type.shape)
    right = (*(1,) * (rank - y.type.rank), *y.type.shape)
    outer = ops.multiply(
        ops.reshape(x, [s for e in left for s in (e, 1)]), ops.reshape(y, [s for e in right for s in (1, e)])
    )
    return ops.reshape(outer, [m * n for m, n in zip(left, right, strict=True)])


def _polyval(p: Any, x: Any) -> Value:
    coefficients, at = ops.value(p), ops.value(x)
    count = coefficients.type.shape[0]
    if not isinstance(count, int):
        why = "its steps are written out, one for each"
        fix = "use tcc.scan, or a number of them in the spec"
        raise UserError(f"np.polyval of {count} coefficients", why=why, fix=fix)
    result = ops.zeros_like(at)
    for k in range(count):
        result = ops.add(ops.multiply(result, at), ops.getitem(coefficients, k))
    return result


def _sinc(x: Any) -> Value:
    turned = ops.multiply(np.pi, ops.where(ops.equal(x, 0), 1e-20, x))
    return ops.divide(ops.sin(turned), turned)


def _searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Value:
    return ops.searchsorted(a if sorter is None else ops.take(a, sorter, axis=0), v, side)


_KINDS = (None, "quicksort", "heapsort", "mergesort", "stable")


def _check_kind(name: str, kind: Any) -> None:
    if kind not in _KINDS:
        raise UserError(f"np.{name}: there is no kind '{kind}'", why=f"the kinds are {', '.join(map(str, _KINDS[1:]))}")


def _sort(a: Any, axis: Axis = -1, kind: Any = None, stable: Any = None) -> Value:
    del stable  # Every kind is.
    _check_kind("sort", kind)
    return ops.sort(a, axis)


def _argsort(a: Any, axis: Axis = -1, kind: Any = None, stable: Any = None) -> Value:
    del stable
    _check_kind("argsort", kind)
    return ops.argsort(a, axis)


def _bincount(x: Any, weights: Any = None, minlength: Any = 0) -> Value:
    """The counts of 0 to ``minlength`` - 1: the greatest element is not known, so one beyond fails the call."""
    numbers = ops.value(x)
    if numbers.type.rank != 1 or not numbers.type.dtype.is_integer:
        raise UserError(f"np.bincount of {numbers.type}", why="expected integers in one dimension")
    if isinstance(minlength, int) and minlength < 1:
        why = "the result's size would depend on the greatest element"
        raise Unsupported("np.bincount without minlength", why=why, fix="give minlength=, one more than that may be")
    # A negative index would count from the end.
    places = ops.where(ops.less(numbers, 0), minlength, ops.astype(numbers, dt.I64))
    amounts = ops.ones(numbers.type.shape, dt.I64) if weights is None else ops.astype(ops.value(weights), dt.F64)
    return ops.scatter_add(ops.zeros((minlength,), amounts.type.dtype), places, amounts)


COMPOSED: dict[Callable[..., Any], Callable[..., Any]] = {
    np.average: _average,
    np.fliplr: _fliplr,
    np.flipud: _flipud,
    np.rot90: _rot90,
    np.cross: _cross,
    np.trapezoid: _trapezoid,
    np.isclose: _isclose,
    np.diag: _diag,
    np.meshgrid: _meshgrid,
    np.select: _select,
    np.angle: _angle,
    np.nansum: _without_nan(ops.sum, 0),
    np.nanprod: _without_nan(ops.prod, 1),
    np.nanmax: _without_nan(ops.max, -np.inf),
    np.nanmin: _without_nan(ops.min, np.inf),
    np.nanmean: _nanmean,
    np.median: _median,
    np.dstack: _dstack,
    np.cumulative_sum: _cumulative_sum,
    np.hsplit: _hsplit,
    np.vsplit: _vsplit,
    np.kron: _kron,
    np.polyval: _polyval,
    np.sinc: _sinc,
    np.searchsorted: _searchsorted,
    np.sort: _sort,
    np.argsort: _argsort,
    np.bincount: _bincount,
}
