"""Elements as integers of the same order, and back."""

from __future__ import annotations

from tcc.ir.dtype import F32, F64, I32, I64, DType
from tcc.ir.scalar import Const, Expr, apply


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
