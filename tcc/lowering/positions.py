"""Whether a loop combines positions in their order, so that a later one counts only where its value is better."""

from __future__ import annotations

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.scalar import COMBINES, Expr, Name
from tcc.loops.program import Carry, Let, Loop, Position


def in_order(loop: Loop, carry: Carry) -> bool:
    """Whether each position that a carry of ``loop`` combines is greater than those before it, and none is negative."""
    if carry.combine not in COMBINES or COMBINES[carry.combine].later is None:
        return False
    position = _position(loop, carry.update[-1])
    if position is None:
        return False
    index, inside = position.index, {s.name for s in loop.body if isinstance(s, Let)}
    step = dim.substitute(index, {loop.axis: dim.symbol(loop.axis) + 1}) - dim.substitute(
        index, {loop.axis: dim.symbol(loop.axis)}
    )
    if not isinstance(step, int) or step < 1 or any(s.name in inside for s in dim.symbols(index)):
        return False
    limit = 1 << (position.dtype.bits - (position.dtype.kind == "int"))
    first = dim.substitute(index, {loop.axis: loop.lo})
    lasts = [dim.substitute(index, {loop.axis: stop - 1}) for stop in _at_most(loop.hi)]
    return dim.nonnegative(first) and (limit == 1 << 63 or any(_below(last, limit) for last in lasts))


def _position(loop: Loop, expr: Expr) -> Position | None:
    if isinstance(expr, Name):
        found = [s.value for s in loop.body if isinstance(s, Let) and s.name == expr.name]
        expr = found[0] if found else expr
    return expr if isinstance(expr, Position) else None


def _at_most(size: Size) -> tuple[Size, ...]:
    """Sizes that a size does not exceed."""
    atom = dim.sole_atom(size)
    return atom.arguments if isinstance(atom, dim.Extremum) and atom.kind == "min" else (size,)


def _below(size: Size, limit: int) -> bool:
    _, most = dim.bounds(size)
    return most is not None and most < limit
