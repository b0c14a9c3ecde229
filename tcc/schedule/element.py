"""Elements of values inside a kernel: loads of stored values, expressions of all others.

A value is a function of coordinates: reading one that has no buffer calls its nest's body, which
reads its operands in turn. Operands are evaluated before their users by a stack of our own, so that
a long chain does not use up Python's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tcc.errors import InternalError
from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import BOOL, I64, DType
from tcc.ir.forms import Coordinates
from tcc.ir.graph import Node, Value
from tcc.ir.location import Location
from tcc.ir.scalar import Apply, Const, Expr, Name, apply, compute_dtype
from tcc.loops.facts import Facts
from tcc.loops.program import Block, Buffer, Check, Load, Parameter, Position, Store
from tcc.loops.weight import Weight
from tcc.schedule.block import BlockBuilder, Key, OpenLoop, Scope, values_at
from tcc.schedule.group import Group, Grouping
from tcc.schedule.nests import Item, splat

PIECE = 64
"""Elements of a row that are a piece of it: a few cache lines."""


@dataclass(frozen=True)
class Touch:
    """An address, a position or a condition that a kernel computes; ``inner``: inside a pass.

    ``indirect`` are the axes that it depends on through lets: indices that were read.
    """

    index: Size
    kind: str
    inner: bool
    indirect: frozenset[str]


@dataclass(frozen=True)
class Local:
    """A box of a value, in a buffer that only one iteration of a kernel's outermost loop knows.

    ``origin`` is the box's first element, ``extents`` its size, ``order`` its axes, outermost first. Along the
    axis ``ring`` the box goes round: each element takes the place of the one that is its extent before it.
    """

    origin: Coordinates
    extents: tuple[Size, ...]
    order: tuple[int, ...]
    ring: int | None = None

    @property
    def size(self) -> Size:
        return dim.product(self.extents)

    def address(self, coordinates: Coordinates) -> Size:
        """Where an element of the value is in the buffer."""
        places = [c - o for c, o in zip(coordinates, self.origin, strict=True)]
        if self.ring is not None:
            places[self.ring] = dim.mod(places[self.ring], self.extents[self.ring])
        return linear([self.extents[k] for k in self.order], [places[k] for k in self.order])


@dataclass(frozen=True, eq=False)
class Task:
    """A group to emit, and what is known around it.

    ``stored`` names the buffers of stored values; ``messages`` may grow; ``taken`` are names that the
    kernel may not use; ``plain`` are the digests of weights that stay as they are. ``unchanging`` are values that
    are the same in each step of the loop around. ``inside``: the kernel is a part of another one, in whose parallel
    loop it stands; ``local`` are then the values of which only a box is stored, ``values`` the numbers that sizes
    known in that kernel only may be, by their names.
    """

    group: Group
    grouping: Grouping
    stored: Mapping[Value, str]
    facts: Facts
    messages: list[str]
    taken: Sequence[str]
    plain: frozenset[str] = frozenset()
    unchanging: frozenset[Value] = frozenset()
    inside: bool = False
    local: Mapping[Value, Local] = field(default_factory=dict[Value, Local])
    values: Mapping[str, Sequence[int]] = field(default_factory=dict[str, "Sequence[int]"])

    @property
    def node(self) -> Node:
        """The first root's node."""
        return self.group.roots[0].node

    def values_of(self, size: Size) -> frozenset[int] | None:
        """All numbers that a size may be; None where they are not known, or not all."""
        names = [s.name for s in dim.symbols(size)]
        if not all(n in self.values for n in names):
            return None
        return values_at(size, {n: self.values[n] for n in names})


@dataclass(frozen=True)
class Emitted:
    """A kernel's inside: its block and buffers, arena buffers that only the group's kernels use, and constants
    that are laid out for it, by the names of their buffers. ``prepared`` are buffers that are filled before the
    loop around begins, each with the kernel that does it."""

    body: Block
    parameters: tuple[Parameter, ...]
    temporaries: tuple[Buffer, ...] = ()
    constants: tuple[tuple[str, Weight], ...] = ()
    prepared: tuple[tuple[Buffer, Emitted], ...] = ()


class _Pending(Exception):  # noqa: N818 - not an error: an operand to evaluate first
    def __init__(self, node: Node, coordinates: Coordinates, guard: Expr | None) -> None:
        self.wanted = (node, coordinates, guard)


