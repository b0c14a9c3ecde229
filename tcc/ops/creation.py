"""Tensors from nothing: constants, filled tensors, ranges, sizes as values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir import dim
from tcc.ir import dtype as dt
from tcc.ir.dim import Dim, Size
from tcc.ir.dtype import BOOL, F64, I64, DType
from tcc.ir.forms import Access, Coordinates, Generic, Literal, Nest
from tcc.ir.graph import Attributes, Constant, Value
from tcc.ir.op import NOT_DIFFERENTIABLE, Array, Op, Sample, Samples
from tcc.ir.scalar import Const, Expr, Number, apply, compute_dtype
from tcc.ir.types import TensorType
from tcc.ops import axes
from tcc.ops.operands import Operand, common_dtype, error, node, quotient, value

Types = tuple[TensorType, ...]


def _literal_type(_types: Types, attributes: Attributes) -> Types:
    array = attributes["value"].array
    return (TensorType(dt.of(array.dtype), tuple(array.shape)),)


def _calls(*calls: dict[str, Any]) -> Samples:
    def generate(_dtypes: tuple[DType, ...], _rng: np.random.Generator) -> Iterator[Sample]:
        for attributes in calls:
            yield Sample((), attributes, ", ".join(f"{k}={v}" for k, v in attributes.items()), gradient=False)

    return generate


LITERAL = Op(
    name="literal",
    doc="A constant array: a weight, or a number in the program.",
    operands=(),
    infer=_literal_type,
    form=Literal(),
    gradient=NOT_DIFFERENTIABLE,
    reference=lambda value: value.array,
    samples=_calls(
        *({"value": Constant.of(np.arange(6).reshape(2, 3).astype(d.numpy))} for d in dt.ALL),
        {"value": Constant.of(np.float32(np.nan))},
        {"value": Constant.of(np.zeros((0, 2)))},
    ),
    tolerance=0,
)


def literal(value: Any, name: str = "") -> Value:
    """A NumPy array, as it is now, as a constant; ``name`` is what the user called it."""
    constant = value if isinstance(value, Constant) else Constant.of(value, name)
    dt.of(constant.array.dtype)
    return node(LITERAL, value=constant)


def _filled_type(_types: Types, attributes: Attributes) -> Types:
    return (TensorType(attributes["dtype"], attributes["shape"]),)


def _full_nest(_types: Types, results: Types, attributes: Attributes) -> Nest:
    dtype = results[0].dtype
    number: Number = attributes["value"]

    def body(_access: Access, _space: Coordinates, _reduced: Coordinates) -> tuple[Expr, ...]:
        if dtype.is_complex:
            z = complex(number)
            return (apply("complex", Const(dtype.real, z.real), Const(dtype.real, z.imag), dtype=dtype),)
        return (Const(compute_dtype(dtype), number),)

    return Nest(results[0].shape, body)


FULL = Op(
    name="full",
    doc="A tensor of ``shape`` with every element ``value``, a number.",
    operands=(),
    infer=_filled_type,
    form=Generic(_full_nest),
    gradient=NOT_DIFFERENTIABLE,
    reference=lambda shape, value, dtype: np.full(shape, value, dtype.numpy),
    samples=_calls(
        *({"shape": (2, 3), "value": True if d == BOOL else 1, "dtype": d} for d in dt.ALL),
        {"shape": (3,), "value": float("nan"), "dtype": F64},
        {"shape": (), "value": 7, "dtype": I64},
        {"shape": (0, 2), "value": 0, "dtype": I64},
    ),
    tolerance=0,
)


def _iota_type(_types: Types, attributes: Attributes) -> Types:
    shape: tuple[Size, ...] = attributes["shape"]
    dtype: DType = attributes["dtype"]
    if not 0 <= attributes["axis"] < len(shape) or dtype == BOOL:
        raise UserError(f"iota: no axis {attributes['axis']} of shape {shape}, or dtype bool")
    return (TensorType(dtype, shape),)


def _iota_nest(_types: Types, results: Types, attributes: Attributes) -> Nest:
    (result,) = results

    def body(access: Access, space: Coordinates, _reduced: Coordinates) -> tuple[Expr, ...]:
        return (_position(access, space[attributes["axis"]], result.dtype),)

    return Nest(result.shape, body)


def _position(access: Access, size: Size, dtype: DType) -> Expr:
    """A coordinate as an element of any dtype."""
    if dtype.is_integer:
        return access.position(size, dtype)
    number = apply("cast", access.position(size, I64), dtype=compute_dtype(dtype.real))
    return apply("complex", number, Const(dtype.real, 0.0), dtype=dtype) if dtype.is_complex else number


def _iota_reference(shape: tuple[int, ...], axis: int, dtype: DType) -> Any:
    aligned = [-1 if i == axis else 1 for i in range(len(shape))]
    return np.array(np.broadcast_to(np.reshape(np.arange(shape[axis], dtype=np.int64), aligned), shape), dtype.numpy)


IOTA = Op(
    name="iota",
    doc="A tensor whose elements are their own positions along ``axis``.",
    operands=(),
    infer=_iota_type,
    form=Generic(_iota_nest),
    gradient=NOT_DIFFERENTIABLE,
    reference=_iota_reference,
    samples=_calls(
        *({"shape": (2, 5), "axis": 1, "dtype": d} for d in dt.ALL if d != BOOL),
        {"shape": (3, 2), "axis": 0, "dtype": F64},
        {"shape": (0,), "axis": 0, "dtype": I64},
    ),
    tolerance=0,
)


def _extent_nest(_types: Types, _results: Types, attributes: Attributes) -> Nest:
    def body(access: Access, _space: Coordinates, _reduced: Coordinates) -> tuple[Expr, ...]:
        return (access.position(attributes["size"], I64),)

    return Nest((), body)


EXTENT = Op(
    name="extent",
    doc="A symbolic size as an i64 scalar.",
    operands=(),
    infer=lambda types, attributes: (TensorType(I64),),
    form=Generic(_extent_nest),
    gradient=NOT_DIFFERENTIABLE,
    reference=lambda size: np.int64(size),
    samples=_calls({"size": 7}, {"size": 0}),
    tolerance=0,
)


def extent(size: Size) -> Value:
    """A size as a value: an i64 scalar."""
    return node(EXTENT, size=axes.size("extent", "size", size)) if isinstance(size, Dim) else literal(np.int64(size))


def full(shape: Any, fill_value: Operand, dtype: Any = None) -> Value:
    """A tensor of a shape with every element ``fill_value``; its dtype is that of the value if None."""
    from_value = isinstance(fill_value, (Value, np.ndarray, Dim))
    target = None if dtype is None else dt.of(dtype)
    sizes = axes.shape("full", shape)
    if from_value:
        filled = value(fill_value)
        return ops.broadcast_to(filled if target is None else ops.astype(filled, target), sizes)
    array = np.asarray(fill_value)
    return _filled(sizes, array.item(), target if target is not None else dt.of(array.dtype))


def _filled(shape: tuple[Size, ...], number: Number, dtype: DType) -> Value:
    """A `full` whose number is in the dtype already, so that equal tensors have equal attributes."""
    exact = np.asarray(number).astype(dtype.numpy)
    plain = exact.item() if dtype != dt.BF16 else float(exact)
    return node(FULL, shape=shape, value=plain, dtype=dtype)


def zeros(shape: Any, dtype: Any = F64) -> Value:
    """Zeros of a shape."""
    return _filled(axes.shape("zeros", shape), 0, dt.of(dtype))


def ones(shape: Any, dtype: Any = F64) -> Value:
    """Ones of a shape."""
    return _filled(axes.shape("ones", shape), 1, dt.of(dtype))


def zeros_like(a: Operand, dtype: Any = None) -> Value:
    """Zeros of the operand's shape, and of its dtype unless given."""
    return full_like(a, 0, dtype)


