"""Running combinations along an axis: in registers, or a row of them in the first cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.forms import Coordinates, Scan
from tcc.ir.scalar import COMBINES, SCALARS, Const, Expr, Name, compute_dtype
from tcc.loops.program import Alloc, Buffer, Carry, Load, Store
from tcc.schedule import axes as planning
from tcc.schedule.block import OpenLoop
from tcc.schedule.element import Emitted, KernelBuilder, Task
from tcc.schedule.nests import computed
from tcc.schedule.plan import PlanLoop, opened

COST = 4
STRIP = 4 << 10
"""Bytes of a strip of columns, whose results so far lie in the first cache: read and written as long streams."""


def emit(task: Task) -> list[Emitted]:
    """The kernel of a scan. The sum runs in the order of the axis, as NumPy's does."""
    scan = _Scan(task)
    return [scan.emit()]


class _Scan(KernelBuilder):
    def __init__(self, task: Task) -> None:
        super().__init__(task)
        (self.root,) = task.group.roots
        self.node = self.root.node
        self.at = self.node.location
        form = self.node.op.form
        assert isinstance(form, Scan)
        self.form, self.result = form, self.node.results[0]
        self.combine = COMBINES[form.combine]
        self.dtype = compute_dtype(self.result.type.dtype)
        (identity,) = self.combine.identity((self.dtype,))
        self.start = Const(self.dtype, identity)
        along = {s.name for s in dim.symbols(self.root.coordinates[self.node.attributes["axis"]])}
        loops = [PlanLoop(self.fresh("i"), a.extent, (a,)) for a in task.group.axes]
        self.scanned = next((x for x in loops if x.axes[0].name in along), None)
        others = tuple(x for x in loops if x.axes[0].name not in along)
        if others:
            last = others[-1]
            width = task.facts.lanes(self.dtype.real) if loops[-1] is last else 1
            others = (*others[:-1], replace(last, lanes=width, copies=4))
            if self.scanned is not None and self._is_wide(others[-1]):
                others = (*others[:-1], *self._strips(others[-1]))
            others = planning.parallel(others, () if self.scanned is None else (self.scanned,), COST)
        self.others = others

    def _is_wide(self, last: PlanLoop) -> bool:
        """Whether the rows have more columns than a pass in registers has."""
        return last.lanes > 1 and (not isinstance(last.extent, int) or last.extent > last.lanes * last.copies)

    def _strips(self, last: PlanLoop) -> tuple[PlanLoop, PlanLoop]:
        name = self.fresh("strip")
        width = STRIP // self.dtype.bytes
        return PlanLoop(name, dim.ceildiv(last.extent, width), ()), replace(last, tile=width, outer=name)

    def emit(self) -> Emitted:
        if self.others and self.others[-1].tile:
            self._by_rows()
        else:
            self._in_registers()
        return self.emitted()

    def _open(self, loops: Sequence[PlanLoop]) -> None:
        for x in loops:
            self.open(opened(x, self.at))

    def _step(self) -> Size:
        """The place along the scanned axis, whose loop is open."""
        assert self.scanned is not None
        step = self.scanned.symbol
        return self.scanned.extent - 1 - step if self.node.attributes.get("reverse") else step

    def _element(self) -> tuple[Coordinates, Expr]:
        """Where the loops stand, and the operand's element there."""
        places = {x.axes[0].name: x.symbol for x in self.others if x.axes}
        if self.scanned is not None:
            places[self.scanned.axes[0].name] = self._step()
        at = tuple(dim.substitute(c, places) for c in self.root.coordinates)
        return at, self.bind(computed(self.element(self.node.operands[0], at)), self.at)

    def _store(self, at: Coordinates, element: Expr) -> None:
        value = self.bind(SCALARS.cast(element, self.result.type.dtype), self.at)
        self.add(self.store(self.result, at, value, self.at))

    def _in_registers(self) -> None:
        """One running combination for each lane and copy."""
        self._open(self.others)
        running = None
        if self.scanned is not None:
            running = self.open(OpenLoop(self.scanned.name, 0, self.scanned.extent, location=self.at))
        at, element = self._element()
        if running is not None:
            so_far = Name(self.dtype, self.fresh("r"))
            carry = Carry((so_far.name,), (self.dtype,), (self.start,), (element,), self.form.combine, True, self.at)
            running.carries.append(carry)
            self.carried(carry)
            (element,) = self.combine.apply((so_far,), (element,))
        self._store(at, element)
        for _ in range(len(self.others) + (running is not None)):
            self.close()

    def _by_rows(self) -> None:
        """Row after row of a strip, combined with a row of what came before."""
        assert self.scanned is not None
        *around, last = self.others
        self._open(around)
        row = self.fresh("row")
        self.add(Alloc(Buffer(row, self.dtype, last.turn, "scratch")))
        place = last.symbol - last.range[0]
        self._open([last])
        self.add(Store(row, place, self.start, location=self.at))
        self.close()
        self._open([self.scanned, last])
        at, element = self._element()
        before = self.new_let(Load(self.dtype, row, place, None, self.at), self.at)
        (new,) = self.combine.apply((before,), (element,))
        new = self.bind(new, self.at)
        self.add(Store(row, place, new, location=self.at))
        self._store(at, new)
        for _ in range(2 + len(around)):
            self.close()
