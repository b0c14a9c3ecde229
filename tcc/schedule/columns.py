"""Reductions over an outer axis: sums of columns, where the lanes run along the rows.

A strip of columns is gone through `ROWS` rows at a time, each read as a stream; their combination, a
tree, goes into a row of results in the first cache. Column by column, in registers, would read a few
bytes from each of many pages, and wait for one addition after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import DType
from tcc.ir.scalar import COMBINES, Combine, Const, Expr, Name
from tcc.loops.decision import Decision
from tcc.loops.program import Alloc, Buffer, Load, Serial, Store
from tcc.schedule import axes as planning
from tcc.schedule.block import OpenLoop
from tcc.schedule.element import Emitted
from tcc.schedule.plan import WORK, Plan, PlanLoop, coefficient, opened
from tcc.schedule.row import Row, Running

ROWS = 8
"""Rows combined as a tree before they are combined with what was there, in the order of the rows."""
STRIP = 16 << 10
"""Bytes of each row that one strip of columns has at most: whole pages, so that `ROWS` of them are `ROWS` long
streams. All rows of results are twice that at most: the first cache."""
UNITS = 4
"""Strips that are too few to be shared among workers: half as wide ones are, or their blocks of rows."""


def repeats(plan: Plan, row: Row) -> bool:
    """Whether what lies along the lanes is read again for another row of results: tiles of rows then read it once."""
    *around, lanes = plan.space or [None]
    along = [t for t in row.touches if lanes is not None and coefficient(t.index, lanes.name) != 0]
    return any(coefficient(t.index, x.name) == 0 for t in along for x in around if x is not None and x.extent != 1)


@dataclass(frozen=True)
class Strips:
    """The plan with the lanes' loop cut into strips. ``blocks``: that of a kernel which combines the rows of each
    block, for another one to combine those of all blocks."""

    plan: Plan
    blocks: Plan | None = None


def planned(plan: Plan, row: Row) -> Strips | None:
    """The strips of a plan; None where the lanes run along the reduced axis."""
    if not plan.space or plan.space[-1].lanes == 1 or plan.unrolled or len(plan.reduce) != 1:
        return None
    *around, lanes = (replace(x, mapping=Serial()) for x in plan.space)
    around = [replace(x, copies=1) for x in around]
    (reduce,) = plan.reduce
    if lanes.tile or (isinstance(reduce.extent, int) and reduce.extent < 2 * ROWS):
        return None
    values = [(row.items[r.node].nest, d) for r in row.running(0) for d in row.dtypes(r.node)]
    rounds = any(d.is_inexact for nest, d in values if nest and nest.combine in ("add", "mul"))
    ordered = any(COMBINES[nest.combine].later for nest, _ in values if nest)
    block = planning.block_of(reduce.extent, planning.SERIAL_BLOCK)
    reduce = replace(reduce, block=block if rounds else 0, copies=ROWS)
    rows = sum(d.bytes for _, d in values) * (2 if reduce.block else 1)
    width = min(STRIP // max(d.bytes for _, d in values), 2 * STRIP // rows) // lanes.lanes * lanes.lanes
    cost = planning.element_cost(row)
    units = dim.product([dim.ceildiv(lanes.extent, width), *(x.extent for x in around)])
    work = units * width * reduce.extent * cost
    few = not (isinstance(units, int) and units >= UNITS) and not (isinstance(work, int) and work < 2 * WORK)
    blocks: PlanLoop | None = None
    if few and not row.task.inside and block and not ordered:
        count = dim.ceildiv(reduce.extent, block)
        if isinstance(units, int) and isinstance(count, int) and units * count >= UNITS:
            blocks = PlanLoop(row.fresh("block"), count, ())
            reduce = replace(reduce, block=block)
    if few and blocks is None:
        width = max(lanes.lanes, width // 2 // lanes.lanes * lanes.lanes)
    strips = PlanLoop(row.fresh(f"{lanes.name}_strip"), dim.ceildiv(lanes.extent, width), ())
    name = strips.name
    lanes = replace(lanes, copies=max(1, lanes.copies // 2), tile=width, outer=name)
    row.decisions.append(
        Decision(
            "tile",
            f"{reduce.name} of {reduce.extent}",
            f"{ROWS} rows at a time into a row of {width} results",
            "each row is one stream, and the results stay in the first cache",
        )
    )
    if blocks is None:
        return Strips(Plan(planning.parallel((*around, strips, lanes), (reduce,), cost), (reduce,)))
    inner = replace(reduce, extent=reduce.block)
    shared = Plan(planning.parallel((*around, strips, blocks, lanes), (inner,), cost), (reduce,))
    rest = planning.parallel((*around, strips, lanes), (replace(reduce, extent=blocks.extent),), cost)
    return Strips(Plan(rest, (reduce,)), shared)


def emit(kernel: Callable[[Plan], Row], strips: Strips) -> list[Emitted]:
    """The kernel, or both, of independent reductions of which only the results are stored.

    The results of both are those of one, bit by bit, since the blocks are the same.
    """
    total = kernel(strips.plan)
    if strips.blocks is None:
        _Columns(total, strips.plan).emit()
        return [total.emitted()]
    blocks = kernel(strips.blocks)
    partials = _Columns(blocks, strips.blocks).emit_blocks()
    _Columns(total, strips.plan).emit(partials)
    return [replace(blocks.emitted(), temporaries=tuple(chain.from_iterable(partials))), total.emitted()]


class _Columns:
    def __init__(self, row: Row, plan: Plan) -> None:
        self.row = row
        self.at = row.task.node.location
        *self.around, self.lanes = plan.space
        (self.reduce,) = plan.reduce
        self.running = row.running(0)
        self.dtypes = [row.dtypes(r.node) for r in self.running]

    def emit_blocks(self) -> list[list[Buffer]]:
        """A block's rows combined, to one buffer for each carried value."""
        row = self.row
        for loop in self.around:
            row.open(opened(loop, self.at))
        (block,) = [x for x in self.around if not x.axes and x.name != self.lanes.outer]
        start = self.reduce.block * block.symbol
        rows = self._rows_of_results()
        self._start(rows)
        self._combine_rows(rows, start, dim.minimum(start + self.reduce.block, self.reduce.extent))
        self._open()
        partials: list[list[Buffer]] = []
        for k, (names, dtypes) in enumerate(zip(rows, self.dtypes, strict=True)):
            partials.append([])
            for name, dtype, value in zip(names, dtypes, self._load(names, k), strict=True):
                size = block.extent * dim.product(x.extent for x in self._places)
                buffer = Buffer(f"{name}_blocks", dtype, size, "arena")
                partials[-1].append(buffer)
                row.touch_buffer(buffer.name, dtype, "write")
                row.add(Store(buffer.name, self._in_blocks(block.symbol), value, location=self.at))
        for _ in range(1 + len(self.around)):
            row.close()
        return partials

    @property
    def _places(self) -> list[PlanLoop]:
        """The loops over results, in one order whichever of them is shared."""
        return sorted((x for x in (*self.around, self.lanes) if x.axes), key=lambda x: x.name)

    def _in_blocks(self, block: Size) -> Size:
        """The place of a block's element at hand in a buffer of all blocks' rows."""
        for loop in self._places:
            block = block * loop.extent + loop.symbol
        return block

    def emit(self, partials: Sequence[Sequence[Buffer]] = ()) -> None:
        """The results; of blocks' ``partials``, if these are given."""
        row = self.row
        for loop in self.around:
            row.open(opened(loop, self.at))
        results = self._rows_of_results()
        if partials:
            self._start(results)
            block, count = row.fresh("block"), dim.ceildiv(self.reduce.extent, self.reduce.block)
            row.open(OpenLoop(block, 0, count, location=self.at))
            self._open()
            at = self._in_blocks(dim.axis(block, count))
            loads: list[list[Expr]] = []
            for buffers in partials:
                loads.append([])
                for b in buffers:
                    row.touch_buffer(b.name, b.dtype, "read")
                    loads[-1].append(row.new_let(Load(b.dtype, b.name, at, None, self.at), self.at))
            self._combine(results, loads)
            row.close()
            row.close()
        elif self.reduce.block:
            block = row.fresh("block")
            count = dim.ceildiv(self.reduce.extent, self.reduce.block)
            partial = self._rows_of_results()
            self._start(results)
            row.open(OpenLoop(block, 0, count, location=self.at))
            start = self.reduce.block * dim.axis(block, count)
            self._start(partial)
            self._combine_rows(partial, start, dim.minimum(start + self.reduce.block, self.reduce.extent))
            self._open()
            self._combine(results, [self._load(names, k) for k, names in enumerate(partial)])
            row.close()
            row.close()
        else:
            self._start(results)
            self._combine_rows(results, 0, self.reduce.extent)
        self._open()
        for k, r in enumerate(self.running):
            row.finish(r, tuple(self._load(results[k], k)))
        row.store_all(row.roots()[1])
        for _ in range(1 + len(self.around)):
            row.close()

    def _open(self) -> None:
        self.row.open(opened(self.lanes, self.at))

    @property
    def _index(self) -> Size:
        return self.lanes.symbol - self.lanes.range[0]

    def _rows_of_results(self) -> list[tuple[str, ...]]:
        """A buffer for each carried value, one strip long."""
        rows: list[tuple[str, ...]] = []
        for dtypes in self.dtypes:
            names = tuple(self.row.fresh("row") for _ in dtypes)
            for name, dtype in zip(names, dtypes, strict=True):
                self.row.add(Alloc(Buffer(name, dtype, self.lanes.turn, "scratch")))
            rows.append(names)
        return rows

    def _start(self, rows: Sequence[tuple[str, ...]]) -> None:
        self._open()
        for r, names, dtypes in zip(self.running, rows, self.dtypes, strict=True):
            values = self._combination(r).identity(dtypes)
            self._put(names, [Const(d, v) for d, v in zip(dtypes, values, strict=True)])
        self.row.close()

    def _combine_rows(self, rows: Sequence[tuple[str, ...]], start: Size, stop: Size) -> None:
        """Combines the elements from ``start`` to ``stop``, `ROWS` at a time; those left over come last."""
        groups = dim.floordiv(stop - start, ROWS)
        group = self.row.fresh("group")
        first = start + ROWS * dim.axis(group, groups)
        self.row.open(OpenLoop(group, 0, groups, location=self.at))
        self._group(rows, first, first + ROWS)
        self.row.close()
        if dim.mod(stop - start, ROWS) == 0:
            return
        rest, more = self.row.fresh("group"), dim.ceildiv(stop - start, ROWS)
        first = start + ROWS * dim.axis(rest, more)
        self.row.open(OpenLoop(rest, groups, more, location=self.at))
        self._group(rows, first, stop)
        self.row.close()

    def _group(self, rows: Sequence[tuple[str, ...]], first: Size, stop: Size) -> None:
        row = self.row
        self._open()
        row.inner = True
        # Of positions in order only what is better counts, which is simpler than to combine copies.
        copies = 1 if all(self._combination(r).later for r in self.running) else ROWS
        loop = row.open(OpenLoop(self.reduce.name, first, stop, copies=copies, location=self.at))
        for r, dtypes in zip(self.running, self.dtypes, strict=True):
            r.names = [tuple(row.fresh("r") for _ in dtypes)]
            row.update(r)
            loop.carries.append(row.carry(r, 0, 1))
        row.close()
        row.inner = False
        parts = [
            [Name(d, n) for d, n in zip(dtypes, r.names[0], strict=True)]
            for r, dtypes in zip(self.running, self.dtypes, strict=True)
        ]
        self._combine(rows, parts)
        row.close()

    def _combine(self, rows: Sequence[tuple[str, ...]], parts: Sequence[Sequence[Expr]]) -> None:
        """Combines values into rows of results, and stores them there."""
        for k, (r, names) in enumerate(zip(self.running, rows, strict=True)):
            combine = self._combination(r)
            new = (combine.later or combine.apply)(tuple(self._load(names, k)), tuple(parts[k]))
            self._put(names, [self.row.bind(e, r.node.location) for e in new])

    def _combination(self, r: Running) -> Combine:
        nest = self.row.items[r.node].nest
        assert nest is not None
        return COMBINES[nest.combine]

    def _load(self, names: Sequence[str], k: int) -> list[Expr]:
        at = self.running[k].node.location
        dtypes: tuple[DType, ...] = self.dtypes[k]
        return [self.row.new_let(Load(d, n, self._index, None, at), at) for n, d in zip(names, dtypes, strict=True)]

    def _put(self, names: Sequence[str], values: Sequence[Expr]) -> None:
        for name, value in zip(names, values, strict=True):
            self.row.add(Store(name, self._index, value, location=self.at))
