"""A scan whose state stays in registers: one kernel, the steps inside, lanes across what is independent.

It applies where every element of the next state needs only elements of the state at its own place along
some axes, the lanes, and at places known before run time along the others, which are few. The copies of
the lanes' loop cover the latency of the chain from step to step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from tcc.ir import dim, forms
from tcc.ir.dim import Size
from tcc.ir.dtype import BOOL, DType
from tcc.ir.forms import Coordinates
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.location import Location
from tcc.ir.scalar import Const, Expr, Name
from tcc.loops import walk
from tcc.loops.program import Carry, Let, Load, View
from tcc.schedule import axes as planning
from tcc.schedule.block import OpenLoop
from tcc.schedule.element import Emitted, KernelBuilder, Task, linear
from tcc.schedule.group import Axis, Group, Grouping
from tcc.schedule.nests import item_of, splat
from tcc.schedule.plan import LEAST_LANES, PlanLoop

if TYPE_CHECKING:
    from tcc.schedule.region import Region

MOST_STATE = 32
"""Elements of state for each lane: more do not stay in registers."""
MOST_LETS = 1500
"""Operations in a step: a longer one is better off as kernels of its own loops."""
COPIES = 8
SYMBOLIC_COPIES = 4
"""The same where it is not known that they are filled: a lane's loop masks the rest one register at a time."""
COST = 8


class _NotLanes(Exception):  # noqa: N818 - not an error: this choice of lanes does not fit
    """An element of the state at another place along the lanes, or at one not known before run time."""


@dataclass(frozen=True)
class Lanes:
    """The axes of a state that are lanes: the first or the last ones of every part of it."""

    extents: tuple[Size, ...]
    first: bool

    def fits(self, shape: Sequence[Size]) -> bool:
        """Whether a shape has these axes, and the others are known before run time."""
        count = len(self.extents)
        if len(shape) < count or tuple(shape[:count] if self.first else shape[len(shape) - count :]) != self.extents:
            return False
        return all(isinstance(e, int) for e in self.rest(shape))

    def rest(self, shape: Sequence[Size]) -> tuple[Size, ...]:
        """The extents of the other axes."""
        count = len(self.extents)
        return tuple(shape[count:] if self.first else shape[: len(shape) - count])

    def at(self, lanes: Coordinates, rest: Sequence[Size]) -> Coordinates:
        """Coordinates of both."""
        return (*lanes, *rest) if self.first else (*rest, *lanes)

    def split(self, at: Coordinates) -> tuple[Coordinates, Coordinates]:
        """Coordinates along the lanes, and the others."""
        count = len(self.extents)
        return (at[:count], at[count:]) if self.first else (at[len(at) - count :], at[: len(at) - count])

    def points(self, shape: Sequence[Size]) -> Iterator[tuple[int, ...]]:
        """All places along the other axes."""
        return product(*(range(e) for e in self.rest(shape) if isinstance(e, int)))

    def count(self, shape: Sequence[Size]) -> int:
        """How many there are."""
        size = dim.product(self.rest(shape))
        assert isinstance(size, int)
        return size


def emit(outer: Region, node: Node) -> tuple[Emitted, dict[str, Value]] | None:
    """The kernel of a scan and the value that each of its parameters is; None where the rule does not apply."""
    body: Graph = node.attributes["body"]
    items = {n: item_of(n) for n in body.nodes}
    for inner, item in items.items():
        if isinstance(inner.op.form, forms.Literal):
            if splat(inner.results[0]) is None:
                return None
        elif item.nest is None or item.reduces:
            return None
    for lanes in _choices(node):
        kernel = _Recurrence(outer, node, lanes, Grouping((), frozenset(), items, {}))
        try:
            kernel.build()
        except _NotLanes:
            continue
        emitted = kernel.emitted()
        if sum(isinstance(s, Let) for s in walk.statements(emitted.body)) > MOST_LETS:
            return None
        return emitted, kernel.values
    return None


def _choices(node: Node) -> list[Lanes]:
    """The lanes to try, the most promising first: short axes known before run time are none."""
    carries: int = node.attributes["carries"]
    shapes = [v.type.shape for v in node.operands[:carries]]
    stacked = [v.type.shape[1:] for v in node.results[carries:]]
    if not shapes:
        return []
    longest = max(shapes, key=len)
    rank = len(longest)
    found = [Lanes(longest, True)]
    for count in reversed(range(rank)):
        found += [Lanes(longest[:count], True), Lanes(longest[rank - count :], False)]

    def fits(lanes: Lanes) -> bool:
        if not all(lanes.fits(s) for s in (*shapes, *stacked)):
            return False
        return sum(map(lanes.count, shapes)) <= MOST_STATE and sum(map(lanes.count, stacked)) <= MOST_STATE

    def short(lanes: Lanes) -> bool:
        extent = lanes.extents[-1] if lanes.extents else 1
        return isinstance(extent, int) and extent < LEAST_LANES

    return sorted(filter(fits, dict.fromkeys(found)), key=short)


