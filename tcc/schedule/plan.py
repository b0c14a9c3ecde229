"""The loops to emit for a group, before they are: what a plan consists of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.location import Location
from tcc.loops.program import Mapping, Serial
from tcc.schedule.block import OpenLoop
from tcc.schedule.group import Axis, Group

LEAST_LANES = 8
"""Elements from which on a loop is worth lanes of its own."""
WORK = 64 << 10
"""Additions that a piece of a parallel loop should cost."""


@dataclass(frozen=True)
class PlanLoop:
    """A loop to emit over one or more of the group's axes (``axes``, outermost first).

    ``names`` are those of loops that were joined into it; ``block``: how many elements are reduced
    by themselves before they are combined with the rest, 0 for all. ``tile``: how many of its elements
    it goes through for one number of a loop further out, named ``outer``, which has no axes of its own.
    """

    name: str
    extent: Size
    axes: tuple[Axis, ...]
    lanes: int = 1
    copies: int = 1
    mapping: Mapping = field(default_factory=Serial)
    block: int = 0
    names: tuple[str, ...] = ()
    tile: int = 0
    outer: str = ""

    @property
    def symbol(self) -> Size:
        return dim.axis(self.name, self.extent)

    @property
    def range(self) -> tuple[Size, Size]:
        """The first element of a turn, and the one after the last."""
        if not self.tile:
            return 0, self.extent
        start = self.tile * dim.axis(self.outer, dim.ceildiv(self.extent, self.tile))
        return start, dim.minimum(start + self.tile, self.extent)

    @property
    def turn(self) -> Size:
        """How many elements one turn goes through at most."""
        return self.tile or self.extent

    def coordinates(self) -> dict[str, Size]:
        """Each of its axes in terms of the loop's."""
        found: dict[str, Size] = {}
        if not self.axes:
            return found
        rest: Size = self.symbol
        for axis in reversed(self.axes[1:]):
            found[axis.name] = dim.mod(rest, axis.extent)
            rest = dim.floordiv(rest, axis.extent)
        found[self.axes[0].name] = rest
        return found


@dataclass(frozen=True)
class Plan:
    """The loops over the space, those of each pass, and the axes that are unrolled."""

    space: tuple[PlanLoop, ...]
    reduce: tuple[PlanLoop, ...]
    unrolled: tuple[Axis, ...] = ()

    @property
    def one_at_a_time(self) -> bool:
        """Whether the space is gone through point by point: each may then have a row of scratch."""
        return all(loop.lanes == loop.copies == 1 for loop in self.space)


def natural(group: Group, taken: Sequence[str]) -> Plan:
    """One loop for each axis that is not unrolled."""
    names = iter(f"i{k}" for k in range(len(group.axes) + len(taken)) if f"i{k}" not in taken)
    unrolled = tuple(a for a in group.space if a.name in group.unrolled)
    space = tuple(PlanLoop(next(names), a.extent, (a,)) for a in group.space if a not in unrolled)
    reduce = tuple(PlanLoop(next(names), a.extent, (a,)) for a in group.reduce)
    return Plan(space, reduce, unrolled)


def coefficient(size: Size, name: str) -> Size | None:
    """What an axis is multiplied by in an address; None when the address is not linear in it."""
    if isinstance(size, int):
        return 0
    total: Size = 0
    for monomial, factor in size.terms:
        rest: Size = factor
        found = False
        for atom, power in monomial:
            if isinstance(atom, dim.Symbol) and atom.name == name:
                if power > 1:
                    return None
                found = True
                continue
            if any(s.name == name for s in dim.symbols(atom)):
                return None
            rest = rest * dim.product([dim.of_atom(atom)] * power)
        if found:
            total = total + rest
    return total


def opened(loop: PlanLoop, location: Location, lo: Size = 0, hi: Size | None = None) -> OpenLoop:
    """A planned loop, over all of its range if no other is given."""
    if hi is None:
        lo, hi = loop.range
    return OpenLoop(loop.name, lo, hi, loop.lanes, loop.copies, loop.mapping, location=location)
