"""Sorting rows of any length, by Batcher's bitonic network (AFIPS 1968).

Elements become integers of the same order, nan the greatest; positions, if those are wanted, travel
with them and decide between equals, so that the order is the stable one. Lanes compare elements of two
vectors; elements of one vector meet in blocks of W vectors that are transposed in registers. A stage of
the network compares each first half with the second half turned round, so all runs ascend, and a row of
any length is sorted: partners after its end would be greater, and are left out.

The stages up to `BLOCK` elements are done block by block in the first cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import I64, DType
from tcc.ir.graph import Node
from tcc.ir.scalar import Const, Expr, Name, apply
from tcc.loops.program import Alloc, Buffer, Carry, Load, Position, Store
from tcc.schedule import axes as planning
from tcc.schedule.block import OpenLoop
from tcc.schedule.element import KernelBuilder
from tcc.schedule.group import Axis
from tcc.schedule.plan import PlanLoop
from tcc.schedule.sorting import network
from tcc.schedule.sorting.keys import Entries

COST = 64
BLOCK = 4096
WIDEST = 16
MOST_STAGES = 63


def emit(kernel: KernelBuilder, node: Node, positions: bool) -> None:
    """The statements of a sort: the sorted elements, or their positions."""
    _Sort(kernel, node, positions).emit()


class _Sort:
    """A row's keys (and positions) in the worker's workspace, sorted there."""

    def __init__(self, kernel: KernelBuilder, node: Node, positions: bool) -> None:
        self.kernel = kernel
        self.node = node
        self.at = node.location
        self.operand = node.operands[0]
        self.axis: int = node.attributes["axis"] % max(self.operand.type.rank, 1)
        self.length: Size = self.operand.type.shape[self.axis]
        self.entries = Entries.of(self.operand.type.dtype, positions, self.length)
        self.dtypes = self.entries.dtypes
        self.width = min(WIDEST, kernel.facts.lanes(self.dtypes[-1]))
        self.square = self.width * self.width
        self.padded = self.square * dim.ceildiv(self.length, self.square)

    def emit(self) -> None:
        kernel, shape = self.kernel, self.operand.type.shape
        rows = tuple(
            PlanLoop(kernel.fresh("i"), e, (Axis("", e),)) for k, e in enumerate(shape) if k != self.axis and e != 1
        )
        along = PlanLoop(kernel.fresh("k"), self.length, (Axis("", self.length),))
        rows = planning.parallel(rows, (along,), COST)
        for x in rows:
            kernel.open(OpenLoop(x.name, 0, x.extent, mapping=x.mapping, location=self.at))
        by_extent = iter(sorted(rows, key=lambda x: x.name))
        outer: list[Size] = [0 if e == 1 or k == self.axis else next(by_extent).symbol for k, e in enumerate(shape)]
        self.rows = [self._buffer(d, self.padded, "worker") for d in self.dtypes]
        self.squares = [self._buffer(d, self.square, "scratch") for d in self.dtypes]
        place = tuple(along.symbol if k == self.axis else x for k, x in enumerate(outer))
        self._load(along, place)
        self._blocks(self._sorted_block)
        self._merge_blocks()
        kernel.open(OpenLoop(along.name, 0, self.length, self.width, 4, location=self.at))
        value = kernel.new_let(Load(self.dtypes[-1], self.rows[-1], along.symbol, None, self.at), self.at)
        found = kernel.bind(self.entries.value(value), self.at)
        kernel.add(kernel.store(self.node.results[0], place, found, self.at))
        for _ in range(1 + len(rows)):
            kernel.close()

    def _load(self, along: PlanLoop, place: Sequence[Size]) -> None:
        """Keys and positions in order, and greatest keys up to a whole number of squares."""
        kernel = self.kernel
        kernel.open(OpenLoop(along.name, 0, self.length, self.width, 4, location=self.at))
        element = kernel.element(self.operand, tuple(place))
        self._put(along.symbol, [kernel.bind(e, self.at) for e in self.entries.entry(element, along.symbol)])
        kernel.close()
        k = kernel.fresh("k")
        kernel.open(OpenLoop(k, self.length, self.padded, self.width, location=self.at))
        index = dim.axis(k, self.padded)
        self._put(index, self.entries.last(index))
        kernel.close()

    def _buffer(self, dtype: DType, size: Size, space: str) -> str:
        name = self.kernel.fresh("row")
        self.kernel.add(Alloc(Buffer(name, dtype, size, space)))
        return name

    def _put(self, index: Size, values: Sequence[Expr], into: Sequence[str] = ()) -> None:
        for name, value in zip(into or self.rows, values, strict=False):
            self.kernel.add(Store(name, index, value, location=self.at))

    def _get(self, index: Size, of: Sequence[str] = ()) -> Sequence[Expr]:
        names = zip(of or self.rows, self.dtypes, strict=True)
        return [self.kernel.new_let(Load(d, n, index, None, self.at), self.at) for n, d in names]

    def _bind(self, value: Expr) -> Expr:
        return self.kernel.new_let(value, self.at)

    def _symbol(self, value: Expr) -> Size:
        return dim.symbol(self.kernel.new_let(value, self.at, "x").name, 0)

    # --- the network ----------------------------------------------------------------------------------

    def _blocks(self, body: Callable[[Size, Size], None]) -> None:
        """``body(start, length)`` of each block."""
        count = dim.ceildiv(self.padded, BLOCK)
        name = self.kernel.fresh("block")
        self.kernel.open(OpenLoop(name, 0, count, location=self.at))
        start = BLOCK * dim.axis(name, count)
        body(start, self._symbol(Position(I64, dim.minimum(BLOCK, self.padded - start))))
        self.kernel.close()

    def _sorted_block(self, start: Size, length: Size) -> None:
        self._squares(start, length, network.sorting(self.width))
        size = self._open_stages(2 * self.width, length)
        self._exchange(start, length, self._half(size, 1), turned=True)
        self._distances(start, length, self._half(size, 2), self.width)
        self._squares(start, length, network.merging(self.width))
        self.kernel.close()

    def _merge_blocks(self) -> None:
        """The stages that are larger than a block."""
        size = self._open_stages(2 * BLOCK, self.padded)
        self._exchange(0, self.padded, self._half(size, 1), turned=True)
        self._distances(0, self.padded, self._half(size, 2), BLOCK)

        def inside(start: Size, length: Size) -> None:
            self._distances(start, length, Const(I64, BLOCK // 2), self.width)
            self._squares(start, length, network.merging(self.width))

        self._blocks(inside)
        self.kernel.close()

    def _half(self, size: Name, times: int) -> Expr:
        return apply("shr", size, Const(I64, times))

    def _open_stages(self, first: int, length: Size) -> Name:
        """A loop over stages of ``first``, 2·first, … elements, the last one as long as the row at least."""
        size = Name(I64, self.kernel.fresh("size"))
        loop = OpenLoop(self.kernel.fresh("stage"), 0, MOST_STAGES, location=self.at)
        loop.carries.append(Carry((size.name,), (I64,), (Const(I64, first),), (size + size,), location=self.at))
        loop.while_ = apply("lt", size, Position(I64, 2 * length))
        self.kernel.open(loop)
        return size

    def _distances(self, start: Size, length: Size, first: Expr, last: int) -> None:
        """Elements a distance apart, which is halved down to ``last``."""
        distance = Name(I64, self.kernel.fresh("distance"))
        first = self.kernel.bind(first, self.at)
        loop = OpenLoop(self.kernel.fresh("step"), 0, MOST_STAGES, location=self.at)
        loop.carries.append(Carry((distance.name,), (I64,), (first,), (self._half(distance, 1),), location=self.at))
        loop.while_ = apply("ge", distance, Const(I64, last))
        self.kernel.open(loop)
        self._exchange(start, length, distance, turned=False)
        self.kernel.close()

    def _exchange(self, start: Size, length: Size, distance: Expr, turned: bool) -> None:
        """Each first half of 2·distance elements with its second half, turned round or not, by vectors.

        Of a last part that is not whole there are as many partners as it has elements of a second half.
        """
        kernel, width = self.kernel, self.width
        d = self._symbol(distance)
        whole = Position(I64, length)
        rest = kernel.bind(apply("and", whole, Position(I64, 2 * d - 1)), self.at)
        over = apply("max", rest - Position(I64, d), Const(I64, 0))
        pairs = apply("shr", whole - rest, Const(I64, 1)) + over
        count = self._symbol(apply("shr", pairs, Const(I64, width.bit_length() - 1)))
        vector, lane = kernel.fresh("vector"), kernel.fresh("lane")
        kernel.open(OpenLoop(vector, 0, count, copies=4, location=self.at))
        number = width * dim.symbol(vector, 0)
        within = self._symbol(apply("and", Position(I64, number), Position(I64, d - 1)))
        kernel.open(OpenLoop(lane, 0, width, width, location=self.at))
        base, along = start + 2 * (number - within), within + dim.axis(lane, width)
        low = base + (d - 1 - along if turned else along)
        high = base + d + along
        first, second = self.entries.ordered(self._get(low), self._get(high), self._bind)
        self._put(low, first)
        self._put(high, second)
        kernel.close()
        kernel.close()

    def _squares(self, start: Size, length: Size, pairs: Sequence[tuple[int, int]]) -> None:
        """A network on each W neighbours, for W such groups at once: transposed, one group to a lane."""
        kernel, width = self.kernel, self.width
        count = dim.floordiv(length, self.square)
        name = kernel.fresh("chunk")
        kernel.open(OpenLoop(name, 0, count, location=self.at))
        base = start + self.square * dim.axis(name, count)
        self._transpose(base, into=True)
        lane = kernel.fresh("lane")
        kernel.open(OpenLoop(lane, 0, width, width, location=self.at))
        g = dim.axis(lane, width)
        values = [self._get(t * width + g, self.squares) for t in range(width)]
        for a, b in pairs:
            values[a], values[b] = self.entries.ordered(values[a], values[b], self._bind)
        for t, value in enumerate(values):
            self._put(t * width + g, value, self.squares)
        kernel.close()
        self._transpose(base, into=False)
        kernel.close()

    def _transpose(self, base: Size, into: bool) -> None:
        kernel, width = self.kernel, self.width
        place, group = kernel.fresh("place"), kernel.fresh("group")
        kernel.open(OpenLoop(place, 0, width, copies=width, location=self.at))
        kernel.open(OpenLoop(group, 0, width, width, location=self.at))
        t, g = dim.axis(place, width), dim.axis(group, width)
        in_row, in_square = base + width * g + t, width * t + g
        if into:
            self._put(in_square, self._get(in_row), self.squares)
        else:
            self._put(in_row, self._get(in_square, self.squares))
        kernel.close()
        kernel.close()
