"""Loops in machine functions of their own.

What such a loop keeps in registers between its iterations (a polynomial's coefficients) then takes none
from the loops around it: LLVM hoists it no farther than out of the function.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from tcc.errors import InternalError
from tcc.ir import dim
from tcc.lowering import loop
from tcc.lowering.carried import Run
from tcc.lowering.cpu import streaming
from tcc.lowering.frame import Axis, Frame, Function, Storage
from tcc.lowering.function import Arguments, Services, call, declare, kernel_symbol, service_types
from tcc.lowering.memory import pointer
from tcc.lowering.mlir import ir, llvm
from tcc.schedule.program import Load, Loop, Store
from tcc.schedule.walk import all_parts, statements, used_names


def emit(frame: Frame, node: Loop, run: Run) -> None:
    """Defines the loop's function and calls it: its parameters are the buffers, names and axes that it uses."""
    outer = frame.function
    if frame.copies or frame.lanes or frame.mask is not None:
        raise InternalError(f"the loop over {node.axis} is a function of its own inside of lanes, copies or a mask")
    used = used_names((node,)) | {s.name for s in dim.symbols(frame.worker_used)}
    touched = {p.buffer for p in all_parts((node,)) if isinstance(p, Load)}
    touched |= {s.buffer for s in statements((node,)) if isinstance(s, Store)}
    buffers = {n: b for n, b in frame.buffers.items() if n in touched}
    names = {n: v for n, v in frame.names.items() if n in used}
    axes = {n: a for n, a in frame.axes.items() if n in used}
    plain = [*(v for tile in names.values() for v in tile.flat()), *(a.base for a in axes.values())]
    arguments: Arguments = [
        *((pointer(), ("llvm.noalias",)) for _ in buffers),
        *((v.type, ()) for v in plain),
        *((t, ()) for t in service_types()),
    ]
    symbol = f"{kernel_symbol(outer.shared.prefix, outer.name)}__part{next(outer.shared.parts)}"
    with ir.InsertionPoint(outer.entry.owner):
        block = declare(symbol, arguments, None, ir.Location.current)
    with ir.InsertionPoint(block):
        given = list(block.arguments)
        services = Services(*given[-len(service_types()) :])
        function = Function(block, outer.shared, outer.name, services, streaming=outer.streaming)
        inner = Frame(function, numbers=frame.numbers, worker_used=frame.worker_used)
        inner.buffers = {n: Storage(b.dtype, given.pop(0)) for n, b in buffers.items()}
        inner.names = {n: tile.rebuilt(given) for n, tile in names.items()}
        inner.axes = {n: Axis(given.pop(0)) for n in axes}
        loop.emit(inner, node, run)
        if function.streams:
            streaming.fence(outer.shared.triple)
        llvm.ReturnOp()
    call(symbol, [*(b.address for b in buffers.values()), *plain, *outer.services.values()])
