"""Rounding to whole numbers, and the sign of one number on another."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tcc.ops as ops
from tcc.ir.graph import Value
from tcc.ir.op import NOT_DIFFERENTIABLE, Op
from tcc.ir.scalar import Expr, Scalars
from tcc.ops import axes, samples
from tcc.ops.elementwise import binary, unary
from tcc.ops.operands import Operand, error, inexact, node, value

_HALVES = (*samples.EDGES, 0.5, -0.5, 1.5, 2.5, -1.5, 1e10, 0.49999997)


@dataclass(frozen=True)
class Rounding:
    """The function of a rounding op. Integers and bools are whole already, and stay as they are."""

    op: Op

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.op.doc)
        object.__setattr__(self, "__name__", self.op.name)

    def __call__(self, x: Operand, /) -> Value:
        v = value(x)
        return v if v.type.dtype.is_integer or v.type.dtype.kind == "bool" else node(self.op, v)


def _rounding(name: str, doc: str, compute: Callable[[Scalars, Expr], Expr], reference: Callable[..., Any]) -> Op:
    return unary(
        name,
        doc,
        "float",
        compute,
        NOT_DIFFERENTIABLE,
        reference,
        samples.elementwise((-5.0, 5.0), edges=_HALVES),
        promotion=inexact,
        tolerance=0,
    ).op


floor = Rounding(
    _rounding("floor", "The greatest whole number not above each element.", lambda s, x: s.floor(x), np.floor)
)
ceil = Rounding(_rounding("ceil", "The least whole number not below each element.", lambda s, x: s.ceil(x), np.ceil))
trunc = Rounding(_rounding("trunc", "Each element without its fraction.", lambda s, x: s.trunc(x), np.trunc))
rint = unary(
    "rint",
    "The nearest whole number to each element; of two equally near the even one.",
    "float",
    lambda s, x: s.rint(x),
    NOT_DIFFERENTIABLE,
    np.rint,
    samples.elementwise((-5.0, 5.0), edges=_HALVES),
    promotion=inexact,
    tolerance=0,
)
copysign = binary(
    "copysign",
    "The magnitude of x1 with the sign of x2 (also of -0.0 and of nan).",
    "float",
    lambda s, a, b: s.copysign(a, b),
    lambda g, a, b, y: (ops.multiply(g, ops.multiply(ops.copysign(1, a), ops.copysign(1, b))), None),
    np.copysign,
    samples.elementwise((0.5, 2.0), (-2.0, 2.0)),
    promotion=inexact,
    tolerance=0,
)


def round(a: Operand, decimals: int = 0) -> Value:
    """Rounded to ``decimals`` places, of two equally near the even one, as NumPy does: scaled, rounded, scaled back."""
    x = value(a)
    places = axes.integer("round", "decimals", decimals)
    if x.type.dtype.is_integer or x.type.dtype.kind == "bool":
        if places < 0:
            raise error(f"round: decimals {places} of {x.type}", why="expected at least 0 for integers")
        return x
    if not places:
        return rint(x)
    scale = 10.0 ** builtins.abs(places)
    if places > 0:
        return ops.divide(rint(ops.multiply(x, scale)), scale)
    return ops.multiply(rint(ops.divide(x, scale)), scale)
