"""The kernel of a chain: an outermost loop over blocks of rows, and each group's loops for one block inside."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import F32
from tcc.loops.program import Block, Parallel
from tcc.schedule import buffers
from tcc.schedule.block import OpenLoop
from tcc.schedule.chains import band
from tcc.schedule.chains.chain import ROWS, Chain
from tcc.schedule.chains.joint import Joint, placed
from tcc.schedule.element import Emitted, Local, Task
from tcc.schedule.group import Axis, Group, Root, plain_axes
from tcc.schedule.plan import WORK


def emit(task: Task) -> list[Emitted]:
    """The kernel of a chain."""
    assert isinstance(task.group, Chain)
    return [_Strips(task, task.group).emit()]


class _Strips(Joint):
    def __init__(self, task: Task, chain: Chain) -> None:
        super().__init__(task)
        self.chain = chain
        self.band = band.found(chain, task.grouping)

    def emit(self) -> Emitted:
        """The finished kernel."""
        *batch, rows = self.chain.extents()
        most = self._rows()
        blocks = self.sized(dim.ceildiv(rows, most), self.at, "blocks")
        units = dim.product([*batch, blocks])
        unit: Size = 0
        if units != 1:
            axis = self.fresh("u")
            grain = 1 + dim.floordiv(WORK, 1 + most * self._row_cost())
            self.open(OpenLoop(axis, 0, units, mapping=Parallel(grain), location=self.at))
            unit = dim.axis(axis, units)
        block, unit = self.digit(unit, blocks, self.at, "block", not batch)
        places: list[Size] = []
        for k, extent in enumerate(reversed(batch)):
            at, unit = self.digit(unit, extent, self.at, "at", k == len(batch) - 1)
            places.insert(0, at)
        start = self.sized(block * most, self.at, "start", 0, dim.maximum(rows - 1, 0))
        count = self._known(self.sized(dim.minimum(most, rows - start), self.at, "rows", 1, most), most)
        self.seen = self._known(self._seen(start + count), self._columns())
        bodies = [self._member(k, [*places, start], most, count) for k in range(len(self.chain.members))]
        self.allocate()
        for body in bodies:
            for stmt in body:
                self.add(stmt)
        if units != 1:
            self.close()
        return self.joined()

    def _known(self, size: Size, upper: Size) -> Size:
        """The size, and what is known of it: its values where they are few, as multiples of what they share; what it
        is at most."""
        values, share = self.values_of(size), 1
        if not values or max(values) == 0:
            # Where a band shows nothing, loops have no turn, and no number of them is asked for.
            values = None
        elif len(values) == 1:
            return max(values)
        if values is not None:
            share, upper = math.gcd(*values), max(values)
            parts = dim.floordiv(size, share)
            size = share * self.sized(parts, self.at, "parts", min(values) // share, upper // share)
        for symbol in dim.symbols(size):
            if size == share * dim.of_atom(symbol):
                self.most[symbol.name] = dim.floordiv(upper, share)
                if values is not None:
                    self.values[symbol.name] = [v // share for v in sorted(values)]
        return size

    def _rows(self) -> int:
        """Rows of a block: whole tiles of a product."""
        if self.chain.within > 1:
            return max(1, self.chain.rows // self.chain.within)
        facts = self.task.facts
        wide = facts.lanes(F32) * (3 if facts.registers >= 32 else 2)
        return wide * -(-ROWS // wide)

    def _row_cost(self) -> Size:
        """Additions for one row, about."""
        total: Size = 0
        for k, g in enumerate(self.chain.members):
            names = {line.names[k] for line in self.chain.lines}
            total = total + dim.product(a.extent for a in g.axes if a.name not in names)
        return total

    def _seen(self, stop: Size) -> Size:
        """How many columns a block uses whose last row is the one before ``stop``."""
        if self.band is None:
            return 0
        extent = self._columns()
        size = dim.minimum(extent, dim.maximum(stop + self.band.shift, 0))
        return self.sized(size, self.at, "seen", 0, extent)

    def _columns(self) -> Size:
        return 0 if self.band is None else self.chain.members[0].extent(self.band.axes[0])

    # --- members ------------------------------------------------------------------------------------

    def _member(self, number: int, places: Sequence[Size], most: int, count: Size) -> Block:
        """A member's loops for one block: its lines stand at ``places``, the last one goes on for ``count`` rows."""
        chain = self.chain
        g, names = chain.members[number], [line.names[number] for line in chain.lines]
        scales = [line.scales[number] for line in chain.lines]
        at: dict[str, Size] = {}
        axes: dict[str, Axis] = {}
        for name, scale, place, turns in zip(names, scales, places, (*(1 for _ in names[1:]), count), strict=True):
            at[name] = scale * place
            if scale > 1 or name == names[-1]:
                extent = turns
                if scale > 1:
                    extent = dim.minimum(scale * turns, g.extent(name) - scale * place)
                    upper = scale * (most if name == names[-1] else 1)
                    extent = self.sized(extent, self.at, "rows", 1, upper)
                    extent = self._known(extent, upper)
                axes[name] = Axis(f"{name}_rows", extent)
                at[name] = at[name] + axes[name].symbol
        if self.band is not None:
            column = self.band.axes[number]
            axes[column] = Axis(f"{column}_seen", self.seen)
            at[column] = axes[column].symbol
        self._box(number, places, most)
        group = Group(
            g.kind,
            [axes.get(a.name, a) for a in g.axes if a.name in axes or a.name not in names],
            None if g.reduced is None else tuple(axes[n].name if n in axes else n for n in g.reduced),
            [Root(r.node, placed(r.coordinates, at), r.piece) for r in g.roots],
            [(n, placed(c, at)) for n, c in g.reductions],
            g.unrolled,
            decisions=chain.decisions,
        )
        return self._in_place(number, group, self.part(group))

    def _box(self, number: int, places: Sequence[Size], most: int) -> None:
        """Room for the block's part of what a member makes."""
        names = [line.names[number] for line in self.chain.lines]
        scales = [line.scales[number] for line in self.chain.lines]
        for root in self.chain.members[number].roots:
            for value in root.node.results:
                if value not in self.chain.local or value in self.local:
                    continue
                known = [plain_axes((c,)) or ("",) for c in root.coordinates]
                lines = [names.index(n) if n in names else None for (n,) in known]
                block = lines.index(len(names) - 1)
                origin = tuple(0 if n is None else scales[n] * places[n] for n in lines)
                extents = [e if n is None else scales[n] for n, e in zip(lines, value.type.shape, strict=True)]
                extents[block] = scales[-1] * most
                order = list(range(len(lines)))
                if self.chain.turned:
                    order.append(order.pop(block))
                self.room(value, Local(origin, tuple(extents), tuple(order)))

    def _in_place(self, number: int, group: Group, body: Block) -> Block:
        """Boxes over those that are read for the last time by this member, at the same places."""
        later = {v for g in self.chain.members[number + 1 :] for v in g.reads}
        dying = [v for v in self.chain.members[number].reads if v in self.local and v not in later]
        if any(r.piece is not None for r in group.roots):
            return body
        for root in group.roots:
            for value in root.node.results:
                for operand in dying:
                    if value not in self.local or value.type.dtype != operand.type.dtype:
                        continue
                    old, new = self.stored[operand], self.stored[value]
                    if self.rooms[old].size != self.rooms[new].size or not buffers.may_share(body, old, new):
                        continue
                    body = buffers.renamed(body, new, old)
                    self.stored[value] = old
                    del self.rooms[new]
                    dying.remove(operand)
                    break
        return body
