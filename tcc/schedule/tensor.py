"""Products of bf16 matrices on tensor cores: a tile of the result for each block of threads.

Panels of both operands go through shared memory, where warps multiply small tiles of them into
accumulators in registers. Operands are computed on the way in, what follows the product on the way out.
(CUTLASS, Efficient GEMM in CUDA: the same three levels.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import BF16, F32, DType
from tcc.ir.forms import Contract, Coordinates
from tcc.ir.graph import Node, Value
from tcc.ir.scalar import Const, Expr, Name
from tcc.loops.program import WARP, Alloc, Blocks, Buffer, If, Load, Panel, Stmt, Store, TileOp, Warps
from tcc.schedule.block import OpenLoop
from tcc.schedule.element import Emitted, KernelBuilder, Reading, Task, linear
from tcc.schedule.group import Axis
from tcc.schedule.plan import coefficient

ROWS, COLUMNS, DEPTH = 128, 128, 32
"""The block's part of the result, and how much of the inner dimension is in shared memory at a time."""
SHIFT = 8
"""Elements between rows in shared memory, so that 8 rows are in different banks."""


def emit(task: Task) -> list[Emitted] | None:
    """The kernel of a group that is one product of bf16 matrices and what is made of it; else None."""
    product = _recognised(task)
    if product is None:
        return None
    builder = _Product(task, product)
    builder.emit()
    return [builder.emitted()]


@dataclass(frozen=True, eq=False)
class Product:
    """``node`` at ``coordinates``: the group's axes that only the left operand has (``m``), only the right
    one (``n``), both in the space (``rest``), and the reduced one (``k``)."""

    node: Node
    coordinates: Coordinates
    m: Axis
    n: Axis
    k: Axis
    rest: tuple[Axis, ...]
    left: Coordinates
    right: Coordinates


class _Spy:
    """An access that notes where operands are read."""

    def __init__(self) -> None:
        self.read_at: dict[int, Coordinates] = {}

    def read(self, operand: int, coordinates: Coordinates, guard: Expr | None = None) -> Expr:  # noqa: ARG002
        self.read_at[operand] = coordinates
        return Name(BF16, f"operand{operand}")


def _recognised(task: Task) -> Product | None:
    group, facts = task.group, task.facts
    if not facts.tile or len(group.reductions) != 1 or len(group.reduce) != 1 or group.unrolled:
        return None
    node, coordinates = group.reductions[0]
    if not isinstance(node.op.form, Contract) or any(v.type.dtype != BF16 for v in node.operands):
        return None
    nest = task.grouping.items[node].nest
    if nest is None or nest.dtypes != (F32,):
        return None
    if any(r.piece is not None or r.over & set(group.reduced or ()) for r in group.roots):
        return None
    (k,) = group.reduce
    spy = _Spy()
    nest.body(spy, coordinates, tuple(0 if e == 1 else k.symbol for e in nest.reduce))  # pyright: ignore[reportArgumentType]
    sides = [{s.name for c in spy.read_at[n] for s in dim.symbols(c)} for n in (0, 1)]
    only = [[a for a in group.space if a.name in sides[n] and a.name not in sides[1 - n]] for n in (0, 1)]
    if not only[0] or not only[1]:
        return None
    m, n = only[0][-1], only[1][-1]
    rest = tuple(a for a in group.space if a not in (m, n))
    return Product(node, coordinates, m, n, k, rest, spy.read_at[0], spy.read_at[1])


