"""Scalar ops on registers, real and complex."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tcc.errors import InternalError
from tcc.ir.dtype import DType
from tcc.ir.scalar import Apply, Const, Expr, Name
from tcc.loops.facts import Facts
from tcc.lowering import complex, scalar
from tcc.lowering.registers import Register, alike, constant


def apply(op: str, args: Sequence[Register], dtypes: Sequence[DType], result: DType, facts: Facts) -> Register:
    """A scalar op on registers; scalars beside vectors are broadcast."""
    flat = alike(*(v for register in args for v in register))
    spread = [tuple(flat.pop(0) for _ in register) for register in args]
    if result.is_complex or any(d.is_complex for d in dtypes):
        return complex.emit(op, spread, dtypes, result, facts)
    return (scalar.emit(op, [r[0] for r in spread], dtypes, result, facts),)


def on_registers(expr: Expr, names: Mapping[str, Register], facts: Facts) -> Register:
    """An expression of ops, constants and names only, with names that stand for registers."""
    match expr:
        case Const(dtype, value):
            return constant(dtype, value)
        case Name(_, name):
            return names[name]
        case Apply(dtype, op, args):
            registers = [on_registers(a, names, facts) for a in args]
            return apply(op, registers, [a.dtype for a in args], dtype, facts)
    raise InternalError(f"a combine uses the expression {type(expr).__name__}", why="stage: lowering")
