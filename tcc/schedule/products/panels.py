"""Blocks of the operands of products: where they are, and their copies into panels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import I64, DType
from tcc.ir.forms import Coordinates
from tcc.ir.scalar import SCALARS, Const, Expr, apply
from tcc.loops.decision import Decision
from tcc.loops.program import Alloc, Buffer, Mapping, Parallel, Position, Serial, Store
from tcc.loops.weight import Weight
from tcc.schedule.block import OpenLoop
from tcc.schedule.element import Emitted, KernelBuilder, Task
from tcc.schedule.group import coordinates_of
from tcc.schedule.plan import WORK, PlanLoop
from tcc.schedule.products.contract import Product, Sum, is_direct
from tcc.schedule.products.packing import Operand, Panel, factor
from tcc.schedule.products.prepacked import is_unchanging, laid_out, panel_columns, weight

SERIAL = Serial()
PACKED_ROWS = 3
"""Tiles of rows that make packing a block pay, where the operand is large."""
SEVERAL = 256
"""Rows from which on several units of rows would pack the same block."""
LARGE = 64 << 20
"""Multiply-adds from which on workers gain more by even shares than another loop over all of them costs."""
PACKED_SPAN = 48 << 10
"""Elements between the first and the last row of a block from which on it is packed: pages and cache sets."""


class PanelBuilder(KernelBuilder):
    """A kernel of products: ``places`` is where the group's axes are at a point of the kernel.

    ``start`` and ``left`` are the first column of the block at hand and how many there are; ``done`` and ``at_once``
    the steps before those at hand, and how many these are; ``m`` and ``n`` all rows and columns, ``outer`` the
    places along the outer loops. ``constants`` are weights laid out for the kernel, ``prepared`` the operands that
    are before the loop around begins, with the loops that these panels are for.
    """

    def __init__(self, task: Task, product: Product) -> None:
        loops = (*product.outer, *([product.rows] if product.rows else []), product.columns, *product.shared)
        super().__init__(task, [x.name for x in loops])
        self.task, self.product = task, product
        self.facts = task.facts
        self.at = task.node.location
        self.dtype: DType = product.sums[0].dtype
        self.wide = product.lanes * product.vectors
        self.m: Size = product.rows.extent if product.rows else 1
        self.n: Size = product.columns.extent
        self.places: dict[str, Size] = {}
        self.outer: dict[str, Size] = {}
        self.constants: list[tuple[str, Weight]] = []
        self.prepared: list[tuple[str, Sum, tuple[PlanLoop, ...]]] = []
        self.start: Size = 0
        self.left: Size = self.wide
        self.done: Size = 0
        self.at_once: Size = product.steps

    @property
    def panel_dtype(self) -> DType:
        """The dtype of what lies in panels."""
        return self.dtype.real

    def size(self, size: Size, prefix: str, lower: int = 0, upper: Size | None = None) -> Size:
        return self.sized(size, self.at, prefix, lower, upper)

    def put_at(self, loop: PlanLoop, value: Size) -> None:
        """From here on the loop's axes are at a place."""
        for axis in reversed(loop.axes[1:]):
            self.places[axis.name] = dim.mod(value, axis.extent)
            value = dim.floordiv(value, axis.extent)
        self.places[loop.axes[0].name] = value

    def put_row(self, row: Size) -> None:
        """From here on the rows' axes are at a row; lets with their ranges where they are not one in addresses."""
        joined = self.product.joined
        if not joined:
            return
        if len(joined) == 1:
            self.put_at(joined[0], row)
            return
        for loop in reversed(joined[1:]):
            # Short names for long sizes: what is known of them would only be searched in vain.
            row, extent = self.size(row, "at"), self.size(loop.extent, "length")
            self.put_at(loop, self.chosen(Position(I64, dim.mod(row, extent)), self.at, "at", 0, loop.extent - 1))
            row = dim.floordiv(row, extent)
        self.put_at(joined[0], self.chosen(Position(I64, row), self.at, "at", 0, joined[0].extent - 1))

    def placed(self, coordinates: Coordinates) -> Coordinates:
        return tuple(dim.substitute(c, self.places) for c in coordinates)

    def into(
        self, name: str, extent: Size, lanes: int = 1, copies: int = 1, lo: Size = 0, mapping: Mapping = SERIAL
    ) -> Size:
        """Opens a loop of a new name; its axis."""
        axis = self.fresh(name)
        self.open(OpenLoop(axis, lo, extent, lanes, copies, mapping, location=self.at))
        upper = extent - 1
        return dim.symbol(axis, 0, upper)

    def bound(self, value: Expr) -> Expr:
        return self.bind(value, self.at)

    def parts(self, value: Expr) -> tuple[Expr, ...]:
        """A value, or its real and imaginary part."""
        return (apply("real", value), apply("imag", value)) if value.dtype.is_complex else (value,)

    def factor(self, s: Sum, operand: Operand) -> Expr:
        nest = self.items[s.node].nest
        assert nest is not None
        reduced = coordinates_of(self.task.group.reduce, nest.reduce)
        return factor(self, s.node, operand.number, self.placed(s.coordinates), self.placed(reduced))

    def direct(self) -> bool | Size:
        """Whether the block of columns is read where it lies; a size of 0 or 1 where only the machine knows."""
        product = self.product
        if any(not is_direct(s.right, product.columns, product.shared) for s in product.sums):
            return False
        conditions: list[Expr] = []
        if not isinstance(self.left, int):
            conditions.append(apply("ge", Position(I64, self.left), Const(I64, self.wide)))
        elif self.left % product.lanes and not self.facts.masks(self.dtype):
            return False
        rows = PACKED_ROWS * product.height
        if not isinstance(self.m, int) or self.m > rows:
            few = [] if isinstance(self.m, int) else [apply("le", Position(I64, self.m), Const(I64, rows))]
            if isinstance(self.n, int) and self.n < product.lanes:
                # Less than a vector is packed in no time.
                return False
            for s in product.sums:
                if self.is_panel(s):
                    continue
                strides = [s.right.stride(x) or 0 for x in product.shared]
                span = dim.maximum(0, *(n * x.extent for n, x in zip(strides, product.shared, strict=True)))
                if isinstance(span, int):
                    if span > PACKED_SPAN:
                        if not few:
                            return False
                        conditions += few
                    continue
                near: Expr = apply("le", Position(I64, span), Const(I64, PACKED_SPAN))
                conditions.append(apply("or", few[0], near) if few else near)
        if not conditions:
            return True
        whole = conditions[0]
        for c in conditions[1:]:
            whole = apply("and", whole, c)
        return self.chosen(self.bind(SCALARS.cast(whole, I64), self.at), self.at, "direct", 0, 1)

    def is_panel(self, s: Sum) -> bool:
        """Whether all columns of a right operand are one block, one row behind the other: a panel already."""
        one = isinstance(self.n, int) and self.n <= self.wide
        return one and [s.right.stride(x) for x in self.product.shared] == [self.n]

    def together(self) -> int:
        """How many steps all tiles of rows go before the next ones: 0 for all of them."""
        return 0

    @cached_property
    def in_order(self) -> bool:
        """Whether each tile of rows goes through all columns before the next one does.

        Results larger than the second cache are then written in order, and each row of a left operand is read once;
        the right operands have to stay in that cache meanwhile.
        """
        product, l2 = self.product, self.facts.l2
        if self.task.inside or not isinstance(self.n, int) or self.n <= self.wide:
            return False
        right = self.n * product.steps * self.panel_dtype.bytes * len(product.sums)
        known = all(s.right.buffers is not None for s in product.sums)
        if self.dtype.is_complex or not known or not isinstance(right, int) or 2 * right > l2:
            return False
        kept = all(weight(self.task, s.right) is not None or is_unchanging(self.task, s.right) for s in product.sums)
        if not isinstance(self.m, int):
            return kept
        row = self.n * sum(r.type.dtype.bytes for root in self.task.group.roots for r in root.node.results)
        return self.m * row > l2 and (kept or self.m > PACKED_ROWS * product.height)

    @cached_property
    def once(self) -> bool:
        """Whether right operands are laid out before all tiles of rows, as many units need each block of columns.

        Units that pack what they need would be few, so that packing is little: too few to be shared evenly.
        """
        product, m, n, steps = self.product, self.m, self.n, self.product.steps
        if self.task.inside or self.in_order or self.dtype.is_complex:
            return False
        if not isinstance(m, int) or not isinstance(n, int) or not isinstance(steps, int):
            return False
        right = n * steps * len(product.sums)
        if n <= self.wide or m < SEVERAL or m * right < LARGE:
            return False
        fits = 4 * right * self.panel_dtype.bytes <= self.facts.last_level
        return fits and all(s.right.buffers is not None for s in product.sums) and self.direct() is False

    def laid_out(self, panel: Size, full: bool) -> list[Panel]:
        """The panels of this block of columns, if all right operands had better lie in panels: those of weights do
        in the library, others that a loop does not change are laid out before it, or before the tiles of rows."""
        product, steps = self.product, self.product.steps
        panels: list[Panel] = []
        if self.dtype.is_complex:
            return []
        size = self.n * steps * self.dtype.bytes
        if full and isinstance(size, int) and size <= self.facts.l1 and self.direct() is True:
            return []
        columns = panel_columns(self.n, self.dtype)
        constants: list[tuple[str, Weight]] = []
        prepared: list[tuple[str, Sum, tuple[PlanLoop, ...]]] = []
        for s in product.sums:
            outer = tuple(x for x in product.outer if s.right.depends(x))
            weight = laid_out(self.task, s.right, outer, product.columns, product.shared, columns, product.words)
            unchanging = is_unchanging(self.task, s.right)
            name = self.fresh("panels")
            if weight is not None:
                constants.append((name, weight))
            elif unchanging or self.in_order or self.once:
                prepared.append((name, s, outer))
            else:
                return []
            number: Size = 0
            for loop in outer:
                number = number * loop.extent + self.outer[loop.name]
            operand, where = "right operand", "before the loop around" if unchanging else "before the tiles of rows"
            if weight is not None:
                made_of = f", {weight.constant.layout}," if weight.constant.layout else ""
                operand, where = f"weight{made_of}", "in the library"
            self.decisions.append(
                Decision(
                    "pack",
                    f"{s.node.op.name} → {s.node.results[0].type}",
                    f"its {operand} laid out in panels of {columns} columns {where}",
                    "the loop over the shared axes then reads it in order",
                    location=s.node.location,
                )
            )
            self.touch_buffer(name, self.panel_dtype, "read")
            # A panel is some blocks, or a block some panels.
            first, within = dim.floordiv(panel * self.wide, columns), dim.mod(panel * self.wide, columns)
            start = (number * dim.ceildiv(self.n, columns) + first) * steps * columns + within
            start = self.size(start, "panel", 0)
            panels.append(
                Panel(name, self.panel_dtype, columns, 1, start=start, columns=columns, apart=steps * columns)
            )
        self.constants, self.prepared = constants, prepared
        return panels

    def preparing(self, name: str, s: Sum, outer: Sequence[PlanLoop]) -> tuple[Buffer, Emitted]:
        """The kernel that lays out all of a right operand in panels, and their buffer."""
        self.wide = panel_columns(self.n, self.dtype)
        self.taken.add(name)
        panels, size = dim.ceildiv(self.n, self.wide), self.product.steps * self.wide
        count = dim.product([*(x.extent for x in outer), panels])
        unit = rest = self.into("u", count, mapping=Parallel(1 + dim.floordiv(WORK, 1 + size)))
        panel, rest = self.digit(rest, panels, self.at, "panel", not outer)
        for k, loop in enumerate(reversed(outer)):
            value, rest = self.digit(rest, loop.extent, self.at, "at", k == len(outer) - 1)
            self.put_at(loop, value)
        self.start = self.size(panel * self.wide, "start", 0, dim.maximum(self.n - 1, 0))
        self.left = self.size(dim.minimum(self.wide, self.n - self.start), "left", 0, self.wide)
        self.touch_buffer(name, self.panel_dtype, "write")
        self.pack_right(s, Panel(name, self.panel_dtype, self.wide, 1, start=unit * size))
        self.close()
        return Buffer(name, self.panel_dtype, count * size, "arena"), self.emitted()

    def allocated(self) -> Panel:
        """A worker's room for a block of columns."""
        planes = 2 if self.dtype.is_complex else 1
        name = self.fresh("panel")
        across = self.wide * planes
        self.add(Alloc(Buffer(name, self.panel_dtype, (self.together() or self.product.steps) * across, "worker")))
        return Panel(name, self.panel_dtype, across, 1, planes, self.wide if planes == 2 else 0)

    def left_panel(self, s: Sum) -> Panel | None:
        """Room for a tile's rows, where they cannot be read where they lie."""
        product = self.product
        if product.reads_left(s):
            return None
        name = self.fresh("rows")
        steps = self.together() or product.steps
        by_steps = product.rows is not None and s.left.stride(product.rows) == 1
        across, along = (product.height, 1) if by_steps else (1, steps + product.lanes)
        size = (steps + product.lanes) * product.height
        self.add(Alloc(Buffer(name, self.dtype, size, "worker")))
        return Panel(name, self.dtype, across, along)

    def _shared(self, lanes: int, copies: int) -> tuple[Size, int]:
        """Opens loops over the shared axes, the last one in steps; the number of the point, and how many loops."""
        index: Size = 0
        part = self.at_once != self.product.steps
        for k, loop in enumerate(self.product.shared):
            last = k == len(self.product.shared) - 1
            at = self.into("k", self.at_once if part else loop.extent, lanes if last else 1, copies if last else 1)
            self.put_at(loop, self.done + at)
            index = index * loop.extent + at
        return index, len(self.product.shared)

    def pack_right(self, s: Sum, panel: Panel) -> None:
        """Copies a block of columns, and fills it up with zeros."""
        product = self.product
        turned = s.right.stride(product.columns) != 1 and s.right.stride(product.shared[-1]) == 1
        k, opened = self._shared(1, product.lanes if turned else 1)
        j = self.into("j", self.left, product.lanes, 1 if turned else product.vectors)
        self.put_at(product.columns, self.start + j)
        value = self.factor(s, s.right)
        for plane, part in enumerate(self.parts(value)):
            self.add(Store(panel.buffer, panel.index(k, j) + plane * panel.plane, self.bound(part), location=self.at))
        self.close()
        for _ in range(opened):
            self.close()
        if self.left != self.wide:
            self.fill(panel)

    def fill(self, panel: Panel) -> None:
        """Zeros for the columns after the last one."""
        k = self.into("k", self.at_once)
        j = self.into("j", self.wide, self.product.lanes, 1, self.left)
        for plane in range(panel.planes):
            zero = Const(panel.dtype, 0)
            self.add(Store(panel.buffer, panel.index(k, j) + plane * panel.plane, zero, location=self.at))
        self.close()
        self.close()

    def pack_left(self, s: Sum, panel: Panel, row: Size, height: Size) -> None:
        """Copies a tile's rows."""
        product = self.product
        if panel.along == 1:
            k, opened = self._shared(1, 1)
            i = self.into("i", height, product.lanes)
        else:
            i = self.into("i", height)
            k, opened = self._shared(product.lanes, 4)
        self.put_row(row + i)
        self.add(Store(panel.buffer, panel.index(k, i), self.factor(s, s.left), location=self.at))
        for _ in range(opened + 1):
            self.close()
