"""Expressions of the loop IR: each scalar op once for every part of its operands."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Sequence

from tcc.errors import InternalError
from tcc.ir.dim import Size
from tcc.ir.dtype import I64
from tcc.ir.scalar import Apply, Const, Expr, Name
from tcc.loops.program import Load, Position
from tcc.lowering import access, index
from tcc.lowering.frame import Frame
from tcc.lowering.operation import apply
from tcc.lowering.registers import constant
from tcc.lowering.tile import Tile, uniform


def evaluate(frame: Frame, expr: Expr) -> Tile:
    """The value of an expression for all copies and lanes. Nodes that are shared are emitted once
    within a statement."""
    known = frame.memo.get(id(expr))
    if known is None:
        known = frame.memo[id(expr)] = _evaluate(frame, expr)
    return known


def _evaluate(frame: Frame, expr: Expr) -> Tile:
    match expr:
        case Const(dtype, value):
            return uniform(dtype, constant(dtype, value))
        case Name(_, name):
            return frame.lookup(name)
        case Position(dtype, size):
            return index.position(frame, size, dtype)
        case Load():
            guard = None if expr.guard is None else evaluate(frame, expr.guard)
            with frame.at(expr.location):
                return access.load(frame, expr, guard)
        case Apply(_, op, args) if (size := _at_least_zero(op, args)) is not None:
            with frame.at(expr.location):
                return index.nonnegative(frame, frame.resolve(size))
        case Apply(dtype, op, args):
            tiles = [evaluate(frame, a) for a in args]
            axes = frame.ordered(a for t in tiles for a in t.axes)
            dtypes = [t.dtype for t in tiles]
            with frame.at(expr.location):
                parts = [
                    apply(op, [t.at(at) for t in tiles], dtypes, dtype, frame.function.facts) for at in frame.grid(axes)
                ]
            return frame.tile(dtype, axes, parts)
    raise InternalError(f"no machine code for the expression {type(expr).__name__}", why="stage: lowering")


def _at_least_zero(op: str, args: Sequence[Expr]) -> Size | None:
    """The size that is ≥ 0 where a comparison of positions and constants holds; None for anything else."""
    if op not in ("lt", "le", "gt", "ge") or not any(isinstance(a, Position) for a in args):
        return None
    first, second = (_exact(a) for a in args)
    if first is None or second is None:
        return None
    return (first - second if op in ("gt", "ge") else second - first) - (op in ("lt", "gt"))


def _exact(expr: Expr) -> Size | None:
    """The size that a 64-bit position or integer constant is."""
    match expr:
        case Position(dtype, size) if dtype == I64:
            return size
        case Const(dtype, int(value)) if dtype == I64 and abs(value) < 1 << 40:
            return value
        case _:
            return None
