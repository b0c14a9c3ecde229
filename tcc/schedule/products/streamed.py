"""Products of a few rows with a large operand that lies row by row: it is read as streams, once.

A register tile over all steps would read a few cache lines from each row, most of them in another page, which neither
prefetchers nor the TLB follow. Here `TOGETHER` rows of the right operand are read at a time, from end to end of a
strip of columns; the sums so far stand in the nearest caches, a few rows of them (van Zee and van de Geijn's matrix
panel times panel, "BLIS", ACM TOMS 2015, with the loops around the kernel exchanged).
"""

from __future__ import annotations

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.scalar import Name
from tcc.loops.program import Alloc, Buffer, Parallel, Serial, Store
from tcc.schedule.block import OpenLoop
from tcc.schedule.element import Emitted, Task
from tcc.schedule.plan import WORK
from tcc.schedule.products.contract import Product, is_direct, is_linear
from tcc.schedule.products.prepacked import is_unchanging, weight
from tcc.schedule.products.tiles import Tiles

TOGETHER = 8
"""Rows of the right operand that are read together: as many streams as prefetchers follow."""
FEW_ROWS, MOST_ROWS = 4, 8
"""Rows of results at most, which are read and written for each `TOGETHER` rows; where the right operand is in no cache
they may be more."""
STRIP = 16 << 10
"""Bytes of a row of the right operand that a strip has at most: whole pages."""
VECTORS = 2
"""Vectors of a tile: little work for what is read, so that many reads are under way."""
LEAST = 1 << 10
"""Bytes of such a row from which on it is a stream."""


def fits(task: Task, product: Product) -> bool:
    """Whether a product has few rows, and right operands that are larger than half of the second cache."""
    rows, columns = product.rows, product.columns
    if rows is None or product.words is not None or len(product.shared) != 1 or len(product.joined) != 1:
        return False
    m, n, steps = rows.extent, columns.extent, product.steps
    if not isinstance(m, int) or not isinstance(n, int) or not isinstance(steps, int):
        return False
    for s in product.sums:
        if weight(task, s.right) is not None or is_unchanging(task, s.right):
            return False
        if not is_direct(s.right, columns, product.shared) or not is_linear(s.left, product.shared):
            return False
    size = product.sums[0].dtype.bytes
    right = n * steps * size
    most = MOST_ROWS if right > task.facts.last_level else FEW_ROWS
    few = 1 < m <= min(most, product.height)
    return few and n * size >= LEAST and 2 * right > task.facts.l2 and steps >= 2 * TOGETHER


class Streamed(Tiles):
    """The loops of such a kernel."""

    def emit(self) -> list[Emitted]:
        """The finished kernel."""
        product, m = self.product, self.m
        assert isinstance(m, int)
        assert isinstance(self.n, int)
        assert isinstance(product.steps, int)
        self.tiles, self.low, self.extra, self.row = 1, m, 0, 0
        self.wide = self._strip(self.n)
        strips = -(-self.n // self.wide)
        units = dim.product([strips, *(x.extent for x in product.outer)])
        work = 2 * m * product.steps * len(product.sums) * self.wide
        shared = not self.task.inside and not (isinstance(units, int) and units * work < 2 * WORK)
        unit: Size = 0
        if units != 1:
            unit = self.into("u", units, mapping=Parallel(1 + WORK // work) if shared else Serial())
        strip, rest = self.digit(unit, strips, self.at, "strip", not product.outer)
        for k, loop in enumerate(reversed(product.outer)):
            value, rest = self.digit(rest, loop.extent, self.at, "at", k == len(product.outer) - 1)
            self.put_at(loop, value)
        self.lefts = [None for _ in product.sums]
        self.start = self.size(strip * self.wide, "start", 0, self.n - 1)
        even = self.n % self.wide == 0
        self.left = self.wide if even else self.size(dim.minimum(self.wide, self.n - self.start), "left", 0, self.wide)
        for _ in product.sums:
            name = self.fresh("tile")
            self.tile_buffers.append(name)
            self.add(Alloc(Buffer(name, self.dtype, m * self.wide, "worker")))
        groups, more = divmod(product.steps, TOGETHER)
        self.done = TOGETHER * self.into("depth", groups)
        self._slab(m, TOGETHER)
        self.close()
        if more:
            self.done = TOGETHER * groups
            self._slab(m, more)
        self._epilogue(m)
        if units != 1:
            self.close()
        return [self.emitted()]

    def _strip(self, n: int) -> int:
        """Columns of a strip: there are two of them at least, for as many workers."""
        step = self.product.lanes * VECTORS
        most = STRIP // self.dtype.bytes
        count = max(2, -(-n // most))
        return step * -(-n // (count * step))

    def _slab(self, m: int, count: int) -> None:
        """Adds ``count`` steps from ``done`` on to all sums of a strip."""
        product = self.product
        (shared,) = product.shared
        self.at_once = count
        i = self.into("i", m, 1, m)
        j = self.into("j", self.left, product.lanes, VECTORS)
        self.put_row(i)
        self.put_at(product.columns, self.start + j)
        starts = [self.initial(which, i, j) for which in range(len(product.sums))]
        loop = self.open(OpenLoop(self.fresh("k"), 0, count, unrolled=True, location=self.at))
        names = [self._carried() for _ in product.sums]
        self.depths.update((n, len(self.scopes) - 1) for group in names for n in group)
        self.put_at(shared, self.done + dim.axis(loop.axis, count))
        for which, s in enumerate(product.sums):
            a = self.left_factor(which, 0, i)
            b = (self.factor(s, s.right),)
            new = tuple(map(self.bound, self.added(tuple(Name(self.dtype, n) for n in names[which]), a, b)))
            self._carry([names[which]], [loop], starts[which], new)
        self.close()
        for which in range(len(product.sums)):
            total = Name(self.dtype, names[which][0])
            self.add(Store(self.tile_buffers[which], self._in_tile(i, j), total, location=self.at))
        self.close()
        self.close()
