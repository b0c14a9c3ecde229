"""Kernels as internal machine functions."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from tcc.ir.dtype import I64
from tcc.ir.location import UNKNOWN, Location
from tcc.loops.program import Kernel
from tcc.loops.walk import statements
from tcc.lowering import statement
from tcc.lowering.cpu import streaming
from tcc.lowering.frame import Context, Frame, Function, Storage
from tcc.lowering.function import Arguments, Services, declaration, declare, kernel_symbol, service_types
from tcc.lowering.memory import pointer
from tcc.lowering.mlir import ir, llvm
from tcc.lowering.registers import i64
from tcc.lowering.tile import uniform


def where(kernel: Kernel) -> Location:
    """A kernel's line, or that of its first statement that has one."""
    lines = (getattr(s, "location", UNKNOWN) for s in statements(kernel.body))
    return kernel.location if kernel.location.known else next((x for x in lines if x.known), UNKNOWN)


def emit(kernel: Kernel, context: Context) -> None:
    """The kernel's function: its buffers, its symbols, then what every kernel gets of the call.

    A parallel loop in it becomes two more functions (see `tcc.lowering.parallel`).
    """
    location = context.locations.of(where(kernel))
    with location:
        block = declare(kernel_symbol(context.prefix, kernel.name), _arguments(kernel), None, location)
        with ir.InsertionPoint(block):
            count = len(service_types())
            rest, services = list(block.arguments)[:-count], list(block.arguments)[-count:]
            function = Function(block, context, kernel.name, Services(*services))
            frame = Frame(function)
            for parameter in kernel.parameters:
                frame.buffers[parameter.name] = Storage(parameter.dtype, rest.pop(0))
            for name in kernel.symbols:
                frame.names[name] = uniform(I64, (rest.pop(0),))
            statement.block(frame, kernel.body)
            if function.streams:
                streaming.fence(context.triple)
            llvm.ReturnOp()


def declare_elsewhere(kernel: Kernel, context: Context) -> None:
    """The kernel's function where it is in another module of the library."""
    declaration(kernel_symbol(context.prefix, kernel.name), _arguments(kernel))


def _arguments(kernel: Kernel) -> Arguments:
    buffers = [(pointer(), ("llvm.noalias", *_READ.get(p.access, ()))) for p in kernel.parameters]
    return [*buffers, *((i64(), ()) for _ in kernel.symbols), *((t, ()) for t in service_types())]


_READ = {"read": ("llvm.readonly",)}
