"""Stencil chains: groups each of whose rows is made of a few neighbouring rows of those before it.

Sweep after sweep over an array that exceeds the caches goes through memory once for each. Here a row of the
last sweep is made as soon as the rows of the one before that it needs are there, and so on back to the first:
each sweep is some rows ahead of the next, and keeps no more of its rows than the next ones still read. (Time
skewing: Wonnacott, "Using time skewing to eliminate idle time due to memory bandwidth and network
limitations", 2000; with the rows in rings, as line buffers of image pipelines.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.graph import Node, Value
from tcc.loops.decision import Decision
from tcc.loops.facts import Facts
from tcc.schedule.group import Group, Grouping, plain_axes

STEP = 4
"""Rows of each group that follow each other: the next one finds them in the first cache."""
WIDEST = 64
"""Rows by which the first group may be ahead of the last one."""


@dataclass(frozen=True)
class Lead:
    """What a member makes for row r of the chain's last one: its rows up to r + ``last``, and not before r' +
    ``first`` where r' is the first row of all. ``ring``: how many of its rows there is room for."""

    first: int
    last: int
    ring: int


@dataclass(eq=False)
class Stencil(Group):
    """Groups that go through their rows together, in order. ``roots`` and ``reads`` are those in memory.

    ``lines`` are the members' names for the axis of the rows; ``leads`` what each makes; ``local`` the values of
    which rows are kept, with the number of their axis of rows.
    """

    members: tuple[Group, ...] = ()
    lines: tuple[str, ...] = ()
    leads: tuple[Lead, ...] = ()
    local: dict[Value, int] = field(default_factory=dict[Value, int])

    @property
    def parts(self) -> tuple[Group, ...]:
        return self.members


def skewed(grouping: Grouping, needed: Sequence[Value], facts: Facts) -> Grouping:
    """The grouping with stencil chains where they pay; on a GPU each group is a kernel."""
    if facts.threads:
        return grouping
    finder = _Finder(grouping, frozenset(needed), facts)
    found: dict[Group, Stencil] = {}
    for g in grouping.groups:
        stencil = None if g in found else finder.longest(g, found)
        if stencil is not None:
            found.update(dict.fromkeys(stencil.members, stencil))
    return grouping.joined(found)


