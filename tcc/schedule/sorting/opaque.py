"""Hand-written loop programs, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tcc.errors import Unsupported
from tcc.ir.forms import Opaque
from tcc.ir.graph import Node
from tcc.schedule.element import Emitted, KernelBuilder, Task
from tcc.schedule.sorting import search, short_rows, sort


def _sorted(kernel: KernelBuilder, node: Node, positions: bool) -> None:
    if node.operands[0].type.dtype.is_complex:
        raise Unsupported(
            "complex numbers have no order", where=node.location.place(), fix="sort by the real part or the magnitude"
        )
    if not short_rows.emit(kernel, node, positions):
        sort.emit(kernel, node, positions)


PROGRAMS: Mapping[str, Callable[[KernelBuilder, Node], None]] = {
    "search": search.emit,
    "sort": lambda kernel, node: _sorted(kernel, node, positions=False),
    "sort_positions": lambda kernel, node: _sorted(kernel, node, positions=True),
}


def emit(task: Task) -> list[Emitted]:
    """The kernel of a program."""
    node = task.node
    form = node.op.form
    assert isinstance(form, Opaque)
    if form.program not in PROGRAMS:
        raise Unsupported(f"there is no loop program '{form.program}'", where=node.location.place())
    kernel = KernelBuilder(task)
    PROGRAMS[form.program](kernel, node)
    return [kernel.emitted()]
