"""Bands: what of a chain's large value is used for a block of rows, where a comparison of places says so.

A causal mask lets row i see columns up to i. What is masked is the identity of every reduction that it
reaches, -inf below a maximum and 0 below a sum, so the loops over columns of a block of rows may end with its
last row's. Found by folding each reduction's element under the assumption that the comparison is false; values
that are not known are taken to be finite then.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import BOOL, DType
from tcc.ir.forms import Coordinates
from tcc.ir.graph import Node, Value
from tcc.ir.scalar import COMBINES, Apply, Const, Expr, Name, Number
from tcc.loops import walk
from tcc.loops.program import Position
from tcc.schedule.chains.chain import Chain
from tcc.schedule.group import Group, Grouping, coordinates_of, plain_axes
from tcc.schedule.nests import Placeholders, splat

MOST_NODES = 64
"""Ops between a value and the reductions that read it: more are not looked through."""


@dataclass(frozen=True)
class Band:
    """Row i of a chain uses columns j ≤ i + ``shift``; ``axes`` are the columns' names in the members."""

    shift: Size
    axes: tuple[str, ...]


def found(chain: Chain, grouping: Grouping) -> Band | None:
    """The band of a chain; None where all columns are used, or it is not known."""
    first = chain.members[0]
    for root in first.roots:
        value = root.node.results[0]
        if value not in chain.local or len(first.roots) > 1:
            return None
        for at in root.coordinates:
            names = plain_axes((at,)) or ()
            if len(names) == 1 and names[0] not in {line.names[0] for line in chain.lines}:
                band = _along(chain, grouping, names[0])
                if band is not None:
                    return band
    return None


def _along(chain: Chain, grouping: Grouping, column: str) -> Band | None:
    """The band whose columns are an axis of the first member."""
    axes = _followed(chain, column)
    if axes is None:
        return None
    shifts: list[Size] = []
    for g, axis, line in zip(chain.members, axes, chain.lines[-1].names, strict=True):
        elements = _Elements(grouping, g, {}, axis)
        parts = [e for node, at in _reducing(g, axis) for e in elements.reduced(node, at)]
        parts += [elements.element(v, r.coordinates) for r in g.roots for v in r.node.results]
        shifts += [s for e in parts for s in _shifts(e, line, axis)]
    for shift in dict.fromkeys(shifts):
        if _holds(chain, grouping, axes, shift):
            return Band(shift, axes)
    return None


def _followed(chain: Chain, column: str) -> tuple[str, ...] | None:
    """The columns' name in each member: where it reads values made over them before."""
    axes = [column]
    for g in chain.members[1:]:
        names: set[str] = set()
        for before, axis in zip(chain.members, list(axes), strict=False):
            for root in before.roots:
                places = [k for k, c in enumerate(root.coordinates) if plain_axes((c,)) == (axis,)]
                for value in root.node.results:
                    for at in g.reads.get(value, ()):
                        if len(places) > 1:
                            return None
                        names.update(n for k in places for n in plain_axes((at[k],)) or ("",))
        if len(names) != 1 or "" in names:
            return None
        axes.append(names.pop())
    return tuple(axes)


def _reducing(g: Group, axis: str) -> list[tuple[Node, Coordinates]]:
    return g.reductions if axis in (g.reduced or ()) else []


def _holds(chain: Chain, grouping: Grouping, axes: Sequence[str], shift: Size) -> bool:
    """Whether nothing of the columns beyond ``shift`` is used: each reduction over them takes its identity there."""
    fills: dict[Value, Number] = {}
    for g, axis, line in zip(chain.members, axes, chain.lines[-1].names, strict=True):
        elements, folding = _Elements(grouping, g, fills, axis), _Folding(line, axis, shift)
        for node, coordinates in _reducing(g, axis):
            nest = grouping.items[node].nest
            assert nest is not None
            identity = COMBINES[nest.combine].identity(nest.dtypes)
            parts = [folding.fold(e) for e in elements.reduced(node, coordinates)]
            if [p.value if isinstance(p, Const) else None for p in parts] != list(identity):
                return False
        for root in g.roots:
            for value in root.node.results if axis in root.over else ():
                if value not in chain.local:
                    return False
                filled = folding.fold(elements.element(value, root.coordinates))
                if isinstance(filled, Const):
                    fills[value] = filled.value
    return True


# --- elements as expressions ---------------------------------------------------------------------


