"""Long kernels in several machine functions: LLVM takes its time for each, and can work at several at once."""

from __future__ import annotations

from dataclasses import replace

from tcc.loops.program import Apart, Kernel, Loop, Parallel, Program, Serial, Stmt, Switch
from tcc.loops.walk import blocks_of, statements

LONG = 120
"""Statements of a kernel or a loop, all copies counted, from which on the loops in it become functions."""
PART = 30
"""Statements of a loop that is worth one."""
WORK = 4 << 10
"""Statements that such a loop runs for each call, so that calling it is nothing."""
SOME = 64
"""Iterations that a loop is taken to have whose extent only the machine knows."""


def in_functions(program: Program) -> Program:
    """The program with the outer loops of long kernels apart, where each runs long enough."""
    return replace(program, kernels=tuple(map(_kernel, program.kernels)))


def _kernel(kernel: Kernel) -> Kernel:
    length = sum(map(_length, kernel.body))
    if length < LONG:
        return kernel
    body = tuple(_parted(s, once=True) for s in kernel.body)
    apart = [_length(s) for s in statements(body) if _is_apart(s)]
    # One alone is no gain, if little stays beside it.
    return replace(kernel, body=body) if len(apart) > 1 or length - sum(apart) >= LONG else kernel


def _parted(stmt: Stmt, once: bool) -> Stmt:
    """The statement with its outer loops apart; ``once``: nothing repeats it."""
    match stmt:
        case Loop(mapping=Parallel(), lanes=1, copies=1):
            return replace(stmt, body=tuple(_parted(s, once=False) for s in stmt.body))
        case Loop(mapping=Serial()) if _is_plain(stmt) and _length(stmt) >= PART and (once or _work(stmt) >= WORK):
            body = tuple(_parted(s, once=False) for s in stmt.body)
            splits = stmt.lanes * stmt.copies == 1 and _length(stmt) >= LONG and sum(map(_is_apart, body)) > 1
            return replace(stmt, body=body) if splits else replace(stmt, mapping=Apart())
        case Switch():
            return replace(stmt, cases=tuple(tuple(_parted(s, once) for s in case) for case in stmt.cases))
        case _:
            return stmt


def _is_plain(loop: Loop) -> bool:
    return not loop.carries and loop.while_ is None and not loop.unrolled


def _is_apart(stmt: Stmt) -> bool:
    return isinstance(stmt, Loop) and isinstance(stmt.mapping, Apart)


def _length(stmt: Stmt) -> int:
    """A statement and those in it, each as often as there are copies of it."""
    return 1 + (stmt.copies if isinstance(stmt, Loop) else 1) * sum(_length(s) for b in blocks_of(stmt) for s in b)


def _work(stmt: Stmt) -> int:
    """How many statements it runs, about; of several cases the first one's are counted."""
    inner = sum(_work(s) for b in blocks_of(stmt)[:1] for s in b)
    if not isinstance(stmt, Loop):
        return 1 + inner
    extent = stmt.hi - stmt.lo
    return 1 + inner * (-(-extent // stmt.lanes) if isinstance(extent, int) else SOME)
