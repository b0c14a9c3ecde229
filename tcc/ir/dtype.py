"""Element types: their names, NumPy equivalents and promotion (NumPy 2's, NEP 50)."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, Literal

import ml_dtypes
import numpy as np

from tcc.errors import UserError

Kind = Literal["bool", "int", "uint", "float", "complex"]


@dataclass(frozen=True)
class DType:
    """An element type. ``bits`` is its size in memory; bool takes a byte."""

    name: str
    kind: Kind
    bits: int

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name

    @property
    def bytes(self) -> int:
        """Size of one element in memory."""
        return self.bits // 8

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy dtype (bf16 is ml_dtypes.bfloat16)."""
        return _TO_NUMPY[self.name]

    @property
    def is_float(self) -> bool:
        return self.kind == "float"

    @property
    def is_complex(self) -> bool:
        return self.kind == "complex"

    @property
    def is_integer(self) -> bool:
        """Signed or unsigned, not bool."""
        return self.kind in ("int", "uint")

    @property
    def is_inexact(self) -> bool:
        return self.kind in ("float", "complex")

    @property
    def real(self) -> DType:
        """The dtype of the real part: f32 for c64, itself otherwise."""
        return {"c64": F32, "c128": F64}.get(self.name, self)


BOOL = DType("bool", "bool", 8)
I8, I16, I32, I64 = (DType(f"i{b}", "int", b) for b in (8, 16, 32, 64))
U8, U16, U32, U64 = (DType(f"u{b}", "uint", b) for b in (8, 16, 32, 64))
F16 = DType("f16", "float", 16)
BF16 = DType("bf16", "float", 16)
F32 = DType("f32", "float", 32)
F64 = DType("f64", "float", 64)
C64 = DType("c64", "complex", 64)
C128 = DType("c128", "complex", 128)

ALL: tuple[DType, ...] = (BOOL, I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, F32, F64, C64, C128)
BY_NAME: dict[str, DType] = {d.name: d for d in ALL}

_TO_NUMPY: dict[str, np.dtype[Any]] = {
    "bool": np.dtype(np.bool_),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f32": np.dtype(np.float32),
    "f64": np.dtype(np.float64),
    "c64": np.dtype(np.complex64),
    "c128": np.dtype(np.complex128),
    **{d.name: np.dtype(f"{d.kind}{d.bits}") for d in ALL if d.is_integer},
}
_FROM_NUMPY: dict[np.dtype[Any], DType] = {n: BY_NAME[name] for name, n in _TO_NUMPY.items()}


def parse(name: str) -> DType:
    """The dtype of a name such as ``f32``; NumPy's names (``float32``) are understood too."""
    if name in BY_NAME:
        return BY_NAME[name]
    try:
        return _FROM_NUMPY[np.dtype(name)]
    except (TypeError, KeyError):
        near = difflib.get_close_matches(name, [*BY_NAME, *map(str, _FROM_NUMPY)], n=1)
        raise UserError(
            f"unknown dtype '{name}'",
            why=f"expected one of {' '.join(BY_NAME)}",
            fix=f"did you mean {near[0]}?" if near else "spell it as one of these",
        ) from None


def of(dtype: Any) -> DType:
    """The dtype of anything NumPy understands as one, or a `DType` itself; names as `parse` takes them.

    UserError for the names that count bits here and bytes in NumPy: ``i8`` and ``u8``.
    """
    if isinstance(dtype, DType):
        return dtype
    if isinstance(dtype, str) and dtype in ("i8", "u8"):
        kind = BY_NAME[dtype].kind
        raise UserError(
            f"the dtype '{dtype}' has two meanings",
            why=f"NumPy's '{dtype}' has eight bytes, that of a type such as '{dtype}[n]' eight bits",
            fix=f"spell it '{kind}8' or '{kind}64'",
        )
    if isinstance(dtype, str):
        return parse(dtype)
    plain = np.dtype(dtype).newbyteorder("=")  # pyright: ignore[reportUnknownVariableType]
    if plain in _FROM_NUMPY:
        return _FROM_NUMPY[plain]
    raise UserError(
        f"dtype '{plain}' has no equivalent", why=f"expected one of {' '.join(BY_NAME)}", fix="convert it with astype"
    )


def promote(*dtypes: DType) -> DType:
    """The common dtype of operands, as NumPy's ``result_type``."""
    return of(np.result_type(*(d.numpy for d in dtypes)))


def default_for(value: bool | int | float | complex, like: DType | None) -> DType:
    """The dtype that a Python scalar takes beside an array of dtype ``like`` (NEP 50: weak)."""
    if like is None:
        return of(np.asarray(value).dtype)
    if isinstance(value, bool):
        return like if like.kind == "bool" else promote(like, BOOL)
    if isinstance(value, int):
        return like if like.kind != "bool" else I64
    if isinstance(value, float):
        return like if like.is_inexact else F64
    return like if like.is_complex else (C64 if like in (F32, F16, BF16) else C128)
