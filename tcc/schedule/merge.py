"""Kernels that are equal but for the names of kernels, buffers and source lines become one.

The layers of a network differ in their weights only, so most of its kernels are written again and
again; each is compiled once, and its calls name the first. The first one's lines are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tcc.ir.scalar import Apply, Expr
from tcc.loops.program import (
    Block,
    Call,
    Carry,
    Check,
    If,
    Kernel,
    Let,
    Load,
    Loop,
    Prefetch,
    Program,
    Stmt,
    Store,
    Switch,
    TileOp,
)
from tcc.loops.text import to_text

Names = Mapping[str, str]


def merged(program: Program) -> Program:
    """The program with each of its distinct kernels once."""
    first: dict[str, Kernel] = {}
    instead: dict[str, str] = {}
    for kernel in program.kernels:
        instead[kernel.name] = first.setdefault(canonical(kernel), kernel).name
    if len(first) == len(program.kernels):
        return program
    entries = tuple(replace(e, body=with_calls(e.body, instead)) for e in program.entries)
    return replace(program, kernels=tuple(first.values()), entries=entries)


def canonical(kernel: Kernel) -> str:
    """What a kernel does, as text that is equal for equal ones: parameters are named by their place.

    The text of the loop IR says everything but the lines, ranges of symbols and signs of zeros included.
    """
    names = {p.name: f"parameter{k}" for k, p in enumerate(kernel.parameters)}
    parameters = tuple(replace(p, name=names[p.name]) for p in kernel.parameters)
    return to_text(replace(kernel, name="", parameters=parameters, body=renamed(kernel.body, names)), locations=False)


def renamed(block: Block, names: Names) -> Block:
    """The block with its buffers renamed; those not named stay."""
    return tuple(_statement(stmt, names) for stmt in block)


def _statement(stmt: Stmt, names: Names) -> Stmt:
    match stmt:
        case Let():
            return replace(stmt, value=_expr(stmt.value, names))
        case Store():
            return replace(stmt, buffer=names.get(stmt.buffer, stmt.buffer), value=_expr(stmt.value, names))
        case Prefetch():
            return replace(stmt, buffer=names.get(stmt.buffer, stmt.buffer))
        case Check():
            return replace(stmt, condition=_expr(stmt.condition, names))
        case If():
            body, otherwise = renamed(stmt.body, names), renamed(stmt.otherwise, names)
            return replace(stmt, condition=_expr(stmt.condition, names), body=body, otherwise=otherwise)
        case Loop():
            carries = tuple(_carry(c, names) for c in stmt.carries)
            while_ = None if stmt.while_ is None else _expr(stmt.while_, names)
            return replace(stmt, body=renamed(stmt.body, names), carries=carries, while_=while_)
        case Switch():
            return replace(stmt, cases=tuple(renamed(c, names) for c in stmt.cases))
        case TileOp():
            panels = (replace(p, buffer=names.get(p.buffer, p.buffer)) for p in (stmt.acc, stmt.a, stmt.b))
            return replace(stmt, **dict(zip(("acc", "a", "b"), panels, strict=True)))
        case _:
            return stmt


def _carry(carry: Carry, names: Names) -> Carry:
    init, update = (tuple(_expr(e, names) for e in part) for part in (carry.init, carry.update))
    return replace(carry, init=init, update=update)


def _expr(expr: Expr, names: Names) -> Expr:
    if isinstance(expr, Apply):
        return replace(expr, args=tuple(_expr(a, names) for a in expr.args))
    if isinstance(expr, Load):
        guard = None if expr.guard is None else _expr(expr.guard, names)
        return replace(expr, buffer=names.get(expr.buffer, expr.buffer), guard=guard)
    return expr


def with_calls(block: Block, instead: Names) -> Block:
    """The block of an entry with kernels called by their new names."""
    result: list[Stmt] = []
    for stmt in block:
        match stmt:
            case Call():
                result.append(replace(stmt, kernel=instead[stmt.kernel]))
            case Loop():
                result.append(replace(stmt, body=with_calls(stmt.body, instead)))
            case If():
                body, otherwise = with_calls(stmt.body, instead), with_calls(stmt.otherwise, instead)
                result.append(replace(stmt, body=body, otherwise=otherwise))
            case Switch():
                result.append(replace(stmt, cases=tuple(with_calls(c, instead) for c in stmt.cases)))
            case _:
                result.append(stmt)
    return tuple(result)
