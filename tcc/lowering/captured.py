"""Loops in machine functions of their own: what they use of what is around them becomes parameters."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tcc.ir import dim
from tcc.loops.program import Load, Loop, Store
from tcc.loops.walk import all_parts, statements, used_names
from tcc.lowering.cpu import streaming
from tcc.lowering.frame import Axis, Frame, Function, Storage
from tcc.lowering.function import Arguments, Services, declare, kernel_symbol, service_types
from tcc.lowering.memory import pointer
from tcc.lowering.mlir import ir, llvm


class Captured:
    """The buffers, names and axes that a loop uses, and the services of the function around it.

    ``values`` are what such a function is called with, in the order of its parameters.
    """

    def __init__(self, frame: Frame, node: Loop) -> None:
        self.frame = frame
        used = used_names((node,)) | {s.name for s in dim.symbols(frame.worker_used)}
        touched = {p.buffer for p in all_parts((node,)) if isinstance(p, Load)}
        touched |= {s.buffer for s in statements((node,)) if isinstance(s, Store)}
        self.buffers = {n: b for n, b in frame.buffers.items() if n in touched}
        self.names = {n: v for n, v in frame.names.items() if n in used}
        self.axes = {n: a for n, a in frame.axes.items() if n in used}
        plain = [*(v for tile in self.names.values() for v in tile.flat()), *(a.base for a in self.axes.values())]
        self.values = [*(b.address for b in self.buffers.values()), *plain, *frame.function.services.values()]

    def symbol(self, ending: str) -> str:
        """A name for the function, or another one beside it."""
        function = self.frame.function
        return f"{kernel_symbol(function.shared.prefix, function.name)}__{ending}"

    def before(self) -> ir.InsertionPoint:
        """Where functions are defined."""
        return ir.InsertionPoint(self.frame.function.entry.owner)

    @contextmanager
    def function(self, symbol: str, more: Arguments = ()) -> Iterator[tuple[Frame, list[ir.Value]]]:
        """Defines the function, whose code is what the block inserts: its frame, and the parameters ``more``."""
        outer, count = self.frame.function, len(self.buffers)
        arguments: Arguments = [
            *((pointer(), ("llvm.noalias",)) for _ in self.buffers),
            *((v.type, ()) for v in self.values[count:]),
            *more,
        ]
        with self.before():
            block = declare(symbol, arguments, None, ir.Location.current)
        with ir.InsertionPoint(block):
            given = list(block.arguments)[: len(self.values)]
            services = Services(*given[-len(service_types()) :])
            function = Function(block, outer.shared, outer.name, services, streaming=outer.streaming)
            inner = Frame(function, numbers=self.frame.numbers, worker_used=self.frame.worker_used)
            inner.buffers = {n: Storage(b.dtype, given.pop(0)) for n, b in self.buffers.items()}
            inner.names = {n: tile.rebuilt(given) for n, tile in self.names.items()}
            inner.axes = {n: Axis(given.pop(0)) for n in self.axes}
            yield inner, list(block.arguments)[len(self.values) :]
            if function.streams:
                streaming.fence(outer.shared.triple)
            llvm.ReturnOp()