class KernelBuilder(BlockBuilder):
    """A kernel's block, its parameters, and the elements of values in it.

    Values of the group's own roots are made here and not loaded; its reductions are made in passes,
    before they are read.
    """

    def __init__(self, task: Task, taken: Sequence[str] = ()) -> None:
        super().__init__((*task.taken, *taken))
        self.facts = task.facts
        self.items: Mapping[Node, Item] = task.grouping.items
        self.stored = task.stored
        self.local = task.local
        self.own = task.group.nodes
        self.reductions = frozenset(n for n, _ in task.group.reductions)
        self.messages = task.messages
        self.decisions = task.group.decisions
        self.accesses: dict[str, tuple[DType, set[str]]] = {}
        self.touches: list[Touch] = []
        self.inner = False
        self.widths: dict[frozenset[str], int] = {}
        self.passes: list[Scope] = []
        self.checks: set[Key] = set()

    # --- memory --------------------------------------------------------------------------------

    def touch_buffer(self, name: str, dtype: DType, access: str) -> None:
        self.accesses.setdefault(name, (dtype, set()))[1].add(access)

    def emitted(self) -> Emitted:
        """The finished kernel."""
        return Emitted(self.block(), self.parameters())

    def parameters(self) -> tuple[Parameter, ...]:
        """The kernel's buffers, read ones first."""

        def access(kinds: set[str]) -> str:
            return "update" if len(kinds) > 1 else next(iter(kinds))

        rows = [Parameter(n, d, access(k)) for n, (d, k) in self.accesses.items()]
        return tuple(sorted(rows, key=lambda p: p.access != "read"))

    def note(self, index: Size, kind: str) -> None:
        indirect: set[str] = set()
        for symbol in dim.symbols(index):
            indirect |= self.sources.get(symbol.name, frozenset()) - {symbol.name}
        self.touches.append(Touch(index, kind, self.inner, frozenset(indirect)))

    def load(self, value: Value, coordinates: Coordinates, guard: Expr | None, location: Location) -> Expr:
        """The element of a stored value, bound to a name."""
        name, index = self._place(value, coordinates, "read")
        self.note(index, "load")
        loaded = self.let(Load(value.type.dtype, name, index, guard, location), location)
        self.widen_all((loaded,))
        return loaded

    def store(self, value: Value, coordinates: Coordinates, element: Expr, location: Location) -> Store:
        """A store of a value's element (not yet added)."""
        name, index = self._place(value, coordinates, "write")
        self.note(index, "store")
        far = 0 if value in self.local else streams(value, self.facts, self._in_order(index))
        return Store(name, index, element, nontemporal=far, location=location)

    def _in_order(self, index: Size) -> bool:
        """Whether the innermost loop goes through memory in order, for more than a few cache lines."""
        loop = next((s for scope in self.scopes[-2:-1] for s in scope.stmts[-1:] if isinstance(s, OpenLoop)), None)
        if loop is None:
            return True
        _, most = dim.bounds(loop.hi - loop.lo)
        step = dim.substitute(index, {loop.axis: 1}) - dim.substitute(index, {loop.axis: 0})
        return step == 1 and (loop.lo == 0 or most is None or most > PIECE)

    def _place(self, value: Value, coordinates: Coordinates, access: str) -> tuple[str, Size]:
        """The buffer of a stored value and an element's index in it."""
        name = self.stored[value]
        if value in self.local:
            return name, self.local[value].address(coordinates)
        self.touch_buffer(name, value.type.dtype, access)
        return name, linear(value.type.shape, coordinates)

    def widen(self, dtype: DType, axes: frozenset[str]) -> None:
        """Counts a value of a dtype that is not the same along some axes."""
        self.widths[axes] = max(self.widths.get(axes, 1), compute_dtype(dtype).real.bytes)

    def widen_all(self, parts: Sequence[Expr]) -> None:
        for part in parts:
            self.widen(part.dtype, self.axes_in(part))

    def widest(self, along: Collection[str]) -> int:
        """The bytes of the widest value that varies along some axis of these."""
        return max([w for axes, w in self.widths.items() if not axes.isdisjoint(along)], default=1)

    # --- elements ------------------------------------------------------------------------------

    def element(self, value: Value, coordinates: Coordinates, guard: Expr | None = None) -> Expr:
        """The element of any value at coordinates."""
        while True:
            try:
                return self.peek(value, coordinates, guard, value.location)
            except _Pending as pending:
                self._evaluate(pending)

    def complete(self, node: Node, make: Callable[[Reading], tuple[Expr, ...]], bind: bool = True) -> tuple[Expr, ...]:
        """``make(access)`` with every operand that it reads evaluated first; bound to names."""
        while True:
            try:
                parts = make(Reading(self, node, None))
            except _Pending as pending:
                self._evaluate(pending)
                continue
            return tuple(self.bind(p, node.location) for p in parts) if bind else parts

    def _evaluate(self, first: _Pending) -> None:
        stack = [first.wanted]
        while stack:
            node, coordinates, guard = stack[-1]
            nest = self.items[node].nest
            if nest is None or nest.reduce:
                raise InternalError(f"the value of {node!r} is read before it is made", why="stage: schedule")
            try:
                parts = nest.body(Reading(self, node, guard), coordinates, ())
            except _Pending as pending:
                stack.append(pending.wanted)
                continue
            bound = tuple(self.bind(p, node.location) for p in parts)
            self.widen_all(bound)
            if guard is not None:
                bound = tuple(self.masked(guard, p, node.location) for p in bound)
            self.remember((node, coordinates, guard), bound)
            stack.pop()

    def remember(self, key: Key, parts: tuple[Expr, ...]) -> None:
        """Keeps a node's elements in the outermost scope where they are valid."""
        self.scopes[max(self.depth(p) for p in parts)].known[key] = parts

    def masked(self, guard: Expr, element: Expr, location: Location) -> Expr:
        zero = Const(element.dtype, False if element.dtype == BOOL else 0)
        return self.bind(apply("select", guard, element, zero), location)

    def peek(self, value: Value, coordinates: Coordinates, guard: Expr | None, location: Location) -> Expr:
        """The element if it is known or stored; raises the request to evaluate it otherwise."""
        number = splat(value)
        if number is not None:
            constant = Const(value.type.dtype, number)
            return constant if guard is None else self.masked(guard, constant, location)
        node = value.producer
        if node is None or (value in self.stored and node not in self.own):
            return self.load(value, coordinates, guard, location)
        found = self.lookup((node, coordinates, guard))
        if found is None and guard is not None and node in self.reductions:
            found = self.lookup((node, coordinates, None))
            if found is not None:
                return self.masked(guard, found[value.index], location)
        if found is None and guard is None:
            found = self.kept(node, coordinates)
        if found is None:
            raise _Pending(node, coordinates, guard)
        return found[value.index]

    def lookup(self, key: Key) -> tuple[Expr, ...] | None:
        for scope in reversed(self.scopes):
            if key in scope.known:
                return scope.known[key]
        return None

    def kept(self, node: Node, coordinates: Coordinates) -> tuple[Expr, ...] | None:  # noqa: ARG002
        """Elements made in an earlier pass and stored for this one; None to compute them again."""
        return None