class _Elements:
    """Elements of values in a group as expressions of what others store, and of reductions, which are names;
    ``fills`` are the numbers that stored values have beyond the band, where they are read along ``axis``."""

    def __init__(self, grouping: Grouping, group: Group, fills: Mapping[Value, Number], axis: str) -> None:
        self.grouping, self.group, self.fills, self.axis = grouping, group, fills, axis
        self.nodes = 0

    def reduced(self, node: Node, coordinates: Coordinates) -> tuple[Expr, ...]:
        """What a reduction of the group combines."""
        nest = self.grouping.items[node].nest
        assert nest is not None
        return nest.body(_Reading(self, node), coordinates, coordinates_of(self.group.reduce, nest.reduce))

    def element(self, value: Value, at: Coordinates) -> Expr:
        """The element of a value that is computed where it is read."""
        self.nodes += 1
        node = value.producer
        nest = None if node is None else self.grouping.items[node].nest
        if node is None or nest is None or nest.reduce or self.nodes > MOST_NODES:
            return Name(value.type.dtype, "?")
        return nest.body(_Reading(self, node), at, ())[value.index]


class _Reading(Placeholders):
    def __init__(self, elements: _Elements, node: Node) -> None:
        super().__init__(node)
        self.elements = elements

    def read(self, operand: int, coordinates: Coordinates, guard: Expr | None = None) -> Expr:
        value, elements = self.node.operands[operand], self.elements
        number = splat(value)
        if guard is not None:
            return Name(value.type.dtype, "?")
        if number is not None:
            return Const(value.type.dtype, number)
        if value in elements.fills and any((elements.axis,) == plain_axes((c,)) for c in coordinates):
            return Const(value.type.dtype, elements.fills[value])
        if value in elements.grouping.stored and value.producer not in elements.group.nodes:
            return Name(value.type.dtype, "?")
        return elements.element(value, coordinates)

    def position(self, size: Size, dtype: DType) -> Expr:
        return Position(dtype, size)


# --- folding -------------------------------------------------------------------------------------


def _difference(expr: Apply) -> Size | None:
    """What must not be negative for a comparison of two places to hold."""
    a, b = map(_place, expr.args)
    if a is None or b is None:
        return None
    return {"ge": a - b, "gt": a - b - 1, "le": b - a, "lt": b - a - 1}.get(expr.op)


def _place(expr: Expr) -> Size | None:
    """An integer expression of places as a size."""
    match expr:
        case Position():
            return expr.index
        case Const() if isinstance(expr.value, int) and not isinstance(expr.value, bool):
            return expr.value
        case Apply(op="add" | "sub"):
            a, b = map(_place, expr.args)
            return None if a is None or b is None else a + b if expr.op == "add" else a - b
        case _:
            return None


def _shift(difference: Size, row: str, column: str) -> Size | None:
    """What is beyond the column j ≤ i + shift, if that is what the difference says."""
    names = {s.name: dim.of_atom(s) for s in dim.symbols(difference)}
    if row not in names or column not in names:
        return None
    rest = difference - names[row] + names[column]
    return None if {row, column} & {s.name for s in dim.symbols(rest)} else rest


def _shifts(expr: Expr, row: str, column: str) -> Iterator[Size]:
    for part in walk.parts(expr):
        difference = _difference(part) if isinstance(part, Apply) and len(part.args) == 2 else None
        shift = None if difference is None else _shift(difference, row, column)
        if shift is not None:
            yield shift


@dataclass
class _Folding:
    """Expressions where the column lies beyond row + ``shift``."""

    row: str
    column: str
    shift: Size
    done: dict[int, tuple[Expr, Expr]] = field(default_factory=dict[int, "tuple[Expr, Expr]"])

    def fold(self, expr: Expr) -> Expr:
        """The expression with what is known of it."""
        if id(expr) not in self.done:
            folded = self._apply(expr) if isinstance(expr, Apply) else expr
            self.done[id(expr)] = expr, folded
        return self.done[id(expr)][1]

    def _apply(self, expr: Apply) -> Expr:
        difference = _difference(expr) if len(expr.args) == 2 else None
        if difference is not None:
            shift = _shift(difference, self.row, self.column)
            return Const(BOOL, False) if shift is not None and dim.nonnegative(self.shift - shift) else expr
        args = tuple(map(self.fold, expr.args))
        known = [a.value if isinstance(a, Const) else None for a in args]
        match expr.op:
            case "select" if known[0] is not None:
                return args[1] if known[0] else args[2]
            case "and" if False in known:
                return Const(BOOL, False)
            case "cast" if known[0] is not None and expr.dtype.is_inexact and not expr.dtype.is_complex:
                return Const(expr.dtype, known[0])
            case "add" | "sub" if known[0] == -math.inf and known[1] is None:
                return Const(expr.dtype, -math.inf)
            case "add" if known[1] == -math.inf and known[0] is None:
                return Const(expr.dtype, -math.inf)
            case "mul" if -math.inf in known and any(isinstance(k, float) and 0 < k < math.inf for k in known):
                return Const(expr.dtype, -math.inf)
            case "mul" if 0.0 in known and None in known:
                return Const(expr.dtype, 0.0)
            case "exp" if known[0] == -math.inf:
                return Const(expr.dtype, 0.0)
            case _:
                return replace(expr, args=args)
