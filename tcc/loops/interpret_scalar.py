"""Scalar operations on NumPy scalars of the exact dtype, for the interpreter of the loop IR."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tcc.ir.dtype import BOOL, F32, I64, DType
from tcc.ir.scalar import TABLE, Apply, Expr, Number, compute_dtype
from tcc.loops.program import Load

# Operations for which the operator of NumPy scalars means the same as the ufunc, and is ten times faster.
_OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "floordiv": "//", "mod": "%",
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
    "and": "&", "or": "|", "xor": "^", "shl": "<<", "shr": ">>",
}  # fmt: skip
_PREFIXES = {"neg": "-", "not": "~"}


def arguments(expr: Expr) -> tuple[Expr, ...]:
    """The expressions that one is evaluated from."""
    if isinstance(expr, Apply):
        return expr.args
    if isinstance(expr, Load) and expr.guard is not None:
        return (expr.guard,)
    return ()


def number(value: Number, dtype: DType) -> Any:
    """A Python number as a NumPy scalar; an integer out of range wraps."""
    if dtype.is_integer:
        return np.array(int(value.real) & (2**dtype.bits - 1), f"uint{dtype.bits}").view(dtype.numpy)[()]
    return dtype.numpy.type(value)


def wrapper(dtype: DType) -> Callable[[int], Any]:
    """A function from an index to a scalar of an integer dtype."""
    if dtype == I64:
        return np.int64
    return lambda value: number(value, dtype)


def text(node: Apply, values: list[str], constant: Callable[[Any], str]) -> str:
    """Python text of an operation on values that are evaluated already."""
    kind = node.args[0].dtype
    op = node.op
    if op == "select":
        return f"{values[1]} if {values[0]} else {values[2]}"
    if op == "cast":
        return f"{constant(_cast(kind, node.dtype))}({values[0]})"
    if op == "bitcast":
        return f"{values[0]}.view({constant(node.dtype.numpy)})"
    if op in ("real", "imag"):
        return f"{values[0]}.{op}"
    if op == "complex":
        return f"{constant(node.dtype.numpy.type)}(complex({values[0]}, {values[1]}))"
    if compute_dtype(kind) != kind:
        return f"{constant(_widened(op, node.dtype))}({', '.join(values)})"
    if op in _OPERATORS:
        return f"{values[0]} {_OPERATORS[op]} {values[1]}"
    if op in _PREFIXES:
        return f"{_PREFIXES[op]}{values[0]}"
    if op in ("max", "min"):
        sign = ">" if op == "max" else "<"
        a, b = values
        nan = f" or {a} != {a}" if kind.is_float else ""
        return f"{a} if {a} {sign}= {b}{nan} else {b}"
    return f"{constant(_of_table(op, node.dtype))}({', '.join(values)})"


def _of_table(op: str, result: DType) -> Callable[..., Any]:
    function, kind = TABLE[op].numpy, result.numpy.type
    return lambda *values: kind(function(*values))


def _widened(op: str, result: DType) -> Callable[..., Any]:
    """An operation on half floats: computed in f32, rounded once."""
    function = TABLE[op].numpy
    wide, kind = F32.numpy.type, result.numpy.type
    return lambda *values: kind(function(*(wide(v) for v in values)))


def _cast(source: DType, target: DType) -> Callable[[Any], Any]:
    """As NumPy's ``astype``: floats to integers truncate, complex to real drops the imaginary part."""
    kind = target.numpy
    if target == BOOL:
        return lambda x: np.bool_(x != 0)
    if source.is_complex and not target.is_complex:
        return lambda x: x.real.astype(kind)
    return lambda x: x.astype(kind)
