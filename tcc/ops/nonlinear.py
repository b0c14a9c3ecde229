"""Composites of neural networks that stay one node until they are decomposed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import special

import tcc.ops as ops
from tcc.ir.graph import Value
from tcc.ir.op import Array, Op
from tcc.ir.scalar import compute_dtype
from tcc.ops import batching, infer, samples
from tcc.ops.operands import Operand, inexact, node, promoted, value


def widened(function: Callable[..., Value]) -> Callable[..., Value]:
    """The expansion of a composite of one operand, computed in f32 for half floats."""

    def expand(x: Value, **attributes: Any) -> Value:
        wide = ops.astype(x, compute_dtype(x.type.dtype))
        return ops.astype(function(wide, **attributes), x.type.dtype)

    return expand


def in_f64(function: Callable[..., Any]) -> Callable[..., Any]:
    """The reference of a composite of one operand, computed in f64 and rounded once."""

    def reference(x: Array, **attributes: Any) -> Any:
        return np.asarray(function(x.astype(np.float64), **attributes)).astype(x.dtype)

    return reference


def _activation(
    name: str,
    doc: str,
    expand: Callable[..., Value],
    slope: Callable[..., Value],
    reference: Callable[..., Any],
    attributes: Mapping[str, Any] | None = None,
    edges: tuple[float, ...] = samples.EDGES,
) -> Op:
    """A function of one element; ``slope(x, y)`` is its derivative."""
    return Op(
        name=name,
        doc=doc,
        operands=("x: float",),
        infer=infer.same,
        expand=widened(expand),
        gradient=lambda g, x, y, **options: (ops.multiply(g, slope(x, y, **options)),),
        batch=batching.elementwise(name),
        reference=in_f64(reference),
        samples=samples.elementwise((-4.0, 4.0), edges=edges, attributes=attributes),
        tolerance=8.0,
    )


def _sigmoid(x: Value) -> Value:
    small = ops.exp(ops.negative(ops.abs(x)))
    return ops.divide(ops.where(ops.less(x, 0), small, 1), ops.add(small, 1))


def _sigmoid_slope(_x: Value, y: Value) -> Value:
    return ops.multiply(y, ops.subtract(1, y))


def _silu_slope(x: Value, y: Value) -> Value:
    s = sigmoid(x)
    return ops.add(s, ops.multiply(y, ops.subtract(1, s)))


def _gelu(x: Value, approximate: bool) -> Value:
    return ops.multiply(ops.multiply(x, 0.5), ops.add(_gelu_gate(x, approximate), 1))


def _gelu_gate(x: Value, approximate: bool) -> Value:
    """erf(x/√2), or its usual approximation by tanh."""
    if not approximate:
        return ops.erf(ops.multiply(x, math.sqrt(0.5)))
    return ops.tanh(
        ops.multiply(ops.multiply(x, ops.add(ops.multiply(ops.square(x), 0.044715), 1)), math.sqrt(2 / math.pi))
    )


def _gelu_slope(x: Value, _y: Value, approximate: bool) -> Value:
    gate = _gelu_gate(x, approximate)
    level = ops.multiply(ops.add(gate, 1), 0.5)
    if not approximate:
        bell = ops.multiply(ops.exp(ops.multiply(ops.square(x), -0.5)), 1 / math.sqrt(2 * math.pi))
        return ops.add(level, ops.multiply(x, bell))
    inner = ops.multiply(ops.add(ops.multiply(ops.square(x), 3 * 0.044715), 1), math.sqrt(2 / math.pi))
    rise = ops.multiply(ops.subtract(1, ops.square(gate)), inner)
    return ops.add(level, ops.multiply(ops.multiply(x, 0.5), rise))


def _gelu_reference(x: Array, approximate: bool) -> Any:
    gate: Any = (
        np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)) if approximate else special.erf(x / math.sqrt(2))
    )
    return 0.5 * x * (1 + gate)


def _relu_slope(x: Value, _y: Value) -> Value:
    return ops.where(ops.greater(x, 0), ops.ones_like(x), ops.zeros_like(x))


_FINITE = (np.nan, 0.0, -0.0, 1.0, -1.0, 30.0, -30.0)

SIGMOID = _activation(
    "sigmoid", "1 / (1 + exp(-x)), without overflow.", _sigmoid, _sigmoid_slope, lambda x: special.expit(x)
)
SILU = _activation(
    "silu",
    "x · sigmoid(x), also called swish.",
    lambda x: ops.multiply(x, sigmoid(x)),
    _silu_slope,
    lambda x: x * special.expit(x),
    edges=_FINITE,
)
RELU = _activation(
    "relu",
    "The greater of x and 0; its derivative at 0 is 0.",
    lambda x: ops.maximum(x, 0),
    _relu_slope,
    lambda x: np.maximum(x, 0),
)
GELU = _activation(
    "gelu",
    "x times the normal distribution's cumulative function; ``approximate`` takes the formula by tanh.",
    _gelu,
    _gelu_slope,
    _gelu_reference,
    attributes={"approximate": False},
    edges=_FINITE,
)


def sigmoid(x: Operand) -> Value:
    """1 / (1 + exp(-x)), without overflow."""
    return node(SIGMOID, *promoted((x,), inexact))


def silu(x: Operand) -> Value:
    """x · sigmoid(x), also called swish."""
    return node(SILU, *promoted((x,), inexact))


def relu(x: Operand) -> Value:
    """The greater of x and 0; its derivative at 0 is 0. Integers stay integers."""
    v = value(x)
    return node(RELU, v) if v.type.dtype.is_float else ops.maximum(v, 0)


def gelu(x: Operand, approximate: bool | str = False) -> Value:
    """x · Φ(x) by erf; ``approximate`` True (or ``"tanh"``) takes the usual formula by tanh."""
    by_tanh = approximate == "tanh" if isinstance(approximate, str) else approximate
    return node(GELU, *promoted((x,), inexact), approximate=by_tanh)


def softplus(x: Operand) -> Value:
    """log(1 + exp(x)), without overflow."""
    (v,) = promoted((x,), inexact)
    return ops.add(ops.maximum(v, 0), ops.log1p(ops.exp(ops.negative(ops.abs(v)))))


def leaky_relu(x: Operand, negative_slope: float = 0.01) -> Value:
    """x where it is positive, ``negative_slope`` · x elsewhere."""
    (v,) = promoted((x,), inexact)
    return ops.where(ops.greater(v, 0), v, ops.multiply(v, negative_slope))


def elu(x: Operand, alpha: float = 1.0) -> Value:
    """x where it is positive, ``alpha`` · (exp(x) - 1) elsewhere."""
    (v,) = promoted((x,), inexact)
    positive = ops.greater(v, 0)
    return ops.where(positive, v, ops.multiply(ops.expm1(ops.where(positive, 0, v)), alpha))
