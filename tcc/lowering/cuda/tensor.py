"""Tile operations on tensor cores: mma.sync.m16n8k16, bf16 into f32, by one warp.

Thread t holds of A the pairs along k at rows t // 4 (+ 8), columns 2·(t mod 4) (+ 8), of B the pairs
along k at rows 2·(t mod 4) (+ 8), column t // 4 (PTX ISA, mma.m16n8k16).
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from tcc.errors import InternalError
from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.loops.program import Panel, TileOp
from tcc.lowering import index, memory
from tcc.lowering.cuda.fragments import COLUMNS, EACH, ROWS, Fragments
from tcc.lowering.cuda.intrinsics import i32, intrinsic
from tcc.lowering.frame import Frame, Storage
from tcc.lowering.mlir import arith, ir, llvm
from tcc.lowering.registers import add, integer, multiply

_HALF = 8


def multiply_tiles(frame: Frame, op: TileOp, thread: ir.Value, warp_axis: str) -> None:
    """``acc += a @ b``; ``thread`` is the number of the thread in its warp."""
    places = _accumulators(frame, op, warp_axis)
    quad, pair = arith.shrui(thread, integer(2)), arith.shli(arith.andi(thread, integer(3)), integer(1))
    a = _Pairs(frame, op.a, op.a.row, op.a.column, quad, pair)
    b = _Pairs(frame, op.b, op.b.column, op.b.row, quad, pair)
    left = [a.load(dr, dk) for dk in (0, _HALF) for dr in (0, _HALF)]
    right = [b.load(0, dk) for dk in (0, _HALF)]
    f32 = ir.F32Type.get()
    old = [memory.get(p, f32) for p in places]
    four = ir.Type.parse("!llvm.struct<(f32, f32, f32, f32)>")
    result = intrinsic(four, "mma.m16n8k16.row.col.bf16", [*left, *right, *old])
    for number, place in enumerate(places):
        memory.put(place, llvm.ExtractValueOp(f32, result, [number]).result)


def _accumulators(frame: Frame, op: TileOp, warp_axis: str) -> list[ir.Value]:
    storage = frame.storage(op.acc.buffer)
    if not isinstance(storage, Fragments) or (op.acc.row, op.acc.column) != (COLUMNS, 1):
        raise InternalError(f"the accumulator '{op.acc.buffer}' is not distributed over a warp", why="stage: lowering")
    start = storage.local(frame.resolve(op.acc.offset), warp_axis)
    if not isinstance(start, int) or start % (ROWS * COLUMNS):
        raise InternalError(
            f"a tile operation adds to {op.acc.buffer}[{start}], no whole matrix", why="stage: lowering"
        )
    first = start // (ROWS * COLUMNS) * EACH
    return [storage.place(first + n) for n in range(EACH)]


class Shared(Storage):
    """Memory of a block of threads: aligned to 16 bytes."""


class _Pairs:
    """The pairs along k of one operand: ``outer`` is the stride of its other axis, ``inner`` that of k."""

    def __init__(self, frame: Frame, panel: Panel, outer: Size, inner: Size, quad: ir.Value, pair: ir.Value) -> None:
        self.storage: Storage = frame.storage(panel.buffer)
        self.cell = memory.cell_type(self.storage.dtype)
        self.outer, self.inner = frame.resolve(outer), frame.resolve(inner)
        offset = frame.resolve(panel.offset)
        self.outer_value, self.inner_value = (index.evaluate(frame, s, {}) for s in (self.outer, self.inner))
        own = add(multiply(quad, self.outer_value), multiply(pair, self.inner_value))
        start = add(index.evaluate(frame, offset, {}), own)
        self.first = memory.offset(self.storage.address, start, self.cell)
        even = all(dim.mod(s, 2) == 0 for s in (offset, self.outer))
        # Arguments of a kernel are aligned to an element only.
        self.whole = self.inner == 1 and even and isinstance(self.storage, Shared)

    def load(self, outer: int, inner: int) -> ir.Value:
        """Two neighbours along k as one word, the earlier one in its low half."""
        distance = add(multiply(integer(outer), self.outer_value), multiply(integer(inner), self.inner_value))
        address = memory.offset(self.first, distance, self.cell)
        if self.whole:
            return llvm.LoadOp(i32(), address, alignment=4).result
        i16 = ir.IntegerType.get_signless(16)
        low, high = (
            arith.extui(i32(), llvm.LoadOp(i16, a, alignment=2).result)
            for a in (address, memory.offset(address, self.inner_value, self.cell))
        )
        return arith.ori(low, arith.shli(high, integer(16, i32())))
