"""Running combinations along an axis: one prefix carry, lanes or copies over the other axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.forms import Scan
from tcc.ir.graph import Value
from tcc.ir.scalar import COMBINES, SCALARS, Const, Name, compute_dtype
from tcc.schedule import axes as planning
from tcc.schedule.axes import PlanLoop
from tcc.schedule.block import OpenLoop
from tcc.schedule.element import KernelBuilder
from tcc.schedule.facts import Facts
from tcc.schedule.group import Group, Grouping
from tcc.schedule.nests import computed
from tcc.schedule.program import Carry
from tcc.schedule.row import Emitted

COST = 4


def emit(
    group: Group,
    grouping: Grouping,
    stored: Mapping[Value, str],
    facts: Facts,
    messages: list[str],
    taken: Sequence[str],
) -> Emitted:
    """The kernel of a scan. The sum runs in the order of the axis, as NumPy's does."""
    (root,) = group.roots
    node = root.node
    form, result, operand = node.op.form, node.results[0], node.operands[0]
    assert isinstance(form, Scan)
    kernel = KernelBuilder(grouping.items, stored, group.nodes, frozenset(), messages, taken)
    combine = COMBINES[form.combine]
    dtype = compute_dtype(result.type.dtype)
    along: Size = root.coordinates[node.attributes["axis"]]
    name = next((s.name for s in dim.symbols(along)), "")
    loops = [PlanLoop(kernel.fresh("i"), a.extent, (a,)) for a in group.axes]
    others = tuple(x for x in loops if x.axes[0].name != name)
    scanned = next((x for x in loops if x.axes[0].name == name), None)
    if others:
        last = others[-1]
        unit = loops[-1] is last
        width = facts.lanes(dtype.real) if unit else 1
        others = (*others[:-1], replace(last, lanes=width, copies=4))
        others = planning.parallel(others, () if scanned is None else (scanned,), COST)
    for x in others:
        kernel.open(OpenLoop(x.name, 0, x.extent, x.lanes, x.copies, x.mapping, location=node.location))
    places = {x.axes[0].name: x.symbol for x in others}
    if scanned is not None:
        step = scanned.symbol
        places[name] = scanned.extent - 1 - step if node.attributes.get("reverse") else step
        loop = kernel.open(OpenLoop(scanned.name, 0, scanned.extent, location=node.location))
        kernel.inner = True
    at = tuple(dim.substitute(c, places) for c in root.coordinates)
    element = kernel.bind(computed(kernel.element(operand, at)), node.location)
    if scanned is not None:
        running = Name(dtype, kernel.fresh("r"))
        (start,) = combine.identity((dtype,))
        loop.carries.append(
            Carry((running.name,), (dtype,), (Const(dtype, start),), (element,), form.combine, True, node.location)
        )
        kernel.carried(loop.carries[0])
        (element,) = combine.apply((running,), (element,))
    value = kernel.bind(SCALARS.cast(element, result.type.dtype), node.location)
    kernel.add(kernel.store(result, at, value, node.location))
    for _ in loops:
        kernel.close()
    return Emitted(kernel.block(), kernel.parameters())
