"""Walking over loop-IR blocks: expressions, sizes and names in them, and rewriting them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.scalar import Apply, Expr, Name
from tcc.loops.program import (
    Alloc,
    Block,
    Call,
    Carry,
    Check,
    Copy,
    Entry,
    If,
    Let,
    Load,
    Loop,
    Parallel,
    Position,
    Prefetch,
    Stmt,
    Store,
    Switch,
    TileOp,
)


def blocks_of(stmt: Stmt) -> tuple[Block, ...]:
    """The blocks directly inside a statement."""
    match stmt:
        case Loop():
            return (stmt.body,)
        case If():
            return stmt.body, stmt.otherwise
        case Switch():
            return stmt.cases
        case _:
            return ()


def statements(block: Block) -> Iterator[Stmt]:
    """Every statement of a block, outer before inner, in order."""
    for stmt in block:
        yield stmt
        for inner in blocks_of(stmt):
            yield from statements(inner)


def steps(entry: Entry) -> list[Call | Copy]:
    """The calls and copies of an entry, in order: what a profile of it measures."""
    return [s for s in statements(entry.body) if isinstance(s, (Call, Copy))]


def expressions_of(stmt: Stmt) -> tuple[Expr, ...]:
    """The expressions directly in a statement, without those of its blocks."""
    match stmt:
        case Let() | Store():
            return (stmt.value,)
        case Check() | If():
            return (stmt.condition,)
        case Loop():
            parts = [e for c in stmt.carries for e in (*c.init, *c.update)]
            return (*parts, stmt.while_) if stmt.while_ is not None else tuple(parts)
        case _:
            return ()


def sizes_of(stmt: Stmt) -> tuple[Size, ...]:
    """The sizes directly in a statement, without those in its expressions and blocks."""
    match stmt:
        case Store():
            return stmt.index, stmt.nontemporal
        case Prefetch():
            return (stmt.index,)
        case Loop():
            grain = (stmt.mapping.grain,) if isinstance(stmt.mapping, Parallel) else ()
            return stmt.lo, stmt.hi, *grain
        case Alloc():
            return (stmt.buffer.size,)
        case TileOp():
            return tuple(s for p in (stmt.acc, stmt.a, stmt.b) for s in (p.offset, p.row, p.column))
        case Switch():
            return (stmt.index,)
        case Call():
            return *(v.offset for v in stmt.buffers), *stmt.sizes
        case Copy():
            return stmt.source.offset, stmt.target.offset, stmt.count
        case _:
            return ()


def parts(expr: Expr) -> Iterator[Expr]:
    """An expression and everything in it."""
    yield expr
    if isinstance(expr, Apply):
        for argument in expr.args:
            yield from parts(argument)
    elif isinstance(expr, Load) and expr.guard is not None:
        yield from parts(expr.guard)


def all_sizes(block: Block) -> Iterator[Size]:
    """Every size in a block."""
    for stmt in statements(block):
        yield from sizes_of(stmt)
        for expr in expressions_of(stmt):
            for part in parts(expr):
                if isinstance(part, (Load, Position)):
                    yield part.index


def all_parts(block: Block) -> Iterator[Expr]:
    """Every expression in a block, with everything in it."""
    for stmt in statements(block):
        for expr in expressions_of(stmt):
            yield from parts(expr)


def defined_names(block: Block) -> set[str]:
    """The axes, lets and carries that a block defines, at any depth."""
    names: set[str] = set()
    for stmt in statements(block):
        if isinstance(stmt, Let):
            names.add(stmt.name)
        elif isinstance(stmt, Loop):
            names.add(stmt.axis)
            names.update(n for c in stmt.carries for n in c.names)
    return names


def free_symbols(block: Block) -> tuple[str, ...]:
    """The sizes that a block uses and does not define, sorted."""
    used = {s.name for size in all_sizes(block) for s in dim.symbols(size)}
    return tuple(sorted(used - defined_names(block)))


def used_names(block: Block) -> set[str]:
    """Every name that some expression or size of a block refers to."""
    names = {p.name for p in all_parts(block) if isinstance(p, Name)}
    return names | {s.name for size in all_sizes(block) for s in dim.symbols(size)}


def map_expr(expr: Expr, size: Callable[[Size], Size], name: Callable[[str], str]) -> Expr:
    """The expression with its sizes and names replaced."""
    match expr:
        case Apply():
            return replace(expr, args=tuple(map_expr(a, size, name) for a in expr.args))
        case Load():
            guard = None if expr.guard is None else map_expr(expr.guard, size, name)
            return replace(expr, index=size(expr.index), guard=guard)
        case Position():
            return replace(expr, index=size(expr.index))
        case Name():
            return replace(expr, name=name(expr.name))
        case _:
            return expr


def without_dead_lets(block: Block) -> Block:
    """The block without lets and carries that nothing refers to (a kernel's block, not an entry's)."""
    while True:
        used = used_names(block)
        kept = _drop(block, used)
        if kept == block:
            return kept
        block = kept


def _drop(block: Block, used: set[str]) -> Block:
    kept: list[Stmt] = []
    for stmt in block:
        if isinstance(stmt, Let) and stmt.name not in used:
            continue
        if isinstance(stmt, Loop):
            carries: tuple[Carry, ...] = tuple(c for c in stmt.carries if used & set(c.names))
            body = _drop(stmt.body, used)
            if not body and not carries:
                continue
            stmt = replace(stmt, body=body, carries=carries)
        elif isinstance(stmt, If):
            stmt = replace(stmt, body=_drop(stmt.body, used), otherwise=_drop(stmt.otherwise, used))
        elif isinstance(stmt, Switch):
            stmt = replace(stmt, cases=tuple(_drop(c, used) for c in stmt.cases))
        kept.append(stmt)
    return tuple(kept)
