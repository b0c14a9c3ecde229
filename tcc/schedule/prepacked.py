"""Weights of products in panels: laid out when the program is made, so that no call has to do it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tcc.ir import dim
from tcc.ir.forms import Literal
from tcc.ir.graph import Constant
from tcc.schedule.axes import PlanLoop
from tcc.schedule.element import Task
from tcc.schedule.packing import Operand


def laid_out(
    task: Task, right: Operand, outer: Sequence[PlanLoop], columns: PlanLoop, shared: Sequence[PlanLoop], wide: int
) -> Constant | None:
    """A weight's elements in panels: axes are ``outer``, panels, steps and a panel's columns, zeros after the last.

    None where the operand is no weight, or its elements are not at fixed distances along the loops.
    """
    constant = _weight(task, right)
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
    around, turns = shape[: len(outer)], shape[len(outer) : -1]
    panels = -(-shape[-1] // wide)
    whole = np.zeros((*around, *turns, panels * wide), flat.dtype)
    whole[..., : shape[-1]] = view
    split = whole.reshape(*around, int(np.prod(turns)), panels, wide)
    return Constant.of(np.ascontiguousarray(np.moveaxis(split, -2, -3)), constant.name)


def _weight(task: Task, operand: Operand) -> Constant | None:
    """The weight that an operand's elements are, as they are."""
    if not operand.plain or operand.buffer is None:
        return None
    value = next(v for v, name in task.stored.items() if name == operand.buffer)
    if value.producer is None or not isinstance(value.producer.op.form, Literal):
        return None
    return value.producer.attributes["value"]
