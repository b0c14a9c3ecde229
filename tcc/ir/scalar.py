"""Scalar expressions: what an op computes for one element.

A form's function builds an `Expr` from the operands' elements through `Scalars`; the loop IR holds
the same expressions (and adds loads and positions), and lowering gives each name in `TABLE` machine
code. All operands of a scalar op have one dtype unless its rule says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf, isfinite
from typing import Any, Union

import numpy as np
from scipy import special

from tcc.errors import InternalError
from tcc.ir import dtype as dt
from tcc.ir.dtype import BOOL, DType
from tcc.ir.location import UNKNOWN, Location

Number = Union[bool, int, float, complex]


@dataclass(frozen=True)
class Expr:
    """A scalar value of a dtype. Python's operators on expressions build `Apply` nodes."""

    dtype: DType

    def __add__(self, other: Expr | Number) -> Expr:
        return apply("add", self, other)

    def __radd__(self, other: Number) -> Expr:
        return apply("add", other, self)

    def __sub__(self, other: Expr | Number) -> Expr:
        return apply("sub", self, other)

    def __rsub__(self, other: Number) -> Expr:
        return apply("sub", other, self)

    def __mul__(self, other: Expr | Number) -> Expr:
        return apply("mul", self, other)

    def __rmul__(self, other: Number) -> Expr:
        return apply("mul", other, self)

    def __truediv__(self, other: Expr | Number) -> Expr:
        return apply("div", self, other)

    def __rtruediv__(self, other: Number) -> Expr:
        return apply("div", other, self)

    def __neg__(self) -> Expr:
        return apply("neg", self)

    def __lt__(self, other: Expr | Number) -> Expr:
        return apply("lt", self, other)

    def __le__(self, other: Expr | Number) -> Expr:
        return apply("le", self, other)

    def __gt__(self, other: Expr | Number) -> Expr:
        return apply("gt", self, other)

    def __ge__(self, other: Expr | Number) -> Expr:
        return apply("ge", self, other)

    def __and__(self, other: Expr | Number) -> Expr:
        return apply("and", self, other)

    def __or__(self, other: Expr | Number) -> Expr:
        return apply("or", self, other)

    def __invert__(self) -> Expr:
        return apply("not", self)


@dataclass(frozen=True)
class Const(Expr):
    """A literal. ``value`` is a Python number; nan and inf are allowed."""

    value: Number

    def key(self) -> tuple[str, str]:
        """What tells constants apart: -0.0 from 0.0, and nan equal to itself."""
        return self.dtype.name, repr(self.value)


@dataclass(frozen=True)
class Name(Expr):
    """A value bound by name: an operand of a form, a let or a carry of the loop IR."""

    name: str


@dataclass(frozen=True)
class Apply(Expr):
    """A scalar op of `TABLE` on arguments."""

    op: str
    args: tuple[Expr, ...]
    location: Location = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True)
class ScalarOp:
    """A scalar op: its arity, the operand kinds it takes, its result dtype, its meaning in NumPy.

    ``result`` is ``same`` (as the last operand), ``bool``, ``real`` (of a complex operand) or ``given``
    (the dtype is an argument of `apply`). ``cost`` is in additions, for the recompute-or-store rule.
    ``takes`` are the operands' dtypes where these are not one of the kinds.
    """

    name: str
    arity: int
    kinds: frozenset[str]
    result: str
    numpy: Callable[..., Any]
    cost: float = 1.0
    takes: tuple[DType, ...] = ()


