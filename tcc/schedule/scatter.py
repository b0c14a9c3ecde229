"""Updates combined into a result that already holds the first operand, at indices that are read.

A first operand whose elements are all one known number is nowhere in memory: the result is filled with it first.

Two updates may hit one element, so the loops are serial in the order of the update space; lanes run
along the last axis where the address is a multiple of it and nothing read depends on it.
"""

from __future__ import annotations

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.forms import Access, Scatter
from tcc.ir.scalar import SCALARS, Const, Expr, Number
from tcc.loops.program import If, Parallel, Store
from tcc.schedule.block import OpenLoop
from tcc.schedule.element import Emitted, KernelBuilder, Task, linear
from tcc.schedule.nests import splat
from tcc.schedule.plan import WORK, coefficient


def emit(task: Task) -> list[Emitted]:
    """The kernels that fill the result, if that is to be done, and apply the updates."""
    number = splat(task.node.operands[0])
    return [*([] if number is None else [_filled(task, number)]), _updates(task)]


def _filled(task: Task, number: Number) -> Emitted:
    kernel = KernelBuilder(task)
    (result,) = task.node.results
    dtype, size = result.type.dtype, result.type.size
    axis = kernel.fresh("i")
    lanes = max(1, task.facts.vector_bytes // dtype.bytes)
    at = task.node.location
    kernel.open(OpenLoop(axis, 0, size, lanes, 4, Parallel(WORK), location=at))
    kernel.touch_buffer(kernel.stored[result], dtype, "write")
    kernel.add(Store(kernel.stored[result], dim.axis(axis, size), Const(dtype, number), location=at))
    kernel.close()
    return kernel.emitted()


def _updates(task: Task) -> Emitted:
    kernel = KernelBuilder(task)
    axis = _emit(kernel, task, 1, 1)
    if axis:
        width = max(1, task.facts.vector_bytes // kernel.widest([axis]))
        kernel = KernelBuilder(task)
        _emit(kernel, task, width, 4)
    return kernel.emitted()


def _emit(kernel: KernelBuilder, task: Task, lanes: int, copies: int) -> str:
    """Fills the kernel; the axis of the innermost loop if that may be split, else nothing."""
    (root,) = task.group.roots
    node = root.node
    form, result = node.op.form, node.results[0]
    assert isinstance(form, Scatter)
    types, attributes = tuple(v.type for v in node.operands), node.attributes
    places: dict[str, Size] = {}
    last = ""
    for k, axis in enumerate(task.group.axes):
        last = kernel.fresh("i")
        split = (lanes, copies) if k == len(task.group.axes) - 1 else (1, 1)
        kernel.open(OpenLoop(last, 0, axis.extent, *split, location=node.location))
        places[axis.name] = dim.axis(last, axis.extent)
    at = tuple(dim.substitute(c, places) for c in root.coordinates)
    target: list[Size] = []
    exists: list[Expr | None] = []

    def body(access: Access) -> tuple[Expr, ...]:
        target[:] = form.locate(access, at, types, attributes)
        exists[:] = [access.inside((result.type.size - 1,))]
        return (form.update(access, at, types, attributes),)

    (element,) = kernel.complete(node, body)
    value = kernel.bind(SCALARS.cast(element, result.type.dtype), node.location)
    index = linear(result.type.shape, target)
    name = kernel.stored[result]
    for kind in ("read", "write"):
        kernel.touch_buffer(name, result.type.dtype, kind)
    kernel.note(index, "store")
    combine = "" if form.combine == "set" else form.combine
    store = Store(name, index, value, combine, unique=False, location=node.location)
    # A result that may have no element has no place for updates whose indices are out of range.
    kernel.add(store if exists[0] is None else If(exists[0], (store,), location=node.location))
    stride = coefficient(index, last)
    splits = isinstance(stride, int) and stride != 0 and last not in kernel.touches[-1].indirect
    for _ in task.group.axes:
        kernel.close()
    return last if splits else ""
