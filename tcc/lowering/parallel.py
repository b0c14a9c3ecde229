"""Parallel loops: the loop becomes a function of its own, which workers run on pieces of its range."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from tcc.errors import InternalError
from tcc.lowering import index
from tcc.lowering.carried import Run
from tcc.lowering.cpu import streaming
from tcc.lowering.frame import Frame, Function, Storage
from tcc.lowering.function import (
    Arguments,
    Services,
    call,
    call_address,
    declare,
    kernel_symbol,
    load_word,
    service_types,
    store_word,
)
from tcc.lowering.memory import offset, pointer
from tcc.lowering.mlir import arith, ir, llvm, scf
from tcc.lowering.registers import both, compare, i64, integer
from tcc.schedule.program import Load, Loop, Parallel, Store
from tcc.schedule.walk import all_parts, statements, used_names


def emit(frame: Frame, node: Loop, run: Run) -> None:
    """Runs the loop on the caller's parallel-for, if there is one and more iterations than the grain."""
    if frame.axes or not isinstance(node.mapping, Parallel):
        raise InternalError(f"the parallel loop over {node.axis} is not the outermost of a kernel")
    function = frame.function
    piece = _Piece(frame, node)
    piece.define(run)
    task = piece.define_task()
    count = index.evaluate(frame, frame.resolve(node.hi - node.lo), {})
    grain = arith.maxsi(index.evaluate(frame, frame.resolve(node.mapping.grain), {}), integer(1))
    given = arith.cmpi(1, llvm.PtrToIntOp(i64(), function.services.parallel).result, integer(0))
    op = scf.IfOp(both(given, compare("gt", count, grain)), has_else=True)
    with ir.InsertionPoint(op.then_block):
        row = [*piece.values, *function.services.values()]
        base = function.alloca(i64(), len(row))
        for number, value in enumerate(row):
            store_word(base, number, value)
        pool = function.services.parallel
        start, argument = (load_word(pool, n, pointer()) for n in range(2))
        workers = load_word(pool, 2, ir.IntegerType.get_signless(32))
        code = llvm.AddressOfOp(pointer(), task).result
        call_address(start, [argument, code, base, count, grain, workers])
        scf.YieldOp([])
    with ir.InsertionPoint(op.else_block):
        call(piece.name, [*piece.values, *function.services.values(), integer(0), count])
        scf.YieldOp([])


class _Piece:
    """The loop's function ``(buffers, values of names, services, begin, end)``, begin and end counted from ``lo``."""

    def __init__(self, frame: Frame, node: Loop) -> None:
        self.frame, self.node = frame, node
        self.name = f"{kernel_symbol(frame.function.shared.prefix, frame.function.name)}__piece"
        touched = {p.buffer for p in all_parts((node,)) if isinstance(p, Load)}
        touched |= {s.buffer for s in statements((node,)) if isinstance(s, Store)}
        names = used_names((node,))
        self.buffers = [name for name in frame.buffers if name in touched]
        self.names = [name for name in frame.names if name in names]
        self.values = [frame.buffers[n].address for n in self.buffers]
        self.values += [v for n in self.names for v in frame.names[n].flat()]

    def _before(self) -> ir.InsertionPoint:
        return ir.InsertionPoint(self.frame.function.entry.owner)

    def define(self, run: Run) -> None:
        """The function itself."""
        outer = self.frame.function
        addresses: Arguments = [(pointer(), ("llvm.noalias",)) for _ in self.buffers]
        plain: Arguments = [(v.type, ()) for v in self.values[len(self.buffers) :]]
        arguments = [*addresses, *plain, *((t, ()) for t in service_types()), (i64(), ()), (i64(), ())]
        with self._before():
            block = declare(self.name, arguments, None, ir.Location.current)
        with ir.InsertionPoint(block):
            *values, begin, end = block.arguments
            count = len(service_types())
            function = Function(block, outer.shared, outer.name, Services(*values[-count:]), (begin, end))
            inner = Frame(function, worker_used=self.frame.worker_used)
            rest = values[:-count]
            for name in self.buffers:
                inner.buffers[name] = Storage(self.frame.buffers[name].dtype, rest.pop(0))
            for name in self.names:
                inner.names[name] = self.frame.names[name].rebuilt(rest)
            run(inner, self.node)
            if function.streams:
                streaming.fence(outer.shared.triple)
            llvm.ReturnOp()

    def define_task(self) -> str:
        """``task(frame, begin, end, worker)``, which a pool calls: unpacks the frame's words. Returns its name."""
        name = self.name.removesuffix("__piece") + "__task"
        i32 = ir.IntegerType.get_signless(32)
        arguments: Arguments = [(pointer(), ()), (i64(), ()), (i64(), ()), (i32, ())]
        with self._before():
            block = declare(name, arguments, None, ir.Location.current)
        with ir.InsertionPoint(block):
            words, begin, end, number = block.arguments
            types = [*(v.type for v in self.values), *service_types()]
            values = [load_word(words, n, type) for n, type in enumerate(types)]
            services = Services(*values[len(self.values) :])
            distance = arith.muli(services.worker_bytes, arith.extsi(i64(), number))
            own = offset(services.worker, distance, ir.IntegerType.get_signless(8))
            operands = [*values[: len(self.values)], services.status, own, services.worker_bytes, services.parallel]
            call(self.name, [*operands, begin, end])
            llvm.ReturnOp()
        return name
