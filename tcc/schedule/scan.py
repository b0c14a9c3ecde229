"""Running combinations along an axis: one prefix carry, lanes or copies over the other axes."""

from __future__ import annotations

from dataclasses import replace

from tcc.ir import dim
from tcc.ir.forms import Scan
from tcc.ir.scalar import COMBINES, SCALARS, Const, Name, compute_dtype
from tcc.schedule import axes as planning
from tcc.schedule.axes import PlanLoop
from tcc.schedule.block import OpenLoop
from tcc.schedule.element import Emitted, KernelBuilder, Task
from tcc.schedule.nests import computed
from tcc.schedule.program import Carry

COST = 4


def emit(task: Task) -> list[Emitted]:
    """The kernel of a scan. The sum runs in the order of the axis, as NumPy's does."""
    (root,) = task.group.roots
    node = root.node
    form, result, operand = node.op.form, node.results[0], node.operands[0]
    assert isinstance(form, Scan)
    kernel = KernelBuilder(task)
    combine = COMBINES[form.combine]
    dtype = compute_dtype(result.type.dtype)
    along = {s.name for s in dim.symbols(root.coordinates[node.attributes["axis"]])}
    loops = [PlanLoop(kernel.fresh("i"), a.extent, (a,)) for a in task.group.axes]
    others = tuple(x for x in loops if x.axes[0].name not in along)
    scanned = next((x for x in loops if x.axes[0].name in along), None)
    if others:
        last = others[-1]
        width = task.facts.lanes(dtype.real) if loops[-1] is last else 1
        others = (*others[:-1], replace(last, lanes=width, copies=4))
        others = planning.parallel(others, () if scanned is None else (scanned,), COST)
    for x in others:
        kernel.open(OpenLoop(x.name, 0, x.extent, x.lanes, x.copies, x.mapping, location=node.location))
    places = {x.axes[0].name: x.symbol for x in others}
    running: OpenLoop | None = None
    if scanned is not None:
        step = scanned.symbol
        places[scanned.axes[0].name] = scanned.extent - 1 - step if node.attributes.get("reverse") else step
        running = kernel.open(OpenLoop(scanned.name, 0, scanned.extent, location=node.location))
    at = tuple(dim.substitute(c, places) for c in root.coordinates)
    element = kernel.bind(computed(kernel.element(operand, at)), node.location)
    if running is not None:
        so_far = Name(dtype, kernel.fresh("r"))
        init = tuple(Const(dtype, v) for v in combine.identity((dtype,)))
        carry = Carry((so_far.name,), (dtype,), init, (element,), form.combine, True, node.location)
        running.carries.append(carry)
        kernel.carried(carry)
        (element,) = combine.apply((so_far,), (element,))
    value = kernel.bind(SCALARS.cast(element, result.type.dtype), node.location)
    kernel.add(kernel.store(result, at, value, node.location))
    for _ in loops:
        kernel.close()
    return [kernel.emitted()]
