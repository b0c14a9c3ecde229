"""Kernels of loops over axes: elementwise, reductions, and rows of dependent reductions.

Within a group the reductions of one level (the number of reductions below them) are carried by one
pass over the reduced axes; full results are stored in the first pass that can, results of the space
after the last. An expensive element that a later pass needs again is kept in a row of scratch; a row too
long for the first cache in the place of the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import I32, I64, DType
from tcc.ir.forms import Coordinates, Literal
from tcc.ir.graph import Node
from tcc.ir.location import Location
from tcc.ir.scalar import COMBINES, Apply, Const, Expr, Name, apply
from tcc.loops.decision import Alternative, Decision
from tcc.loops.program import Alloc, Buffer, Carry, Load, Parallel, Position, Store
from tcc.schedule import ahead
from tcc.schedule.alternate import add_stores
from tcc.schedule.block import OpenLoop, Scope
from tcc.schedule.element import KernelBuilder, Task, linear, streams
from tcc.schedule.group import Root, plain_axes
from tcc.schedule.inline import RECOMPUTE
from tcc.schedule.nests import piece_element, pieces_of
from tcc.schedule.plan import Plan, PlanLoop, opened

SCRATCH_BYTES = 16 << 10


@dataclass(eq=False)
class Running:
    """A reduction in a pass: the names of its carries, one for each loop, outermost first.

    ``start``: its positions count from there in the innermost loop, in fewer bits.
    """

    node: Node
    coordinates: Coordinates
    names: list[tuple[str, ...]]
    update: tuple[Expr, ...] = field(default=())
    start: Size | None = None


class Row(KernelBuilder):
    """A row kernel under construction."""

    def __init__(self, task: Task, plan: Plan) -> None:
        super().__init__(task, [x.name for x in (*plan.space, *plan.reduce)])
        self.task = task
        self.group = task.group
        self.grouping = task.grouping
        self.plan = plan
        self.carry_count = 0
        self.places: dict[str, Size] = {}
        for loop in (*plan.space, *plan.reduce):
            self.places |= loop.coordinates()
        self.rows: dict[tuple[Node, Coordinates], tuple[str, Size]] = {}
        self.row_bytes: Size = 0
        self.levels = self._levels()

    # --- the shape of the kernel --------------------------------------------------------------------

    def emit(self) -> None:
        location = self.group.roots[0].node.location
        for loop in self.plan.space:
            self.open(opened(loop, location))
        self.row_scope = self.scope
        full, partial = self.roots()
        last = max(
            [self.levels[n] for n, _ in self.group.reductions] + [self.levels[r.node] for r, _ in full], default=-1
        )
        if self.group.reduced is None:
            self.store_all(full + partial)
        else:
            for level in range(last + 1):
                self._pass(level, [(r, c) for r, c in full if self.levels[r.node] == level], location)
            ahead.ask(self, self.plan)
            self.store_all(partial)
        for _ in self.plan.space:
            self.close()

    def is_one_reduction(self) -> bool:
        """Whether all reductions are independent and nothing of the reduced space is stored."""
        full, _ = self.roots()
        return not full and all(self.levels[n] == 0 for n, _ in self.group.reductions)

    def emit_blocks(self, grain: int) -> tuple[Buffer, ...]:
        """The first of two kernels: each block's results, to one buffer for each carried name."""
        (loop,) = self.plan.reduce
        location = self.task.node.location
        block, count = self._block_axis(loop), dim.ceildiv(loop.extent, loop.block)
        self.open(OpenLoop(block, 0, count, mapping=Parallel(grain), location=location))
        start = loop.block * dim.axis(block, count)
        inner = self.open(opened(loop, location, start, dim.minimum(start + loop.block, loop.extent)))
        running = self.running(0)
        for r in running:
            r.names = [tuple(self.fresh("r") for _ in self.dtypes(r.node))]
            self.update(r, start)
            inner.carries.append(self.carry(r, 0, 1))
        self.close()
        partials: list[Buffer] = []
        for r in running:
            for name, part in zip(r.names[0], self._of_block(r, r.names[0]), strict=True):
                buffer = Buffer(f"{name}_blocks", part.dtype, count, "arena")
                partials.append(buffer)
                self.touch_buffer(buffer.name, part.dtype, "write")
                value = self.bind(part, location)
                self.add(Store(buffer.name, dim.axis(block, count), value, location=location))
        self.close()
        return tuple(partials)

    def emit_total(self, partials: Sequence[Buffer]) -> None:
        """The second: the blocks' results combined, and what the group makes of them."""
        (loop,) = self.plan.reduce
        block, count = self._block_axis(loop), dim.ceildiv(loop.extent, loop.block)
        total = self.open(OpenLoop(block, 0, count, location=self.task.node.location))
        rest = iter(partials)
        running = self.running(0)
        for r in running:
            r.names = [tuple(self.fresh("r") for _ in self.dtypes(r.node))]
            index = dim.axis(block, count)
            loads: list[Expr] = []
            for dtype in self.dtypes(r.node):
                buffer = next(rest)
                self.touch_buffer(buffer.name, dtype, "read")
                loads.append(self.let(Load(dtype, buffer.name, index, None, r.node.location), r.node.location))
            r.update = tuple(loads)
            total.carries.append(self.carry(r, 0, 1))
        self.close()
        for r in running:
            self.finish(r)
        self.store_all(self.roots()[1])

    def _instances(self) -> list[dict[str, Size]]:
        """The values of the unrolled axes, in order."""
        axes = self.plan.unrolled
        ranges = [range(a.extent) for a in axes if isinstance(a.extent, int)]
        return [{a.name: p for a, p in zip(axes, point, strict=True)} for point in product(*ranges)]

    def _at(self, coordinates: Coordinates, instance: Mapping[str, Size]) -> Coordinates:
        return tuple(dim.substitute(c, {**self.places, **instance}) for c in coordinates)

    def roots(self) -> tuple[list[tuple[Root, Coordinates]], list[tuple[Root, Coordinates]]]:
        """The roots with their coordinates: over the reduced axes too, and over the space only."""
        full: list[tuple[Root, Coordinates]] = []
        partial: list[tuple[Root, Coordinates]] = []
        reduced = set(self.group.reduced or ())
        for root in self.group.roots:
            target = full if root.over & reduced else partial
            target += [(root, self._at(root.coordinates, i)) for i in self._instances()]
        return full, partial

    def _levels(self) -> dict[Node, int]:
        """For each node made in this kernel, how many dependent reductions are below it."""
        levels: dict[Node, int] = {}
        inside = {*self.reductions, *self.own}
        for node in self._needed():
            below = 0
            for value in node.operands:
                source = value.producer
                if source is None or source not in levels:
                    continue
                if value in self.stored and source not in inside:
                    continue
                below = max(below, levels[source] + (1 if source in self.reductions else 0))
            levels[node] = below
        return levels

    def _needed(self) -> list[Node]:
        """The nodes that this kernel computes, operands first."""
        wanted: set[Node] = set()
        stack = [*(r.node for r in self.group.roots), *self.reductions]
        while stack:
            node = stack.pop()
            if node in wanted or isinstance(node.op.form, Literal):
                continue
            wanted.add(node)
            for value in node.operands:
                source = value.producer
                if source is not None and (value not in self.stored or source in self.own):
                    stack.append(source)
        return [n for n in self.items if n in wanted]

    # --- stores -------------------------------------------------------------------------------------

    def _elements(self, root: Root, at: Coordinates) -> list[Store]:
        node = root.node
        if root.piece is None:
            parts = [self.element(v, at) for v in node.results]
        else:
            piece = pieces_of(node, at)[root.piece]
            type = node.results[0].type
            parts = self.complete(node, lambda access: (piece_element(access, piece, type),))
        return [self.store(v, at, p, node.location) for v, p in zip(node.results, parts, strict=True)]

    def store_all(self, roots: Sequence[tuple[Root, Coordinates]]) -> None:
        """All elements first, then all stores: a result may take the place of an operand."""
        stores = [s for root, at in roots for s in self._elements(root, at)]
        add_stores(self, self.plan.space, stores)

    # --- passes -------------------------------------------------------------------------------------

    def _pass(self, level: int, roots: Sequence[tuple[Root, Coordinates]], location: Location) -> None:
        running = self.running(level)
        self.carry_count = max(self.carry_count, len(running))
        self.inner = True
        loops = self._open_pass(location, bool(running))
        for r in running:
            arity = len(self.dtypes(r.node))
            r.names = [tuple(self.fresh("r") for _ in range(arity)) for _ in loops]
            if self._is_state(r.node):
                for names in r.names:
                    self.depths.update((n, len(self.scopes) - 1) for n in names)
        for r in running:
            self.update(r, self._block_start())
        self.store_all(roots)
        for k in reversed(range(len(loops))):
            for r in running:
                loops[k].carries.append(self.carry(r, k, len(loops)))
            self.close()
        self.passes.append(loops[-1].scope)
        self.inner = False
        for r in running:
            self.finish(r)

    def running(self, level: int) -> list[Running]:
        return [
            Running(node, self._at(coordinates, instance), [])
            for node, coordinates in self.group.reductions
            if self.levels[node] == level
            for instance in self._instances()
        ]

    def finish(self, r: Running, combined: tuple[Expr, ...] = ()) -> None:
        """After a reduction's loops: its results from what was combined, the outermost carries if not given."""
        nest = self.items[r.node].nest
        assert nest is not None
        combined = combined or tuple(Name(d, n) for d, n in zip(nest.dtypes, r.names[0], strict=True))
        parts = tuple(self.bind(p, r.node.location) for p in nest.finish(combined))
        self.remember((r.node, r.coordinates, None), parts)

    def _open_pass(self, location: Location, reduces: bool) -> list[OpenLoop]:
        loops: list[OpenLoop] = []
        for loop in self.plan.reduce:
            if loop.block and reduces:
                block = self._block_axis(loop)
                count = dim.ceildiv(loop.extent, loop.block)
                loops.append(self.open(OpenLoop(block, 0, count, location=location)))
                start = loop.block * dim.axis(block, count)
                stop = dim.minimum(start + loop.block, loop.extent)
                loops.append(self.open(opened(loop, location, start, stop)))
            else:
                loops.append(self.open(opened(loop, location)))
        return loops

    def _block_start(self) -> Size | None:
        """Where the block begins in which a pass over one loop is."""
        loops = self.plan.reduce
        if len(loops) != 1 or not loops[0].block:
            return None
        return loops[0].block * dim.axis(self._block_axis(loops[0]), dim.ceildiv(loops[0].extent, loops[0].block))

    def _block_axis(self, loop: PlanLoop) -> str:
        name = f"{loop.name}_block"
        while name in self.taken and name not in self.depths:
            name += "_"
        return name

    def dtypes(self, node: Node) -> tuple[DType, ...]:
        nest = self.items[node].nest
        assert nest is not None
        return nest.dtypes

    def _is_state(self, node: Node) -> bool:
        """A sum of products along a loop without lanes: one fused operation a step."""
        return self.items[node].fused and all(x.lanes == 1 and x.copies == 1 for x in self.plan.reduce)

    def update(self, r: Running, start: Size | None = None) -> None:
        """What a reduction combines. Positions count from ``start``, that of a block, where this makes them shorter."""
        nest = self.items[r.node].nest
        assert nest is not None
        reduced = iter(self.group.reduce)
        at = tuple(0 if e == 1 else next(reduced).symbol for e in nest.reduce)
        inner = self._at(at, {})
        if not self._is_state(r.node):
            r.update = self.complete(r.node, lambda access: nest.body(access, r.coordinates, inner))
            position = self.definition(r.update[-1])
            if COMBINES[nest.combine].later is None or not isinstance(position, Position) or position.dtype != I64:
                self.widen_all(r.update)
                return
            # In a block they are short, and long extents are gone through in blocks.
            self.widen_all(r.update[:-1])
            if start is not None:
                r.start = start
                short = self.bind(Position(I32, position.index - start), r.node.location)
                r.update = (*r.update[:-1], short)
                self.widen_all((short,))
            return
        (part,) = self.complete(r.node, lambda access: nest.body(access, r.coordinates, inner), bind=False)
        old = Name(part.dtype, r.names[-1][0])
        self.widen_all((part,))
        if isinstance(part, Apply) and part.op == "mul" and part.dtype.is_float and self.facts.fma:
            new: Expr = apply("fma", *part.args, old)
        else:
            (new,) = COMBINES[nest.combine].apply((old,), (part,))
        r.update = (self.bind(new, r.node.location),)

    def carry(self, r: Running, loop: int, loops: int) -> Carry:
        nest = self.items[r.node].nest
        assert nest is not None
        dtypes = nest.dtypes if r.start is None or loop < loops - 1 else (*nest.dtypes[:-1], I32)
        combine = COMBINES[nest.combine]
        names = r.names[loop]
        init = tuple(Const(d, v) for d, v in zip(dtypes, combine.identity(dtypes), strict=True))
        update: tuple[Expr, ...] = r.update
        if loop < loops - 1:
            update = self._of_block(r, r.names[loop + 1])
        if self._is_state(r.node):
            if loop > 0:
                init = tuple(Name(d, n) for d, n in zip(dtypes, r.names[loop - 1], strict=True))
            return Carry(names, dtypes, init, update, location=r.node.location)
        return Carry(names, dtypes, init, update, nest.combine, location=r.node.location)

    def _of_block(self, r: Running, names: tuple[str, ...]) -> tuple[Expr, ...]:
        """The carries of an inner loop as what the loop around combines: positions from the first element on."""
        dtypes = self.dtypes(r.node)
        if r.start is None:
            return tuple(Name(d, n) for d, n in zip(dtypes, names, strict=True))
        *values, position = (Name(d, n) for d, n in zip((*dtypes[:-1], I32), names, strict=True))
        return (*values, apply("cast", position, dtype=I64) + Position(I64, r.start))

    # --- rows of scratch ----------------------------------------------------------------------------

    def kept(self, node: Node, coordinates: Coordinates) -> tuple[Expr, ...] | None:
        if not self.inner or not self.plan.one_at_a_time or self.grouping.costs[node] <= RECOMPUTE:
            return None
        for scope in self.passes:
            found = scope.known.get((node, coordinates, None))
            if found is not None and len(found) == 1 and not isinstance(found[0], Const):
                if (node, coordinates) not in self.rows and not self._room(found[0].dtype):
                    return None
                return self._from_row(node, coordinates, scope, found[0])
        return None

    def _room(self, dtype: DType) -> str:
        """The space that another row would be in; empty where the threads of a block have no more of it."""
        size = dim.product(x.extent for x in self.plan.reduce) * dtype.bytes
        if self.facts.threads:
            # Half is left to what threads exchange when they combine.
            return "shared" if dim.nonnegative(self.facts.shared // 2 - self.row_bytes - size) else ""
        return "scratch" if isinstance(size, int) and size <= SCRATCH_BYTES else "worker"

    def _from_row(self, node: Node, coordinates: Coordinates, scope: Scope, element: Expr) -> tuple[Expr, ...]:
        place = self.rows.get((node, coordinates))
        if place is None:
            result = self._unwritten(element.dtype)
            place = self.rows[node, coordinates] = result or self._row(element.dtype)
            cost = self.grouping.costs[node]
            reason = "a later pass over the same axes needs its elements again"
            alternatives = (Alternative("compute again", cost), Alternative("keep", RECOMPUTE))
            about = f"{node.op.name} → {node.results[0].type}"
            choice = "kept in the place of the result" if result else "kept in a row of scratch"
            self.decisions.append(Decision("row", about, choice, reason, alternatives, "additions", node.location))
            scope.stmts.append(Store(*place, element, location=node.location))
        loaded = self.let(Load(element.dtype, *place, None, node.location), node.location)
        self.widen_all((loaded,))
        self.remember((node, coordinates, None), (loaded,))
        return (loaded,)

    def _row(self, dtype: DType) -> tuple[str, Size]:
        """The place of an element in a new row."""
        name, size = self.fresh("row"), dim.product(x.extent for x in self.plan.reduce)
        self.alloc(Alloc(Buffer(name, dtype, size, self._room(dtype))), self.row_scope)
        self.row_bytes = self.row_bytes + size * dtype.bytes
        return name, linear([x.extent for x in self.plan.reduce], [x.symbol for x in self.plan.reduce])

    def _unwritten(self, dtype: DType) -> tuple[str, Size] | None:
        """The place of an element in a result that the last pass stores, instead of a long row's.

        The pass that computes then waits for the lines of the result, and the last one finds them in a near cache.
        """
        if self._room(dtype) != "worker" or self.plan.unrolled:
            return None
        full, _ = self.roots()
        last = max(self.levels[n] for n in (*self.reductions, *(r.node for r, _ in full)))
        taken = {name for name, _ in self.rows.values()}
        for root, at in full:
            value, plain = root.node.results[0], plain_axes(root.coordinates)
            if root.piece is not None or value in self.local or self.stored[value] in taken:
                continue
            if plain is None or set(plain) != {a.name for a in self.group.axes} or self.levels[root.node] != last:
                continue
            if value.type.dtype == dtype and streams(value, self.facts, in_order=True) == 0:
                return self._place(value, at, "read")
        return None
