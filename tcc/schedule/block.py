"""Blocks under construction: open loops, lets placed at the outermost loop they depend on.

Equal expressions in one scope become one let, so that a diamond of shared values stays linear.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product as points
from typing import Any, Union

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import I64
from tcc.ir.location import UNKNOWN, Location
from tcc.ir.scalar import Apply, Const, Expr, Name
from tcc.loops import walk
from tcc.loops.program import Alloc, Block, Carry, Let, Load, Loop, Mapping, Position, Serial, Stmt, Switch

Key = tuple[Any, ...]
FEW = 64
"""Points up to which all values of a size are worked out."""


@dataclass(eq=False)
class Scope:
    """The statements of a block so far, and what is known in it."""

    stmts: list[Union[Stmt, OpenLoop, OpenSwitch]] = field(default_factory=list["Stmt | OpenLoop | OpenSwitch"])
    lets: dict[Key, Expr] = field(default_factory=dict[Key, Expr])
    known: dict[Key, tuple[Expr, ...]] = field(default_factory=dict[Key, "tuple[Expr, ...]"])


@dataclass(eq=False)
class OpenLoop:
    """A loop whose body and carries may still grow."""

    axis: str
    lo: Size
    hi: Size
    lanes: int = 1
    copies: int = 1
    mapping: Mapping = field(default_factory=Serial)
    while_: Expr | None = None
    unrolled: bool = False
    location: Location = UNKNOWN
    carries: list[Carry] = field(default_factory=list[Carry])
    scope: Scope = field(default_factory=Scope)

    def closed(self) -> Loop:
        return Loop(
            self.axis,
            self.lo,
            self.hi,
            frozen(self.scope),
            self.lanes,
            self.copies,
            self.mapping,
            tuple(self.carries),
            self.while_,
            self.unrolled,
            self.location,
        )


@dataclass(eq=False)
class OpenSwitch:
    """A switch whose cases may still grow."""

    index: Size
    scopes: list[Scope]
    location: Location = UNKNOWN

    def closed(self) -> Switch:
        return Switch(self.index, tuple(map(frozen, self.scopes)), self.location)


def frozen(scope: Scope) -> Block:
    """The finished block of a scope."""
    return tuple(s.closed() if isinstance(s, (OpenLoop, OpenSwitch)) else s for s in scope.stmts)


class BlockBuilder:
    """A stack of scopes. ``floor`` is the outermost scope that lets may be placed in."""

    def __init__(self, taken: Sequence[str] = ()) -> None:
        self.scopes: list[Scope] = [Scope()]
        self.depths: dict[str, int] = {}
        self.taken = set(taken)
        self.counts: dict[str, int] = {}
        self.floor = 0
        self.sources: dict[str, frozenset[str]] = {}
        self.definitions: dict[str, Expr] = {}

    def fresh(self, prefix: str) -> str:
        """A name that nothing else in the kernel has."""
        while True:
            count = self.counts.get(prefix, 0)
            self.counts[prefix] = count + 1
            name = f"{prefix}{count}"
            if name not in self.taken:
                self.taken.add(name)
                return name

    @property
    def scope(self) -> Scope:
        return self.scopes[-1]

    def open(self, loop: OpenLoop) -> OpenLoop:
        """Opens a loop in the current scope; statements go into it until `close`."""
        self.scope.stmts.append(loop)
        self.scopes.append(loop.scope)
        self.depths[loop.axis] = len(self.scopes) - 1
        self.sources[loop.axis] = frozenset((loop.axis,))
        for carry in loop.carries:
            self.carried(carry)
        return loop

    def carried(self, carry: Carry) -> None:
        """Makes a carry's names known inside the innermost open loop."""
        for name in carry.names:
            self.depths[name] = len(self.scopes) - 1

    def close(self) -> None:
        """Ends the innermost loop; its carries' names stay known outside of it."""
        self.scopes.pop()
        loop = self.scope.stmts[-1]
        assert isinstance(loop, OpenLoop)
        for carry in loop.carries:
            for name in carry.names:
                self.depths[name] = len(self.scopes) - 1

    def cases(self, index: Size, count: int, location: Location) -> Iterator[int]:
        """Opens a switch and each of its cases in turn; a single case needs no switch."""
        if count == 1:
            yield 0
            return
        switch = OpenSwitch(index, [Scope() for _ in range(count)], location)
        self.scope.stmts.append(switch)
        for number, scope in enumerate(switch.scopes):
            self.scopes.append(scope)
            yield number
            self.scopes.pop()

    def add(self, stmt: Stmt) -> None:
        """Appends a statement to the innermost scope."""
        self.scope.stmts.append(stmt)

    def block(self) -> Block:
        """The finished body, without dead lets."""
        assert len(self.scopes) == 1
        return walk.without_dead_lets(frozen(self.scopes[0]))

    def depth(self, expr: Expr) -> int:
        """The innermost scope that an expression depends on."""
        found = self.floor
        for part in walk.parts(expr):
            if isinstance(part, Name):
                found = max(found, self.depths.get(part.name, 0))
            elif isinstance(part, (Load, Position)):
                found = max(found, self.depth_of(part.index))
        return found

    def depth_of(self, size: Size) -> int:
        """The innermost scope that a size depends on."""
        return max([self.floor, *(self.depths.get(s.name, 0) for s in dim.symbols(size))])

    def axes_in(self, expr: Expr) -> frozenset[str]:
        """The axes that an expression depends on, through lets too."""
        found: set[str] = set()
        for part in walk.parts(expr):
            if isinstance(part, Name):
                found |= self.sources.get(part.name, frozenset())
            elif isinstance(part, (Load, Position)):
                for symbol in dim.symbols(part.index):
                    found |= self.sources.get(symbol.name, frozenset())
        return frozenset(found)

    def bind(self, expr: Expr, location: Location, prefix: str = "v") -> Expr:
        """The expression as a name or constant; lets are added where they belong.

        Parts used more than once become lets of their own.
        """
        uses: dict[int, int] = {}
        _count_uses(expr, uses)
        made: dict[int, Expr] = {}
        result = self._linear(expr, uses, made, location)
        return self.let(result, location, prefix)

    def _linear(self, expr: Expr, uses: dict[int, int], made: dict[int, Expr], location: Location) -> Expr:
        if not isinstance(expr, Apply):
            return expr
        if id(expr) not in made:
            args = tuple(self._linear(a, uses, made, location) for a in expr.args)
            done = replace(expr, args=args, location=expr.location if expr.location.known else location)
            made[id(expr)] = self.let(done, location) if uses[id(expr)] > 1 else done
        return made[id(expr)]

    def let(self, expr: Expr, location: Location, prefix: str = "v") -> Expr:
        """A name for an expression without shared parts, the same one for an equal expression."""
        if isinstance(expr, (Const, Name)):
            return expr
        key = key_of(expr)
        for scope in reversed(self.scopes):
            if key in scope.lets:
                return scope.lets[key]
        return self.new_let(expr, location, prefix, key)

    def new_let(self, expr: Expr, location: Location, prefix: str = "v", key: Key | None = None) -> Name:
        """A let of its own."""
        from_depth = self.depth(expr)
        name = Name(expr.dtype, self.fresh(prefix))
        self.depths[name.name] = from_depth
        self.sources[name.name] = self.axes_in(expr)
        self.definitions[name.name] = expr
        if key is not None:
            self.scopes[from_depth].lets[key] = name
        self.put(Let(name.name, expr, location), from_depth)
        return name

    def definition(self, expr: Expr) -> Expr:
        """What a name stands for, if a let has made it; else the expression itself."""
        return self.definitions.get(expr.name, expr) if isinstance(expr, Name) else expr

    def chosen(self, value: Expr, location: Location, prefix: str, lower: int = 0, upper: Size | None = None) -> Size:
        """An integer expression as a size, by a let."""
        return dim.symbol(self.new_let(value, location, prefix).name, lower, upper)

    def sized(self, size: Size, location: Location, prefix: str, lower: int = 0, upper: Size | None = None) -> Size:
        """A size as a let, so that it is computed once; itself where it is a number or one symbol."""
        if isinstance(size, int) or isinstance(dim.sole_atom(size), dim.Symbol):
            return size
        return self.chosen(Position(I64, size), location, prefix, lower, upper)

    def values_of(self, size: Size) -> frozenset[int] | None:
        """Every number that a size may be, where the positions that it depends on are at most `FEW` points."""
        free = self._free(size)
        if free is None:
            return None
        ranges: dict[str, Sequence[int]] = {}
        for symbol in free:
            assert isinstance(symbol.upper, int)
            ranges[symbol.name] = range(symbol.lower, symbol.upper + 1)
        return values_at(size, ranges, self._value)

    def _free(self, size: Size) -> list[dim.Symbol] | None:
        """The symbols that a size's value follows from, some of them by lets; None where they have too many values."""
        free: dict[str, dim.Symbol] = {}
        for symbol in dim.symbols(size):
            definition = self.definitions.get(symbol.name)
            made_of = self._free(definition.index) if isinstance(definition, Position) else None
            if made_of is None or _points(made_of) > _points([symbol]):
                made_of = [symbol]
            free |= {s.name: s for s in made_of}
        return list(free.values()) if _points(free.values()) <= FEW else None

    def _value(self, size: Size, point: dict[str, int]) -> int:
        """A size's value where its free symbols have theirs, which grow by those that follow."""
        for symbol in dim.symbols(size):
            if symbol.name not in point:
                definition = self.definitions[symbol.name]
                assert isinstance(definition, Position)
                point[symbol.name] = self._value(definition.index, point)
        return dim.evaluate(size, point)

    def digit(self, number: Size, extent: Size, location: Location, prefix: str, last: bool) -> tuple[Size, Size]:
        """The last digit of a mixed-radix number, and the rest of it; ``last``: there is none."""
        if extent == 1:
            return 0, number
        if last:
            return number, 0
        rest = self.sized(dim.floordiv(number, extent), location, "rest")
        return self.sized(number - rest * extent, location, prefix, 0, extent - 1), rest

    def put(self, stmt: Stmt, depth: int) -> None:
        """Appends a statement to the scope of a depth, before the loop or switch that is open in it."""
        stmts = self.scopes[depth].stmts
        stmts.insert(len(stmts) - (depth < len(self.scopes) - 1), stmt)

    def alloc(self, stmt: Alloc, scope: Scope) -> None:
        """Puts an allocation at the beginning of a scope."""
        scope.stmts.insert(0, stmt)


