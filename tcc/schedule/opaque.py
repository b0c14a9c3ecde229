"""Hand-written loop programs: sorting.

Stable merge sort, bottom up, of each row along the sorted axis, in the worker's workspace: two halves
that each pass reads and writes in turn. nan comes last, as in NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence

from tcc.errors import Unsupported
from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import I64, DType
from tcc.ir.forms import Opaque
from tcc.ir.graph import Node
from tcc.ir.scalar import Const, Expr, Name, apply
from tcc.schedule import axes as planning
from tcc.schedule.axes import PlanLoop
from tcc.schedule.block import OpenLoop
from tcc.schedule.element import Emitted, KernelBuilder, Task
from tcc.schedule.group import Axis
from tcc.schedule.program import Alloc, Buffer, Carry, Load, Position, Store

SORTS = {"sort": False, "sort_positions": True}
COST = 64
MOST_PASSES = 63


def emit(task: Task) -> list[Emitted]:
    """The kernel of a sort: the sorted elements, or (``sort_positions``) their positions."""
    node = task.node
    form = node.op.form
    assert isinstance(form, Opaque)
    if form.program not in SORTS:
        raise Unsupported(f"there is no loop program '{form.program}'", where=node.location.place())
    if node.operands[0].type.dtype.is_complex:
        raise Unsupported(
            "complex numbers have no order", where=node.location.place(), fix="sort by the real part or the magnitude"
        )
    kernel = KernelBuilder(task)
    _Sort(kernel, node, SORTS[form.program]).emit()
    return [kernel.emitted()]


class _Sort:
    def __init__(self, kernel: KernelBuilder, node: Node, positions: bool) -> None:
        self.kernel = kernel
        self.node = node
        self.at = node.location
        self.positions = positions
        self.operand = node.operands[0]
        self.dtype: DType = self.operand.type.dtype
        self.axis: int = node.attributes["axis"] % max(self.operand.type.rank, 1)
        self.length: Size = self.operand.type.shape[self.axis]

    def emit(self) -> None:
        kernel, shape = self.kernel, self.operand.type.shape
        rows = tuple(
            PlanLoop(kernel.fresh("i"), e, (Axis("", e),)) for k, e in enumerate(shape) if k != self.axis and e != 1
        )
        sorted_axis = PlanLoop(kernel.fresh("k"), self.length, (Axis("", self.length),))
        rows = planning.parallel(rows, (sorted_axis,), COST)
        for x in rows:
            kernel.open(OpenLoop(x.name, 0, x.extent, mapping=x.mapping, location=self.at))
        by_extent = iter(sorted(rows, key=lambda x: x.name))
        outer: list[Size] = [0 if e == 1 or k == self.axis else next(by_extent).symbol for k, e in enumerate(shape)]
        self.keys = self._buffer(self.dtype)
        self.order = self._buffer(I64) if self.positions else ""
        index = sorted_axis.symbol
        kernel.open(OpenLoop(sorted_axis.name, 0, self.length, location=self.at))
        element = kernel.element(self.operand, self._place(outer, index))
        self._put(self.keys, index, element)
        if self.positions:
            self._put(self.order, index, Position(I64, index))
        kernel.close()
        half = self._passes()
        kernel.open(OpenLoop(sorted_axis.name, 0, self.length, location=self.at))
        source, dtype = (self.order, I64) if self.positions else (self.keys, self.dtype)
        value = kernel.new_let(Load(dtype, source, half * self.length + index, None, self.at), self.at)
        kernel.add(kernel.store(self.node.results[0], self._place(outer, index), value, self.at))
        for _ in range(1 + len(rows)):
            kernel.close()

    def _place(self, outer: Sequence[Size], index: Size) -> tuple[Size, ...]:
        return tuple(index if k == self.axis else x for k, x in enumerate(outer))

    def _buffer(self, dtype: DType) -> str:
        name = self.kernel.fresh("row")
        self.kernel.add(Alloc(Buffer(name, dtype, 2 * self.length, "worker")))
        return name

    def _put(self, buffer: str, index: Size, value: Expr) -> None:
        self.kernel.add(Store(buffer, index, value, location=self.at))

    def _symbol(self, value: Expr, lower: int = 0, upper: Size | None = None) -> Size:
        return dim.symbol(self.kernel.new_let(value, self.at, "x").name, lower, upper)

    def _passes(self) -> Size:
        """Merges runs of 1, 2, 4, … elements; the half that holds the result."""
        kernel = self.kernel
        width, half = Name(I64, kernel.fresh("width")), Name(I64, kernel.fresh("half"))
        loop = OpenLoop(kernel.fresh("pass"), 0, MOST_PASSES, location=self.at)
        loop.carries += [
            Carry((width.name,), (I64,), (Const(I64, 1),), (width + width,), location=self.at),
            Carry((half.name,), (I64,), (Const(I64, 0),), (1 - half,), location=self.at),
        ]
        loop.while_ = apply("lt", width, Position(I64, self.length))
        kernel.open(loop)
        self._merge_all(self._symbol(width, 1), self._symbol(half, 0, 1))
        kernel.close()
        return self._symbol(half, 0, 1)

    def _merge_all(self, width: Size, half: Size) -> None:
        kernel = self.kernel
        runs = dim.ceildiv(self.length, 2 * width)
        run = kernel.fresh("run")
        kernel.open(OpenLoop(run, 0, runs, location=self.at))
        start = 2 * width * dim.axis(run, runs)
        middle = self._symbol(Position(I64, dim.minimum(start + width, self.length)))
        stop = self._symbol(Position(I64, dim.minimum(start + 2 * width, self.length)))
        left, right = Name(I64, kernel.fresh("left")), Name(I64, kernel.fresh("right"))
        k = kernel.fresh("k")
        loop = OpenLoop(k, start, stop, location=self.at)
        loop.carries += [
            Carry((left.name,), (I64,), (Position(I64, start),), (left,), location=self.at),
            Carry((right.name,), (I64,), (Position(I64, middle),), (right,), location=self.at),
        ]
        kernel.open(loop)
        i, j = self._symbol(left), self._symbol(right)
        has_left = kernel.bind(apply("lt", left, Position(I64, middle)), self.at)
        has_right = kernel.bind(apply("lt", right, Position(I64, stop)), self.at)
        first = half * self.length
        a = kernel.new_let(Load(self.dtype, self.keys, first + i, has_left, self.at), self.at)
        b = kernel.new_let(Load(self.dtype, self.keys, first + j, has_right, self.at), self.at)
        take = kernel.bind(has_right & (~has_left | self._less(b, a)), self.at)
        target = (1 - half) * self.length + dim.symbol(k)
        self._put(self.keys, target, kernel.bind(apply("select", take, b, a), self.at))
        if self.positions:
            p = kernel.new_let(Load(I64, self.order, first + i, has_left, self.at), self.at)
            q = kernel.new_let(Load(I64, self.order, first + j, has_right, self.at), self.at)
            self._put(self.order, target, kernel.bind(apply("select", take, q, p), self.at))
        moved = kernel.bind(apply("cast", take, dtype=I64), self.at)
        loop.carries[0] = _updated(loop.carries[0], kernel.bind(left + (1 - moved), self.at))
        loop.carries[1] = _updated(loop.carries[1], kernel.bind(right + moved, self.at))
        kernel.close()
        kernel.close()

    def _less(self, b: Expr, a: Expr) -> Expr:
        if not self.dtype.is_float:
            return apply("lt", b, a)
        return apply("lt", b, a) | (apply("isnan", a) & ~apply("isnan", b))


def _updated(carry: Carry, value: Expr) -> Carry:
    return Carry(carry.names, carry.dtypes, carry.init, (value,), location=carry.location)
