"""Lanes as the threads of a block: accesses, horizontal combines, blocks and warps.

Every thread runs the kernel's whole code. What does not vary over the lanes is computed by all threads
alike, and stored by one; a vector has one element, the running thread's own lane. Copies are registers,
masks are branches of a thread.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tcc.errors import InternalError, Unsupported
from tcc.ir.dim import Size
from tcc.loops.facts import Facts
from tcc.loops.program import WARP, Blocks, Buffer, Loop, TileOp, Warps
from tcc.lowering import index, memory
from tcc.lowering.access import Target
from tcc.lowering.carried import Run
from tcc.lowering.combine import Parts, Reducer
from tcc.lowering.cuda import intrinsics, tensor
from tcc.lowering.cuda.fragments import Fragments
from tcc.lowering.frame import Axis, Frame, Storage
from tcc.lowering.mlir import arith, ir, scf
from tcc.lowering.registers import Register, add, both, broadcast, compare, integer, is_vector, lane, multiply
from tcc.lowering.tile import Coordinate, Tile


class Private(Storage):
    """A buffer of which every thread has a copy of its own."""


class Threads:
    """The `tcc.lowering.device.Device` of one kernel of ``count`` threads a block; see there.

    ``accumulators`` are the buffers that tile operations add to. ``alone``: whether this thread speaks
    for all that do the same, those of the block or of the warp.
    """

    def __init__(self, symbol: str, count: int, accumulators: frozenset[str], facts: Facts) -> None:
        self.symbol = symbol
        self.count = count
        self.accumulators = accumulators
        self.facts = facts
        self.shared: dict[str, int] = {}
        self.number = intrinsics.thread()
        self.in_warp = arith.andi(self.number, integer(WARP - 1))
        self.alone = compare("eq", self.number, integer(0))
        self.warp_axis = ""

    def first_lane(self, frame: Frame, loop: Loop) -> ir.Value:  # noqa: ARG002
        if any(c.prefix for c in loop.carries):
            raise Unsupported(
                f"the running combination over {loop.axis} on a GPU",
                where=loop.location.place(),
                why="threads combine what they have at the end of a loop only",
                fix="give the loop one lane",
            )
        return self.number if loop.lanes == self.count else arith.andi(self.number, integer(loop.lanes - 1))

    # --- accesses -----------------------------------------------------------------------------------

    def read(self, target: Target, at: Coordinate, mask: ir.Value | None) -> Register:
        value = memory.load(self._address(target, at), target.dtype, _own(mask), target.storage.dtype.real.bytes)
        return value if target.is_uniform else tuple(broadcast(v, 1) for v in value)

    def write(self, target: Target, at: Coordinate, value: Register, mask: ir.Value | None) -> None:
        mask = _own(mask)
        if target.is_uniform and not isinstance(target.storage, (Private, Fragments)):
            mask = self.alone if mask is None else both(mask, self.alone)
        own = tuple(lane(v, 0) if is_vector(v) else v for v in value)
        memory.store(self._address(target, at), own, target.storage.dtype, mask)

    def _address(self, target: Target, at: Coordinate) -> ir.Value:
        storage, frame = target.storage, target.frame
        if isinstance(storage, Fragments):
            return storage.element(index.shifted(frame, target.size, at), self.warp_axis)
        if target.is_uniform:
            return target.address(at)
        if isinstance(storage, Private):
            raise InternalError("threads access each other's registers", why="stage: lowering")
        if target.stride is not None:
            return target.address(at)
        element = index.evaluate(frame, target.size, at)
        return memory.offset(storage.address, lane(element, 0), memory.cell_type(storage.dtype))

    def allocate(self, frame: Frame, buffer: Buffer, size: Size) -> Storage:
        cell = memory.cell_type(buffer.dtype)
        if not isinstance(size, int) or buffer.space not in ("shared", "register"):
            raise Unsupported(
                f"{size} elements of memory for each worker on a GPU",
                why=f"the kernel '{frame.function.name}' allocates '{buffer.name}' in space '{buffer.space}'",
                fix="allocate what a block shares in space 'shared', with a static size",
            )
        if buffer.space == "shared":
            return tensor.Shared(buffer.dtype, self._shared(frame, buffer.name, size * buffer.dtype.bytes))
        if buffer.name in self.accumulators:
            each = size // self.count
            return Fragments(buffer.dtype, frame.function.alloca(cell, each, 16), each)
        return Private(buffer.dtype, frame.function.alloca(cell, max(1, size), 16))

    def _shared(self, frame: Frame, name: str, bytes: int) -> ir.Value:
        """Memory of the block: one place for each name and size; names of buffers begin with no digit."""
        symbol = f"{self.symbol}__{name}_{bytes}"
        self.shared[symbol] = max(1, bytes)
        taken = sum(self.shared.values())
        if taken > self.facts.shared:
            raise Unsupported(
                f"{taken} bytes of memory that the threads of a block share",
                why=f"the kernel '{frame.function.name}' needs them, and a block has {self.facts.shared}",
                fix="compile this function for a processor, as --target native",
            )
        return intrinsics.shared(symbol, max(1, bytes))

    # --- combines -----------------------------------------------------------------------------------

    def fold(self, frame: Frame, loop: Loop, reducer: Reducer, tiles: Sequence[Tile]) -> list[Tile]:
        """By halves: warps through shared memory, the threads of a warp by shuffles; in the order of
        docs/loop-ir.md. Every warp does it all, so that all threads have the result."""
        keys = list(tiles[0].parts)
        rows = [[tuple(lane(v, 0) for v in t.parts[key]) for t in tiles] for key in keys]
        if loop.lanes > WARP:
            rows = self._over_warps(frame, loop, reducer, rows)
        folded = [self._in_warp(reducer, parts, min(loop.lanes, WARP)) for parts in rows]
        return [
            Tile(t.dtype, t.axes, {k: f[n] for k, f in zip(keys, folded, strict=True)}) for n, t in enumerate(tiles)
        ]

    def _over_warps(self, frame: Frame, loop: Loop, reducer: Reducer, rows: list[Parts]) -> list[Parts]:
        """Thread t of a warp gets what threads t, t + 32, … have, combined."""
        mine = self.first_lane(frame, loop)
        values = [v for parts in rows for register in parts for v in register]
        words = [intrinsics.word(v.type) for v in values]
        places = [self._shared(frame, f"{n}fold", loop.lanes * w.width // 8) for n, w in enumerate(words)]
        # The last fold's values have been read by all.
        self.barrier()
        for place, value, word in zip(places, values, words, strict=True):
            memory.put(memory.offset(place, mine, word), intrinsics.bits(value, word))
        self.barrier()
        gathered: list[list[Parts]] = [[] for _ in rows]
        for warp in range(loop.lanes // WARP):
            rest = iter(zip(places, words, strict=True))
            there = add(self.in_warp, integer(warp * WARP))
            for parts, found in zip(rows, gathered, strict=True):
                found.append([tuple(_fetched(*next(rest), there, v.type) for v in r) for r in parts])
        return [self._tree(reducer, found) for found in gathered]

    def _tree(self, reducer: Reducer, items: list[Parts]) -> Parts:
        while len(items) > 1:
            half = len(items) // 2
            items = [reducer.pair(items[n], items[n + half]) for n in range(half)]
        return items[0]

    def _in_warp(self, reducer: Reducer, parts: Parts, width: int) -> Parts:
        distance = width // 2
        while distance:
            other = [tuple(intrinsics.shuffle("down", v, distance) for v in r) for r in parts]
            parts, distance = reducer.pair(parts, other), distance // 2
        first = arith.trunci(ir.IntegerType.get_signless(32), arith.andi(self.in_warp, integer(WARP - width)))
        return [tuple(intrinsics.shuffle("idx", v, first) for v in r) for r in parts]

    # --- launches -----------------------------------------------------------------------------------

    def spread(self, frame: Frame, loop: Loop, run: Run) -> None:
        """Each block and each warp its own iteration; of a loop with lanes, lanes·copies of them."""
        if isinstance(loop.mapping, Blocks):
            self._blocks(frame, loop, run)
            return
        assert isinstance(loop.mapping, Warps)
        with frame.scope(), self._speaking(compare("eq", self.in_warp, integer(0)), loop.axis):
            frame.axes[loop.axis] = Axis(arith.shrui(self.number, integer(WARP.bit_length() - 1)))
            for statement in loop.body:
                run(frame, statement)

    def _blocks(self, frame: Frame, loop: Loop, run: Run) -> None:
        step = loop.lanes * loop.copies
        extent = index.evaluate(frame, frame.resolve(loop.hi - loop.lo), {})
        # Not a loop over the blocks that the grid lacks: LLVM would move all that does not depend on the
        # block out of it, into registers that are then taken during the whole kernel.
        begin = multiply(intrinsics.block(), integer(step))
        op = scf.IfOp(compare("lt", begin, extent))
        with ir.InsertionPoint(op.then_block):
            frame.function.span = begin, arith.minsi(add(begin, integer(step)), extent)
            run(frame, loop)
            frame.function.span = None
            scf.YieldOp([])

    @contextmanager
    def _speaking(self, alone: ir.Value, axis: str) -> Iterator[None]:
        saved = self.alone, self.warp_axis
        self.alone, self.warp_axis = alone, axis
        yield
        self.alone, self.warp_axis = saved

    def tile(self, frame: Frame, op: TileOp) -> None:
        tensor.multiply_tiles(frame, op, self.in_warp, self.warp_axis)

    def barrier(self) -> None:
        intrinsics.barrier()


def _own(mask: ir.Value | None) -> ir.Value | None:
    return mask if mask is None or not is_vector(mask) else lane(mask, 0)


def _fetched(place: ir.Value, word: ir.Type, number: ir.Value, type: ir.Type) -> ir.Value:
    """One of a row of words in shared memory, as a value of a type."""
    return intrinsics.from_bits(memory.get(memory.offset(place, number, word), word), type)
