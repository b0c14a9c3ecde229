"""Loads and stores of the loop IR, by how the index moves along the lanes.

Not at all: one scalar access, broadcast where it is used. By one element: a vector access with the
alignment of an element. By a few: vectors and shuffles, where nothing is masked. Otherwise a scatter or a
gather; where the machine's gathers are slower and nothing is masked, a load for each lane. Lanes and copies
that are not live are masked; a scalar access under a mask is made if any of its iterations is live.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Callable, Iterable

from tcc.errors import InternalError
from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import DType
from tcc.loops.program import Load, Prefetch, Store
from tcc.lowering import index, interleave, memory, streaming
from tcc.lowering.combine import combined
from tcc.lowering.cpu import unfolded
from tcc.lowering.frame import Frame, Storage
from tcc.lowering.mlir import ir
from tcc.lowering.registers import (
    Register,
    any_of,
    both,
    broadcast,
    either,
    integer,
    known_bit,
    lane,
    multiply,
    select,
    shuffle,
)
from tcc.lowering.registers import constant as constant_register
from tcc.lowering.tile import LANES, Coordinate, Tile
from tcc.lowering.transpose import transposed


class Target:
    """The elements that an access touches: a buffer and a resolved index, for each coordinate.

    Where ``dtype`` is not the buffer's, ``span`` of its elements are one of these.
    """

    def __init__(self, frame: Frame, storage: Storage, size: Size, dtype: DType | None = None) -> None:
        self.frame = frame
        self.dtype = dtype or storage.dtype
        self.span = self.dtype.bytes // storage.dtype.bytes
        self.storage = storage
        self.size = frame.resolve(size)
        self.stride = index.lane_stride(frame, self.size)
        self.varies = index.varies(frame, self.size)
        self._cell = memory.cell_type(storage.dtype)
        self._first: dict[tuple[int, ...], tuple[Size, ir.Value]] = {}

    @property
    def is_uniform(self) -> bool:
        """Whether all lanes touch one element."""
        return self.stride == 0 and LANES not in self.varies

    def within(self, guard: Tile) -> Callable[[Coordinate, ir.Value], Target]:
        """The target for a coordinate and its guard, which all lanes share: near the buffer's beginning where it
        is false.

        Masked accesses to pages that are not there take a processor a hundred times as long as others.
        """
        moving = index.part(self.size, {a for a in self.frame.axes if a not in guard.varies})
        fixed = self.size - moving
        targets: dict[tuple[int, ...], Target] = {}

        def target(at: Coordinate, inside: ir.Value) -> Target:
            key = tuple(at[a] for a in guard.axes if a in at)
            if key not in targets:
                base = self.storage.address
                there = memory.offset(base, index.evaluate(self.frame, fixed, at, first_lane=True), self._cell)
                (address,) = select(inside, (there,), (base,))
                targets[key] = Target(self.frame, Storage(self.storage.dtype, address), moving, self.dtype)
            return targets[key]

        return target

    def moved(self, at: Coordinate) -> Size:
        """The index in lane 0 of a copy."""
        return index.shifted(self.frame, self.size, {a: n for a, n in at.items() if a in self.frame.axes})

    def address(self, at: Coordinate) -> ir.Value:
        """The address in lane 0. Copies a constant distance apart share one computation."""
        base = self.storage.address
        moved = self.moved(at)
        key = tuple(at[a] for a in sorted(self._lets()))
        if key in self._first:
            first, address = self._first[key]
            distance = moved - first
            if isinstance(distance, int):
                return memory.offset(address, distance, self._cell)
        if isinstance(moved, int):
            return memory.offset(base, moved, self._cell)
        address = memory.offset(base, index.evaluate(self.frame, self.size, at, first_lane=True), self._cell)
        self._first.setdefault(key, (moved, address))
        return address

    def addresses(self, at: Coordinate) -> ir.Value:
        """The vector of addresses of all lanes."""
        if self.stride is None:
            return memory.offset(self.storage.address, index.evaluate(self.frame, self.size, at), self._cell)
        return memory.offset(self.address(at), index.lane_offsets(self.frame, self.stride, at), self._cell)

    def side_by_side(self) -> str | None:
        """A loop whose copies are neighbours in memory, in whole vectors, while the lanes are not."""
        if self.stride is None or (isinstance(self.stride, int) and abs(self.stride) <= self.span):
            return None
        if self.dtype.is_complex or self.frame.width == 1:
            return None
        for name, copies in self.frame.copies.items():
            distance, _ = index.linear(self.size, name)
            if distance == self.span and self.frame.axes[name].lanes == 1 and copies % self.frame.width == 0:
                return name
        return None

    def in_turn(self) -> tuple[str, bool] | None:
        """A loop whose copies are the elements between those of the lanes, and whether they go backwards."""
        near = interleave.distance(self.stride, self.dtype)
        if near is None:
            return None
        for name, copies in self.frame.copies.items():
            distance, _ = index.linear(self.size, name)
            if copies == abs(near) and self.frame.axes[name].lanes == 1 and distance in (1, -1):
                return name, distance == -1
        return None

    def each(self, at: Coordinate) -> list[ir.Value]:
        """The address in each lane."""
        if self.stride is None:
            places = index.evaluate(self.frame, self.size, at)
            base = self.storage.address
            return [memory.offset(base, lane(places, n), self._cell) for n in range(self.frame.width)]
        first = self.address(at)
        distance = index.evaluate(self.frame, self.stride, at)
        return [memory.offset(first, multiply(distance, integer(n)), self._cell) for n in range(self.frame.width)]

    def _lets(self) -> set[str]:
        """The axes over which lets in the index vary."""
        names = (s.name for s in dim.symbols(self.size))
        return {a for name in names if name not in self.frame.axes for a in self.frame.lookup(name).axes}


def mask_at(frame: Frame, varies: Iterable[str], at: Coordinate) -> ir.Value | None:
    """The mask of an access that varies over these axes: true where any iteration it stands for is live."""
    if frame.mask is None:
        return None
    mask, varies = frame.mask.tile, set(varies)
    if frame.mask.inhabited and not (mask.varies & varies):
        return None
    free = tuple(axis for axis in mask.axes if axis not in varies)
    values = [mask.at({**at, **rest})[0] for rest in frame.grid(free)]
    if len(values) == 1 and (LANES in varies or not mask.vector):
        return values[0]
    if LANES not in varies:
        return any_of(values)
    joined = values[0]
    for value in values[1:]:
        joined = either(joined, value)
    return joined


def _joined(a: ir.Value | None, b: ir.Value | None) -> ir.Value | None:
    return b if a is None else a if b is None else both(a, b)


def load(frame: Frame, node: Load, guard: Tile | None) -> Tile:
    """The elements of a load; 0 where ``guard`` is false, and memory untouched there."""
    target = Target(frame, frame.storage(node.buffer), node.index, node.dtype if node.word else None)
    if target.dtype != node.dtype:
        raise InternalError(f"a load of {node.dtype} from '{node.buffer}', a buffer of {target.storage.dtype}")
    if guard is not None and target.is_uniform and guard.vector:
        return _guarded(frame, load(frame, node, _any_lane(frame, guard)), guard)
    varies = target.varies | (guard.varies if guard is not None else frozenset())
    axes = frame.ordered(varies)
    side = target.side_by_side() if guard is None and frame.mask is None else None
    if side is not None:
        return _load_blocks(target, side, axes)
    moves = target.stride is not None and not target.is_uniform and frame.function.shared.device is None
    within = target.within(guard) if guard is not None and not guard.vector and moves else None
    parts: list[Register] = []
    for at in frame.grid(axes):
        inside = None if guard is None else guard.at(at)[0]
        known = None if inside is None else known_bit(inside)
        if known is False:
            parts.append(constant_register(node.dtype, 0))
            continue
        near = target if known or inside is None or within is None else within(at, inside)
        parts.append(_read(near, at, _joined(mask_at(frame, varies, at), None if known else inside)))
    return frame.tile(node.dtype, axes, parts)


def _load_blocks(target: Target, side: str, axes: tuple[str, ...]) -> Tile:
    """A load of which the copies of ``side`` are neighbours: vectors along them, transposed."""
    frame, dtype, lanes, align = target.frame, target.dtype, target.frame.width, target.storage.dtype.bytes
    parts: dict[tuple[int, ...], Register] = {}
    for at in frame.grid(axes):
        if at[side] % lanes == 0:
            rows = [memory.load_vector(row, dtype, lanes, align=align)[0] for row in target.each(at)]
            for n, column in enumerate(transposed(rows)):
                parts[tuple({**at, side: at[side] + n}.values())] = (column,)
    return frame.tile(dtype, axes, [parts[tuple(at.values())] for at in frame.grid(axes)])


def _store_blocks(target: Target, side: str, axes: tuple[str, ...], value: Tile, nontemporal: bool) -> None:
    """A store of which the copies of ``side`` are neighbours: transposed, then vectors along them."""
    frame, lanes = target.frame, target.frame.width
    frame.function.streams |= nontemporal
    for at in frame.grid(axes):
        if at[side] % lanes == 0:
            columns = [broadcast(value.at({**at, side: at[side] + n})[0], lanes) for n in range(lanes)]
            for row, vector in zip(target.each(at), transposed(columns), strict=True):
                memory.store_vector(row, (vector,), target.storage.dtype, nontemporal=nontemporal)


def _store_in_turn(
    target: Target, name: str, backwards: bool, axes: tuple[str, ...], value: Tile, nontemporal: bool
) -> None:
    """A store of which the copies of a loop fill the places between the lanes: together they are whole vectors."""
    frame, lanes = target.frame, target.frame.width
    frame.function.streams |= nontemporal
    assert isinstance(target.stride, int)
    count, down = abs(target.stride), target.stride < 0
    for at in frame.grid(axes):
        if at[name] == 0:
            turns = [{**at, name: n} for n in range(count)]
            ordered = turns[::-1] if backwards else turns
            parts = [broadcast(value.at(t)[0], lanes) for t in ordered]
            first = target.address(ordered[0])
            if down:
                first = memory.offset(first, target.stride * (lanes - 1), memory.cell_type(target.dtype))
            interleave.store(first, parts, target.dtype, down, nontemporal)


def _any_lane(frame: Frame, guard: Tile) -> Tile:
    """Where a vector of bools holds in any live lane."""
    parts: list[Register] = []
    for at in frame.grid(guard.axes):
        live = mask_at(frame, {*guard.axes, LANES}, at)
        part = guard.at(at)[0]
        parts.append((any_of([part if live is None else both(part, live)]),))
    return frame.tile(guard.dtype, guard.axes, parts)


def _guarded(frame: Frame, value: Tile, guard: Tile) -> Tile:
    axes = frame.ordered(value.varies | guard.varies)
    nothing = constant_register(value.dtype, 0)
    parts = [select(guard.at(at)[0], value.at(at), nothing) for at in frame.grid(axes)]
    return frame.tile(value.dtype, axes, parts)


def _read(target: Target, at: Coordinate, mask: ir.Value | None) -> Register:
    dtype, lanes, native = target.dtype, target.frame.width, target.frame.function.facts.vector_bytes
    align = target.storage.dtype.real.bytes
    device = target.frame.function.shared.device
    if device is not None:
        return device.read(target, at, mask)
    if target.is_uniform:
        return memory.load(target.address(at), dtype, mask, align)
    mask = None if mask is None else broadcast(mask, lanes)
    if target.stride == target.span:
        return memory.load_vector(target.address(at), dtype, lanes, mask, native, align)
    if target.stride == -1 and target.span == 1:
        backwards = list(reversed(range(lanes)))
        first = memory.offset(target.address(at), 1 - lanes, memory.cell_type(dtype))
        turned = None if mask is None else shuffle(mask, mask, backwards)
        return tuple(shuffle(v, v, backwards) for v in memory.load_vector(first, dtype, lanes, turned, native))
    near = interleave.distance(target.stride, dtype) if target.span == 1 and mask is None else None
    if near is not None:
        return interleave.load(target.address(at), dtype, near, lanes, interleave.ahead(target.moved(at), near, lanes))
    if mask is None and not target.frame.function.facts.gather:
        return memory.load_each(target.each(at), dtype, align)
    return memory.gather(target.addresses(at), dtype, mask, align)


def store(frame: Frame, node: Store, value: Tile) -> None:
    """Stores a value, or combines it into what is there."""
    target = Target(frame, frame.storage(node.buffer), node.index)
    if target.storage.dtype != node.value.dtype:
        raise InternalError(f"a store of {node.value.dtype} to '{node.buffer}', a buffer of {target.storage.dtype}")
    if not value.varies <= target.varies or (node.combine and not frame.around <= target.varies):
        raise InternalError(
            f"iterations that run side by side store to one element of '{node.buffer}'",
            why=f"stage: lowering; the index is {node.index}",
            where=node.location.place(),
        )
    axes = frame.ordered(target.varies)
    nontemporal = streaming.wanted(frame, node)
    side = target.side_by_side() if not node.combine and frame.mask is None else None
    if side is not None and {side, LANES} <= value.varies:
        _store_blocks(target, side, axes, value, nontemporal)
        return
    turn = target.in_turn() if not node.combine and frame.mask is None else None
    if turn is not None and frame.function.shared.device is None:
        _store_in_turn(target, *turn, axes, value, nontemporal)
        return
    for at in frame.grid(axes):
        mask = mask_at(frame, target.varies, at)
        new = value.at(at)
        if node.combine:
            old = _read(target, at, mask)
            new = combined(frame.function.facts, node.combine, (node.value.dtype,), [old], [new])[0]
        _write(target, at, new, mask, nontemporal)


def prefetch(frame: Frame, node: Prefetch) -> None:
    """Asks for the first element of each vector; where all lanes are live only."""
    if frame.mask is not None or frame.function.shared.device is not None:
        return
    target = Target(frame, frame.storage(node.buffer), node.index)
    for at in frame.grid(frame.ordered(target.varies)):
        memory.prefetch(target.address(at), node.write)


def _write(target: Target, at: Coordinate, value: Register, mask: ir.Value | None, nontemporal: bool) -> None:
    dtype, lanes, native = target.storage.dtype, target.frame.width, target.frame.function.facts.vector_bytes
    device = target.frame.function.shared.device
    if device is not None:
        device.write(target, at, value, mask)
        return
    if target.is_uniform:
        memory.store(target.address(at), value, dtype, mask)
        return
    value = tuple(broadcast(v, lanes) for v in value)
    if mask is not None:
        mask = unfolded.mask(target.frame.function.shared.prefix, broadcast(mask, lanes), dtype)
    if target.stride == 1:
        target.frame.function.streams |= nontemporal
        memory.store_vector(target.address(at), value, dtype, mask, native, nontemporal)
    elif target.stride == -1:
        backwards = list(reversed(range(lanes)))
        first = memory.offset(target.address(at), 1 - lanes, memory.cell_type(dtype))
        turned = None if mask is None else shuffle(mask, mask, backwards)
        memory.store_vector(first, tuple(shuffle(v, v, backwards) for v in value), dtype, turned, native, nontemporal)
    else:
        memory.scatter(target.addresses(at), value, dtype, mask)