def _table() -> dict[str, ScalarOp]:
    table: dict[str, ScalarOp] = {}

    def row(names: str, arity: int, kinds: str, result: str, cost: float = 1.0, **numpy: Callable[..., Any]) -> None:
        for name in names.split():
            function = numpy.get(name + "_") or getattr(np, name, None) or getattr(special, name)
            table[name] = ScalarOp(name, arity, frozenset(kinds.split()), result, function, cost)

    number = "int uint float complex"
    row("add sub mul", 2, number, "same", add_=np.add, sub_=np.subtract, mul_=np.multiply)
    row("div", 2, "float complex", "same", 4, div_=np.divide)
    row("floordiv mod", 2, "int uint float", "same", 8, floordiv_=np.floor_divide, mod_=np.mod)
    row("rem", 2, "int uint float", "same", 8, rem_=np.fmod)
    row("neg", 1, "int uint float complex", "same", neg_=np.negative)
    row("abs", 1, "int uint float complex", "real", abs_=np.abs)
    row("sign", 1, "int uint float", "same", 2)
    row("max min", 2, "bool int uint float", "same", 2, max_=np.maximum, min_=np.minimum)
    row("fmax fmin", 2, "float", "same", 2)
    row("fma", 3, "float", "same", fma_=_fma)
    row("pow", 2, "int uint float", "same", 45, pow_=_power)
    row("sqrt", 1, "float", "same", 6)
    row("rsqrt", 1, "float", "same", 8, rsqrt_=lambda x: (1 / np.sqrt(x)).astype(x.dtype))
    row("cbrt", 1, "float", "same", 25)
    row("exp exp2 expm1", 1, "float", "same", 14)
    row("log log2 log10 log1p", 1, "float", "same", 16)
    row("sin cos", 1, "float", "same", 18)
    row("tan", 1, "float", "same", 26)
    row("arcsin arccos arctan", 1, "float", "same", 26)
    row("arctan2", 2, "float", "same", 30)
    row("sinh cosh arcsinh arccosh arctanh", 1, "float", "same", 30)
    row("tanh", 1, "float", "same", 30)
    row("erf erfc", 1, "float", "same", 34, erfc_=_erfc)
    row("floor ceil trunc rint", 1, "float", "same")
    row("copysign", 2, "float", "same")
    row("eq ne", 2, "bool int uint float complex", "bool", eq_=np.equal, ne_=np.not_equal)
    row("lt le", 2, "bool int uint float", "bool", lt_=np.less, le_=np.less_equal)
    row("gt ge", 2, "bool int uint float", "bool", gt_=np.greater, ge_=np.greater_equal)
    row("and or xor", 2, "bool int uint", "same", and_=np.bitwise_and, or_=np.bitwise_or, xor_=np.bitwise_xor)
    row("not", 1, "bool int uint", "same", not_=np.invert)
    row("shl shr", 2, "int uint", "same", shl_=np.left_shift, shr_=np.right_shift)
    row("isnan isinf isfinite signbit", 1, "float", "bool")
    row("real imag", 1, "complex", "real")
    row("conj", 1, "complex", "same")
    row("complex", 2, "float", "given", complex_=_complex)
    row("select", 3, "bool int uint float complex", "same", select_=np.where)
    row("cast", 1, "bool int uint float complex", "given", cast_=_same)
    row("bitcast", 1, "int uint float", "given", bitcast_=_same)
    for name, (function, dtype, count) in DOTS.items():
        table[name] = ScalarOp(name, 3, frozenset(), "same", function, 2 * count, (dt.U32, dt.U32, dtype))
    return table


def _same(x: Any) -> Any:
    """Casts: the result dtype decides, which the interpreter knows."""
    return x


def _complex(real: Any, imag: Any) -> Any:
    return real + 1j * imag


def _erfc(x: Any) -> Any:
    """The C library's: SciPy's is off by up to 18 units in the last place in f64."""
    return np.asarray(np.vectorize(math.erfc, otypes=[np.float64])(x)).astype(np.asarray(x).dtype)[()]


def _power(x: Any, y: Any) -> Any:
    """NumPy's power of elements. One exponent for all of ½ it takes for a square root, which -inf has not."""
    return np.power(np.atleast_1d(x), np.atleast_1d(y)).reshape(np.broadcast_shapes(np.shape(x), np.shape(y)))[()]


def _fma(a: Any, b: Any, c: Any) -> Any:
    """a*b + c with a single rounding, in the dtype of ``a``."""
    if np.asarray(a).dtype == np.float64:
        return _fma_f64(a, b, c)[()]
    product: Any = np.float64(a) * np.float64(b)
    addend: Any = np.float64(c)
    total: Any = np.asarray(product + addend)
    # What the sum lost (Knuth's TwoSum) makes it odd, and so keeps the next rounding from a false tie.
    part = total - product
    lost = (product - (total - part)) + (addend - part)
    even = (total.view(np.int64) & 1) == 0
    odd = np.nextafter(total, np.where(lost > 0, np.inf, -np.inf))
    total = np.where(np.isfinite(lost) & (lost != 0) & even, odd, total)
    return total.astype(np.asarray(a).dtype)[()]