class Reading:
    """What a nest's body sees: reads of its node's operands, all under the body's own guard."""

    def __init__(self, kernel: KernelBuilder, node: Node, guard: Expr | None) -> None:
        self.kernel = kernel
        self.node = node
        self.guard = guard

    def read(self, operand: int, coordinates: Coordinates, guard: Expr | None = None) -> Expr:
        value = self.node.operands[operand]
        return self.kernel.peek(value, coordinates, self._both(guard), self.node.location)

    def _both(self, guard: Expr | None) -> Expr | None:
        if guard is None or guard == self.guard:
            return self.guard
        if self.guard is not None:
            guard = apply("and", self.guard, guard)
        return self.kernel.bind(guard, self.node.location)

    def index(self, value: Expr, upper: Size) -> Size:
        bound = self.kernel.bind(value, self.node.location, "x")
        if isinstance(bound, Const):
            return int(bound.value.real)
        assert isinstance(bound, Name)
        self.kernel.widen_all((bound,))
        return dim.symbol(bound.name, 0, upper)

    def position(self, size: Size, dtype: DType) -> Expr:
        if isinstance(size, int):
            return Const(dtype, size)
        self.kernel.note(size, "position")
        return Position(dtype, size)

    def inside(self, conditions: Sequence[Size]) -> Expr | None:
        result: Expr | None = None
        for size in dict.fromkeys(conditions):
            if dim.nonnegative(size):
                continue
            if isinstance(size, int):
                return Const(BOOL, False)
            self.kernel.note(size, "position")
            holds = Apply(BOOL, "ge", (Position(I64, size), Const(I64, 0)))
            result = holds if result is None else apply("and", result, holds)
        return None if result is None else self.kernel.bind(result, self.node.location, "inside")

    def check(self, condition: Expr, message: str) -> None:
        kernel = self.kernel
        if self.guard is not None:
            condition = apply("or", condition, apply("not", self.guard))
        bound = kernel.bind(condition, self.node.location)
        if message not in kernel.messages:
            kernel.messages.append(message)
        key: Key = (message, str(bound))
        if key not in kernel.checks:
            kernel.checks.add(key)
            number = kernel.messages.index(message)
            kernel.put(Check(bound, number, self.node.location), kernel.depth(bound))


def streams(value: Value, facts: Facts, in_order: bool) -> Size:
    """By how many bytes a value exceeds the core's share of the last cache: none of it would be found there again.

    Half of the share where it is not written in order: each line is then read before a piece of it is written.
    """
    excess = value.type.size * value.type.dtype.bytes - facts.last_level // (1 if in_order else 2)
    if not facts.nontemporal or dim.nonnegative(-excess):
        return 0
    return 1 if dim.nonnegative(excess - 1) else excess


def linear(shape: Sequence[Size], coordinates: Sequence[Size]) -> Size:
    """The row-major address of coordinates."""
    index: Size = 0
    for extent, coordinate in zip(shape, coordinates, strict=True):
        index = index * extent + coordinate
    return index
