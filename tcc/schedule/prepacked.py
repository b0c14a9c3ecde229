"""Weights of products in panels: laid out when the program is made, so that no call has to do it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import DType
from tcc.ir.forms import Literal
from tcc.ir.graph import Constant
from tcc.schedule.axes import PlanLoop
from tcc.schedule.element import Task
from tcc.schedule.packing import Operand
from tcc.schedule.program import Program
from tcc.schedule.words import Words

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
) -> Constant | None:
    """A weight's elements in panels: axes are ``outer``, panels, steps and a panel's columns, zeros after the last.

    With ``words`` the elements are words of those that follow each other along the last shared loop.

    None where the operand is no weight, or its elements are not at fixed distances along the loops.
    """
    constant = weight(task, right)
    if right.converted and words is None:
        return None
    loops = (*outer, *shared, columns)
    extents, strides = [x.extent for x in loops], [right.stride(x) for x in loops]
    first = dim.substitute(right.touches[0].index, {x.name: 0 for x in loops}) if len(right.touches) == 1 else None
    if constant is None or not isinstance(first, int):
        return None
    shape = [n for n in extents if isinstance(n, int)]
    steps = [n for n in strides if isinstance(n, int) and n >= 0]
    if len(shape) < len(loops) or len(steps) < len(loops) or 0 in shape:
        return None
    flat = constant.array.reshape(-1)[first:]
    view = np.lib.stride_tricks.as_strided(flat, shape, [n * flat.itemsize for n in steps], writeable=False)
    around = shape[: len(outer)]
    panels = -(-shape[-1] // wide)
    whole = np.zeros((*shape[:-1], panels * wide), flat.dtype)
    whole[..., : shape[-1]] = view
    layout = ", ".join([*filter(None, (constant.layout,)), f"panels of {wide} columns"])
    if words is not None:
        rest = [(0, 0)] * (whole.ndim - 2) + [(0, -shape[-2] % words.count), (0, 0)]
        whole = np.moveaxis(np.pad(whole, rest), -2, -1)
        whole = np.moveaxis(words.of_array(whole), -1, -2)
        layout += f", words of {words.count}"
    split = whole.reshape(*around, int(np.prod(whole.shape[len(around) : -1])), panels, wide)
    made = np.ascontiguousarray(np.moveaxis(split, -2, -3))
    # Nobody else has it: a constant takes what is read-only as it is, and would copy it otherwise.
    made.flags.writeable = False
    return replace(Constant.of(made, constant.name), layout=layout, source=constant.digest)


def in_several_forms(programs: Iterable[Program]) -> frozenset[str]:
    """The digests of the weights that programs read both as they are and laid out, or laid out in several ways."""
    forms: dict[str, set[str]] = {}
    for program in programs:
        for constant in program.constants:
            forms.setdefault(constant.source or constant.digest, set()).add(constant.digest)
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
