"""Which axes a value will vary over, before it is emitted: a loop's carries need their shape up front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.scalar import Apply, Expr, Name
from tcc.loops.program import Let, Load, Loop, Position, Stmt
from tcc.lowering.tile import LANES

Axes = frozenset[str]
NONE: Axes = frozenset()


def own_axes(loop: Loop) -> Axes:
    """The axes that a loop itself adds."""
    return (frozenset({loop.axis}) if loop.copies > 1 else NONE) | (frozenset({LANES}) if loop.lanes > 1 else NONE)


class Variation:
    """``names``: the axes over which each name, loop axes included, varies."""

    def __init__(self, names: Mapping[str, Axes]) -> None:
        self._names = dict(names)

    def index(self, size: Size) -> Axes:
        """The axes of a size."""
        return NONE.union(*(self._names.get(s.name, NONE) for s in dim.symbols(size)))

    def expr(self, expr: Expr) -> Axes:
        """The axes of an expression."""
        match expr:
            case Name(_, name):
                return self._names.get(name, NONE)
            case Position(_, size):
                return self.index(size)
            case Load():
                guard = NONE if expr.guard is None else self.expr(expr.guard)
                return self.index(expr.index) | guard
            case Apply(_, _, args):
                return NONE.union(*map(self.expr, args))
            case _:
                return NONE

    def block(self, statements: Sequence[Stmt], mask: Axes) -> None:
        """Binds the names of a block's lets and loops; ``mask`` is what the statements run under."""
        for statement in statements:
            match statement:
                case Let(name, value):
                    self._names[name] = self.expr(value)
                case Loop():
                    self._names.update(self.carries(statement, mask))
                case _:
                    pass

    def carries(self, loop: Loop, mask: Axes) -> dict[str, Axes]:
        """The axes of each carry of a loop, of combined ones without the loop's own.

        The least shapes that hold what is carried from one iteration to the next.
        """
        own = own_axes(loop)
        found: dict[str, Axes] = {}
        for carry in loop.carries:
            start = NONE.union(*map(self.expr, carry.init)) | (mask if loop.while_ is not None else NONE)
            found.update(dict.fromkeys(carry.names, start))
        while True:
            inside = Variation(self._names)
            inside._names[loop.axis] = own
            visible = {n: found[n] | (own if c.prefix else NONE) for c in loop.carries for n in c.names}
            inside._names.update(visible)
            alive = NONE if loop.while_ is None else inside.expr(loop.while_)
            inside.block(loop.body, mask | alive)
            grown = dict(found)
            for carry in loop.carries:
                update = NONE.union(*map(inside.expr, carry.update)) | alive
                if carry.combine:
                    update -= own
                grown.update({n: found[n] | update for n in carry.names})
            if grown == found:
                return found
            found = grown
