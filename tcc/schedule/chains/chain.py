"""Chains: groups whose large results only the next ones read, a block of rows at a time.

Scores, their softmax and its product with the values are three groups. What is between them grows with
the product of two lengths, and each row of it is made and used on its own: so all three go through one
block of rows, whose part of it stays in the cache, before the next block is begun (the idea of
FlashAttention, Dao et al., 2022, with whole rows in the second cache in the place of an online softmax).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.forms import Coordinates
from tcc.ir.graph import Node, Value
from tcc.loops.decision import Decision
from tcc.loops.facts import Facts
from tcc.schedule.group import Group, Grouping, plain_axes

ROWS = 64
"""Rows of a block, about: each operand that all rows share is read once for each block."""
WORTH = 4
"""How often an element of what stays in the cache would have gone through memory."""
LEAST_BLOCKS = 2
"""Blocks from which on it pays: one is left to one worker, while each group's work would be shared among all."""


@dataclass(frozen=True)
class Line:
    """An axis that all groups of a chain have: each one's name for it, and how many of the group's own places are
    one place of the line (two rows of results, say, for a row of tiles)."""

    names: tuple[str, ...]
    scales: tuple[int, ...]


@dataclass(eq=False)
class Chain(Group):
    """Groups that share a kernel's outermost loop, in order. ``roots`` and ``reads`` are those in memory.

    ``lines`` are axes of all ``members``, the last of them in blocks; ``local`` the values that stay inside;
    ``turned``: their rows are neighbours in memory. ``within``: how many rows of the members' products one place
    of the last line is. ``rows``: how many of them a block has, about.
    """

    members: tuple[Group, ...] = ()
    lines: tuple[Line, ...] = ()
    local: tuple[Value, ...] = ()
    turned: bool = False
    within: int = 1
    rows: int = ROWS

    @property
    def parts(self) -> tuple[Group, ...]:
        return self.members

    def extents(self) -> tuple[Size, ...]:
        """The extent of each line."""
        first = self.members[0]
        return tuple(first.extent(line.names[0]) for line in self.lines)


def chained(grouping: Grouping, needed: Sequence[Value], facts: Facts) -> Grouping:
    """The grouping with chains where they pay; on a GPU each group is a kernel."""
    if facts.threads:
        return grouping
    finder = _Finder(grouping, frozenset(needed), facts)
    return grouping.joined({g: chain for chain in finder.chains() for g in chain.members})