def ones_like(a: Operand, dtype: Any = None) -> Value:
    """Ones of the operand's shape, and of its dtype unless given."""
    return full_like(a, 1, dtype)


def full_like(a: Operand, fill_value: Operand, dtype: Any = None) -> Value:
    """A tensor of the operand's shape filled with a value, and of its dtype unless given."""
    x = value(a)
    return full(x.type.shape, fill_value, x.type.dtype if dtype is None else dtype)


def iota(shape: Any, axis: int = 0, dtype: Any = I64) -> Value:
    """A tensor whose elements are their positions along an axis."""
    sizes = axes.shape("iota", shape)
    return node(IOTA, shape=sizes, axis=axes.one("iota", axis, len(sizes)), dtype=dt.of(dtype))


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Value:
    """Numbers from ``start`` (0 when only a stop is given) up to, without, ``stop``, by ``step``.

    Sizes may be symbolic; then ``step`` must be 1 or another positive integer.
    """
    low, high = (0, start) if stop is None else (start, stop)
    numbers = [low, high, step]
    if any(isinstance(n, Value) for n in numbers):
        raise error("arange: an argument is a traced value", why="the length must be known at compile time")
    if not any(isinstance(n, Dim) for n in numbers):
        result = cast("Array", np.arange(low, high, step))
        target = dt.of(result.dtype) if dtype is None else dt.of(dtype)
        if not target.is_integer or len(result) < 2:
            return literal(np.arange(low, high, step, dtype=result.dtype).astype(target.numpy))
        return _affine(len(result), int(low), int(step), target)
    first, last = axes.size("arange", "start", low), axes.size("arange", "stop", high)
    stride = axes.integer("arange", "step", step)
    if stride < 1:
        raise error(f"arange: step {stride} with a symbolic size", why="expected a positive integer")
    length = dim.maximum(dim.ceildiv(last - first, stride), 0)
    return _affine(length, first, stride, I64 if dtype is None else dt.of(dtype))


