"""Roots, exponentials, logarithms, trigonometric and hyperbolic functions, the error function."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

import tcc.ops as ops
from tcc.ir.op import Array
from tcc.ir.scalar import TABLE, Expr, Scalars
from tcc.ops import samples
from tcc.ops.elementwise import binary, unary
from tcc.ops.operands import inexact


def _sqrt(s: Scalars, x: Expr) -> Expr:
    if not x.dtype.is_complex:
        return s.sqrt(x)
    re, im = s.real(x), s.imag(x)
    half = s.sqrt((s.abs(x) + s.abs(re)) * 0.5)
    other = s.abs(im) / (s.where(s.eq(half, 0.0), s.const(1.0, half.dtype), half) * 2.0)
    right = s.ge(re, 0.0)
    return s.complex(s.where(right, half, other), s.copysign(s.where(right, other, half), im), dtype=x.dtype)


sqrt = unary(
    "sqrt",
    "Square root of each element; a negative real element gives nan.",
    "float|complex",
    _sqrt,
    lambda g, x, y: ops.divide(g, ops.multiply(y, 2)),
    np.sqrt,
    samples.elementwise((0.25, 10.0), edge_kinds="float"),
    promotion=inexact,
)

rsqrt = unary(
    "rsqrt",
    "One divided by the square root of each element: inf for 0, nan for a negative element.",
    "float",
    lambda s, x: s.rsqrt(x),
    lambda g, x, y: ops.multiply(ops.multiply(g, -0.5), ops.divide(y, x)),
    lambda x: _wide(x, lambda a: 1 / np.sqrt(a)),
    samples.elementwise((0.25, 10.0)),
    promotion=inexact,
)


def _wide(x: Array, function: Any) -> Any:
    """A function computed one precision up, then rounded: for what NumPy has only in steps."""
    return np.asarray(function(x.astype(np.float64))).astype(x.dtype)


cbrt = unary(
    "cbrt",
    "Cube root of each element.",
    "float",
    lambda s, x: s.cbrt(x),
    lambda g, x, y: ops.divide(g, ops.multiply(ops.square(y), 3)),
    np.cbrt,
    samples.elementwise((0.25, 10.0)),
    promotion=inexact,
)


def _exp(s: Scalars, x: Expr) -> Expr:
    if not x.dtype.is_complex:
        return s.exp(x)
    size, angle = s.exp(s.real(x)), s.imag(x)
    return s.complex(size * s.cos(angle), size * s.sin(angle), dtype=x.dtype)


exp = unary(
    "exp",
    "e raised to the power of each element.",
    "float|complex",
    _exp,
    lambda g, x, y: ops.multiply(g, y),
    np.exp,
    samples.elementwise((-5.0, 5.0), edge_kinds="float"),
    promotion=inexact,
)

exp2 = unary(
    "exp2",
    "2 raised to the power of each element.",
    "float",
    lambda s, x: s.exp2(x),
    lambda g, x, y: ops.multiply(g, ops.multiply(y, math.log(2))),
    np.exp2,
    samples.elementwise((-5.0, 5.0)),
    promotion=inexact,
)

expm1 = unary(
    "expm1",
    "exp(x) - 1, exact near 0.",
    "float",
    lambda s, x: s.expm1(x),
    lambda g, x, y: ops.multiply(g, ops.add(y, 1)),
    np.expm1,
    samples.elementwise((-5.0, 5.0), edges=(*samples.EDGES, 1e-6)),
    promotion=inexact,
)


def _log(s: Scalars, x: Expr) -> Expr:
    if not x.dtype.is_complex:
        return s.log(x)
    return s.complex(s.log(s.abs(x)), s.arctan2(s.imag(x), s.real(x)), dtype=x.dtype)


log = unary(
    "log",
    "Natural logarithm of each element: -inf for 0, nan for a negative real element.",
    "float|complex",
    _log,
    lambda g, x, y: ops.divide(g, x),
    np.log,
    samples.elementwise((0.25, 10.0), edge_kinds="float"),
    promotion=inexact,
)

log2 = unary(
    "log2",
    "Logarithm to the base 2 of each element.",
    "float",
    lambda s, x: s.log2(x),
    lambda g, x, y: ops.divide(g, ops.multiply(x, math.log(2))),
    np.log2,
    samples.elementwise((0.25, 10.0)),
    promotion=inexact,
)

log10 = unary(
    "log10",
    "Logarithm to the base 10 of each element.",
    "float",
    lambda s, x: s.log10(x),
    lambda g, x, y: ops.divide(g, ops.multiply(x, math.log(10))),
    np.log10,
    samples.elementwise((0.25, 10.0)),
    promotion=inexact,
)

log1p = unary(
    "log1p",
    "log(1 + x), exact near 0.",
    "float",
    lambda s, x: s.log1p(x),
    lambda g, x, y: ops.divide(g, ops.add(x, 1)),
    np.log1p,
    samples.elementwise((-0.75, 10.0), edges=(*samples.EDGES, 1e-6)),
    promotion=inexact,
)

sin = unary(
    "sin",
    "Sine of each element, in radians.",
    "float",
    lambda s, x: s.sin(x),
    lambda g, x, y: ops.multiply(g, ops.cos(x)),
    np.sin,
    samples.elementwise((-10.0, 10.0), edges=(*samples.EDGES, 1e4)),
    promotion=inexact,
)

cos = unary(
    "cos",
    "Cosine of each element, in radians.",
    "float",
    lambda s, x: s.cos(x),
    lambda g, x, y: ops.negative(ops.multiply(g, ops.sin(x))),
    np.cos,
    samples.elementwise((-10.0, 10.0), edges=(*samples.EDGES, 1e4)),
    promotion=inexact,
)

tan = unary(
    "tan",
    "Tangent of each element, in radians.",
    "float",
    lambda s, x: s.tan(x),
    lambda g, x, y: ops.multiply(g, ops.add(ops.square(y), 1)),
    np.tan,
    samples.elementwise((-1.3, 1.3)),
    promotion=inexact,
)

arcsin = unary(
    "arcsin",
    "Angle in [-π/2, π/2] whose sine each element is; nan outside of [-1, 1].",
    "float",
    lambda s, x: s.arcsin(x),
    lambda g, x, y: ops.multiply(g, ops.rsqrt(ops.multiply(ops.subtract(1, x), ops.add(1, x)))),
    np.arcsin,
    samples.elementwise((-0.9, 0.9), edges=(*samples.EDGES, 2.0)),
    promotion=inexact,
)

arccos = unary(
    "arccos",
    "Angle in [0, π] whose cosine each element is; nan outside of [-1, 1].",
    "float",
    lambda s, x: s.arccos(x),
    lambda g, x, y: ops.negative(ops.multiply(g, ops.rsqrt(ops.multiply(ops.subtract(1, x), ops.add(1, x))))),
    np.arccos,
    samples.elementwise((-0.9, 0.9), edges=(*samples.EDGES, 2.0)),
    promotion=inexact,
)

arctan = unary(
    "arctan",
    "Angle in [-π/2, π/2] whose tangent each element is.",
    "float",
    lambda s, x: s.arctan(x),
    lambda g, x, y: ops.divide(g, ops.add(ops.square(x), 1)),
    np.arctan,
    samples.elementwise((-5.0, 5.0)),
    promotion=inexact,
)

arctan2 = binary(
    "arctan2",
    "Angle in [-π, π] of the point with ordinate x1 and abscissa x2.",
    "float",
    lambda s, y, x: s.arctan2(y, x),
    lambda g, y, x, r: (
        ops.divide(ops.multiply(g, x), ops.add(ops.square(x), ops.square(y))),
        ops.negative(ops.divide(ops.multiply(g, y), ops.add(ops.square(x), ops.square(y)))),
    ),
    np.arctan2,
    samples.elementwise((0.5, 2.0), (-2.0, 2.0)),
    promotion=inexact,
)

sinh = unary(
    "sinh",
    "Hyperbolic sine of each element.",
    "float",
    lambda s, x: s.sinh(x),
    lambda g, x, y: ops.multiply(g, ops.cosh(x)),
    np.sinh,
    samples.elementwise((-5.0, 5.0)),
    promotion=inexact,
)

cosh = unary(
    "cosh",
    "Hyperbolic cosine of each element.",
    "float",
    lambda s, x: s.cosh(x),
    lambda g, x, y: ops.multiply(g, ops.sinh(x)),
    np.cosh,
    samples.elementwise((-5.0, 5.0)),
    promotion=inexact,
)

tanh = unary(
    "tanh",
    "Hyperbolic tangent of each element.",
    "float",
    lambda s, x: s.tanh(x),
    lambda g, x, y: ops.multiply(g, ops.multiply(ops.subtract(1, y), ops.add(1, y))),
    np.tanh,
    samples.elementwise((-4.0, 4.0), edges=(*samples.EDGES, 30.0)),
    promotion=inexact,
)

arcsinh = unary(
    "arcsinh",
    "Inverse hyperbolic sine of each element.",
    "float",
    lambda s, x: s.arcsinh(x),
    lambda g, x, y: ops.multiply(g, ops.rsqrt(ops.add(ops.square(x), 1))),
    np.arcsinh,
    samples.elementwise((-5.0, 5.0)),
    promotion=inexact,
)

arccosh = unary(
    "arccosh",
    "Inverse hyperbolic cosine of each element; nan below 1.",
    "float",
    lambda s, x: s.arccosh(x),
    lambda g, x, y: ops.multiply(g, ops.multiply(ops.rsqrt(ops.subtract(x, 1)), ops.rsqrt(ops.add(x, 1)))),
    np.arccosh,
    samples.elementwise((1.5, 10.0)),
    promotion=inexact,
)

arctanh = unary(
    "arctanh",
    "Inverse hyperbolic tangent of each element: ±inf at ±1, nan outside of [-1, 1].",
    "float",
    lambda s, x: s.arctanh(x),
    lambda g, x, y: ops.divide(g, ops.multiply(ops.subtract(1, x), ops.add(1, x))),
    np.arctanh,
    samples.elementwise((-0.9, 0.9), edges=(*samples.EDGES, 2.0)),
    promotion=inexact,
)

_ERF_SLOPE = 2 / math.sqrt(math.pi)

erf = unary(
    "erf",
    "The error function, 2/√π ∫₀ˣ exp(-t²) dt, of each element.",
    "float",
    lambda s, x: s.erf(x),
    lambda g, x, y: ops.multiply(g, ops.multiply(ops.exp(ops.negative(ops.square(x))), _ERF_SLOPE)),
    lambda x: _wide(x, special.erf),
    samples.elementwise((-3.0, 3.0)),
    promotion=inexact,
)

erfc = unary(
    "erfc",
    "1 - erf(x), exact where erf is near 1.",
    "float",
    lambda s, x: s.erfc(x),
    lambda g, x, y: ops.multiply(g, ops.multiply(ops.exp(ops.negative(ops.square(x))), -_ERF_SLOPE)),
    TABLE["erfc"].numpy,
    samples.elementwise((-3.0, 3.0)),
    promotion=inexact,
)
