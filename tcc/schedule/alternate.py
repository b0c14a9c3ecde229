"""Results whose elements alternate in memory: one loop makes them, and stores them as whole vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import I64
from tcc.ir.scalar import Const, apply
from tcc.loops.facts import NEAR
from tcc.loops.program import Position, Store
from tcc.schedule.block import BlockBuilder, OpenLoop
from tcc.schedule.plan import PlanLoop, coefficient


def are_pieces(extents: Sequence[tuple[Size, ...]], boxes: Sequence[Sequence[tuple[Size, Size]]]) -> bool:
    """Whether single elements of a few pieces of a value follow each other; ``boxes`` is where each piece is."""
    axes = [k for k in range(len(extents[0])) if len({box[k] for box in boxes}) > 1]
    alike = len(set(extents)) == 1 and len(extents) <= NEAR and len(axes) == 1
    return alike and all(e == 1 for e in extents[0][axes[0] :])


def add_stores(kernel: BlockBuilder, space: Sequence[PlanLoop], stores: Sequence[Store]) -> None:
    """Adds stores: a loop with a copy for each where they fill the places between the lanes' elements."""
    ordered = sorted(stores, key=lambda s: _constant(s.index))
    if not _fill(kernel, space, ordered):
        for store in stores:
            kernel.add(store)
        return
    first, count = ordered[0], len(ordered)
    axis = kernel.fresh("turn")
    kernel.open(OpenLoop(axis, 0, count, copies=count, location=first.location))
    place = dim.axis(axis, count)
    value = ordered[-1].value
    for k, store in reversed(list(enumerate(ordered[:-1]))):
        value = apply("select", apply("le", Position(I64, place), Const(I64, k)), store.value, value)
    kernel.add(replace(first, index=first.index + place, value=kernel.bind(value, first.location)))
    kernel.close()


def _fill(kernel: BlockBuilder, space: Sequence[PlanLoop], stores: Sequence[Store]) -> bool:
    lanes = next((x for x in space if x.lanes > 1), None)
    if lanes is None or not 2 <= len(stores) <= NEAR or kernel.scope is kernel.scopes[0]:
        return False
    first = stores[0]
    together = all(s == replace(first, index=first.index + k, value=s.value) for k, s in enumerate(stores))
    return together and coefficient(first.index, lanes.name) == len(stores)


def _constant(size: Size) -> int:
    """The term of an address that is a number."""
    return size if isinstance(size, int) else dict(size.terms).get((), 0)
