"""Hints to memory, in kernels that go through each row several times."""

from __future__ import annotations

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.scalar import TABLE, Apply
from tcc.loops import walk
from tcc.loops.decision import Decision
from tcc.loops.program import Let, Prefetch, Store
from tcc.schedule.element import KernelBuilder
from tcc.schedule.plan import Plan, coefficient

DEAR = 10.0
"""Additions for an element from which on a pass has time to wait for another one's memory: an exp."""
SHORT = 1 << 10
"""Bytes of a row of results that is written before another pass could ask for them."""


def ask(kernel: KernelBuilder, plan: Plan) -> None:
    """The pass before the last one asks for what that one overwrites, if it computes meanwhile: a line is read
    before a part of it is written, and the last pass would wait for it."""
    if len(kernel.passes) < 2 or not plan.space or not plan.one_at_a_time or kernel.facts.threads:
        return
    *_, before, last = kernel.passes
    plain = tuple(s for s in before.stmts if isinstance(s, (Let, Store)))
    if sum(TABLE[p.op].cost for p in walk.all_parts(plain) if isinstance(p, Apply)) < DEAR:
        return
    for store in last.stmts:
        if isinstance(store, Store) and store.nontemporal == 0 and _is_far(kernel, plan, store.buffer, store.index):
            before.stmts.append(Prefetch(store.buffer, store.index, write=True, location=store.location))
            reason = "a line is read before a part of it is written, and this pass computes meanwhile"
            choice = "asked for in the pass before the last one"
            about = f"the results in {store.buffer}"
            kernel.decisions.append(Decision("prefetch", about, choice, reason, location=store.location))


def _is_far(kernel: KernelBuilder, plan: Plan, buffer: str, index: Size) -> bool:
    """Whether a row of results is in memory or a far cache, and no more than a part of the first one."""
    value = next((v for v, name in kernel.stored.items() if name == buffer and v not in kernel.local), None)
    extent = dim.product(x.extent for x in plan.reduce)
    if value is None or not isinstance(extent, int) or coefficient(index, plan.space[-1].name) == 0:
        return False
    size, row = value.type.size * value.type.dtype.bytes, extent * value.type.dtype.bytes
    return not dim.nonnegative(kernel.facts.l2 - size) and SHORT <= row <= kernel.facts.l1 // 4
