"""Weights of products in panels: laid out in the library, so that no call has to do it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import DType
from tcc.ir.forms import Literal
from tcc.ir.graph import Constant
from tcc.loops.program import Program
from tcc.loops.weight import Line, Panels, Weight, joined
from tcc.schedule.element import Task
from tcc.schedule.plan import PlanLoop
from tcc.schedule.products.packing import Operand
from tcc.schedule.products.words import Words

PANEL = 192
"""Bytes of a panel's row: three of the widest vectors, and a multiple of what a tile of any narrower ones is wide.
So that one layout does for each instruction set of a library, and for products of few and of many rows."""
NARROW = 64
"""Bytes of the row where all columns are no more."""


def panel_columns(n: Size, dtype: DType) -> int:
    """The columns of a panel of a weight with ``n`` of them."""
    return (NARROW if isinstance(n, int) and n * dtype.bytes <= NARROW else PANEL) // dtype.bytes


def laid_out(
    task: Task,
    right: Operand,
    outer: Sequence[PlanLoop],
    columns: PlanLoop,
    shared: Sequence[PlanLoop],
    wide: int,
    words: Words | None,
) -> Weight | None:
    """A weight in panels for loops over its elements: ``outer`` ones, those over the shared axes, and its columns.

    With ``words`` the elements are words of those that follow each other along the last shared loop.

    None where the operand is no weight, or its elements are not at fixed distances along the loops.
    """
    constant = weight(task, right)
    if right.converted and words is None:
        return None
    loops = (*outer, *shared, columns)
    first = dim.substitute(right.touches[0].index, {x.name: 0 for x in loops}) if len(right.touches) == 1 else None
    if constant is None or not isinstance(first, int):
        return None
    lines: list[Line] = []
    for loop in loops:
        extent, stride = loop.extent, right.stride(loop)
        if not isinstance(extent, int) or not isinstance(stride, int) or extent == 0 or stride < 0:
            return None
        lines.append((extent, stride if extent > 1 else 0))
    count = 1 if words is None else words.count
    steps = joined(lines[len(outer) : -1], count)
    packing = None if words is None else words.packing
    return Weight(constant, Panels(first, tuple(lines[: len(outer)]), steps, lines[-1], wide, packing))


def in_several_forms(programs: Iterable[Program]) -> frozenset[str]:
    """The digests of the weights that programs read both as they are and laid out, or laid out in several ways."""
    forms: dict[str, set[str]] = {}
    for program in programs:
        for stored in program.constants:
            forms.setdefault(stored.constant.digest, set()).add(stored.digest)
    return frozenset(source for source, found in forms.items() if len(found) > 1)


def weight(task: Task, operand: Operand) -> Constant | None:
    """The weight that an operand's elements are, as they are; None for one that has to stay as it is."""
    if not operand.plain or operand.buffer is None:
        return None
    value = next(v for v, name in task.stored.items() if name == operand.buffer)
    if value.producer is None or not isinstance(value.producer.op.form, Literal):
        return None
    constant: Constant = value.producer.attributes["value"]
    return None if constant.digest in task.plain else constant


def is_unchanging(task: Task, operand: Operand) -> bool:
    """Whether an operand is the same in each step of the loop around, and can be computed before it."""
    if task.inside or not operand.buffers:
        return False
    return {v for v, name in task.stored.items() if name in operand.buffers} <= task.unchanging
