"""A value of the loop IR during emission: one part for each copy, each uniform or a vector.

Loops with copies run several iterations side by side. A scalar of the program then has many values
at once: one for each combination of the copies of the loops that it varies over, and each of those a
vector if it varies over the lanes. What does not vary is kept once and broadcast where it is used.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tcc.ir.dtype import DType
from tcc.lowering.mlir import ir
from tcc.lowering.registers import Register, broadcast, is_vector

Coordinate = Mapping[str, int]
"""For each loop with copies, which copy."""

LANES = "<lanes>"
"""In a set of axes that a value varies over: the lanes, of whichever loop has them."""


@dataclass(frozen=True)
class Tile:
    """``parts`` by the copy of each of ``axes``, which are in the order of the loop nest."""

    dtype: DType
    axes: tuple[str, ...]
    parts: Mapping[tuple[int, ...], Register]

    @property
    def vector(self) -> bool:
        """Whether the parts are vectors."""
        return any(is_vector(register[0]) for register in self.parts.values())

    @property
    def varies(self) -> frozenset[str]:
        """The axes it varies over, with `LANES` among them for vectors."""
        return frozenset(self.axes) | ({LANES} if self.vector else set())

    def at(self, coordinate: Coordinate) -> Register:
        """The part that belongs to a coordinate, which may name more axes than the tile has."""
        return self.parts[tuple(coordinate[axis] for axis in self.axes)]

    def flat(self) -> list[ir.Value]:
        """The machine values in order of the parts."""
        return [value for register in self.parts.values() for value in register]

    def rebuilt(self, values: list[ir.Value]) -> Tile:
        """A tile of the same shape of other machine values, taken from the front of a list."""
        parts: dict[tuple[int, ...], Register] = {}
        for key, register in self.parts.items():
            parts[key] = tuple(values[: len(register)])
            del values[: len(register)]
        return Tile(self.dtype, self.axes, parts)

    def spread(self, axes: tuple[str, ...], copies: Mapping[str, int], lanes: int) -> Tile:
        """The same value with a part for each copy of ``axes`` (more than its own), in ``lanes`` lanes."""
        parts = {
            key: tuple(broadcast(v, lanes) for v in self.at(dict(zip(axes, key, strict=True))))
            for key in keys(axes, copies)
        }
        return Tile(self.dtype, axes, parts)


def uniform(dtype: DType, register: Register) -> Tile:
    """A value that is the same for all copies."""
    return Tile(dtype, (), {(): register})


def keys(axes: tuple[str, ...], copies: Mapping[str, int]) -> list[tuple[int, ...]]:
    """Every combination of the copies of some axes."""
    found: list[tuple[int, ...]] = [()]
    for axis in axes:
        found = [(*key, n) for key in found for n in range(copies[axis])]
    return found
