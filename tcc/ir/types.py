"""Tensor types, and the text that spells them: ``f32[batch, 784]``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tcc.errors import UserError
from tcc.ir import dim, dtype, size_text
from tcc.ir.dim import Size
from tcc.ir.dtype import DType


@dataclass(frozen=True)
class TensorType:
    """An element type and a shape; a scalar has shape ``()``. Row-major, contiguous."""

    dtype: DType
    shape: tuple[Size, ...] = ()

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Size:
        """Number of elements."""
        return dim.product(self.shape)

    @property
    def strides(self) -> tuple[Size, ...]:
        """Row-major strides in elements."""
        result: list[Size] = []
        step: Size = 1
        for extent in reversed(self.shape):
            result.insert(0, step)
            step = step * extent
        return tuple(result)

    def with_shape(self, shape: tuple[Size, ...]) -> TensorType:
        return TensorType(self.dtype, shape)

    def with_dtype(self, dtype: DType) -> TensorType:
        return TensorType(dtype, self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


_SPEC = re.compile(r"\s*(\w+)\s*(?:\[(.*)\])?\s*$", re.DOTALL)
_RANGED = re.compile(r"\s*([A-Za-z_]\w*)\s*:\s*(\d*)\s*\.\.\s*(\d*)\s*$")


def parse(text: str, symbols: dict[str, Size] | None = None) -> TensorType:
    """The type that ``f32[2*n+1, 4]`` or ``f32[n:1..4096]`` spells; ``f32`` and ``f32[]`` are scalars.

    ``symbols`` maps the names met so far to their sizes, and learns new ones, so that specs read
    with the same mapping share them.
    """
    known = symbols if symbols is not None else {}
    match = _SPEC.match(text)
    if match is None:
        why = "expected a dtype, and the sizes in brackets"
        raise UserError(f"'{text}' is not a tensor type", why=why, fix="write it as f32[batch, 784]; a scalar is f32[]")
    inside = match.group(2)
    shape = tuple(_parse_size(part, known) for part in _split(inside)) if inside and inside.strip() else ()
    return TensorType(dtype.parse(match.group(1)), shape)


def _split(text: str) -> list[str]:
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts if parts[-1].strip() else parts[:-1]


def _parse_size(text: str, known: dict[str, Size]) -> Size:
    ranged = _RANGED.match(text)
    if ranged is not None:
        name, low, high = ranged.groups()
        size = dim.symbol(name, int(low or 0), int(high) if high else None)
        if name in known and dim.bounds(known[name]) != dim.bounds(size):
            raise UserError(
                f"the size '{name}' has two ranges: '{text.strip()}' and an earlier one",
                why="one name is one size in all arguments",
                fix="give the range once, where the name comes first, and the name alone after that",
            )
        return known.setdefault(name, size)

    def resolve(name: str) -> Size:
        return known.setdefault(name, dim.symbol(name))

    size = size_text.parse(text, resolve)
    low = dim.bounds(size)[1]
    if low is not None and low < 0:
        raise UserError(
            f"the size '{text.strip()}' is negative", why="a size is at least 0", fix="write the number of elements"
        )
    return size


def substitute(type: TensorType, values: Mapping[str, Size]) -> TensorType:
    """The type with symbols of its shape replaced by name."""
    return TensorType(type.dtype, tuple(dim.substitute(s, values) for s in type.shape))


def map_shape(type: TensorType, change: Callable[[Size], Size]) -> TensorType:
    """The type with every size changed."""
    return TensorType(type.dtype, tuple(map(change, type.shape)))
