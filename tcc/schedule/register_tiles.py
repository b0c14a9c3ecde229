"""Register tiles: rows of results by vectors of them, for loops that use an operand again for each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tcc.ir.dim import Size
from tcc.loops.facts import Facts
from tcc.schedule.element import Touch
from tcc.schedule.plan import PlanLoop, coefficient

HIDING = 8
"""Independent sums that keep two multipliers of four cycles' latency busy."""


def at_most(copies: int, extent: Size, width: int) -> int:
    """No more copies than an extent known before run time fills."""
    if not isinstance(extent, int):
        return copies
    return max(1, min(copies, -(-extent // width)))


def with_rows(
    space: tuple[PlanLoop, ...], lanes: PlanLoop, rows: int, touches: Sequence[Touch]
) -> tuple[PlanLoop, ...]:
    """Several rows of products at once, along the innermost axis that a vector operand is the same on."""
    vectors = [t for t in touches if t.kind == "load" and t.inner and coefficient(t.index, lanes.name) != 0]
    for k in reversed(range(len(space))):
        if any(coefficient(t.index, space[k].name) == 0 for t in vectors):
            tile = replace(space[k], copies=at_most(rows, space[k].extent, 1))
            return (*space[:k], *space[k + 1 :], tile)
    return space


def tiled(
    rest: tuple[PlanLoop, ...],
    lanes: PlanLoop,
    width: int,
    touches: Sequence[Touch],
    facts: Facts,
    sums: int,
) -> tuple[tuple[PlanLoop, ...], PlanLoop]:
    """A register tile: rows of the innermost axis that a vector operand does not depend on."""
    loads = [t for t in touches if t.kind == "load" and t.inner]
    vector_loads = [t for t in loads if coefficient(t.index, lanes.name) != 0]
    for k in reversed(range(len(rest))):
        if any(coefficient(t.index, rest[k].name) == 0 for t in vector_loads):
            rows, vectors = _tile(rest[k], lanes, width, loads, facts, sums)
            tile = replace(rest[k], copies=rows)
            return (*rest[:k], *rest[k + 1 :], tile), replace(lanes, lanes=width, copies=vectors)
    return rest, replace(lanes, lanes=width, copies=at_most(8 // sums or 1, lanes.extent, width))


def _tile(
    rows: PlanLoop, lanes: PlanLoop, width: int, loads: Sequence[Touch], facts: Facts, sums: int
) -> tuple[int, int]:
    """The rows and vectors of the tile that takes the fewest turns, where what is left of rows and of vectors goes
    one by one: a load or a product is a turn, and so many sums as hide the latency are in flight or it is waited for.
    """
    highest, widest = (8, 4) if facts.registers >= 32 else (6, 3)
    room = max(1, facts.registers * 3 // 4 // sums)

    def turns(height: int, vectors: int) -> float:
        read = 0.0
        for touch in loads:
            several = coefficient(touch.index, rows.name) != 0
            read += (height if several else 1) * (vectors if coefficient(touch.index, lanes.name) != 0 else 0.5)
        return max(HIDING, height * vectors * sums, read)

    def cost(shape: tuple[int, int]) -> float:
        height, vectors = shape
        tiles, left = _divided(rows.extent, height, 1)
        blocks, more = _divided(lanes.extent, vectors * width, width)
        return (
            (
                tiles * (blocks * turns(height, vectors) + more * turns(height, 1))
                + left * (blocks * turns(1, vectors) + more * turns(1, 1))
            )
            / (tiles * height + left)
            / (blocks * vectors + more)
        )

    shapes = [(h, v) for h in range(1, highest + 1) for v in range(1, widest + 1) if h * v <= room]
    return min(shapes, key=lambda shape: (cost(shape), -shape[0] * shape[1]))


def _divided(extent: Size, size: int, step: int) -> tuple[int, int]:
    """How often a size goes into an extent, and how many steps are left then; once where it is not known, or empty."""
    if not isinstance(extent, int) or extent == 0:
        return 1, 0
    return extent // size, -(-(extent % size) // step)