@dataclass
class _Finder:
    grouping: Grouping
    needed: frozenset[Value]
    facts: Facts
    readers: dict[Value, list[Group]] = field(default_factory=dict[Value, "list[Group]"])
    makers: Counter[Node] = field(default_factory=Counter["Node"])

    def __post_init__(self) -> None:
        for g in self.grouping.groups:
            self.makers.update(g.nodes)
            for value in g.reads:
                self.readers.setdefault(value, []).append(g)

    def chains(self) -> list[Chain]:
        found: list[Chain] = []
        used: set[Group] = set()
        for g in self.grouping.groups:
            chain = None if g in used else self._from(g)
            if chain is not None and used.isdisjoint(chain.members):
                found.append(chain)
                used.update(chain.members)
        return found

    def _from(self, first: Group) -> Chain | None:
        """The longest chain that begins with a product, or with what is put together for one, and pays."""
        gathered = any(r.piece is not None for r in first.roots)
        if not self._fits(first) or not (self._multiplies(first) or gathered):
            return None
        members = [first]
        lines = [Line((a.name,), (1,)) for a in first.space if a.name not in first.unrolled]
        best: Chain | None = None
        while (found := self._next(members)) is not None and self._fits(found):
            lines = _apart(on for line in lines if (on := self._continued(members, line, found, gathered)) is not None)
            if not lines:
                break
            members.append(found)
            chain = self._chain(tuple(members), tuple(lines))
            best = chain if self._pays(chain) else best
        if best is None or not any(map(self._multiplies, best.members)):
            return None
        best = self._widened(best)
        *batch, rows = best.extents()
        blocks = dim.product(batch) * dim.ceildiv(rows * best.within, ROWS)
        return None if isinstance(blocks, int) and blocks < LEAST_BLOCKS else best

    def _multiplies(self, g: Group) -> bool:
        return any(self.grouping.items[n].fused for n, _ in g.reductions)

    def _fits(self, g: Group) -> bool:
        whole = all(self.makers[node] == 1 for node in g.nodes)
        return g.kind == "row" and whole and all(a.extent != 0 for a in g.axes)

    def _next(self, members: Sequence[Group]) -> Group | None:
        """The only group outside that reads what the members make."""
        made = [v for g in members for r in g.roots for v in r.node.results]
        outside = {g for v in made for g in self.readers.get(v, ()) if g not in members}
        return next(iter(outside)) if len(outside) == 1 else None

    def _continued(self, members: Sequence[Group], line: Line, reader: Group, gathered: bool) -> Line | None:
        """The line with the reader's axis, along which it reads each member's results; None if there is none.

        What is made of ``gathered`` elements may be scattered again: read at any places along its other axes.
        """
        found: set[tuple[str, int]] = set()
        for g, name, scale in zip(members, line.names, line.scales, strict=True):
            for root in g.roots:
                places = [k for k, c in enumerate(root.coordinates) if plain_axes((c,)) == (name,)]
                for value in root.node.results:
                    for at in reader.reads.get(value, ()):
                        known = len(places) == 1 and (gathered or plain_axes(at) is not None)
                        axis, step = _stepped(at[places[0]]) if known else ("", 1)
                        found.add((axis, step * scale))
        fitting = {a.name for a in reader.space if a.name not in reader.unrolled}
        if len(found) != 1 or not {name for name, _ in found} <= fitting:
            return None
        ((axis, scale),) = found
        if dim.ceildiv(reader.extent(axis), scale) != members[0].extent(line.names[0]):
            return None
        return Line((*line.names, axis), (*line.scales, scale))

    def _chain(self, members: tuple[Group, ...], lines: tuple[Line, ...]) -> Chain:
        last = members[-1]
        made = {v: g for g in members[:-1] for r in g.roots for v in r.node.results}
        local = tuple(v for v in made if v not in self.needed)
        reads: dict[Value, dict[Coordinates, frozenset[str]]] = {}
        for g in members:
            for value, places in g.reads.items():
                if value not in made:
                    reads.setdefault(value, {}).update(places)
        roots = [r for g in members for r in g.roots if g is last or not set(r.node.results) <= set(local)]
        decisions = [d for g in members for d in g.decisions]
        chain = Chain("chain", [], None, roots, reads=reads, decisions=decisions, members=members, lines=lines)
        chain.local = tuple(v for v in local if not any(v in r.node.results for r in roots))
        chain.turned = self._is_turned(chain)
        return chain

    def _widened(self, chain: Chain) -> Chain:
        """The chain with blocks of the line before the last where all of the last one is less than a block.

        That is so where the same operands are shared along both.
        """
        while len(chain.lines) > 1 and not chain.turned:
            *before, outer, inner = chain.lines
            extent = chain.extents()[-1]
            if not isinstance(extent, int) or chain.within * extent > ROWS or not self._alike(chain, outer, inner):
                break
            chain = replace(chain, lines=(*before, outer), within=chain.within * extent)
        if chain.within > 1:
            chain = replace(chain, rows=self._rows(chain))
        first, last = chain.members[0].roots[0].node, chain.members[-1].roots[0].node
        subject = f"{first.op.name} … {last.op.name}"
        reason = "each row of what lies between is made and read on its own, and a block of them stays in the cache"
        choice = f"a block of rows of {chain.extents()[-1]} at a time"
        chain.decisions.append(Decision("fuse", subject, choice, reason))
        return chain

    def _rows(self, chain: Chain) -> int:
        """Rows of a block: so many that half of the second cache that shared operands leave holds what is between
        the members. Operands that fill the cache are read from the next one with any block."""
        rows = dim.product(chain.extents()) * chain.within
        between: Size = 0
        for value in chain.local:
            between = between + value.type.size * value.type.dtype.bytes
        widest = max(value.type.dtype.bytes for value in chain.local)
        shared = self._read_again(chain) * widest
        if not isinstance(rows, int) or not isinstance(between, int) or not isinstance(shared, int):
            return ROWS
        left = self.facts.l2 - shared
        if left < self.facts.l2 // 4:
            return ROWS
        return min(ROWS, left // 2 * rows // max(1, between))

    def _alike(self, chain: Chain, outer: Line, inner: Line) -> bool:
        """Whether what is read depends on both lines or on neither."""
        for k, g in enumerate(chain.members):
            for value, places in g.reads.items():
                for at in places if value in chain.reads else ():
                    seen = {s.name for c in at for s in dim.symbols(c)}
                    if (outer.names[k] in seen) != (inner.names[k] in seen):
                        return False
        return True

    def _is_turned(self, chain: Chain) -> bool:
        """Whether the first product's operand that all rows share would have to be turned round for its results
        to be rows in memory; the operand of the block is turned round instead, which is less."""
        first, block = chain.members[0], chain.lines[-1].names[0]
        reduced = set(first.reduced or ())
        for places in first.reads.values():
            for at in places:
                inside = {s.name for c in at for s in dim.symbols(c)}
                if block in inside or not inside & reduced or not at:
                    continue
                if {s.name for s in dim.symbols(at[-1])} & reduced:
                    return True
        return False

    def _pays(self, chain: Chain) -> bool:
        """Whether what stays in the cache is more than what is read again for each block."""
        inside = {v for g in chain.members[:-1] for r in g.roots for v in r.node.results}
        kept: Size = 0
        for k, g in enumerate(chain.members):
            names = {line.names[k] for line in chain.lines}
            for root in g.roots:
                for value in root.node.results:
                    if value in inside:
                        row = [a.extent for a in g.axes if a.name in root.over and a.name not in names]
                        kept = kept + ROWS * dim.product(row)
        whole: Size = 0
        for value in inside:
            whole = whole + value.type.size * value.type.dtype.bytes
        if not isinstance(kept, int) or kept > 0:
            again = self._read_again(chain)
            small = isinstance(whole, int) and whole <= self.facts.l2 // 4
            return not small and dim.nonnegative(WORTH * kept - again)
        return False

    def _read_again(self, chain: Chain) -> Size:
        """Elements of operands that each block reads anew."""
        total: Size = 0
        for k, g in enumerate(chain.members):
            names = {line.names[k] for line in chain.lines}
            block = chain.lines[-1].names[k]
            for value, places in g.reads.items():
                if value not in chain.reads:
                    continue
                for at in places:
                    inside = [{s.name for s in dim.symbols(c)} for c in at]
                    if any(block in found for found in inside):
                        continue
                    extents = [e for e, found in zip(value.type.shape, inside, strict=True) if not found & names]
                    total = total + dim.product(extents)
                    break
        return total


def _apart(lines: Iterable[Line]) -> list[Line]:
    """The lines whose axes in the last member are their own."""
    return list({line.names[-1]: line for line in reversed(list(lines))}.values())[::-1]


def _stepped(coordinate: Size) -> tuple[str, int]:
    """The axis that a coordinate is, and how many of its places are one of the coordinate's; "" if it is none."""
    atom = dim.sole_atom(coordinate)
    if isinstance(atom, dim.FloorDiv) and isinstance(atom.denominator, int):
        names = plain_axes((atom.numerator,)) or ("",)
        return names[0], atom.denominator
    names = plain_axes((coordinate,)) or ("",)
    return names[0], 1