class _Recurrence(KernelBuilder):
    def __init__(self, outer: Region, node: Node, lanes: Lanes, grouping: Grouping) -> None:
        host = outer.host
        self.body: Graph = node.attributes["body"]
        self.carries: int = node.attributes["carries"]
        self.first: int = self.carries + node.attributes["consts"]
        self.lanes = lanes
        self.node = node
        self.facts = host.facts
        self.values: dict[str, Value] = {}
        names: dict[Value, str] = {}
        used = set(host.symbols)

        def named(value: Value, like: Value, wish: str) -> None:
            name, count = wish, 0
            while name in used:
                count += 1
                name = f"{wish}_{count}"
            used.add(name)
            names[value] = name
            self.values[name] = like

        for inside, operand in zip(self.body.inputs, node.operands, strict=True):
            named(inside, operand, outer.views[operand].buffer)
        for number, result in enumerate(node.results):
            named(result, result, f"y{number}")
        group = Group("row", [])
        super().__init__(Task(group, grouping, names, host.facts, host.messages, tuple(used), host.plain))
        self.state: dict[Value, dict[Coordinates, Name]] = {}
        self.place: Coordinates = ()
        self.row: Size = 0
        self.along: frozenset[str] = frozenset()

    def build(self) -> None:
        """The whole kernel. Raises where an element is needed of another lane."""
        node, at = self.node, self.node.location
        loops = self._loops()
        for loop in loops:
            self.open(OpenLoop(loop.name, 0, loop.extent, loop.lanes, loop.copies, loop.mapping, location=at))
        by_axis = {loop.axes[0].name: loop.symbol for loop in loops}
        self.place = tuple(0 if e == 1 else by_axis[f"@{k}"] for k, e in enumerate(self.lanes.extents))
        starts = {
            v: self._starts(v, operand)
            for v, operand in zip(self.body.inputs, node.operands[: self.carries], strict=False)
        }
        length: Size = node.attributes["length"]
        time = self.open(OpenLoop(self.fresh("t"), 0, length, location=at))
        step = dim.axis(time.axis, length)
        self.row = length - 1 - step if node.attributes["reverse"] else step
        self.along = frozenset((time.axis, *(loop.name for loop in loops)))
        for value in starts:
            self.state[value] = {p: self._named(value.type.dtype, at) for p in self.lanes.points(value.type.shape)}
        ends = [self._elements(v) for v in self.body.outputs]
        for value, parts in zip(node.results[self.carries :], ends[self.carries :], strict=True):
            for point, part in parts.items():
                self._store(value, point, part, self.row)
        for (value, names), parts in zip(self.state.items(), ends, strict=False):
            for point, name in names.items():
                init, update = starts[value][point], parts[point]
                time.carries.append(Carry((name.name,), (name.dtype,), (init,), (update,), location=at))
        self.close()
        for result, names in zip(node.results[: self.carries], self.state.values(), strict=True):
            for point, name in names.items():
                self._store(result, point, name, None)
        for _ in loops:
            self.close()

    def _loops(self) -> tuple[PlanLoop, ...]:
        axes = [Axis(f"@{k}", e) for k, e in enumerate(self.lanes.extents) if e != 1]
        if not axes:
            return ()
        loops = tuple(PlanLoop(self.fresh("i"), a.extent, (a,)) for a in axes)
        parts = [v.type for v in self.node.operands[: self.carries]]
        width = max(1, self.facts.vector_bytes // max(t.dtype.real.bytes for t in parts))
        states = sum(self.lanes.count(t.shape) for t in parts)
        extent = axes[-1].extent
        most = COPIES if isinstance(extent, int) else SYMBOLIC_COPIES
        copies = max(1, min(most, 2 * COPIES // states))
        if isinstance(extent, int):
            copies = max(1, min(copies, -(-extent // width)))
        loops = (*loops[:-1], replace(loops[-1], lanes=width, copies=copies))
        length = Axis("@t", self.node.attributes["length"])
        return planning.parallel(loops, (PlanLoop("t", length.extent, (length,)),), COST)

    def _named(self, dtype: DType, at: Location) -> Name:
        name = Name(dtype, self.fresh("s"))
        self.carried(Carry((name.name,), (dtype,), (), (), location=at))
        self.sources[name.name] = self.along
        return name

    def _starts(self, value: Value, operand: Value) -> dict[Coordinates, Expr]:
        number = splat(operand)
        if number is not None:
            return {p: Const(value.type.dtype, number) for p in self.lanes.points(value.type.shape)}
        points = self.lanes.points(value.type.shape)
        return {p: super(_Recurrence, self).load(value, self._at(p), None, operand.location) for p in points}

    def _at(self, point: Coordinates) -> Coordinates:
        return self.lanes.at(self.place, point)

    def _elements(self, value: Value) -> dict[Coordinates, Expr]:
        return {p: self.element(value, self._at(p)) for p in self.lanes.points(value.type.shape)}

    def _store(self, value: Value, point: Coordinates, element: Expr, row: Size | None) -> None:
        at = self._at(point)
        self.add(self.store(value, at if row is None else (row, *at), element, value.location))

    def load(self, value: Value, coordinates: Coordinates, guard: Expr | None, location: Location) -> Expr:
        """An element of the state by name; of a slice, at the row of this step; of a constant, as ever."""
        if value in self.state:
            return self._of_state(value, coordinates, guard, location)
        if value not in self.body.inputs[self.first :]:
            return super().load(value, coordinates, guard, location)
        name, dtype = self.stored[value], value.type.dtype
        index = self.row * value.type.size + linear(value.type.shape, coordinates)
        self.touch_buffer(name, dtype, "read")
        self.note(index, "load")
        loaded = self.let(Load(dtype, name, index, guard, location), location)
        self.widen_all((loaded,))
        return loaded

    def _of_state(self, value: Value, coordinates: Coordinates, guard: Expr | None, location: Location) -> Expr:
        lanes, rest = self.lanes.split(coordinates)
        never = isinstance(guard, Const) and not guard.value
        if never:
            return Const(value.type.dtype, False if value.type.dtype == BOOL else 0)
        found = self.state[value].get(rest)
        if lanes != self.place or found is None:
            raise _NotLanes
        return found if guard is None else self.masked(guard, found, location)


def views(outer: Region, values: dict[str, Value]) -> dict[str, View]:
    """The views of a kernel's parameters; results get a place."""
    return {name: outer.views[v] if v in outer.views else outer.place(v) for name, v in values.items()}