def _exact_fma(a: float, b: float, c: float) -> float:
    plain = a * b + c
    if not (isfinite(a) and isfinite(b) and isfinite(c)):
        return plain
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact == 0:
        return plain if a * b == 0 else 0.0
    try:
        return float(exact)
    except OverflowError:
        return inf if exact > 0 else -inf


_fma_f64 = np.vectorize(_exact_fma, otypes=[np.float64])


def _parts(words: Any, kind: str) -> Any:
    """The elements of 32-bit words on a last axis, the least significant ones first."""
    return np.atleast_1d(words).astype("<u4")[..., None].view(kind)


def _integer_dot(left: str, right: str) -> Callable[..., Any]:
    def dot(a: Any, b: Any, c: Any) -> Any:
        products = _parts(a, left).astype(np.int64) * _parts(b, right)
        return (products.sum(-1) + c).astype(np.int32).reshape(np.shape(c))[()]

    return dot


def _dot_bf16(a: Any, b: Any, c: Any) -> Any:
    wide = [(_parts(x, "<u2").astype(np.uint32) << 16).view(np.float32) for x in (a, b)]
    for k in (1, 0):
        c = _fma(wide[0][..., k].reshape(np.shape(c)), wide[1][..., k].reshape(np.shape(c)), c)
    return c


DOTS: Mapping[str, tuple[Callable[..., Any], DType, int]] = {
    "dot_bf16": (_dot_bf16, dt.F32, 2),
    "dot_i16": (_integer_dot("<i2", "<i2"), dt.I32, 2),
    "dot_u8i8": (_integer_dot("u1", "i1"), dt.I32, 4),
}
"""Sums of products of the so many small numbers in two 32-bit words, added to a third operand of the dtype given. Those
of bf16 are added one by one, the more significant first, each with one rounding; a machine may take subnormal ones for
0."""


TABLE: Mapping[str, ScalarOp] = _table()


def apply(op: str, *args: Expr | Number, dtype: DType | None = None, location: Location = UNKNOWN) -> Apply:
    """A scalar op on expressions; Python numbers take the dtype of the other arguments.

    ``dtype`` is given for ``cast``, ``bitcast`` and ``complex`` only. InternalError on a wrong dtype.
    """
    record = TABLE[op]
    like = next((a.dtype for a in reversed(args) if isinstance(a, Expr)), None)
    if len(args) != record.arity or like is None:
        raise InternalError(f"scalar op '{op}' takes {record.arity} expressions, got {len(args)}")
    typed = tuple(a if isinstance(a, Expr) else Const(like, a) for a in args)
    if op == "select":
        if typed[0].dtype != BOOL or typed[1].dtype != typed[2].dtype:
            raise InternalError(f"select on {', '.join(a.dtype.name for a in typed)}")
    elif record.takes:
        if tuple(a.dtype for a in typed) != record.takes:
            raise InternalError(f"scalar op '{op}' on {', '.join(a.dtype.name for a in typed)}")
    elif any(a.dtype != like for a in typed) or like.kind not in record.kinds:
        raise InternalError(f"scalar op '{op}' on {', '.join(a.dtype.name for a in typed)}")
    if record.result == "given":
        if dtype is None:
            raise InternalError(f"scalar op '{op}' needs a result dtype")
        result = dtype
    else:
        result = BOOL if record.result == "bool" else like.real if record.result == "real" else like
    return Apply(result, op, typed, location)


class Scalars:
    """What a form's function sees as ``s``: every scalar op as a method, plus casts and constants."""

    def __getattr__(self, name: str) -> Callable[..., Expr]:
        op = name.rstrip("_")
        if op not in TABLE:
            raise AttributeError(f"no scalar op '{op}'")
        return lambda *args, **options: apply(op, *args, **options)

    def const(self, value: Number, dtype: DType) -> Expr:
        return Const(dtype, value)

    def cast(self, x: Expr, dtype: DType) -> Expr:
        """``x`` in another dtype; itself when it has that dtype."""
        return x if x.dtype == dtype else apply("cast", x, dtype=dtype)

    def where(self, condition: Expr, x: Expr | Number, y: Expr | Number) -> Expr:
        return apply("select", condition, x, y)


SCALARS = Scalars()


Parts = tuple[Expr, ...]