def values_at(
    size: Size,
    ranges: dict[str, Sequence[int]],
    evaluate: Callable[[Size, dict[str, int]], int] = dim.evaluate,
) -> frozenset[int]:
    """A size's values at all points of its symbols' ranges."""
    return frozenset(evaluate(size, dict(zip(ranges, at, strict=True))) for at in points(*ranges.values()))


def _points(symbols: Iterable[dim.Symbol]) -> float:
    """How many points symbols of known ranges have."""
    return math.prod(s.upper + 1 - s.lower if isinstance(s.upper, int) else math.inf for s in symbols)


def _count_uses(expr: Expr, uses: dict[int, int]) -> None:
    if isinstance(expr, Apply):
        uses[id(expr)] = uses.get(id(expr), 0) + 1
        if uses[id(expr)] == 1:
            for argument in expr.args:
                _count_uses(argument, uses)


def key_of(expr: Expr) -> Key:
    """What tells expressions apart (-0.0 from 0.0; nan equals itself)."""
    match expr:
        case Const():
            return ("const", *expr.key())
        case Name():
            return ("name", expr.name)
        case Apply():
            return (expr.op, expr.dtype.name, *(key_of(a) for a in expr.args))
        case Load():
            return ("load", expr.buffer, expr.index, key_of(expr.guard) if expr.guard is not None else None, expr.word)
        case Position():
            return ("position", expr.dtype.name, expr.index)
        case _:
            return ("other", id(expr))