class _Product(KernelBuilder):
    def __init__(self, task: Task, product: Product) -> None:
        super().__init__(task, [a.name for a in task.group.axes])
        self.task, self.product = task, product
        self.group = task.group
        self.location = product.node.location
        self.threads = task.facts.threads
        self.warps = self.threads // WARP
        # Two rows of warps: their tiles are as square as the registers allow.
        self.across = self.warps // 2
        self.m, self.n, self.k = task.facts.tile or (1, 1, 1)
        self.high, self.wide = ROWS // 2 // self.m, COLUMNS // self.across // self.n
        self.part = self.high * self.wide * self.m * self.n

    def emit(self) -> None:
        product = self.product
        tall, broad = dim.ceildiv(product.m.extent, ROWS), dim.ceildiv(product.n.extent, COLUMNS)
        count = dim.product([*(a.extent for a in product.rest), tall, broad])
        block = self.fresh("block")
        self.open(OpenLoop(block, 0, count, mapping=Blocks(self.threads), location=self.location))
        self.floor = 1
        number: Size = dim.axis(block, count)
        column, number = dim.mod(number, broad), dim.floordiv(number, broad)
        row, number = dim.mod(number, tall), dim.floordiv(number, tall)
        self.places: dict[str, Size] = {}
        for axis in reversed(product.rest):
            self.places[axis.name], number = dim.mod(number, axis.extent), dim.floordiv(number, axis.extent)
        self.top, self.side = ROWS * row, COLUMNS * column
        stride = DEPTH + SHIFT
        self.a, self.b = (self._alloc(p, BF16, size * stride, "shared") for p, size in (("a", ROWS), ("b", COLUMNS)))
        self.sums = self._alloc("sums", F32, self.warps * self.part, "register")
        self._warps(lambda w: self._elements(lambda at, _r, _c: self._clear(self._own(w, at))))
        steps = dim.ceildiv(product.k.extent, DEPTH)
        step = self.fresh("step")
        self.open(OpenLoop(step, 0, steps, location=self.location))
        start = DEPTH * dim.axis(step, steps)
        self.inner = True
        left, right = product.node.operands
        self._panel(self.a, left, product.left, product.m, self.top, ROWS, start)
        self._panel(self.b, right, product.right, product.n, self.side, COLUMNS, start)
        self._warps(self._multiply)
        self.inner = False
        self.close()
        self._warps(self._finish)
        self.close()

    def _alloc(self, name: str, dtype: DType, size: int, space: str) -> str:
        made = self.fresh(name)
        self.add(Alloc(Buffer(made, dtype, size, space)))
        return made

    def _panel(
        self, name: str, value: Value, at: Coordinates, outer: Axis, first: Size, rows: int, start: Size
    ) -> None:
        """``rows`` × `DEPTH` elements of an operand into shared memory, 0 where it has none."""
        axis = self.fresh("t")
        size = rows * DEPTH
        copies = size // self.threads
        self.open(OpenLoop(axis, 0, size, self.threads, min(copies, 8), location=self.location))
        t = dim.axis(axis, size)
        along = self.product.k
        row, column = dim.floordiv(t, DEPTH), dim.mod(t, DEPTH)
        if coefficient(linear(value.type.shape, at), outer.name) == 1:
            # Neighbouring threads read neighbours in memory.
            row, column = dim.mod(t, rows), dim.floordiv(t, rows)
        places = {**self.places, outer.name: first + row, along.name: start + column}
        reading = Reading(self, self.product.node, None)
        guard = reading.inside((outer.extent - 1 - first - row, along.extent - 1 - start - column))
        element = self.element(value, tuple(dim.substitute(c, places) for c in at), guard)
        self.add(Store(name, row * (DEPTH + SHIFT) + column, element, location=self.location))
        self.close()

    def _warps(self, body: Callable[[Size], None]) -> None:
        axis = self.fresh("w")
        self.open(OpenLoop(axis, 0, self.warps, mapping=Warps(), location=self.location))
        body(dim.axis(axis, self.warps))
        self.close()

    def _unrolled(self, name: str, count: int) -> Size:
        axis = self.fresh(name)
        self.open(OpenLoop(axis, 0, count, unrolled=True, location=self.location))
        return dim.axis(axis, count)

    def _elements(self, body: Callable[[Size, Size, Size], None]) -> None:
        """``body(where among the warp's, row, column)`` for each element that a thread holds."""
        axis = self.fresh("lane")
        self.open(OpenLoop(axis, 0, WARP, WARP, location=self.location))
        lane = dim.axis(axis, WARP)
        i, half = self._unrolled("i", self.high), self._unrolled("half", 2)
        j, pair = self._unrolled("j", self.wide), self._unrolled("pair", 2)
        row, column = 8 * half + dim.floordiv(lane, 4), 2 * dim.mod(lane, 4) + pair
        where = (i * self.wide + j) * self.m * self.n + row * self.n + column
        body(where, i * self.m + row, j * self.n + column)
        for _ in range(5):
            self.close()

    def _own(self, warp: Size, where: Size) -> Size:
        return warp * self.part + where

    def _clear(self, index: Size) -> None:
        self.add(Store(self.sums, index, Const(F32, 0.0), location=self.location))

    def _origin(self, warp: Size) -> tuple[Size, Size]:
        """Where a warp's part of the block's begins."""
        return (
            dim.floordiv(warp, self.across) * (self.high * self.m),
            dim.mod(warp, self.across) * (self.wide * self.n),
        )

    def _multiply(self, warp: Size) -> None:
        row, column = self._origin(warp)
        stride = DEPTH + SHIFT
        k, i, j = self._unrolled("k", DEPTH // self.k), self._unrolled("i", self.high), self._unrolled("j", self.wide)
        acc = Panel(self.sums, self._own(warp, (i * self.wide + j) * self.m * self.n), self.n, 1)
        a = Panel(self.a, (row + i * self.m) * stride + k * self.k, stride, 1)
        b = Panel(self.b, (column + j * self.n) * stride + k * self.k, 1, stride)
        self.add(TileOp(acc, a, b, (self.m, self.n, self.k), self.location))
        for _ in range(3):
            self.close()

    def _finish(self, warp: Size) -> None:
        """The group's results from the sums, where the result has elements."""
        row, column = self._origin(warp)
        self._elements(lambda where, r, c: self._store(self._own(warp, where), row + r, column + c))

    def _store(self, index: Size, row: Size, column: Size) -> None:
        product = self.product
        nest = self.items[product.node].nest
        assert nest is not None
        places = {**self.places, product.m.name: self.top + row, product.n.name: self.side + column}
        conditions = (product.m.extent - 1 - self.top - row, product.n.extent - 1 - self.side - column)
        guard = Reading(self, product.node, None).inside(conditions)
        total = self.let(Load(F32, self.sums, index, None, self.location), self.location, "sum")
        at = tuple(dim.substitute(c, places) for c in product.coordinates)
        finished = tuple(self.bind(p, self.location) for p in nest.finish((total,)))
        self.remember((product.node, at, None), finished)
        stores: list[Stmt] = []
        for root in self.group.roots:
            here = tuple(dim.substitute(c, places) for c in root.coordinates)
            for value in root.node.results:
                element = self.element(value, here, guard)
                stores.append(self.store(value, here, element, root.node.location))
        if guard is not None:
            stores = [If(guard, tuple(stores), location=self.location)]
        for stmt in stores:
            self.add(stmt)
