"""NumPy's functions (and SciPy's ufuncs), each with the function over `tcc.ops` that it is traced to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import special

from tcc import ops
from tcc.errors import Unsupported, UserError
from tcc.frontends.numpy.composed import COMPOSED
from tcc.ir import dtype as dt
from tcc.ir.graph import Value

Row = Callable[..., Any]

_SAME_UFUNCS = """
    add subtract multiply divide floor_divide remainder fmod negative sign power sqrt cbrt square reciprocal exp exp2
    expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh arccosh arctanh floor
    ceil trunc rint maximum minimum fmax fmin copysign equal not_equal less less_equal greater greater_equal
    logical_and logical_or logical_xor logical_not bitwise_and bitwise_or bitwise_xor left_shift right_shift isnan
    isinf isfinite signbit matmul vecdot hypot logaddexp
"""
"""Ufuncs that have the op's name."""

_RENAMED_UFUNCS: dict[np.ufunc, str] = {
    np.absolute: "abs",
    np.invert: "bitwise_invert",
    np.conjugate: "conj",
    special.expit: "sigmoid",
}

_SPECIAL_UFUNCS = """
    erf erfc exp2 expm1 log1p cbrt
"""
"""Ufuncs of scipy.special that have the op's name."""

_SAME_FUNCTIONS = """
    sum prod max min any all argmax argmin mean var std cumsum cumprod reshape transpose broadcast_to concatenate stack
    split pad flip roll expand_dims squeeze moveaxis swapaxes tile repeat tril triu where clip take take_along_axis dot
    vdot inner outer tensordot einsum real imag zeros_like ones_like full_like ravel
    linspace nan_to_num diagonal trace
"""
"""Functions that have the op's name and parameters."""

_RENAMED_FUNCTIONS: dict[Row, str] = {
    np.amax: "max",
    np.amin: "min",
    np.empty_like: "zeros_like",
}

_LIKE = """
    eye tri zeros ones full
"""
"""Functions that make arrays; reached with ``like=`` a traced value."""


def _identity(x: Value) -> Value:
    if x.type.dtype == dt.BOOL:
        raise UserError("np.positive of a bool", why="NumPy refuses it too", fix="convert it: x.astype(np.int64)")
    return x


def _degrees(x: Value) -> Value:
    return ops.multiply(x, 180 / np.pi)


def _radians(x: Value) -> Value:
    return ops.multiply(x, np.pi / 180)


def _vstack(tup: list[Any]) -> Value:
    return ops.concatenate([_at_least(x, 2) for x in tup], axis=0)


def _hstack(tup: list[Any]) -> Value:
    parts = [_at_least(x, 1) for x in tup]
    return ops.concatenate(parts, axis=0 if parts[0].type.rank == 1 else 1)


def _at_least(x: Value, rank: int) -> Value:
    while x.type.rank < rank:
        x = ops.expand_dims(x, 0)
    return x


def _copy(a: Value) -> Value:
    return a


def _shape(a: Value) -> Any:
    return a.type.shape


def _ndim(a: Value) -> int:
    return a.type.rank


def _size(a: Value, axis: int | None = None) -> Any:
    return a.type.size if axis is None else a.type.shape[axis]


def _atleast_1d(*arys: Value) -> Any:
    return _each(arys, 1)


def _atleast_2d(*arys: Value) -> Any:
    return _each(arys, 2)


def _each(arys: tuple[Value, ...], rank: int) -> Any:
    parts = tuple(_at_least(x, rank) for x in arys)
    return parts[0] if len(parts) == 1 else parts


def _array(object: Any, dtype: Any = None) -> Value:
    return object if dtype is None else ops.astype(object, dtype)


def _asarray(a: Any, dtype: Any = None) -> Value:
    return _array(a, dtype)


