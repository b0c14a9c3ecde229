"""Where values live: lifetimes over an entry's statements, in-place reuse, one arena of slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.loops import walk
from tcc.loops.program import Alloc, Block, Buffer, If, Load, Loop, Parameter, Stmt, Store, Switch
from tcc.schedule import merge

ALIGNMENT = 64


@dataclass
class Lifetime:
    """An arena buffer and the first and last statement, by number, that uses it."""

    buffer: Buffer
    start: int
    end: int


@dataclass
class _Slot:
    units: Size
    busy_until: int
    members: list[str]


def units_of(buffer: Buffer) -> Size:
    """A buffer's size in units of the alignment, rounded up."""
    return dim.ceildiv(buffer.size * buffer.dtype.bytes, ALIGNMENT)


def arena(lifetimes: Sequence[Lifetime]) -> tuple[tuple[tuple[str, Size], ...], Size]:
    """Byte offsets by buffer name, and the arena's size.

    Buffers whose lives do not meet share a slot; a slot is as large as the largest of them. A free
    slot is taken where one of the two sizes is known to cover the other, the closest one first.
    """

    @cache
    def covers(a: Size, b: Size) -> bool:
        return dim.nonnegative(a - b)

    slots: list[_Slot] = []
    for life in sorted(lifetimes, key=lambda x: x.start):
        units = units_of(life.buffer)
        free = [s for s in slots if s.busy_until < life.start]
        fitting = [s for s in free if covers(s.units, units)]
        growing = [s for s in free if covers(units, s.units)]
        slot = _closest(fitting, units) or _closest(growing, units)
        if slot is None:
            slot = _Slot(units, life.end, [])
            slots.append(slot)
        slot.units = slot.units if covers(slot.units, units) else units
        slot.busy_until = life.end
        slot.members.append(life.buffer.name)
    offsets: list[tuple[str, Size]] = []
    total: Size = 0
    for slot in slots:
        offsets += [(name, total) for name in slot.members]
        total = total + ALIGNMENT * slot.units
    return tuple(offsets), total


def _closest(slots: Sequence[_Slot], units: Size) -> _Slot | None:
    """The slot whose size differs least, where that is known; else the last one used."""
    if not slots:
        return None

    def distance(slot: _Slot) -> tuple[int, int]:
        gap = slot.units - units
        return (0, abs(gap)) if isinstance(gap, int) else (1, -slot.busy_until)

    return min(slots, key=distance)


def worker_bytes(body: Block) -> Size:
    """What a kernel's allocations in the worker's workspace take together."""
    total: Size = 0
    for stmt in walk.statements(body):
        if isinstance(stmt, Alloc) and stmt.buffer.space == "worker":
            total = total + ALIGNMENT * units_of(stmt.buffer)
    return total


def may_share(body: Block, read: str, written: str) -> bool:
    """Whether a kernel may find one buffer in the place of two, one that it reads and one it writes.

    Every load of the one must be at the index of the stores to the other, and before the first of them: in
    the same block, or in an earlier statement of a block around it. Then no iteration sees what another one
    has written, since no two of them store the same element.
    """
    stores = [s for s in walk.statements(body) if isinstance(s, Store) and s.buffer == written]
    if not stores or any(s.combine or not s.unique or s.index != stores[0].index for s in stores):
        return False
    store = stores[0]
    loads = [p for p in walk.all_parts(body) if isinstance(p, Load) and p.buffer == read]
    before = _before(body, store) or []
    here = [p for stmt in before for p in walk.all_parts((stmt,)) if isinstance(p, Load) and p.buffer == read]
    return len(loads) == len(here) and all(p.index == store.index for p in loads)


def _before(block: Block, store: Store) -> list[Stmt] | None:
    """The statements that come before a store, in its block and in those around it; None if it is not inside."""
    for k, stmt in enumerate(block):
        if stmt is store:
            return [s for s in block[:k] if not isinstance(s, Store)]
        for inner in walk.blocks_of(stmt):
            found = _before(inner, store)
            if found is not None:
                return [*block[:k], *found]
    return None


def share(body: Block, parameters: Sequence[Parameter], read: str, written: str) -> tuple[Block, tuple[Parameter, ...]]:
    """The kernel with the buffer it reads in the place of the one it writes, updated.

    What has just been read is in the cache: stores past it would gain nothing.
    """
    kept = tuple(replace(p, access="update") if p.name == read else p for p in parameters if p.name != written)
    return renamed(body, written, read), kept


def renamed(block: Block, old: str, new: str) -> Block:
    """The block with what is stored to one buffer, and loaded again, going to another one."""
    return _cached(merge.renamed(block, {old: new}), new)


def _cached(block: Block, name: str) -> Block:
    """The block without stores to a buffer past the caches."""

    def cached(stmt: Stmt) -> Stmt:
        match stmt:
            case Store():
                return replace(stmt, nontemporal=0) if stmt.buffer == name else stmt
            case Loop():
                return replace(stmt, body=_cached(stmt.body, name))
            case If():
                return replace(stmt, body=_cached(stmt.body, name), otherwise=_cached(stmt.otherwise, name))
            case Switch():
                return replace(stmt, cases=tuple(_cached(c, name) for c in stmt.cases))
            case _:
                return stmt

    return tuple(map(cached, block))
