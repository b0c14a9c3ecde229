"""Kernels for machines of blocks of threads: the loops of a row kernel, and what any kernel needs there.

Lanes are the threads of a block and the outermost loop goes over blocks. Barriers stand between a
statement and one that reads or overwrites what other threads did in it.
"""

from __future__ import annotations

from dataclasses import replace

from tcc.errors import Unsupported
from tcc.ir.dim import Size
from tcc.ir.graph import Node
from tcc.loops import walk
from tcc.loops.facts import Facts
from tcc.loops.program import (
    WARP,
    Alloc,
    Barrier,
    Block,
    Blocks,
    If,
    Let,
    Load,
    Loop,
    Parallel,
    Serial,
    Stmt,
    Store,
    Switch,
    TileOp,
)
from tcc.schedule import axes as planning
from tcc.schedule.axes import BLOCK
from tcc.schedule.element import KernelBuilder
from tcc.schedule.plan import Plan, PlanLoop

FEW = 8
"""Iterations that are too few to be blocks."""
COPIES = 4
"""Elements of one thread at a time: their loads are under way together."""
ROWS = 8
"""Rows of products at a time."""


def choose(plan: Plan, seen: KernelBuilder, facts: Facts, fused: int) -> Plan:
    """The plan for a row kernel whose first emission was ``seen``, with ``fused`` sums of products."""
    space, touches = planning.collapsed(plan.space, seen.touches)
    reduce, touches = planning.collapsed(plan.reduce, touches)
    best = planning.lanes_loop(space, reduce, touches)
    if best is not None and best in reduce:
        copies = _copies(best.extent, facts.threads, COPIES)
        rest = tuple(x for x in reduce if x is not best)
        reduce = (*rest, replace(best, lanes=facts.threads, copies=copies, block=_block(best.extent)))
    elif best is not None:
        copies = 1 if reduce else _copies(best.extent, facts.threads, COPIES)
        rest = tuple(x for x in space if x is not best)
        if fused and rest:
            rest = (*rest[:-1], replace(rest[-1], copies=_copies(rest[-1].extent, 1, ROWS)))
        space = (*rest, replace(best, lanes=facts.threads, copies=copies))
    return Plan(_outermost(space), reduce, plan.unrolled)


