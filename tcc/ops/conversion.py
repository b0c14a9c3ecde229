"""Other dtypes for the same elements, and complex numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir import dtype as dt
from tcc.ir.dtype import BF16, BOOL, F16, F64, DType
from tcc.ir.forms import Elementwise
from tcc.ir.graph import Attributes, Value
from tcc.ir.op import NOT_DIFFERENTIABLE, Array, Op, Sample
from tcc.ir.scalar import Expr, Scalars, compute_dtype
from tcc.ir.types import TensorType
from tcc.ops import batching, infer, samples
from tcc.ops.elementwise import ANY, NUMBER, binary, unary
from tcc.ops.operands import Operand, broadcast, no_bool, node, promoted, value


def _convert(s: Scalars, x: Expr, dtype: DType) -> Expr:
    if x.dtype.is_complex and not dtype.is_complex:
        return s.ne(x, 0.0) if dtype == BOOL else _convert(s, s.real(x), dtype=dtype)
    if dtype.is_complex:
        parts = (s.real(x), s.imag(x)) if x.dtype.is_complex else (x, None)
        real = s.cast(parts[0], dtype.real)
        imag = s.const(0.0, dtype.real) if parts[1] is None else s.cast(parts[1], dtype.real)
        return s.complex(real, imag, dtype=dtype)
    if dtype == BOOL:
        return x if x.dtype == BOOL else s.ne(x, 0)
    # From f64 in one rounding; everything else reaches a half float through f32, as in NumPy.
    return s.cast(x, dtype if x.dtype == F64 else compute_dtype(dtype))


def _convert_gradient(g: Value, x: Value, _y: Value, dtype: DType) -> tuple[Value | None]:
    return (ops.astype(g, x.type.dtype) if x.type.dtype.is_inexact and dtype.is_inexact else None,)


def _convert_samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    (source,) = dtypes
    x = samples.random(source, (3, 4), rng, 0.0, 100.0)
    for target in dt.ALL:
        yield Sample((x,), {"dtype": target}, f"to {target}")
    if source.is_integer:
        for target in dt.ALL:
            if not target.is_inexact:
                yield Sample((samples.edges_of(source),), {"dtype": target}, f"extremes to {target}")
    if source.is_float:
        for target in (BOOL, F16, BF16, dt.F32, F64):
            yield Sample((samples.edges_of(source),), {"dtype": target}, f"edges to {target}", gradient=False)


ASTYPE = Op(
    name="astype",
    doc="The elements converted to a dtype. A float becomes an integer by truncation (what it becomes when out of"
    " range is not defined); a complex number loses its imaginary part; a bool is whether it is not zero.",
    operands=(f"x: {ANY}",),
    infer=infer.converted,
    form=Elementwise(_convert),
    gradient=_convert_gradient,
    batch=batching.elementwise("astype"),
    reference=lambda x, dtype: _numpy_convert(x, dtype),
    samples=_convert_samples,
    tolerance=0,
)


def _numpy_convert(x: Any, dtype: DType) -> Any:
    plain = x.real if x.dtype.kind == "c" and not dtype.is_complex and dtype != BOOL else x
    return plain.astype(dtype.numpy)


def astype(x: Operand, dtype: Any) -> Value:
    """The operand in another dtype (a name such as ``f32``, or anything NumPy understands as one)."""
    target = dt.of(dtype)
    v = value(x)
    return v if v.type.dtype == target else node(ASTYPE, v, dtype=target)


def _bitcast_type(types: tuple[TensorType, ...], attributes: Attributes) -> tuple[TensorType, ...]:
    target: DType = attributes["dtype"]
    if target.bits != types[0].dtype.bits or not (target.is_integer or target.is_float):
        raise UserError(f"bitcast: from {types[0].dtype} to {target}", why="expected a number of the same width")
    return (types[0].with_dtype(target),)


def _bitcast_samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    (source,) = dtypes
    for target in dt.ALL:
        if target.bits == source.bits and (target.is_integer or target in (dt.F32, F64)):
            yield Sample((samples.random(source, (3, 4), rng),), {"dtype": target}, f"to {target}")
            yield Sample((samples.edges_of(source),), {"dtype": target}, f"edges to {target}")


BITCAST = Op(
    name="bitcast",
    doc="The bits of each element read as another dtype of the same width.",
    operands=("x: int|uint|f32|f64",),
    infer=_bitcast_type,
    form=Elementwise(lambda s, x, dtype: s.bitcast(x, dtype=dtype)),
    gradient=NOT_DIFFERENTIABLE,
    batch=batching.elementwise("bitcast"),
    reference=lambda x, dtype: x.view(dtype.numpy),
    samples=_bitcast_samples,
    tolerance=0,
)


def bitcast(x: Operand, dtype: Any) -> Value:
    """The bits of each element as another dtype of the same width."""
    return node(BITCAST, value(x), dtype=dt.of(dtype))


def _pair(g: Value, imaginary: bool) -> Value:
    zero = ops.zeros_like(g)
    return ops.complex(zero, g) if imaginary else ops.complex(g, zero)


REAL_PART = unary(
    "real",
    "The real part of each complex element.",
    "complex",
    lambda s, x: s.real(x),
    lambda g, x, y: _pair(g, False),
    lambda x: np.array(x.real),
    samples.elementwise(),
    infer=infer.real_part,
    tolerance=0,
).op

IMAGINARY_PART = unary(
    "imag",
    "The imaginary part of each complex element.",
    "complex",
    lambda s, x: s.imag(x),
    lambda g, x, y: ops.negative(_pair(g, True)),
    lambda x: np.array(x.imag),
    samples.elementwise(),
    infer=infer.real_part,
    tolerance=0,
).op


def real(val: Operand) -> Value:
    """The real part; of a real operand itself."""
    v = value(val)
    return node(REAL_PART, v) if v.type.dtype.is_complex else v


def imag(val: Operand) -> Value:
    """The imaginary part; of a real operand zeros."""
    v = value(val)
    return node(IMAGINARY_PART, v) if v.type.dtype.is_complex else ops.zeros_like(v)


conj = unary(
    "conj",
    "The complex conjugate of each element; of a real one itself.",
    NUMBER,
    lambda s, x: s.conj(x) if x.dtype.is_complex else x,
    lambda g, x, y: ops.conj(g),
    np.conjugate,
    samples.elementwise(),
    promotion=no_bool,
    tolerance=0,
)


def _complex_reference(re: Array, im: Array) -> Any:
    result = np.empty(re.shape, np.result_type(re.dtype, np.complex64))
    result.real, result.imag = re, im
    return result


COMPLEX = binary(
    "complex",
    "The complex number of a real and an imaginary part.",
    "f32|f64",
    lambda s, re, im: s.complex(re, im, dtype=dt.C128 if re.dtype == F64 else dt.C64),
    lambda g, re, im, y: (ops.real(g), ops.negative(ops.imag(g))),
    _complex_reference,
    samples.elementwise(),
    infer=infer.complex_of,
    tolerance=0,
).op


def complex(real: Operand, imag: Operand) -> Value:
    """The complex tensor of two real ones: c128 of f64 and of integers, else c64."""

    def part(common: DType, _strong: Sequence[DType]) -> DType:
        return dt.F32 if common in (F16, BF16, dt.F32) else F64

    return node(COMPLEX, *broadcast("complex", promoted((real, imag), part)))
