"""Parallel loops: the loop becomes a function of its own, which workers run on pieces of its range."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from tcc.errors import InternalError
from tcc.loops.program import Loop, Parallel
from tcc.lowering import index
from tcc.lowering.captured import Captured
from tcc.lowering.carried import Run
from tcc.lowering.frame import Frame
from tcc.lowering.function import (
    Arguments,
    Services,
    call,
    call_address,
    declare,
    load_word,
    service_types,
    store_word,
)
from tcc.lowering.memory import offset, pointer
from tcc.lowering.mlir import arith, ir, llvm, scf
from tcc.lowering.registers import both, compare, i64, integer


def emit(frame: Frame, node: Loop, run: Run) -> None:
    """Runs the loop on the caller's parallel-for, if there is one and more iterations than the grain."""
    if frame.axes or not isinstance(node.mapping, Parallel):
        raise InternalError(f"the parallel loop over {node.axis} is not the outermost of a kernel")
    function, captured = frame.function, Captured(frame, node)
    piece = captured.symbol("piece")
    with captured.function(piece, [(i64(), ()), (i64(), ())]) as (inner, span):
        begin, end = span
        inner.function.span = begin, end
        run(inner, node)
    task = _task(captured, piece)
    count = index.evaluate(frame, frame.resolve(node.hi - node.lo), {})
    grain = arith.maxsi(index.evaluate(frame, frame.resolve(node.mapping.grain), {}), integer(1))
    given = arith.cmpi(1, llvm.PtrToIntOp(i64(), function.services.parallel).result, integer(0))
    op = scf.IfOp(both(given, compare("gt", count, grain)), has_else=True)
    with ir.InsertionPoint(op.then_block):
        base = function.alloca(i64(), len(captured.values))
        for number, value in enumerate(captured.values):
            store_word(base, number, value)
        pool = function.services.parallel
        start, argument = (load_word(pool, n, pointer()) for n in range(2))
        workers = load_word(pool, 2, ir.IntegerType.get_signless(32))
        code = llvm.AddressOfOp(pointer(), task).result
        call_address(start, [argument, code, base, count, grain, workers])
        scf.YieldOp([])
    with ir.InsertionPoint(op.else_block):
        call(piece, [*captured.values, integer(0), count])
        scf.YieldOp([])


def _task(captured: Captured, piece: str) -> str:
    """Defines ``task(frame, begin, end, worker)``, which a pool calls: it unpacks the frame's words. Its name."""
    name = captured.symbol("task")
    i32 = ir.IntegerType.get_signless(32)
    arguments: Arguments = [(pointer(), ()), (i64(), ()), (i64(), ()), (i32, ())]
    with captured.before():
        block = declare(name, arguments, None, ir.Location.current)
    with ir.InsertionPoint(block):
        words, begin, end, number = block.arguments
        values = [load_word(words, n, v.type) for n, v in enumerate(captured.values)]
        count = len(service_types())
        services = Services(*values[-count:])
        distance = arith.muli(services.worker_bytes, arith.extsi(i64(), number))
        own = offset(services.worker, distance, ir.IntegerType.get_signless(8))
        operands = [*values[:-count], services.status, own, services.worker_bytes, services.parallel]
        call(piece, [*operands, begin, end])
        llvm.ReturnOp()
    return name