def _arange(start_or_stop: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Value:
    return ops.arange(start_or_stop, stop, step, dtype)


def _diff(a: Value, n: int = 1, axis: int = -1) -> Value:
    axis %= a.type.rank
    for _ in range(n):
        later, earlier = (ops.getitem(a, (slice(None),) * axis + (part,)) for part in (slice(1, None), slice(None, -1)))
        a = (ops.not_equal if a.type.dtype == dt.BOOL else ops.subtract)(later, earlier)
    return a


def _divmod(x1: Any, x2: Any) -> tuple[Value, Value]:
    return ops.floor_divide(x1, x2), ops.remainder(x1, x2)


def _round(a: Value, decimals: int = 0) -> Value:
    if not a.type.dtype.is_inexact:
        if decimals >= 0:
            return a
        raise Unsupported("rounding integers to tens", why="it is for floats here", fix="convert them to floats first")
    scale = 10.0 ** abs(decimals)
    if decimals == 0:
        return ops.rint(a)
    if decimals > 0:
        return ops.divide(ops.rint(ops.multiply(a, scale)), scale)
    return ops.multiply(ops.rint(ops.divide(a, scale)), scale)


def _norm(x: Value, axis: Any = None, keepdims: bool = False) -> Value:
    size = ops.abs(ops.multiply(x, 1.0))
    return ops.sqrt(ops.sum(ops.square(size), axis=axis, keepdims=keepdims))


def _count_nonzero(a: Value, axis: Any = None, keepdims: bool = False) -> Value:
    return ops.sum(ops.not_equal(a, 0), axis=axis, keepdims=keepdims)


def _ptp(a: Value, axis: Any = None, keepdims: bool = False) -> Value:
    return ops.subtract(ops.max(a, axis=axis, keepdims=keepdims), ops.min(a, axis=axis, keepdims=keepdims))


def _matrix_transpose(x: Value) -> Value:
    return ops.swapaxes(x, -1, -2)


def _broadcast_arrays(*args: Value) -> tuple[Value, ...]:
    shape = ops.broadcast_shapes("broadcast_arrays", [x.type.shape for x in args])
    return tuple(ops.broadcast_to(x, shape) for x in args)


def _column_stack(tup: list[Any]) -> Value:
    return ops.concatenate([ops.expand_dims(x, 1) if x.type.rank == 1 else x for x in tup], axis=1)


_WRITTEN: dict[Row, Row] = {
    np.vstack: _vstack,
    np.hstack: _hstack,
    np.copy: _copy,
    np.shape: _shape,
    np.ndim: _ndim,
    np.size: _size,
    np.atleast_1d: _atleast_1d,
    np.atleast_2d: _atleast_2d,
    np.arange: _arange,
    np.array: _array,
    np.asarray: _asarray,
    np.astype: ops.astype,
    np.diff: _diff,
    np.round: _round,
    np.around: _round,
    np.linalg.norm: _norm,
    np.count_nonzero: _count_nonzero,
    np.ptp: _ptp,
    np.matrix_transpose: _matrix_transpose,
    np.permute_dims: ops.transpose,
    np.broadcast_arrays: _broadcast_arrays,
    np.column_stack: _column_stack,
}


def _named(names: Any) -> dict[Any, Row]:
    return {f: getattr(ops, name) for f, name in names}


UFUNCS: Mapping[np.ufunc, Row] = {
    **_named((getattr(np, n), n) for n in _SAME_UFUNCS.split()),
    **_named((getattr(special, n), n) for n in _SPECIAL_UFUNCS.split()),
    **_named(_RENAMED_UFUNCS.items()),
    np.positive: _identity,
    np.divmod: _divmod,
    np.degrees: _degrees,
    np.rad2deg: _degrees,
    np.radians: _radians,
    np.deg2rad: _radians,
}

METHODS: Mapping[tuple[np.ufunc, str], Row] = {
    (ufunc, method): getattr(ops, name)
    for ufunc, method, name in (
        (np.add, "reduce", "sum"),
        (np.multiply, "reduce", "prod"),
        (np.maximum, "reduce", "max"),
        (np.minimum, "reduce", "min"),
        (np.logical_and, "reduce", "all"),
        (np.logical_or, "reduce", "any"),
        (np.add, "accumulate", "cumsum"),
        (np.multiply, "accumulate", "cumprod"),
        (np.multiply, "outer", "outer"),
    )
}

FUNCTIONS: Mapping[Row, Row] = {
    **_named((getattr(np, n), n) for n in (_SAME_FUNCTIONS + _LIKE).split()),
    **_named(_RENAMED_FUNCTIONS.items()),
    **_WRITTEN,
    **COMPOSED,
}

WEAK: frozenset[Row] = frozenset((ops.where, ops.clip))
"""Functions whose array arguments promote together, Python scalars weak."""

NAMES: tuple[str, ...] = tuple(
    sorted(
        {f"np.{f.__name__}" for f in (*UFUNCS, *FUNCTIONS) if hasattr(np, f.__name__)}
        | {f"scipy.special.{f.__name__}" for f in UFUNCS if not hasattr(np, f.__name__)}
        | {
            f"tcc.nn.{n}"
            for n in ("softmax", "log_softmax", "logsumexp", "layer_norm", "gelu", "relu", "silu", "sigmoid")
        }
    )
)
"""What a user may call, for suggestions."""