def _copies(extent: Size, lanes: int, most: int) -> int:
    return most if not isinstance(extent, int) else max(1, min(most, -(-extent // lanes)))


def _block(extent: Size) -> int:
    return 0 if isinstance(extent, int) and extent <= BLOCK else BLOCK


def _outermost(space: tuple[PlanLoop, ...]) -> tuple[PlanLoop, ...]:
    """The first loop that is worth it goes over blocks."""
    if not space:
        return space
    first = next((k for k, x in enumerate(space) if not isinstance(x.extent, int) or x.extent > FEW), 0)
    return (replace(space[first], mapping=Parallel(1)), *space[:first], *space[first + 1 :])


def check(node: Node, body: Block) -> None:
    """Unsupported for a kernel that keeps memory of its own which a GPU has not got."""
    for stmt in walk.statements(body):
        if isinstance(stmt, Alloc) and stmt.buffer.space in ("scratch", "worker"):
            raise Unsupported(
                f"{node.op.name} on a GPU",
                where=node.location.place(),
                why=f"its loops keep {stmt.buffer.dtype}[{stmt.buffer.size}] of memory of their own for each worker, "
                "and so far there are none for GPUs that share it among threads",
                fix="compile this function for a processor, as --target native, and the others with --function",
            )


def threads_of(body: Block) -> int:
    """The threads that a kernel's loops ask for."""
    loops = [s for s in walk.statements(body) if isinstance(s, Loop)]
    asked = [x.mapping.threads for x in loops if isinstance(x.mapping, Blocks)]
    return max([WARP, *asked, *(x.lanes for x in loops)])


def on_blocks(body: Block) -> Block:
    """A kernel's body as a loop over blocks of threads: its parallel loop, or a single block; with barriers."""
    threads = threads_of(body)
    *before, last = body or (None,)
    if isinstance(last, Loop) and isinstance(last.mapping, Blocks):
        pass
    elif isinstance(last, Loop) and isinstance(last.mapping, Parallel) and all(isinstance(s, Let) for s in before):
        body = (*body[:-1], replace(last, mapping=Blocks(threads)))
    else:
        # What is before a parallel loop runs once: not in every block.
        if isinstance(last, Loop) and isinstance(last.mapping, Parallel):
            body = (*body[:-1], replace(last, mapping=Serial()))
        taken = walk.used_names(body) | walk.defined_names(body)
        axis = next(name for name in (f"block{n}" for n in range(len(taken) + 1)) if name not in taken)
        body = (Loop(axis, 0, 1, body, mapping=Blocks(threads)),)
    return _Barriers(body).block(body)


class _Barriers:
    """Where threads have to wait for each other, in the order that they run the statements.

    ``read`` and ``written`` are the buffers that some thread may have touched since the last barrier. A
    buffer that one unique store writes and nothing reads has no order to keep.
    """

    def __init__(self, body: Block) -> None:
        private = [
            s.buffer.name for s in walk.statements(body) if isinstance(s, Alloc) and s.buffer.space == "register"
        ]
        stores = [s for s in walk.statements(body) if isinstance(s, Store)]
        several = {s.buffer for s in stores if not s.unique or sum(o.buffer == s.buffer for o in stores) > 1}
        loads, stored = _touched(body)
        self.free = frozenset(private) | (stored - loads - several)
        made = [s.buffer.name for s in walk.statements(body) if isinstance(s, Alloc)]
        self.own = frozenset(made)
        self.read: frozenset[str] = frozenset()
        self.written: frozenset[str] = frozenset()

    def block(self, block: Block) -> Block:
        result: list[Stmt] = []
        for stmt in block:
            result += self.statement(stmt)
        return tuple(result)

    def statement(self, stmt: Stmt) -> list[Stmt]:
        if isinstance(stmt, Loop) and stmt.lanes == 1 and isinstance(stmt.mapping, (Serial, Blocks)):
            return self._loop(stmt)
        if isinstance(stmt, (If, Switch)):
            return self._branches(stmt)
        loads, stores = self._touched((stmt,))
        barrier = bool(loads & self.written or stores & (self.read | self.written))
        if barrier:
            self.read = self.written = frozenset()
        self.read, self.written = self.read | loads, self.written | stores
        return [Barrier(), stmt] if barrier else [stmt]

    def _loop(self, loop: Loop) -> list[Stmt]:
        """What an iteration leaves open meets the next one: before the body anything in it may be open."""
        before: list[Stmt] = []
        heads = self._touched((replace(loop, body=()),))[0]
        if heads & self.written:
            before, self.read, self.written = [Barrier()], frozenset(), frozenset()
        loads, stores = self._touched((loop,))
        if isinstance(loop.mapping, Blocks):
            # Its iterations share nothing but the block's own memory.
            loads, stores = loads & self.own, stores & self.own
        self.read, self.written = self.read | loads, self.written | stores
        return [*before, replace(loop, body=self.block(loop.body))]

    def _branches(self, stmt: If | Switch) -> list[Stmt]:
        conditions: frozenset[str] = frozenset()
        if isinstance(stmt, If):
            conditions = self._touched((replace(stmt, body=(), otherwise=()),))[0]
        before: list[Stmt] = []
        if conditions & self.written:
            before, self.read, self.written = [Barrier()], frozenset(), frozenset()
        start = self.read | conditions, self.written
        ends: list[tuple[frozenset[str], frozenset[str]]] = []
        made: list[Block] = []
        for inner in walk.blocks_of(stmt):
            self.read, self.written = start
            made.append(self.block(inner))
            ends.append((self.read, self.written))
        self.read, self.written = (frozenset().union(*parts) for parts in zip(*ends, strict=True))
        if isinstance(stmt, If):
            return [*before, replace(stmt, body=made[0], otherwise=made[1])]
        return [*before, replace(stmt, cases=tuple(made))]

    def _touched(self, block: Block) -> tuple[frozenset[str], frozenset[str]]:
        loads, stores = _touched(block)
        return loads - self.free, stores - self.free


def _touched(block: Block) -> tuple[frozenset[str], frozenset[str]]:
    """The buffers that are loaded and stored."""
    loads = {p.buffer for p in walk.all_parts(block) if isinstance(p, Load)}
    stores: set[str] = set()
    for stmt in walk.statements(block):
        if isinstance(stmt, Store):
            stores.add(stmt.buffer)
            loads |= {stmt.buffer} if stmt.combine else set()
        elif isinstance(stmt, TileOp):
            loads |= {stmt.a.buffer, stmt.b.buffer}
    return frozenset(loads), frozenset(stores)
