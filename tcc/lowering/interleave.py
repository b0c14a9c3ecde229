"""Accesses a small fixed distance apart along the lanes: whole vectors of memory, and shuffles.

The elements at every c-th place are in c neighbouring vectors, of which shuffles of two at a time take them
together. No vector reaches past the last element. It may begin before the first one where there surely are
elements, so that accesses in different phases of the same c read the same vectors.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Sequence

from tcc.ir import dim
from tcc.ir.dim import Dim, Size
from tcc.ir.dtype import BOOL, DType
from tcc.loops.facts import NEAR
from tcc.lowering import memory
from tcc.lowering.mlir import ir
from tcc.lowering.registers import Register, lanes_of, shuffle


def distance(stride: Size | None, dtype: DType) -> int | None:
    """The distance from lane to lane, if it is one that shuffles bridge."""
    if not isinstance(stride, int) or not 2 <= abs(stride) <= NEAR or dtype.is_complex or dtype == BOOL:
        return None
    return stride


def ahead(index: Size, stride: int, width: int) -> int:
    """How many elements before the lowest one reading may begin; ``index`` is lane 0's."""
    lowest = index if stride > 0 else index + stride * (width - 1)
    constant = dict(lowest.terms).get((), 0) if isinstance(lowest, Dim) else lowest
    phase = constant % abs(stride)
    return phase if dim.nonnegative(lowest - phase) else 0


def load(address: ir.Value, dtype: DType, stride: int, width: int, before: int) -> Register:
    """One element for each lane, ``address`` being lane 0's; reading begins ``before`` elements before the lowest."""
    step, cell = abs(stride), memory.cell_type(dtype)
    start = memory.offset(address, -before if stride > 0 else stride * (width - 1) - before, cell)
    places = [before + step * n for n in range(width)]
    span = places[-1] + 1
    count = -(-span // width)
    begins = [*range(0, (count - 1) * width, width), span - width]
    holders = [min(p // width, count - 1) for p in places]
    vectors = [memory.load_vector(memory.offset(start, b, cell), dtype, width)[0] for b in begins]
    inside = [p - begins[h] for p, h in zip(places, holders, strict=True)]
    if stride < 0:
        holders, inside = holders[::-1], inside[::-1]
    return (_taken(vectors, holders, inside),)


def store(address: ir.Value, parts: Sequence[ir.Value], dtype: DType, backwards: bool, nontemporal: bool) -> None:
    """The elements of registers in turn, one of each, from ``address`` on; the last lanes first if ``backwards``."""
    width, count = lanes_of(parts[0]), len(parts)
    for number in range(count):
        where = [divmod(number * width + n, count) for n in range(width)]
        inside = [width - 1 - lane if backwards else lane for lane, _ in where]
        made = _taken(parts, [part for _, part in where], inside)
        place = memory.offset(address, number * width, memory.cell_type(dtype))
        memory.store_vector(place, (made,), dtype, nontemporal=nontemporal)


def _taken(vectors: Sequence[ir.Value], holders: Sequence[int], inside: Sequence[int]) -> ir.Value:
    """For each lane the element of one of the vectors."""
    width = len(holders)
    made = vectors[0]
    for number in range(1, len(vectors)):
        kept = inside if number == 1 else range(width)
        order = [
            width + i if h == number else k if h < number else 0 for h, i, k in zip(holders, inside, kept, strict=True)
        ]
        made = shuffle(made, vectors[number], order)
    return made
