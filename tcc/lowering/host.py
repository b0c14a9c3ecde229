"""Host statements: calls of kernels, and copies between buffers."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tcc.errors import InternalError
from tcc.loops.program import Call, Copy, View
from tcc.lowering import index, memory
from tcc.lowering.frame import Frame
from tcc.lowering.function import call as call_function
from tcc.lowering.function import call_address, kernel_symbol, load_word
from tcc.lowering.memory import pointer
from tcc.lowering.mlir import ir, llvm
from tcc.lowering.registers import integer


def address(frame: Frame, view: View) -> ir.Value:
    """Where a view begins."""
    storage = frame.storage(view.buffer)
    offset = index.evaluate(frame, frame.resolve(view.offset), {})
    return memory.offset(storage.address, offset, memory.cell_type(storage.dtype))


def copy(frame: Frame, node: Copy) -> None:
    """Elements from one view to another."""
    dtype = frame.storage(node.source.buffer).dtype
    if frame.storage(node.target.buffer).dtype != dtype:
        raise InternalError(f"a copy from '{node.source.buffer}' to '{node.target.buffer}' changes the dtype")
    size = index.evaluate(frame, frame.resolve(node.count) * dtype.bytes, {})
    target, source = address(frame, node.target), address(frame, node.source)
    with _measured(frame, node):
        llvm.MemcpyOp(target, source, size, False)


def call(frame: Frame, node: Call) -> None:
    """Runs a kernel on views and sizes."""
    function = frame.function
    if node.kernel not in function.kernels:
        raise InternalError(f"a call of the unknown kernel '{node.kernel}'", why="stage: lowering")
    buffers = [address(frame, view) for view in node.buffers]
    sizes = [index.evaluate(frame, frame.resolve(s), {}) for s in node.sizes]
    with _measured(frame, node):
        call_function(
            kernel_symbol(function.shared.prefix, node.kernel), [*buffers, *sizes, *function.services.values()]
        )


@contextmanager
def _measured(frame: Frame, node: Call | Copy) -> Iterator[None]:
    """Within a function that is profiled, its caller is told when the step begins and ends."""
    profile = frame.function.profile
    if profile is None:
        yield
        return
    number = integer(next(k for k, step in enumerate(profile.steps) if step is node))
    data = load_word(profile.profiler, 2, pointer())
    call_address(load_word(profile.profiler, 0, pointer()), [data, number])
    yield
    call_address(load_word(profile.profiler, 1, pointer()), [data, number])
