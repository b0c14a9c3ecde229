"""Walking over the loop IR: statements, expressions and the sizes in them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.scalar import Apply, Expr, Name
from tcc.schedule.program import (
    Alloc,
    Block,
    Call,
    Check,
    Copy,
    If,
    Let,
    Load,
    Loop,
    Parallel,
    Position,
    Stmt,
    Store,
    Switch,
)


def blocks(statement: Stmt) -> tuple[Block, ...]:
    """The blocks directly inside a statement."""
    match statement:
        case If():
            return statement.body, statement.otherwise
        case Loop():
            return (statement.body,)
        case Switch():
            return statement.cases
        case _:
            return ()


def statements(block: Block) -> Iterator[Stmt]:
    """Every statement of a block, outer before inner, in order."""
    for statement in block:
        yield statement
        for inner in blocks(statement):
            yield from statements(inner)


def roots(statement: Stmt) -> Iterator[Expr]:
    """The expressions that a statement itself evaluates, without those of its blocks."""
    match statement:
        case Let():
            yield statement.value
        case Store():
            yield statement.value
        case Check() | If():
            yield statement.condition
        case Loop():
            for carry in statement.carries:
                yield from carry.init
                yield from carry.update
            if statement.while_ is not None:
                yield statement.while_
        case _:
            return


def expressions(root: Expr) -> Iterator[Expr]:
    """An expression and all in it, each object once, users first."""
    stack, seen = [root], set[int]()
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, Apply):
            stack += reversed(node.args)
        elif isinstance(node, Load) and node.guard is not None:
            stack.append(node.guard)


def sizes(statement: Stmt) -> Iterator[Size]:
    """The sizes of a statement and of its expressions, without those of its blocks."""
    match statement:
        case Store():
            yield statement.index
        case Alloc():
            yield statement.buffer.size
        case Loop():
            yield from (statement.lo, statement.hi)
            if isinstance(statement.mapping, Parallel):
                yield statement.mapping.grain
        case Switch():
            yield statement.index
        case Call():
            yield from (v.offset for v in statement.buffers)
            yield from statement.sizes
        case Copy():
            yield from (statement.source.offset, statement.target.offset, statement.count)
        case _:
            pass
    for root in roots(statement):
        for node in expressions(root):
            if isinstance(node, (Load, Position)):
                yield node.index


def index_names(block: Block) -> frozenset[str]:
    """The names of all symbols in the sizes of a block."""
    return frozenset(s.name for t in statements(block) for size in sizes(t) for s in dim.symbols(size))


def reads_name(statement: Stmt, names: Collection[str]) -> bool:
    """Whether a statement or one inside it uses one of some names, as a value or in an index."""
    return any(
        any(isinstance(e, Name) and e.name in names for r in roots(s) for e in expressions(r))
        or any(x.name in names for size in sizes(s) for x in dim.symbols(size))
        for s in statements((statement,))
    )
