"""Elements as integers of the same order, and back; what a sort moves about for each element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import F32, F64, I32, I64, DType
from tcc.ir.scalar import Const, Expr, apply
from tcc.loops.program import Position

HALF = 32
Bind = Callable[[Expr], Expr]
"""A name for an expression that is used more than once."""


def key_dtype(dtype: DType) -> DType:
    """The integers that elements of a dtype are ordered as."""
    if dtype.is_float or dtype.kind == "int":
        return I64 if dtype.bits == 64 else I32
    return I64 if dtype.bits >= 32 else I32


def greatest(dtype: DType) -> Const:
    """The greatest key: that of nan, and of what is not there."""
    return Const(dtype, (1 << (dtype.bits - 1)) - 1)


def to_key(element: Expr, signed_zero: bool) -> Expr:
    """The key of an element; the two zeros are one unless ``signed_zero``."""
    dtype, key = element.dtype, key_dtype(element.dtype)
    if not dtype.is_float:
        if dtype.kind == "uint" and dtype.bits == 64:
            return apply("bitcast", apply("xor", element, Const(dtype, 1 << 63)), dtype=I64)
        return element if dtype == key else apply("cast", element, dtype=key)
    wide = element if dtype in (F32, F64) else apply("cast", element, dtype=F32)
    if not signed_zero:
        wide = wide + Const(wide.dtype, 0.0)
    return apply("select", apply("isnan", wide), greatest(key), _turned(apply("bitcast", wide, dtype=key)))


def from_key(key: Expr, dtype: DType) -> Expr:
    """The element of a key."""
    if not dtype.is_float:
        if dtype.kind == "uint" and dtype.bits == 64:
            return apply("xor", apply("bitcast", key, dtype=dtype), Const(dtype, 1 << 63))
        return key if dtype == key.dtype else apply("cast", key, dtype=dtype)
    wide = F64 if key.dtype == I64 else F32
    element = apply("bitcast", _turned(key), dtype=wide)
    return element if dtype == wide else apply("cast", element, dtype=dtype)


def _turned(bits: Expr) -> Expr:
    """Negative numbers' bits in ascending order; its own inverse."""
    width = bits.dtype.bits
    negative = apply("shr", bits, Const(bits.dtype, width - 1))
    return apply("xor", bits, apply("and", negative, greatest(bits.dtype)))


@dataclass(frozen=True)
class Entries:
    """What is sorted in an element's place: its key, and its position where ``positions`` are wanted.

    Equal keys are in the order of their positions. Where both have room in one integer they are one, ``packed``.
    """

    element: DType
    positions: bool
    packed: bool

    @staticmethod
    def of(element: DType, positions: bool, length: Size) -> Entries:
        """The entries of rows of a length."""
        _, most = dim.bounds(length)
        small = most is not None and most < 1 << (HALF - 1)
        return Entries(element, positions, positions and small and key_dtype(element).bits <= HALF)

    @property
    def dtypes(self) -> tuple[DType, ...]:
        """Those of an entry's parts."""
        if self.packed:
            return (I64,)
        key = key_dtype(self.element)
        return (key, I64) if self.positions else (key,)

    def entry(self, element: Expr, position: Size) -> list[Expr]:
        """The parts of an element's entry."""
        key = to_key(element, signed_zero=not self.positions)
        if not self.packed:
            return [key, Position(I64, position)][: len(self.dtypes)]
        high = apply("shl", apply("cast", key, dtype=I64), Const(I64, HALF))
        return [apply("or", high, Position(I64, position))]

    def last(self, position: Size) -> Sequence[Expr]:
        """The parts of an entry that comes after all elements."""
        return [greatest(self.dtypes[0]), Position(I64, position)][: len(self.dtypes)]

    def value(self, last: Expr) -> Expr:
        """What is sorted for: an element or a position, of the last part of an entry."""
        if self.packed:
            return apply("and", last, Const(I64, (1 << HALF) - 1))
        return last if self.positions else from_key(last, self.element)

    def ordered(self, x: Sequence[Expr], y: Sequence[Expr], bind: Bind) -> tuple[list[Expr], list[Expr]]:
        """The lesser and the greater of two entries."""
        if len(self.dtypes) == 1:
            return [bind(apply("min", x[0], y[0]))], [bind(apply("max", x[0], y[0]))]
        tie = apply("and", apply("eq", x[0], y[0]), apply("lt", y[1], x[1]))
        swap = bind(apply("or", apply("lt", y[0], x[0]), tie))
        low = [bind(apply("select", swap, b, a)) for a, b in zip(x, y, strict=True)]
        high = [bind(apply("select", swap, a, b)) for a, b in zip(x, y, strict=True)]
        return low, high
