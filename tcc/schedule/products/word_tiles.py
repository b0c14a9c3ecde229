"""Sums of products of small numbers in tiles: panels of words, and what flipping their top bits added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import I32, I64, U32, DType
from tcc.ir.scalar import Apply, Const, Expr, Name, apply
from tcc.loops.decision import Decision
from tcc.loops.program import Alloc, Buffer, Carry, Load, Parallel, Position, Store
from tcc.schedule.element import Emitted, Task
from tcc.schedule.plan import WORK, PlanLoop
from tcc.schedule.products.contract import Product, Sum
from tcc.schedule.products.packing import Operand, Panel
from tcc.schedule.products.tiles import Tiles


class WordTiles(Tiles):
    """Tiles whose steps multiply words."""

    def __init__(self, task: Task, product: Product) -> None:
        super().__init__(task, product)
        assert product.words is not None
        self.words = words = product.words
        self.excesses: list[str] = []
        # Each block of columns needs what flipping adds to each row: it is made before where there are several.
        several = not isinstance(self.n, int) or self.n > self.wide
        self.beside = several and not task.inside and all(map(product.reads_left, product.sums))
        self.decisions.append(
            Decision(
                "pack",
                f"{task.node.op.name} → {task.node.results[0].type}",
                f"operands in words of {words.count} numbers",
                f"one instruction multiplies two words and adds the products ({words.op})",
                location=self.at,
            )
        )

    @property
    def panel_dtype(self) -> DType:
        return U32

    def direct(self) -> bool:
        """Words of the right operand lie nowhere as the tiles read them."""
        return False

    # --- words ----------------------------------------------------------------------------------------

    def _number(self, s: Sum, operand: Operand) -> Expr:
        """The number at the point at hand, as it lies in a word."""
        value = self.factor(s, operand)
        if operand.converted:
            made = self.definition(value)
            assert isinstance(made, Apply)
            (value,) = made.args
        return self.bound(self.words.number(value, operand is s.right))

    def _read_word(self, s: Sum, operand: Operand) -> Expr:
        """The word in memory that begins at the point at hand."""
        value = self.factor(s, operand)
        made = self.definition(value)
        load = self.definition(made.args[0]) if isinstance(made, Apply) else made
        assert isinstance(load, Load)
        word = self.bound(Load(U32, load.buffer, load.index, None, self.at, word=True))
        return self.bound(self.words.read(word, operand is s.right))

    def _word(self, s: Sum, operand: Operand, at: Size, limit: Size) -> Expr:
        """The word of the numbers from ``at`` along the last shared loop, of which there are ``limit``."""
        right, last, count = operand is s.right, self.product.shared[-1], self.words.count
        if dim.nonnegative(limit - at - count) and self.words.are_read(operand, self.product.shared, right):
            self.put_at(last, at)
            return self._read_word(s, operand)
        numbers: list[Expr] = []
        for k in range(count):
            missing = limit - 1 - at - k
            if dim.nonnegative(-1 - missing):
                continue
            self.put_at(last, at + k if dim.nonnegative(missing) else dim.minimum(at + k, limit - 1))
            number = self._number(s, operand)
            if not dim.nonnegative(missing):
                inside = self.bound(apply("ge", Position(I64, missing), Const(I64, 0)))
                number = self.bound(apply("select", inside, number, Const(number.dtype, 0)))
            numbers.append(number)
        return self.bound(self.words.joined(numbers))

    def _each_word(self, lanes: int, copies: int, rest: bool) -> tuple[Size, Size, int]:
        """Opens loops over the words of all shared axes: the whole ones, or the ``rest``.

        The number of the word, the place along the last axis, and how many loops there are.
        """
        *around, last = self.product.shared
        count = self.words.count
        index: Size = 0
        for loop in around:
            at = self.into("k", loop.extent)
            self.put_at(loop, at)
            index = index * loop.extent + at
        whole, every = dim.floordiv(last.extent, count), dim.ceildiv(last.extent, count)
        if rest:
            at = self.into("k", every, lo=whole)
        else:
            at = self.into("k", whole, lanes, copies)
        return index * every + at, count * at, len(around) + 1

    # --- panels ---------------------------------------------------------------------------------------

    def emit(self) -> list[Emitted]:
        made = super().emit()
        if not self.beside or not self.excesses:
            return made
        return [type(self)(self.task, self.product).excess(self.excesses), *made]

    def left_panel(self, s: Sum) -> Panel | None:
        product, words = self.product, self.words
        if words.flipped:
            name = self.fresh("excess")
            self.excesses.append(name)
            if self.beside:
                self.touch_buffer(name, I32, "read")
            else:
                self.add(Alloc(Buffer(name, I32, product.height, "scratch")))
        if product.reads_left(s):
            return None
        name = self.fresh("rows")
        along = product.steps + product.lanes
        self.add(Alloc(Buffer(name, U32, along * product.height, "worker")))
        return Panel(name, U32, 1, along)

    def pack_right(self, s: Sum, panel: Panel) -> None:
        product = self.product
        read = self.words.are_read(s.right, product.shared, True)
        last = product.shared[-1].extent
        for rest in (False, True)[: 1 + (dim.mod(last, self.words.count) != 0)]:
            # Words that lie in rows, one row for each column, are transposed in registers.
            turned = read and not rest
            k, at, opened = self._each_word(1, product.lanes if turned else 1, rest)
            j = self.into("j", self.left, product.lanes, 1 if turned else product.vectors)
            self.put_at(product.columns, self.start + j)
            word = self._word(s, s.right, at, last)
            self.add(Store(panel.buffer, panel.index(k, j), word, location=self.at))
            for _ in range(opened + 1):
                self.close()
        if self.left != self.wide:
            self.fill(panel)

    def pack_left(self, s: Sum, panel: Panel, row: Size, height: Size) -> None:
        product = self.product
        last = product.shared[-1].extent
        i = self.into("i", height)
        self.put_row(row + i)
        for rest in (False, True)[: 1 + (dim.mod(last, self.words.count) != 0)]:
            k, at, opened = self._each_word(product.lanes, 4, rest)
            self.add(Store(panel.buffer, panel.index(k, i), self._word(s, s.left, at, last), location=self.at))
            for _ in range(opened):
                self.close()
        self.close()

    # --- tiles ----------------------------------------------------------------------------------------

    def before_tile(self, height: Size) -> None:
        """Stores what flipping adds to each row's sums, unless that is known."""
        for which, name in enumerate(() if self.beside else self.excesses):
            i = self.into("i", height)
            self.put_row(self.row + i)
            self._store_excess(which, name, i, i)
            self.close()

    def _store_excess(self, which: int, name: str, i: Size, place: Size) -> None:
        """Stores what flipping adds to the sums of the row at hand, row ``i`` of a tile, with its sign changed."""
        k, loops = self._steps(self.product.shared if self.lefts[which] is None else (), self.product.lanes, 2)
        value = self.bound(self.words.excess(self.left_factor(which, k, i)[0]))
        for loop in reversed(loops):
            total = self.fresh("r")
            loop.carries.append(Carry((total,), (I32,), (Const(I32, 0),), (value,), "add", location=self.at))
            value = Name(I32, total)
            self.close()
        self.add(Store(name, place, self.bound(apply("neg", value)), location=self.at))

    def excess(self, names: Sequence[str]) -> Emitted:
        """The kernel that stores what flipping adds to the sums of all rows."""
        product = self.product
        self.lefts = [None for _ in product.sums]
        self.taken.update(names)
        count = dim.product([*(x.extent for x in product.outer), self.m])
        row = self.into("u", count, mapping=Parallel(1 + dim.floordiv(WORK, 1 + product.steps)))
        i, rest = self.digit(row, self.m, self.at, "row", not product.outer)
        for k, loop in enumerate(reversed(product.outer)):
            value, rest = self.digit(rest, loop.extent, self.at, "at", k == len(product.outer) - 1)
            self.put_at(loop, value)
        self.put_row(i)
        for which, name in enumerate(names):
            self.touch_buffer(name, I32, "write")
            self._store_excess(which, name, i, row)
        self.close()
        return replace(self.emitted(), temporaries=tuple(Buffer(n, I32, count, "arena") for n in names))

    def initial(self, which: int, i: Size, j: Size) -> tuple[Expr, ...]:
        if not self.excesses:
            return super().initial(which, i, j)
        if not self.beside:
            return (self.bound(Load(I32, self.excesses[which], i)),)
        number: Size = 0
        for loop in self.product.outer:
            number = number * loop.extent + self.outer[loop.name]
        return (self.bound(Load(I32, self.excesses[which], number * self.m + self.row + i)),)

    def left_factor(self, which: int, k: Size, i: Size) -> tuple[Expr, ...]:
        panel, s = self.lefts[which], self.product.sums[which]
        return (self._read_word(s, s.left) if panel is None else self.bound(panel.loads(k, i)[0]),)

    def added(self, old: Sequence[Expr], a: Sequence[Expr], b: Sequence[Expr]) -> tuple[Expr, ...]:
        return (self.words.product(a[0], b[0], old[0]),)

    def step_of(self, loop: PlanLoop) -> int:
        return self.words.count if loop is self.product.shared[-1] else 1
