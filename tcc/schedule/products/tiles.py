"""The loops of sums of products: units of work, packed panels, tiles of results in registers, epilogues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import I64
from tcc.ir.scalar import COMBINES, Const, Expr, Name, apply
from tcc.loops.decision import Decision
from tcc.loops.program import Alloc, Apart, Buffer, Carry, If, Load, Mapping, Parallel, Position, Serial, Store
from tcc.schedule.block import OpenLoop
from tcc.schedule.element import Emitted, Task
from tcc.schedule.plan import WORK, PlanLoop
from tcc.schedule.products.contract import Product, Sum
from tcc.schedule.products.panels import PACKED_ROWS, PanelBuilder
from tcc.schedule.products.prepacked import is_unchanging
from tcc.schedule.register_tiles import HIDING

UNITS = 16
"""Pieces of work that a product is cut into where it is large enough."""
LEAST_TILES = 16
"""Tiles of rows that share a packed block at least."""
STEPS = 256
"""Steps that go on together are a multiple of this, where not all do."""
SHORTEST = 16
"""Bytes of the shortest vectors that machines have."""
DEAR = 20.0
"""Additions from which on one vector of an epilogue at a time keeps the processor busy, and its constants many
registers."""


@dataclass(frozen=True)
class _Piece:
    """Neighbouring columns of a tile, in vectors of ``lanes``; ``masked``: not all of them exist."""

    first: int
    last: int
    lanes: int
    copies: int
    masked: bool


class Tiles(PanelBuilder):
    """The loops of a kernel of products.

    ``ms`` and ``ns`` are the numbers of rows and of columns that there may be, where they are known; ``least`` is the
    least height of the widest tiles of the blocks at hand.
    """

    def __init__(self, task: Task, product: Product) -> None:
        super().__init__(task, product)
        self.tile_buffers: list[str] = []
        self.above: Size = 0
        self.least = 1
        self.ms, self.ns = (task.values_of(x) for x in (self.m, self.n))

    # --- units --------------------------------------------------------------------------------------

    def emit(self) -> list[Emitted]:
        """The finished kernel."""
        product, most = self.product, self.product.height
        self.tiles = self.size(dim.ceildiv(self.m, most), "tiles")
        self.low = self.size(dim.floordiv(self.m, dim.maximum(self.tiles, 1)), "low", 0, most)
        self.extra = self.size(self.m - self.low * self.tiles, "extra")
        panels = self.size(dim.ceildiv(self.n, self.wide), "panels")
        others = dim.product([panels, *(x.extent for x in product.outer)])
        per: Size = self.tiles
        if self.in_order:
            per = 1
            about = f"{self.task.node.op.name} → {self.task.node.results[0].type}"
            reason = (
                "the results are larger than the second cache and are written in order, the right operand stays in it"
            )
            choice = "each tile of rows goes through all columns"
            self.decisions.append(Decision("tile", about, choice, reason, location=self.at))
        elif not self.task.inside and (not isinstance(self.tiles, int) or self.tiles > LEAST_TILES):
            least, units = (LEAST_TILES // 2, 4 * UNITS) if self.once else (LEAST_TILES, UNITS)
            pieces = dim.ceildiv(units, dim.maximum(others, 1))
            per = self.size(dim.maximum(least, dim.ceildiv(self.tiles, pieces)), "per", least)
        elif not self.task.inside and others == 1 and all(map(self.is_panel, product.sums)):
            # Nothing is packed that both halves would need.
            per = dim.ceildiv(self.tiles, 2)
        chunks: Size = 1 if per == self.tiles else self.size(dim.ceildiv(self.tiles, per), "chunks")
        units = others * chunks
        looped = units != 1
        unit: Size = 0
        if looped:
            height = (1 if self.in_order else LEAST_TILES) * most
            mapping = self._mapping(
                units, 2 * product.steps * len(product.sums) * dim.minimum(self.n, self.wide), height
            )
            axis = self.fresh("u")
            self.open(OpenLoop(axis, 0, units, mapping=mapping, location=self.at))
            unit = dim.axis(axis, units)
        alone = not product.outer
        if self.in_order:
            panel, unit = self.digit(unit, panels, self.at, "panel", False)
            chunk, unit = self.digit(unit, chunks, self.at, "chunk", alone)
        else:
            chunk, unit = self.digit(unit, chunks, self.at, "chunk", alone and panels == 1)
            panel, unit = self.digit(unit, panels, self.at, "panel", alone)
        for k, loop in enumerate(reversed(product.outer)):
            value, unit = self.digit(unit, loop.extent, self.at, "at", k == len(product.outer) - 1)
            self.put_at(loop, value)
            self.outer[loop.name] = value
        first, last = chunk * per, chunk * per + per
        self._panel(panel, first, last if self.in_order else dim.minimum(self.tiles, last))
        if looped:
            self.close()
        before: list[Emitted] = []
        prepared: list[tuple[Buffer, Emitted]] = []
        for name, s, outer in self.prepared:
            room, kernel = type(self)(self.task, product).preparing(name, s, outer)
            if is_unchanging(self.task, s.right):
                prepared.append((room, kernel))
            else:
                before.append(replace(kernel, temporaries=(room,)))
        return [*before, replace(self.emitted(), constants=tuple(self.constants), prepared=tuple(prepared))]

    def _mapping(self, units: Size, row: Size, most: int) -> Mapping:
        """Whether and in which pieces units are shared: ``row`` is the cost of each of the ``most`` rows of a unit."""
        rows = self.m if isinstance(self.m, int) and self.m <= most else dim.minimum(self.m, most)
        whole = units * row * rows
        if isinstance(whole, int) and whole < 2 * WORK:
            return Serial()
        return Parallel(1 + dim.floordiv(WORK, 1 + row * rows))

    # --- a panel ------------------------------------------------------------------------------------

    def _panel(self, panel: Size, first: Size, last: Size) -> None:
        """The tiles of rows of one block of columns."""
        product = self.product
        self.start = self.size(panel * self.wide, "start", 0, dim.maximum(self.n - 1, 0))
        full = isinstance(self.n, int) and self.n % self.wide == 0
        self.left: Size = (
            self.wide if full else self.size(dim.minimum(self.wide, self.n - self.start), "left", 0, self.wide)
        )
        if isinstance(self.n, int) and self.n < self.wide:
            self.left = self.n
        elif not isinstance(self.n, int) and self.ns is not None and all(n % product.lanes == 0 for n in self.ns):
            self.left = product.lanes * self.size(dim.floordiv(self.left, product.lanes), "vectors", 1, product.vectors)
        depth = self.together()
        tiles = self.tiles if depth else 1
        if depth or not self._is_trivial():
            size = tiles * product.height * self.wide
            for _ in product.sums:
                name = self.fresh("tile")
                self.tile_buffers.append(name)
                self.add(Alloc(Buffer(name, self.dtype, size, "worker" if depth else "scratch")))
        laid = self.laid_out(panel, full)
        whole: Size = 0
        lefts = [self.left]
        if isinstance(self.n, int) and not isinstance(self.left, int) and not self.tile_buffers:
            # The last block is another one: what becomes of a tile is little, and may be there twice.
            whole, lefts = dim.floordiv(self.left, self.wide), [self.n % self.wide, self.wide]
        directs: list[bool | Size] = []
        for self.left in lefts:
            directs.append(False if laid else self.direct())
        if any(d is not True for d in directs):
            self.rights = laid or [self.allocated() for _ in product.sums]
        self.lefts = [self.left_panel(s) for s in product.sums]
        if depth:
            number = self.into("depth", dim.ceildiv(product.steps, depth))
            self.done = depth * number
            self.at_once = self.size(dim.minimum(depth, product.steps - self.done), "steps", 1, depth)
        for number in self.cases(whole, len(lefts), self.at):
            self.left, direct = lefts[number], directs[number]
            modes = [direct] if isinstance(direct, bool) else [False, True]
            for mode in self.cases(0 if isinstance(direct, bool) else direct, len(modes), self.at):
                # Where a block may be read where it lies, one of few rows is packed only if it is narrow: that one
                # computes a few rows in vain, and there are half as many forms.
                packed = len(modes) > 1 and not modes[mode]
                self.least = (PACKED_ROWS * product.height + 1) // (PACKED_ROWS + 1) if packed else 1
                if not modes[mode] and not laid:
                    for s, p in zip(product.sums, self.rights, strict=True):
                        self.pack_right(s, p)
                self._rows(first, last, modes[mode], not depth)
        if depth:
            self.close()
            self._rows(first, last, None, True)

    def together(self) -> int:
        """How many steps all tiles of rows go before the next ones: 0 for all of them, where a block of columns is
        no longer than the second cache, or so many tiles share it that packing it is little."""
        product = self.product
        block = self.wide * self.dtype.bytes
        simple = len(product.shared) == 1 and not self.dtype.is_complex and product.words is None
        if not simple or not isinstance(product.steps, int) or not isinstance(self.tiles, int):
            return 0
        if not 1 < self.tiles <= LEAST_TILES:
            return 0
        depth = self.facts.l2 // 2 // block // STEPS * STEPS
        return depth if product.steps > 2 * depth > 0 else 0

    # --- rows and tiles -----------------------------------------------------------------------------

    def _rows(self, first: Size, last: Size, direct: bool | None, ends: bool) -> None:
        """The tiles of rows, of nearly equal heights: their sums (``direct`` None: made before), and if that ends
        them what becomes of these."""
        product = self.product
        looped = not (first == 0 and last == 1)
        t: Size = 0
        if looped:
            axis = self.fresh("t")
            self.open(OpenLoop(axis, 0, last - first, location=self.at))
            t = first + dim.axis(axis, self.tiles)
        least = self.low if isinstance(self.m, int) else 1
        self.row = self.size(t * self.low + dim.minimum(t, self.extra), "row", 0, self._last_row(least))
        higher = dim.minimum(1, dim.maximum(0, self.extra - t)) if self.extra != 0 else 0
        height = self.size(self.low + higher, "height", 1, product.height)
        self.above: Size = 0 if self.at_once == product.steps else (t - first) * product.height
        if direct is not None:
            self._sums(height, direct)
        if ends and self.tile_buffers:
            self._epilogue(height)
        if looped:
            self.close()

    def _last_row(self, height: Size) -> Size:
        """The last row that a tile of a height begins with."""
        return dim.maximum(0, self.m - height)

    def _sums(self, height: Size, direct: bool) -> None:
        """The sums of a tile of rows."""
        for s, p in zip(self.product.sums, self.lefts, strict=True):
            if p is not None:
                self.pack_left(s, p, self.row, height)
        self.before_tile(height)
        blocks, block = self._blocks(direct)
        left = self.left
        for number in self.cases(block, len(blocks), self.at):
            self.left, vectors = blocks[number]
            heights = self._heights(vectors)
            index = dim.ceildiv(dim.maximum(height, heights[0]) - heights[0], heights.step)
            for high in self.cases(0 if len(heights) == 1 else self.size(index, "form"), len(heights), self.at):
                exact = self.ms is not None or (heights.step == 1 and (high > 0 or heights[0] == 1))
                self._tile(vectors, None if exact else height, heights[high], direct)
        self.left = left

    def _heights(self, vectors: int) -> range:
        """The heights of tiles of so many vectors.

        Where only the machine knows how many rows there are, those of a narrow tile are few, and none is lower than it
        may be at no cost: rows that do not exist take the place of sums that would be waited for.
        """
        most = self.product.height
        if self.ms is not None:
            low = [m // max(1, -(-m // most)) for m in self.ms]
            high = [-(-m // max(1, -(-m // most))) for m in self.ms]
            return range(max(1, min(low)), max(1, *high) + 1)
        if vectors == self.product.vectors:
            return range(self.least, most + 1)
        return range(most - max(0, most - HIDING // max(1, vectors)) // 2 * 2, most + 1, 2)

    def _blocks(self, direct: bool) -> tuple[list[tuple[Size, int]], Size]:
        """The columns that the block at hand may have, and how many vectors these are: of several panels all. Then
        which of them it has."""
        lanes, most = self.product.lanes, self.product.vectors
        panel = 0 if direct else self.rights[0].columns // lanes
        step = panel if 0 < panel < most else 1
        if direct and not isinstance(self.left, int):
            return [(self.left, most)], 0
        lefts = {self.left} if isinstance(self.left, int) else self._lefts()
        if lefts is not None:
            blocks: list[tuple[Size, int]] = [(left, step * -(-left // (lanes * step))) for left in sorted(lefts)]
            return blocks, 0 if len(blocks) == 1 else self.size(dim.floordiv(self.left, self.wide), "block")
        several = [(self.left, vectors) for vectors in range(step, most + 1, step)]
        return several, self.size(dim.ceildiv(self.left, lanes * step) - 1, "block")

    def _lefts(self) -> set[int] | None:
        """How many columns a block may have, where that is one number beside the whole ones' at most."""
        if self.ns is None:
            return None
        lefts = {n % self.wide for n in self.ns} - {0} | {self.wide for n in self.ns if n >= self.wide}
        return lefts if len(lefts - {self.wide}) <= 1 else None

    def _tile(self, vectors: int, rows: Size | None, height: int, direct: bool) -> None:
        """Results in registers, over all steps: ``height`` rows, of which the last of ``rows``, if given, takes the
        place of those behind it."""
        product = self.product
        panel = 0 if direct else self.rights[0].columns // product.lanes
        panels = vectors // panel if 0 < panel < vectors else 1
        vectors //= panels
        row = self.row
        if rows is None and height != self.low and isinstance(row, dim.Dim):
            # Of tiles of this height, here, it is known that all of their rows exist.
            floor, self.floor = self.floor, len(self.scopes) - 1
            row = self.chosen(Position(I64, row), self.at, "row", 0, self._last_row(height))
            self.floor = floor
        i = self.into("i", height, 1, height)
        if rows is not None:
            i = self.size(dim.minimum(i, rows - 1), "within", 0, height - 1)
        row = row + i if rows is None else self.size(row + i, "row", 0, self._last_row(1))
        number = self.into("panel", panels, 1, panels) if panels > 1 else 0
        for piece in self._pieces(vectors, panels, direct):
            self._columns(row, i, number, piece, direct)
        for _ in range(1 if panels == 1 else 2):
            self.close()

    def _pieces(self, vectors: int, panels: int, direct: bool) -> list[_Piece]:
        """The columns of a tile: whole vectors, and those that are left in a vector as short as they are."""
        lanes, left = self.product.lanes, self.left
        joint = _Piece(0, vectors * lanes, lanes, vectors, masked=not direct and left != vectors * panels * lanes)
        if not isinstance(left, int) or left % lanes == 0 or panels > 1:
            return [joint]
        rest = left % lanes
        narrow = max(1 << (rest - 1).bit_length(), SHORTEST // self.dtype.real.bytes)
        if not direct and (narrow >= lanes or self.product.words is not None):
            return [joint]
        whole = left - rest
        first = [_Piece(0, whole, lanes, whole // lanes, masked=False)] if whole else []
        if direct:
            return [*first, _Piece(whole, left, min(lanes, narrow), 1, masked=False)]
        return [*first, _Piece(whole, whole + narrow, narrow, 1, masked=narrow != rest)]

    def _columns(self, row: Size, i: Size, number: Size, piece: _Piece, direct: bool) -> None:
        """A piece of the columns of ``row``, the tile's ``i``-th one, in panel ``number`` of the block."""
        product = self.product
        within = self.into("j", piece.last, piece.lanes, piece.copies, lo=piece.first)
        j = number * piece.last + within
        self.put_row(row)
        self.put_at(product.columns, self.start + j)
        apart = any(p is None for p in self.lefts) or direct
        first = self.done if self.constants or self.prepared else 0
        starts = [self.initial(which, i, j) for which in range(len(product.sums))]
        k, loops = self._steps(product.shared if apart else ())
        names = [[self._carried() for _ in product.sums] for _ in loops]
        self.depths.update((n, len(self.scopes) - 1) for group in names[-1] for n in group)
        for which, s in enumerate(product.sums):
            # Left factors are the same along the columns, which is plainest to see at one that exists.
            self.put_at(product.columns, self.start)
            a = self.left_factor(which, k, i)
            self.put_at(product.columns, self.start + j)
            right = None if direct else self.rights[which]
            if right is None:
                b: tuple[Expr, ...] = (self.factor(s, s.right),)
            else:
                b = tuple(map(self.bound, right.loads(first + k, within, number)))
            old = tuple(Name(self.dtype.real, n) for n in names[-1][which])
            new = tuple(self.bound(x) for x in self.added(old, a, b))
            self._carry([group[which] for group in names], loops, starts[which], new)
        for _ in loops:
            self.close()
        for which, s in enumerate(product.sums):
            total = self._whole(tuple(Name(self.dtype.real, n) for n in names[0][which]))
            if self.tile_buffers:
                self.add(Store(self.tile_buffers[which], self._in_tile(i, j), total, location=self.at))
            else:
                self._known(s, total)
        if not self.tile_buffers:
            self._results(j if piece.masked else None)
        self.close()

    def _steps(self, shared: Sequence[PlanLoop], lanes: int = 1, copies: int = 1) -> tuple[Size, list[OpenLoop]]:
        """Opens the loops over all steps, one for each shared axis if these are given: the number of the step."""
        loops: list[OpenLoop] = []
        number: Size = 0
        extents = [dim.ceildiv(x.extent, self.step_of(x)) for x in shared] or [self.at_once]
        if self.at_once != self.product.steps:
            extents = [self.at_once]
        for place, extent in enumerate(extents):
            split = (lanes, copies) if place == len(extents) - 1 else (1, 1)
            loop = self.open(OpenLoop(self.fresh("k"), 0, extent, *split, location=self.at))
            loops.append(loop)
            number = number * extent + dim.axis(loop.axis, extent)
        for loop, open_loop, extent in zip(shared, loops, extents, strict=False):
            self.put_at(loop, self.step_of(loop) * dim.axis(open_loop.axis, extent) + self.done)
        return number, loops

    def step_of(self, loop: PlanLoop) -> int:  # noqa: ARG002
        """How far one step goes along a shared loop."""
        return 1

    def before_tile(self, height: Size) -> None:
        """What is made for a tile of rows before its products."""

    def _in_tile(self, i: Size, j: Size) -> Size:
        """Where a sum is among those of a tile, or of all tiles."""
        return (self.above + i) * self.wide + j

    def initial(self, which: int, i: Size, j: Size) -> tuple[Expr, ...]:
        """What a sum starts from, in row ``i`` and column ``j`` of the tile."""
        if self.at_once != self.product.steps:
            begun = self.bound(apply("gt", Position(I64, self.done), Const(I64, 0)))
            return (self.bound(Load(self.dtype, self.tile_buffers[which], self._in_tile(i, j), begun, self.at)),)
        return tuple(Const(self.dtype.real, 0) for _ in range(2 if self.dtype.is_complex else 1))

    def left_factor(self, which: int, k: Size, i: Size) -> tuple[Expr, ...]:
        """The left factor of a sum at a step and a row of the tile, or its real and imaginary part."""
        panel, s = self.lefts[which], self.product.sums[which]
        factor = self.factor(s, s.left) if panel is None else self.bound(panel.loads(k, i)[0])
        return tuple(map(self.bound, self.parts(factor)))

    def _carry(
        self,
        names: Sequence[tuple[str, ...]],
        loops: Sequence[OpenLoop],
        start: tuple[Expr, ...],
        new: tuple[Expr, ...],
    ) -> None:
        """A sum that runs through all of the loops, under a name of its own in each."""
        kinds = tuple(x.dtype for x in new)
        for number, loop in enumerate(loops):
            last = number == len(loops) - 1
            update = new if last else tuple(map(Name, kinds, names[number + 1]))
            loop.carries.append(Carry(names[number], kinds, start, update, location=self.at))
            start = tuple(map(Name, kinds, names[number]))

    def _carried(self) -> tuple[str, ...]:
        return tuple(self.fresh("r") for _ in range(2 if self.dtype.is_complex else 1))

    def _whole(self, parts: tuple[Expr, ...]) -> Expr:
        return parts[0] if len(parts) == 1 else self.bound(apply("complex", *parts, dtype=self.dtype))

    def added(self, old: Sequence[Expr], a: Sequence[Expr], b: Sequence[Expr]) -> tuple[Expr, ...]:
        """``old + a·b``, one rounding for each product of real numbers where the machine has that."""
        if len(old) == 1:
            return (self._fused(a[0], b[0], old[0]),)
        real = self._fused(apply("neg", a[1]), b[1], self._fused(a[0], b[0], old[0]))
        return real, self._fused(a[1], b[0], self._fused(a[0], b[1], old[1]))

    def _fused(self, a: Expr, b: Expr, c: Expr) -> Expr:
        if (self.dtype.real.is_float and self.facts.fma) or (self.dtype.is_complex and self.facts.fma):
            return apply("fma", a, b, c)
        return COMBINES["add"].apply((c,), (apply("mul", a, b),))[0]

    # --- results ------------------------------------------------------------------------------------

    def _is_trivial(self) -> bool:
        """Whether the results are the sums themselves."""
        return {r.node for r in self.task.group.roots} == {s.node for s in self.product.sums}

    def _known(self, s: Sum, total: Expr) -> None:
        nest = self.items[s.node].nest
        assert nest is not None
        parts = tuple(self.bind(p, s.node.location) for p in nest.finish((total,)))
        self.remember((s.node, self.placed(s.coordinates), None), parts)

    def _results(self, masked: Size | None) -> None:
        """Stores the group's roots; only where column ``masked`` of the block exists, if given."""
        stores: list[Store] = []
        for root in self.task.group.roots:
            at = self.placed(root.coordinates)
            for value in root.node.results:
                stores.append(
                    replace(self.store(value, at, self.element(value, at), root.node.location), nontemporal=0)
                )
        if masked is None:
            for store in stores:
                self.add(store)
            return
        inside = self.bound(apply("lt", Position(I64, masked), Position(I64, self.left)))
        self.add(If(inside, tuple(stores), location=self.at))

    def _epilogue(self, height: Size) -> None:
        """What becomes of the sums of a tile: one loop for all tiles, whatever their heights."""
        product = self.product
        cost = sum(self.task.grouping.costs[r.node] for r in self.task.group.roots)
        i = self.into("i", height, mapping=Apart() if cost > DEAR else Serial())
        j = self.into("j", self.left, product.lanes, 1 if cost > DEAR else product.vectors)
        self.put_row(self.row + i)
        self.put_at(product.columns, self.start + j)
        for name, s in zip(self.tile_buffers, product.sums, strict=True):
            self._known(s, self.bound(Load(self.dtype, name, self._in_tile(i, j))))
        self._results(None)
        self.close()
        self.close()