@dataclass(frozen=True)
class Combine:
    """An associative combination of one or two scalars, for reductions and scans.

    ``identity(dtypes)`` gives the neutral values; ``apply(a, b)`` combines two tuples of
    expressions, where ``b`` comes later in the order of the axis. The second scalar of two is a position, and
    ``later`` is what ``apply`` comes to where that of ``b`` is known to be greater than that of ``a``, or not less
    than 0 while ``a`` is the identity.
    """

    name: str
    arity: int
    identity: Callable[[tuple[DType, ...]], tuple[Number, ...]]
    apply: Callable[[Parts, Parts], Parts]
    later: Callable[[Parts, Parts], Parts] | None = None


def lowest(dtype: DType) -> Number:
    """The identity of max: -inf, the least integer, or False."""
    if dtype.is_float:
        return -np.inf
    return False if dtype == BOOL else int(np.iinfo(dtype.numpy).min)


def highest(dtype: DType) -> Number:
    """The identity of min: inf, the greatest integer, or True."""
    if dtype.is_float:
        return np.inf
    return True if dtype == BOOL else int(np.iinfo(dtype.numpy).max)


def _simple(op: str) -> Callable[[Parts, Parts], Parts]:
    return lambda a, b: (apply(op, a[0], b[0]),)


def _arg(better: str) -> Callable[[Parts, Parts], Parts]:
    """(value, position) pairs: the better value, of equal ones the lower position; the first nan wins."""

    def combine(a: Parts, b: Parts) -> Parts:
        (x, i), (y, j) = a, b
        before = apply("lt", j, i)
        take = apply(better, y, x) | (apply("eq", y, x) & before)
        if x.dtype.is_float:
            take = take | (apply("isnan", y) & (before | ~apply("isnan", x)))
        return apply("select", take, y, x), apply("select", take, j, i)

    return combine


def _arg_later(no_better: str) -> Callable[[Parts, Parts], Parts]:
    """The same of pairs in the order of their positions: only what is better, or the first nan, is taken."""

    def combine(a: Parts, b: Parts) -> Parts:
        (x, i), (y, j) = a, b
        take = ~apply(no_better, y, x)
        if x.dtype.is_float:
            take = take & ~apply("isnan", x)
        return apply("select", take, y, x), apply("select", take, j, i)

    return combine


def _one(value: Callable[[DType], Number]) -> Callable[[tuple[DType, ...]], tuple[Number, ...]]:
    return lambda dtypes: (value(dtypes[0]),)


def _first(value: Callable[[DType], Number]) -> Callable[[tuple[DType, ...]], tuple[Number, ...]]:
    # Of elements that are no better than this all are equal, and the first is the one at 0.
    return lambda dtypes: (value(dtypes[0]), 0)


def _nowhere(value: Callable[[DType], Number]) -> Callable[[tuple[DType, ...]], tuple[Number, ...]]:
    return lambda dtypes: (value(dtypes[0]), int(np.iinfo(dtypes[1].numpy).max))


COMBINES: Mapping[str, Combine] = {
    c.name: c
    for c in (
        Combine("add", 1, _one(lambda d: 0 if not d.is_inexact else 0.0), _simple("add")),
        Combine("mul", 1, _one(lambda d: 1 if not d.is_inexact else 1.0), _simple("mul")),
        Combine("max", 1, _one(lowest), _simple("max")),
        Combine("min", 1, _one(highest), _simple("min")),
        Combine("and", 1, _one(lambda d: True if d == BOOL else -1), _simple("and")),
        Combine("or", 1, _one(lambda d: False if d == BOOL else 0), _simple("or")),
        Combine("xor", 1, _one(lambda d: False if d == BOOL else 0), _simple("xor")),
        # Of all elements from position 0 on, and of those at some positions: of none the greatest integer is the place.
        Combine("argmax", 2, _first(lowest), _arg("gt"), _arg_later("le")),
        Combine("argmin", 2, _first(highest), _arg("lt"), _arg_later("ge")),
        Combine("argmax_among", 2, _nowhere(lowest), _arg("gt")),
    )
}


def compute_dtype(dtype: DType) -> DType:
    """The dtype in which an element is computed: f32 for the half floats, else itself."""
    return dt.F32 if dtype in (dt.F16, dt.BF16) else dtype