class _Finder:
    def __init__(self, grouping: Grouping, needed: frozenset[Value], facts: Facts) -> None:
        self.grouping, self.needed, self.facts = grouping, needed, facts
        self.order = {g: k for k, g in enumerate(grouping.groups)}
        self.readers: dict[Value, list[Group]] = {}
        made: dict[Node, int] = {}
        for g in grouping.groups:
            for value in g.reads:
                self.readers.setdefault(value, []).append(g)
            for node in g.nodes:
                made[node] = made.get(node, 0) + 1
        self.whole = frozenset(n for n, times in made.items() if times == 1)

    def longest(self, first: Group, used: dict[Group, Stencil]) -> Stencil | None:
        """The longest chain that begins with a group, pays and fits the cache."""
        for line in _outer(first) if self._fits(first) else ():
            members, lines, best = [first], [line], None
            while (g := self._next(members)) is not None and g not in used and self._fits(g):
                name = self._line(members, lines, g)
                if name is None:
                    break
                members, lines = [*members, g], [*lines, name]
                if not self._closed(members):
                    continue
                stencil = self._stencil(members, lines)
                if stencil is None or not self._has_room(stencil):
                    break
                best = stencil
            if best is not None and self._pays(best):
                return self._decided(best)
        return None

    def _fits(self, g: Group) -> bool:
        return (
            g.kind == "row"
            and not g.unrolled
            and not any(self.grouping.items[n].fused for n, _ in g.reductions)
            and all(r.piece is None and r.node in self.whole for r in g.roots)
            and len(g.axes) > 1
            and self._long(g)
            and all(a.extent != 0 for a in g.axes)
        )

    def _long(self, g: Group) -> bool:
        """Whether its innermost axis, which lanes go along, is not known to be short."""
        extent = g.axes[-1].extent
        return not isinstance(extent, int) or extent * 4 >= self.facts.vector_bytes

    def _next(self, members: Sequence[Group]) -> Group | None:
        """The first group outside that reads what the members make."""
        made = [v for g in members for r in g.roots for v in r.node.results]
        outside = {g for v in made for g in self.readers.get(v, ()) if g not in members}
        return min(outside, key=self.order.__getitem__, default=None)

    def _line(self, members: Sequence[Group], lines: Sequence[str], reader: Group) -> str | None:
        """The reader's axis that goes along the members' rows at fixed distances from them."""
        found: set[str] = set()
        for g, line in zip(members, lines, strict=True):
            for root in g.roots:
                along = _along(root.coordinates, line)
                for value in root.node.results:
                    for at in reader.reads.get(value, ()):
                        found.add("" if along is None else _axis_of(at[along]))
        (name,) = found if len(found) == 1 else ("",)
        return name if name in _outer(reader) else None

    def _closed(self, members: Sequence[Group]) -> bool:
        """Whether only members read what all but the last one make."""
        made = [v for g in members[:-1] for r in g.roots for v in r.node.results]
        return all(v not in self.needed and set(self.readers.get(v, ())) <= set(members) for v in made)

    def _stencil(self, members: Sequence[Group], lines: Sequence[str]) -> Stencil | None:
        """The chain with its leads; None if its members are too far from each other."""
        last = members[-1]
        makers = {v: k for k, g in enumerate(members) for r in g.roots for v in r.node.results}
        local: dict[Value, int] = {}
        for g, line in zip(members[:-1], lines, strict=False):
            for root in g.roots:
                along = _along(root.coordinates, line)
                if along is None:
                    return None
                local.update(dict.fromkeys(root.node.results, along))
        first, most = [0] * len(members), [0] * len(members)
        lowest = [0] * len(members)
        for k in reversed(range(len(members) - 1)):
            offsets = [
                (reader, offset)
                for reader in range(k + 1, len(members))
                for v in local
                if makers[v] == k
                for at in members[reader].reads.get(v, ())
                for offset in [_offset(at[local[v]], lines[reader])]
            ]
            if not offsets:
                return None
            first[k] = min(first[r] + o for r, o in offsets)
            most[k] = max(most[r] + o for r, o in offsets)
            lowest[k] = min(most[r] + o for r, o in offsets)
        if max(m - f for f, m in zip(first, most, strict=True)) > WIDEST:
            return None
        leads = tuple(Lead(f, m, STEP + m - w) for f, m, w in zip(first, most, lowest, strict=True))
        reads: dict[Value, dict[tuple[Size, ...], frozenset[str]]] = {}
        for g in members:
            for value, places in g.reads.items():
                if value not in local:
                    reads.setdefault(value, {}).update(places)
        decisions = [d for g in members for d in g.decisions]
        stencil = Stencil("stencil", [], None, list(last.roots), reads=reads, decisions=decisions)
        stencil.members, stencil.lines, stencil.leads, stencil.local = tuple(members), tuple(lines), leads, local
        return stencil

    def _has_room(self, stencil: Stencil) -> bool:
        """Whether all rings are within half of the second cache; sizes that are not known are taken to be."""
        rings: Size = 0
        makers = {v: k for k, g in enumerate(stencil.members) for r in g.roots for v in r.node.results}
        for value, along in stencil.local.items():
            row = dim.product(e for k, e in enumerate(value.type.shape) if k != along)
            rings = rings + stencil.leads[makers[value]].ring * row * value.type.dtype.bytes
        return not isinstance(rings, int) or rings <= self.facts.l2 // 2

    def _pays(self, stencil: Stencil) -> bool:
        """Whether what a pass reads and writes would not have stayed in a cache, and is more than a few rows.

        The last cache is as good: rings gain what memory costs.
        """
        passes = [2 * v.type.size * v.type.dtype.bytes for v in stencil.local]
        large = any(not isinstance(size, int) or size > self.facts.last_level for size in passes)
        rows = stencil.members[-1].extent(stencil.lines[-1])
        width = max(lead.last - lead.first for lead in stencil.leads)
        enough = not isinstance(rows, int) or rows >= 4 * (width + STEP)
        return width > 0 and enough and large

    def _decided(self, stencil: Stencil) -> Stencil:
        first, last = stencil.members[0].roots[0].node, stencil.members[-1].roots[0].node
        rings = ", ".join(str(lead.ring) for lead in stencil.leads[:-1])
        reason = "each row is made of a few rows of the group before it, which are still in the cache then"
        choice = f"{len(stencil.members)} groups row by row, rings of {rings} rows between them"
        stencil.decisions.append(Decision("fuse", f"{first.op.name} … {last.op.name}", choice, reason))
        return stencil


def _outer(g: Group) -> list[str]:
    """The axes that results have, without the innermost one of all."""
    return [a.name for a in g.space if a is not g.axes[-1]]


def _along(coordinates: Sequence[Size], line: str) -> int | None:
    """The coordinate that is a line's axis, if no other depends on it."""
    found = [k for k, c in enumerate(coordinates) if line in {s.name for s in dim.symbols(c)}]
    return found[0] if len(found) == 1 and plain_axes((coordinates[found[0]],)) == (line,) else None


def _axis_of(coordinate: Size) -> str:
    """The axis that a coordinate is at a fixed distance from; "" if it is at none."""
    found = dim.symbols(coordinate)
    axes = [s for s in found if isinstance(coordinate - dim.of_atom(s), int)]
    return axes[0].name if len(axes) == 1 else ""


def _offset(coordinate: Size, line: str) -> int:
    """How far a coordinate is from a line's axis."""
    (axis,) = [s for s in dim.symbols(coordinate) if s.name == line]
    distance = coordinate - dim.of_atom(axis)
    assert isinstance(distance, int)
    return distance
