"""Sorting many short rows of a known length: each lane has a row of its own.

Entries are compared in groups that stay in registers through some stages of the network, and go back to the
buffer in between: its stores are what a stage for itself would take longest for. Rows that lie along memory
are transposed on the way in and out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.graph import Node
from tcc.ir.location import Location
from tcc.ir.scalar import Const, Expr
from tcc.loops.program import Alloc, Buffer, Load, Store
from tcc.schedule import axes as planning
from tcc.schedule.block import OpenLoop
from tcc.schedule.element import KernelBuilder
from tcc.schedule.group import Axis
from tcc.schedule.plan import PlanLoop, opened
from tcc.schedule.sorting import network
from tcc.schedule.sorting.keys import Entries

WIDEST = 16
HELD = 32
"""The most entries of a row that are held at once; of longer rows half as many, with room for what is compared."""
MOST_BYTES = 16 << 10
"""Those of a buffer on the stack."""
COST = 16


def emit(kernel: KernelBuilder, node: Node, positions: bool) -> bool:
    """The statements of a sort; False where the rows are long, or too few to fill the lanes."""
    operand = node.operands[0]
    axis: int = node.attributes["axis"] % max(operand.type.rank, 1)
    if operand.type.rank < 2:
        return False
    length = operand.type.shape[axis]
    if not isinstance(length, int) or length < 2:
        return False
    entries = Entries.of(operand.type.dtype, positions, length)
    width = min(WIDEST, kernel.facts.lanes(entries.dtypes[-1]))
    if length * width * max(d.bytes for d in entries.dtypes) > MOST_BYTES:
        return False
    after = dim.product(operand.type.shape[axis + 1 :])
    around = dim.product(operand.type.shape[:axis])
    count = around if after == 1 else after
    if isinstance(count, int) and count < width:
        return False
    _ShortRows(kernel, node, axis, entries, width).emit()
    return True


class _ShortRows:
    """As many rows as there are lanes at once, in a buffer of the stack with an entry's neighbours W apart."""

    def __init__(self, kernel: KernelBuilder, node: Node, axis: int, entries: Entries, width: int) -> None:
        self.kernel = kernel
        self.node = node
        self.at: Location = node.location
        self.axis = axis
        self.entries = entries
        self.width = width
        self.shape = node.operands[0].type.shape
        length = self.shape[axis]
        assert isinstance(length, int)
        self.length = length

    def emit(self) -> None:
        kernel, width = self.kernel, self.width
        axes = [Axis(f"@{k}", e) for k, e in enumerate(self.shape)]
        before, after = axes[: self.axis], axes[self.axis + 1 :]
        alone = dim.product(a.extent for a in after) == 1
        rows = PlanLoop(
            "", dim.product(a.extent for a in (before if alone else after)), tuple(before if alone else after)
        )
        blocks = PlanLoop(kernel.fresh("block"), dim.ceildiv(rows.extent, width), ())
        outer = () if alone else tuple(PlanLoop(kernel.fresh("i"), a.extent, (a,)) for a in before)
        inside = PlanLoop("", width * self.length, ())
        loops = planning.parallel((*outer, blocks), (inside,), COST)
        for x in loops:
            kernel.open(opened(x, self.at))
        found: dict[str, Size] = {a.name: 0 for a in axes}
        for x in outer:
            found.update(x.coordinates())
        first = width * blocks.symbol
        live = kernel.sized(dim.minimum(width, rows.extent - first), self.at, "live", 0, width)
        self.buffers = [self._buffer(n) for n in range(len(self.entries.dtypes))]

        def place(t: Size, lane: Size) -> tuple[Size, ...]:
            at = {**found, **_digits(first + lane, rows.axes), f"@{self.axis}": t}
            return tuple(at[a.name] for a in axes)

        self._each(live, lambda t, g: self._load(t, g, place(t, g)))
        if live != width:
            self._fill(live)
        held = min(HELD, kernel.facts.registers // len(self.entries.dtypes))
        most = held if self.length <= held else held // 2
        for groups in network.grouped(self.length, most):
            self._compare(groups)
        self._each(live, lambda t, g: self._store(t, g, place(t, g)))
        for _ in loops:
            kernel.close()

    def _buffer(self, part: int) -> str:
        name = self.kernel.fresh("row")
        dtype = self.entries.dtypes[part]
        self.kernel.add(Alloc(Buffer(name, dtype, self.length * self.width, "scratch")))
        return name

    def _each(self, live: Size, body: Callable[[Size, Size], None]) -> None:
        """``body(place, lane)`` for all entries of the rows that are there."""
        kernel = self.kernel
        t, g = kernel.fresh("place"), kernel.fresh("lane")
        kernel.open(OpenLoop(t, 0, self.length, copies=self.width, location=self.at))
        kernel.open(OpenLoop(g, 0, live, self.width, location=self.at))
        body(dim.axis(t, self.length), dim.axis(g, self.width))
        kernel.close()
        kernel.close()

    def _load(self, t: Size, lane: Size, place: tuple[Size, ...]) -> None:
        kernel = self.kernel
        element = kernel.element(self.node.operands[0], place)
        self._put(t, lane, [kernel.bind(part, self.at) for part in self.entries.entry(element, t)])

    def _fill(self, live: Size) -> None:
        """Zeros for the rows of the last block that are not there."""
        kernel = self.kernel
        t, g = kernel.fresh("place"), kernel.fresh("lane")
        kernel.open(OpenLoop(t, 0, self.length, location=self.at))
        kernel.open(OpenLoop(g, live, self.width, self.width, location=self.at))
        index = self.width * dim.axis(t, self.length) + dim.axis(g, self.width)
        for name, dtype in zip(self.buffers, self.entries.dtypes, strict=True):
            kernel.add(Store(name, index, Const(dtype, 0), location=self.at))
        kernel.close()
        kernel.close()

    def _compare(self, groups: network.Groups) -> None:
        """Loads the members of each group, compares them in registers and stores them."""
        kernel, opened = self.kernel, 0
        numbers: list[Size] = []
        for name, extent in (("block", groups.blocks), ("group", groups.count)):
            if extent == 1:
                numbers.append(0)
                continue
            loop = kernel.fresh(name)
            kernel.open(OpenLoop(loop, 0, extent, location=self.at))
            numbers.append(dim.axis(loop, extent))
            opened += 1
        block, i = numbers
        g = kernel.fresh("lane")
        kernel.open(OpenLoop(g, 0, self.width, self.width, location=self.at))
        lane = dim.axis(g, self.width)
        places = [groups.span * block + offset + sign * i for offset, sign in groups.members]
        values = [self._get(t, lane) for t in places]
        for a, b in groups.pairs:
            values[a], values[b] = self.entries.ordered(values[a], values[b], self._bind)
        for t, entry in zip(places, values, strict=True):
            self._put(t, lane, entry)
        for _ in range(opened + 1):
            kernel.close()

    def _bind(self, value: Expr) -> Expr:
        return self.kernel.new_let(value, self.at)

    def _get(self, t: Size, lane: Size) -> list[Expr]:
        parts = zip(self.buffers, self.entries.dtypes, strict=True)
        return [self._bind(Load(d, name, self.width * t + lane, None, self.at)) for name, d in parts]

    def _put(self, t: Size, lane: Size, entry: Sequence[Expr]) -> None:
        for name, part in zip(self.buffers, entry, strict=True):
            self.kernel.add(Store(name, self.width * t + lane, part, location=self.at))

    def _store(self, t: Size, lane: Size, place: tuple[Size, ...]) -> None:
        kernel = self.kernel
        last = self._bind(Load(self.entries.dtypes[-1], self.buffers[-1], self.width * t + lane, None, self.at))
        found = kernel.bind(self.entries.value(last), self.at)
        kernel.add(kernel.store(self.node.results[0], place, found, self.at))


def _digits(number: Size, axes: tuple[Axis, ...]) -> dict[str, Size]:
    """The coordinates of a row by its number."""
    found: dict[str, Size] = {}
    for a in reversed(axes[1:]):
        found[a.name], number = dim.mod(number, a.extent), dim.floordiv(number, a.extent)
    return {**found, axes[0].name: number}