def _affine(length: Size, first: Size, step: int, dtype: DType) -> Value:
    """``first + step·i``."""
    counted = iota((length,), 0, dtype)
    scaled = counted if step == 1 else ops.multiply(counted, step)
    return scaled if isinstance(first, int) and first == 0 else ops.add(scaled, first)


def linspace(start: Operand, stop: Operand, num: int = 50, endpoint: bool = True, dtype: Any = None) -> Value:
    """``num`` evenly spaced numbers from ``start`` to ``stop`` (without it when ``endpoint`` is False).

    Scalars give a vector; tensors give a new leading axis. Computed in f64 unless the operands are wider.
    """
    count = axes.integer("linspace", "num", num)
    if count < 0:
        raise error(f"linspace: num is {count}", why="expected a non-negative integer")
    low, high = ops.promoted((start, stop), lambda common, _: dt.promote(common, F64))
    shape = ops.broadcast_shapes("linspace", (low.type.shape, high.type.shape))
    kind = low.type.dtype
    result_type = quotient(common_dtype((start, stop))) if dtype is None else dt.of(dtype)
    steps = count - 1 if endpoint else count
    fraction = np.arange(count) / max(steps, 1)
    aligned = literal(fraction.astype(kind.numpy).reshape((count, *(1,) * len(shape))))
    result = ops.add(ops.multiply(ops.subtract(high, low), aligned), low)
    if endpoint and count > 1:
        last = ops.broadcast_to(ops.expand_dims(ops.broadcast_to(high, shape), 0), (1, *shape))
        result = ops.concatenate([ops.take(result, np.arange(count - 1), axis=0), last], 0)
    if result_type.is_integer:
        result = ops.floor(result)
    return ops.astype(result, result_type)


def eye(N: Size, M: Size | None = None, k: int = 0, dtype: Any = F64) -> Value:
    """Ones on the ``k``-th diagonal of an N×M matrix (M is N if None), zeros elsewhere."""
    rows = axes.size("eye", "N", N)
    columns = rows if M is None else axes.size("eye", "M", M)
    row = iota((rows, columns), 0)
    return ops.astype(ops.equal(ops.add(row, axes.integer("eye", "k", k)), iota((rows, columns), 1)), dtype)


def tri(N: Size, M: Size | None = None, k: int = 0, dtype: Any = F64) -> Value:
    """Ones at and below the ``k``-th diagonal of an N×M matrix, zeros above."""
    rows = axes.size("tri", "N", N)
    columns = rows if M is None else axes.size("tri", "M", M)
    row = iota((rows, columns), 0)
    return ops.astype(ops.greater_equal(ops.add(row, axes.integer("tri", "k", k)), iota((rows, columns), 1)), dtype)


def tril(m: Operand, k: int = 0) -> Value:
    """The operand's last two axes at and below the ``k``-th diagonal, zeros above."""
    x = value(m)
    return ops.where(tri(*_matrix("tril", x), k=k, dtype=BOOL), x, zeros_like(x))


def triu(m: Operand, k: int = 0) -> Value:
    """The operand's last two axes at and above the ``k``-th diagonal, zeros below."""
    x = value(m)
    return ops.where(tri(*_matrix("triu", x), k=k - 1, dtype=BOOL), zeros_like(x), x)


def _matrix(name: str, x: Value) -> tuple[Size, Size]:
    if x.type.rank < 2:
        raise error(f"{name}: the operand has type {x.type}", why="expected at least two dimensions")
    return x.type.shape[-2], x.type.shape[-1]
