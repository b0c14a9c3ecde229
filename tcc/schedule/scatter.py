"""Updates combined into a result that already holds the first operand, at indices that are read.

Two updates may hit one element, so the loops are serial in the order of the update space; lanes run
along the last axis where the address is a multiple of it and nothing read depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tcc.ir import dim
from tcc.ir.forms import Scatter
from tcc.ir.graph import Value
from tcc.ir.scalar import SCALARS
from tcc.schedule.axes import coefficient
from tcc.schedule.block import OpenLoop
from tcc.schedule.element import KernelBuilder, linear
from tcc.schedule.facts import Facts
from tcc.schedule.group import Group, Grouping
from tcc.schedule.program import Store
from tcc.schedule.row import Emitted


def emit(
    group: Group,
    grouping: Grouping,
    stored: Mapping[Value, str],
    facts: Facts,
    messages: list[str],
    taken: Sequence[str],
) -> Emitted:
    """The kernel that applies the updates."""

    def emitted(lanes: int, copies: int) -> tuple[KernelBuilder, bool]:
        kernel = KernelBuilder(grouping.items, stored, group.nodes, frozenset(), messages, taken)
        return kernel, _emit(kernel, group, lanes, copies)

    kernel, splits = emitted(1, 1)
    if splits:
        kernel, _ = emitted(max(1, facts.vector_bytes // kernel.widest), 4)
    return Emitted(kernel.block(), kernel.parameters())


def _emit(kernel: KernelBuilder, group: Group, lanes: int, copies: int) -> bool:
    """Fills the kernel; whether the innermost loop may be split."""
    (root,) = group.roots
    node = root.node
    form, result = node.op.form, node.results[0]
    assert isinstance(form, Scatter)
    types = tuple(v.type for v in node.operands)
    places: dict[str, dim.Size] = {}
    for k, axis in enumerate(group.axes):
        name = kernel.fresh("i")
        split = (lanes, copies) if k == len(group.axes) - 1 else (1, 1)
        kernel.open(OpenLoop(name, 0, axis.extent, *split, location=node.location))
        places[axis.name] = dim.axis(name, axis.extent)
        last = name
    at = tuple(dim.substitute(c, places) for c in root.coordinates)
    targets: list[dim.Size] = []

    def both(access: object) -> tuple[object, ...]:
        targets[:] = form.locate(access, at, types, node.attributes)  # type: ignore[arg-type]
        return (form.update(access, at, types, node.attributes),)  # type: ignore[arg-type]

    (element,) = kernel.complete(node, both)  # type: ignore[arg-type]
    value = kernel.bind(SCALARS.cast(element, result.type.dtype), node.location)
    index = linear(result.type.shape, targets)
    name = kernel.stored[result]
    for access in ("read", "write"):
        kernel.touch_buffer(name, result.type.dtype, access)
    kernel.note(index, "store")
    combine = "" if form.combine == "set" else form.combine
    kernel.add(Store(name, index, value, combine, unique=False, location=node.location))
    splits = False
    if group.axes:
        stride = coefficient(index, last)
        splits = isinstance(stride, int) and stride != 0 and last not in kernel.touches[-1].indirect
    for _ in group.axes:
        kernel.close()
    return splits
