"""Streaming stores: past the caches, where the schedule says so and the address allows it.

A result that is larger than the caches is not in them when it is read again, and a store past them
saves reading each line before it is overwritten: a third of a copy's traffic. Whether it is that large
may be known only at run time; then the innermost loop exists twice.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Callable

from tcc.loops.program import Loop, Store
from tcc.lowering import index
from tcc.lowering.frame import Frame
from tcc.lowering.memory import cell_type, offset
from tcc.lowering.mlir import arith, ir, llvm, scf
from tcc.lowering.registers import compare, i64, integer


def wanted(frame: Frame, store: Store) -> bool:
    """Whether a store streams in the version of the code that is being emitted."""
    size = store.nontemporal
    return size > 0 if isinstance(size, int) else frame.function.streaming


def _asking(loop: Loop) -> list[Store]:
    """The stores directly in a loop that stream by a size known at run time only."""
    return [s for s in loop.body if isinstance(s, Store) and not isinstance(s.nontemporal, int)]


def differs(loop: Loop) -> bool:
    """Whether a loop needs two versions. One that carries values has one: it is not worth the code."""
    return not loop.carries and loop.lanes > 1 and bool(_asking(loop))


def versions(frame: Frame, loop: Loop, emit: Callable[[], None]) -> None:
    """``emit()`` for streaming stores, and for ordinary ones; which of them runs is asked before the loop."""
    size = frame.resolve(_asking(loop)[0].nontemporal)
    op = scf.IfOp(compare("gt", index.evaluate(frame, size, {}), integer(0)), has_else=True)
    for block, streams in ((op.then_block, True), (op.else_block, False)):
        with ir.InsertionPoint(block), frame.scope():
            frame.function.streaming = streams
            emit()
            frame.function.streaming = False
            scf.YieldOp([])


def before_aligned(frame: Frame, loop: Loop, lo: ir.Value) -> ir.Value | None:
    """How many iterations of a loop come before its first streaming store at a whole vector's address.

    None when nothing streams along the lanes of this loop.
    """
    if loop.carries or loop.lanes == 1 or frame.copies or frame.mask is not None:
        return None
    for store in loop.body:
        if not isinstance(store, Store) or store.combine or not wanted(frame, store):
            continue
        storage = frame.storage(store.buffer)
        stride, rest = index.linear(frame.resolve(store.index), loop.axis)
        if stride != 1 or storage.dtype.is_complex or index.varies(frame, rest):
            continue
        cell = cell_type(storage.dtype)
        first = offset(offset(storage.address, index.evaluate(frame, rest, {}), cell), lo, cell)
        elements = arith.divui(llvm.PtrToIntOp(i64(), first).result, integer(storage.dtype.bytes))
        return arith.andi(arith.subi(integer(0), elements), integer(loop.lanes - 1))
    return None
