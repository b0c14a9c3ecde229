"""Algebraic rules as rows: what is on the left of the arrow becomes what is on the right.

A row never changes a result: not the sign of a zero, not a nan, not an infinity, unless it states a
tolerance, or that it is for finite values. So ``x + 0`` is ``x`` for integers only (-0.0 + 0.0 is 0.0), and
``x - x`` is not 0 for floats.
A test takes every row's pattern, and compares it with its result on random and edge values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import tcc.ops as ops
from tcc.ir.dtype import BOOL, DType
from tcc.ir.graph import Value
from tcc.passes.layout_rules import LAYOUT
from tcc.passes.rewrite import Match, Rewrite, Rule, uniform
from tcc.passes.window_rules import windows

INTEGER = "int uint"
EXACT = "bool int uint"
REAL = "int uint float"
NUMBER = "int uint float complex"


def _zeros(m: Match) -> Value:
    return ops.zeros(m.root.type.shape, m.root.type.dtype)


def _ones(m: Match) -> Value:
    return ops.ones(m.root.type.shape, m.root.type.dtype)


def _truth(m: Match, value: bool) -> Value:
    return ops.full(m.root.type.shape, value, BOOL)


def _exact_reciprocal(m: Match) -> bool:
    """Whether the divisor is a power of two whose inverse is a normal number."""
    divisor: Any = uniform(m["c"])
    if divisor is None:
        return False
    fraction, exponent = np.frexp(divisor)
    limit = int(np.finfo(divisor.dtype).maxexp) if divisor.dtype.kind == "f" else 100
    return bool(abs(fraction) == 0.5) and abs(int(exponent)) < limit - 2


def _scaled(m: Match) -> Value:
    inverse = np.asarray(1 / np.float64(uniform(m["c"]))).astype(m.root.type.dtype.numpy)
    return ops.multiply(m["x"], ops.broadcast_to(ops.literal(inverse), m.root.type.shape))


_PRECISION = {"f16": (11, 5), "bf16": (8, 8), "f32": (24, 8), "f64": (53, 11)}
"""Significand and exponent bits of the floats."""


def _holds_exactly(wide: DType, narrow: DType) -> bool:
    """Whether every value of a dtype converts to another and back unchanged."""
    if narrow == BOOL or wide == narrow:
        return True
    if wide == BOOL or (narrow.is_complex and not wide.is_complex) or (narrow.is_inexact and not wide.is_inexact):
        return False
    if not narrow.is_inexact:
        bits = narrow.bits - (narrow.kind == "int")
        if wide.is_integer:
            return bits <= wide.bits - (wide.kind == "int") and (narrow.kind == "uint" or wide.kind == "int")
        return bits <= _PRECISION[wide.real.name][0]
    return all(a <= b for a, b in zip(_PRECISION[narrow.real.name], _PRECISION[wide.real.name], strict=True))


def _same_dtype(m: Match) -> bool:
    return m["x"].type.dtype == m.root.type.dtype


def _lossless_middle(m: Match) -> bool:
    start, middle, end = m["x"].type.dtype, m.nodes[1].results[0].type.dtype, m.root.type.dtype
    # What a float out of range becomes as an integer is not defined.
    defined = not end.is_integer or not middle.is_inexact or _holds_exactly(end, start)
    return _holds_exactly(middle, start) and defined and not (middle.is_complex and not end.is_complex)


ARITHMETIC = (
    Rule("x + 0 → x", ("add", "x", 0), lambda m: m["x"], EXACT),
    Rule("x + -0.0 → x", ("add", "x", -0.0), lambda m: m["x"], "float"),
    Rule("x - 0 → x", ("subtract", "x", 0), lambda m: m["x"], "int uint float"),
    Rule("x - x → 0", ("subtract", "x", "x"), _zeros, INTEGER),
    Rule("0 - x → -x", ("subtract", 0, "x"), lambda m: ops.negative(m["x"]), INTEGER),
    Rule("-0.0 - x → -x", ("subtract", -0.0, "x"), lambda m: ops.negative(m["x"]), "float"),
    Rule("x + -y → x - y", ("add", "x", ("negative", "y")), lambda m: ops.subtract(m["x"], m["y"]), NUMBER),
    Rule("x - -y → x + y", ("subtract", "x", ("negative", "y")), lambda m: ops.add(m["x"], m["y"]), NUMBER),
    Rule("x * 1 → x", ("multiply", "x", 1), lambda m: m["x"], "bool int uint float"),
    Rule("x * 0 → 0", ("multiply", "x", 0), _zeros, EXACT),
    Rule("x * -1 → -x", ("multiply", "x", -1), lambda m: ops.negative(m["x"]), "int float"),
    Rule(
        "-x * -y → x * y",
        ("multiply", ("negative", "x"), ("negative", "y")),
        lambda m: ops.multiply(m["x"], m["y"]),
        REAL,
    ),
    Rule("x / 1 → x", ("divide", "x", 1), lambda m: m["x"], "float"),
    Rule("x / -1 → -x", ("divide", "x", -1), lambda m: ops.negative(m["x"]), "float"),
    Rule("1 / x → reciprocal(x)", ("divide", 1, "x"), lambda m: ops.reciprocal(m["x"]), "float"),
    Rule(
        "-x / -y → x / y",
        ("divide", ("negative", "x"), ("negative", "y")),
        lambda m: ops.divide(m["x"], m["y"]),
        "float",
    ),
    Rule("x / 2**k → x * 2**-k", ("divide", "x", "c"), _scaled, "float", _exact_reciprocal),
    Rule("x // 1 → x", ("floor_divide", "x", 1), lambda m: m["x"], INTEGER),
    Rule("x % 1 → 0", ("remainder", "x", 1), _zeros, INTEGER),
    Rule("--x → x", ("negative", ("negative", "x")), lambda m: m["x"], NUMBER),
    Rule("abs(-x) → abs(x)", ("abs", ("negative", "x")), lambda m: ops.abs(m["x"]), "int float complex"),
    Rule("abs(abs(x)) → abs(x)", ("abs", ("abs", "x")), lambda m: ops.abs(m["x"]), REAL),
    Rule("square(-x) → square(x)", ("square", ("negative", "x")), lambda m: ops.square(m["x"]), REAL),
    Rule("square(abs(x)) → square(x)", ("square", ("abs", "x")), lambda m: ops.square(m["x"]), REAL),
    Rule("abs(square(x)) → square(x)", ("abs", ("square", "x")), lambda m: ops.square(m["x"]), "float"),
)

POWERS = (
    Rule("x ** 0 → 1", ("power", "x", 0), _ones, REAL),
    Rule("x ** 1 → x", ("power", "x", 1), lambda m: m["x"], REAL),
    Rule("x ** 2 → x * x", ("power", "x", 2), lambda m: ops.square(m["x"]), INTEGER),
    Rule("x ** 2.0 → x * x", ("power", "x", 2), lambda m: ops.square(m["x"]), "float", tolerance=1),
    Rule("x ** 3 → x * x * x", ("power", "x", 3), lambda m: _cube(m["x"]), INTEGER),
    Rule("x ** 3.0 → x * x * x", ("power", "x", 3), lambda m: _cube(m["x"]), "float", tolerance=2),
    Rule("x ** 4.0 → x² * x²", ("power", "x", 4), lambda m: ops.square(ops.square(m["x"])), "float", tolerance=2),
    Rule("x ** 0.5 → √x", ("power", "x", 0.5), lambda m: _root(m["x"]), "float", tolerance=1),
    Rule("x ** -0.5 → 1/√x", ("power", "x", -0.5), lambda m: ops.reciprocal(_root(m["x"])), "float", tolerance=2),
    Rule(
        "x ** 1.5 → |x| * √x",
        ("power", "x", 1.5),
        lambda m: ops.multiply(ops.abs(m["x"]), _root(m["x"])),
        "float",
        tolerance=2,
    ),
    Rule(
        "x ** 2.5 → x * x * √x",
        ("power", "x", 2.5),
        lambda m: ops.multiply(ops.square(m["x"]), _root(m["x"])),
        "float",
        tolerance=2,
    ),
    Rule("x ** -1.0 → reciprocal(x)", ("power", "x", -1), lambda m: ops.reciprocal(m["x"]), "float", tolerance=1),
)


def _cube(x: Value) -> Value:
    return ops.multiply(ops.square(x), x)


def _root(x: Value) -> Value:
    """The power of ½: that of -inf is inf, and that of -0.0 is 0.0."""
    return ops.where(ops.equal(x, -np.inf), np.inf, ops.add(ops.sqrt(x), 0.0))


def _idempotent(name: str, dtypes: str) -> Rule:
    return Rule(f"{name}({name}(x)) → {name}(x)", (name, (name, "x")), lambda m: m.nodes[1].results[0], dtypes)


def _same_operand(name: str, dtypes: str) -> Rule:
    return Rule(f"{name}(x, x) → x", (name, "x", "x"), lambda m: m["x"], dtypes)


CHOICE = (
    *(_idempotent(name, "float") for name in ("floor", "ceil", "trunc", "rint")),
    _idempotent("sign", REAL),
    *(_same_operand(name, "bool int uint float") for name in ("maximum", "minimum")),
    *(_same_operand(name, "float") for name in ("fmax", "fmin")),
    *(_same_operand(name, EXACT) for name in ("bitwise_and", "bitwise_or")),
    *(_same_operand(name, "bool") for name in ("logical_and", "logical_or")),
    Rule("where(c, x, x) → x", ("where", "c: bool", "x", "x"), lambda m: m["x"]),
    Rule("where(True, x, y) → x", ("where", True, "x", "y"), lambda m: m["x"]),
    Rule("where(False, x, y) → y", ("where", False, "x", "y"), lambda m: m["y"]),
    Rule(
        "where(not c, x, y) → where(c, y, x)",
        ("where", ("logical_not", "c: bool"), "x", "y"),
        lambda m: ops.where(m["c"], m["y"], m["x"]),
    ),
)

LOGIC = (
    Rule("x and True → x", ("logical_and", "x", True), lambda m: m["x"], "bool"),
    Rule("x and False → False", ("logical_and", "x", False), lambda m: _truth(m, False), "bool"),
    Rule("x or False → x", ("logical_or", "x", False), lambda m: m["x"], "bool"),
    Rule("x or True → True", ("logical_or", "x", True), lambda m: _truth(m, True), "bool"),
    Rule("x xor False → x", ("logical_xor", "x", False), lambda m: m["x"], "bool"),
    Rule("x xor True → not x", ("logical_xor", "x", True), lambda m: ops.logical_not(m["x"]), "bool"),
    Rule("not not x → x", ("logical_not", ("logical_not", "x")), lambda m: m["x"], "bool"),
    Rule("~~x → x", ("bitwise_invert", ("bitwise_invert", "x")), lambda m: m["x"], EXACT),
    Rule("x & 0 → 0", ("bitwise_and", "x", 0), _zeros, EXACT),
    Rule("x | 0 → x", ("bitwise_or", "x", 0), lambda m: m["x"], EXACT),
    Rule("x ^ 0 → x", ("bitwise_xor", "x", 0), lambda m: m["x"], EXACT),
    Rule("x ^ x → 0", ("bitwise_xor", "x", "x"), _zeros, EXACT),
    Rule("x << 0 → x", ("left_shift", "x", 0), lambda m: m["x"], INTEGER),
    Rule("x >> 0 → x", ("right_shift", "x", 0), lambda m: m["x"], INTEGER),
    Rule("not x == y → x != y", ("logical_not", ("equal", "x", "y")), lambda m: ops.not_equal(m["x"], m["y"])),
    Rule("not x != y → x == y", ("logical_not", ("not_equal", "x", "y")), lambda m: ops.equal(m["x"], m["y"])),
    Rule("not x < y → x >= y", ("logical_not", ("less", "x", "y")), lambda m: ops.greater_equal(m["x"], m["y"]), EXACT),
    Rule("not x > y → x <= y", ("logical_not", ("greater", "x", "y")), lambda m: ops.less_equal(m["x"], m["y"]), EXACT),
)

CONVERSION = (
    Rule(
        "astype(x, its dtype) → x",
        ("astype", "x"),
        lambda m: m["x"],
        guard=_same_dtype,
        samples=(((3, 4), {"dtype": "same"}),),
    ),
    Rule(
        "astype(astype(x, wider), d) → astype(x, d)",
        ("astype", ("astype", "x")),
        lambda m: ops.astype(m["x"], m.root.type.dtype),
        guard=_lossless_middle,
        samples=tuple(
            ((5, 4), {"dtype": end}, {"dtype": middle})
            for end in ("same", "f32", "f64", "bf16", "i32", "bool")
            for middle in ("i64", "f32", "f64", "c128")
        ),
    ),
    Rule("conj(conj(x)) → x", ("conj", ("conj", "x")), lambda m: m["x"], "complex"),
    Rule("real(conj(x)) → real(x)", ("real", ("conj", "x")), lambda m: ops.real(m["x"]), "complex"),
)


def rules(tolerance: float) -> tuple[Rule, ...]:
    """All rows. What ``tolerance`` allows is in `tcc.pipeline.Options`."""
    return (*ARITHMETIC, *POWERS, *CHOICE, *LOGIC, *CONVERSION, *LAYOUT, *windows(tolerance))


RULES = rules(0.0)
"""Those of a compilation in which nothing is said of errors."""

simplify = Rewrite(RULES)
"""The pass that applies them."""
