"""The kernel of a stencil chain: steps over rows, and in each the rows that its groups are ahead by."""

from __future__ import annotations

from dataclasses import replace

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.loops.program import Parallel
from tcc.schedule.block import OpenLoop
from tcc.schedule.chains.joint import Joint, placed
from tcc.schedule.chains.stencil import STEP, Stencil
from tcc.schedule.element import Emitted, Local, Task
from tcc.schedule.group import Root
from tcc.schedule.plan import WORK

SHARE = 16
"""Rows of a worker's piece for one that is made twice, at its border with the next piece."""


def emit(task: Task) -> list[Emitted]:
    """The kernel of a stencil chain."""
    assert isinstance(task.group, Stencil)
    return [_Rings(task, task.group).emit()]


class _Rings(Joint):
    def __init__(self, task: Task, stencil: Stencil) -> None:
        super().__init__(task)
        self.stencil = stencil
        self.width = max(lead.last - lead.first for lead in stencil.leads)

    def emit(self) -> Emitted:
        """The finished kernel."""
        rows = self._extent(-1)
        least = SHARE * max(1, self.width)
        pieces = self.sized(dim.maximum(1, dim.floordiv(rows, least)), self.at, "pieces", 1)
        most = self.sized(dim.ceildiv(rows, pieces), self.at, "most", 0)
        piece: Size = 0
        if pieces != 1:
            axis = self.fresh("u")
            grain = 1 + dim.floordiv(WORK, 1 + most * self._row_cost())
            self.open(OpenLoop(axis, 0, pieces, mapping=Parallel(grain), location=self.at))
            piece = dim.axis(axis, pieces)
        start = self.sized(piece * most, self.at, "start", 0)
        stop = self.sized(dim.minimum(rows, start + most), self.at, "stop", 0)
        self._rooms()
        self.allocate()
        steps = dim.ceildiv(dim.maximum(stop - start, 0) + self.width, STEP)
        step = self.open(OpenLoop(self.fresh("step"), 0, self.sized(steps, self.at, "steps", 0), location=self.at))
        front = start - self.width + STEP * dim.symbol(step.axis)
        for number in range(len(self.stencil.members)):
            self._member(number, start, stop, front)
        self.close()
        if pieces != 1:
            self.close()
        return self.joined()

    def _extent(self, number: int) -> Size:
        return self.stencil.members[number].extent(self.stencil.lines[number])

    def _row_cost(self) -> Size:
        """Additions for one row, about."""
        total: Size = 0
        for g, line in zip(self.stencil.members, self.stencil.lines, strict=True):
            total = total + dim.product(a.extent for a in g.axes if a.name != line)
        return total

    def _rooms(self) -> None:
        makers = {v: k for k, g in enumerate(self.stencil.members) for r in g.roots for v in r.node.results}
        for value, along in self.stencil.local.items():
            extents = list(value.type.shape)
            extents[along] = self.stencil.leads[makers[value]].ring
            order = (along, *(k for k in range(value.type.rank) if k != along))
            self.room(value, Local((0,) * value.type.rank, tuple(extents), order, ring=along))

    def _member(self, number: int, start: Size, stop: Size, front: Size) -> None:
        """A member's rows of one step: those that the last one's rows from ``front`` on need, and that are new."""
        g, line, lead = self.stencil.members[number], self.stencil.lines[number], self.stencil.leads[number]
        extent = self._extent(number)
        lo = dim.maximum(front + lead.last, start + lead.first, 0)
        hi = dim.maximum(dim.minimum(front + STEP + lead.last, stop + lead.last, extent), 0)
        row = self.open(
            OpenLoop(
                self.fresh("row"),
                self.sized(lo, self.at, "lo"),
                self.sized(hi, self.at, "hi"),
                location=g.roots[0].node.location,
            )
        )
        at = {line: dim.axis(row.axis, extent)}
        group = replace(
            g,
            axes=[a for a in g.axes if a.name != line],
            roots=[Root(r.node, placed(r.coordinates, at), r.piece) for r in g.roots],
            reductions=[(n, placed(c, at)) for n, c in g.reductions],
            decisions=self.stencil.decisions,
        )
        for stmt in self.part(group):
            self.add(stmt)
        self.close()
