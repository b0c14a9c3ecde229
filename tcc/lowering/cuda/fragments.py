"""Accumulators of tile operations: which thread of a warp holds which element.

The buffer is distributed: an equal part for each warp, in it one matrix of 16×8 after the other, by
rows. Of each matrix thread t has the elements of rows t // 4 and t // 4 + 8, columns 2·(t mod 4) and the
next (PTX ISA, mma.m16n8k16, fragments of C and D).
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from dataclasses import dataclass

from tcc.errors import InternalError
from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.loops.program import WARP
from tcc.lowering import memory
from tcc.lowering.frame import Storage
from tcc.lowering.mlir import ir

ROWS, COLUMNS = 16, 8
EACH = ROWS * COLUMNS // WARP
"""Elements of one matrix that a thread holds."""


def owner(element: int) -> tuple[int, int]:
    """The thread of the warp that holds an element of the warp's part, and where among its own."""
    matrix, rest = divmod(element, ROWS * COLUMNS)
    row, column = divmod(rest, COLUMNS)
    return 4 * (row % 8) + column // 2, EACH * matrix + 2 * (row // 8) + column % 2


@dataclass(frozen=True)
class Fragments(Storage):
    """``each`` elements at ``address`` in every thread's own memory, which ends up in registers."""

    each: int

    def local(self, size: Size, warp_axis: str) -> Size:
        """An index into the buffer as one into the running warp's part."""
        inside = size - dim.symbol(warp_axis) * (self.each * WARP) if warp_axis else size
        moved = dim.substitute(size, {warp_axis: 0}) if warp_axis else size
        warp = [dim.of_atom(s) for s in dim.symbols(size) if s.name == warp_axis]
        if not warp or dim.substitute(size, {warp_axis: warp[0] + 1}) - size != self.each * WARP:
            raise self._stray(inside)
        return moved

    def element(self, size: Size, warp_axis: str) -> ir.Value:
        """The address of the running thread's element of an index, which moves along the lanes as the
        matrices are distributed."""
        local = self.local(size, warp_axis)
        lanes = dim.symbols(local)
        if len(lanes) != 1 or (lanes[0].lower, lanes[0].upper) != (0, WARP - 1):
            raise self._stray(size)
        owners = [owner(dim.evaluate(local, {lanes[0].name: n})) for n in range(WARP)]
        if any(who != n or where != owners[0][1] for n, (who, where) in enumerate(owners)):
            raise self._stray(size)
        return self.place(owners[0][1])

    def place(self, number: int) -> ir.Value:
        """The address of a thread's own element of a number."""
        return memory.offset(self.address, number, memory.cell_type(self.dtype))

    def _stray(self, size: Size) -> InternalError:
        return InternalError(
            f"the element {size} of an accumulator is not in the registers of the thread that wants it",
            why="stage: lowering; each thread holds rows t//4 and t//4 + 8, columns 2·(t mod 4) and the next",
        )
