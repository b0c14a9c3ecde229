"""Compute again or store: where a value is a function of coordinates, its elements may be either."""

from __future__ import annotations

from collections.abc import Sequence

from tcc.ir import dim, forms
from tcc.ir.dim import Size
from tcc.ir.forms import Coordinates
from tcc.ir.graph import Node
from tcc.schedule.group import Group, Use
from tcc.schedule.survey import Survey

RECOMPUTE = 12.0
"""Additions an element may cost and still be computed again rather than stored."""
REUSED = 4.0
"""The same for an element that is computed again in every turn of a loop around it."""
SHARED = 2.0
"""The same for an element that two kernels read."""
NEIGHBOURS = 4.0
"""The same for an element of a row that is read for several rows: such rows are kept in the cache."""
SHORT = 8


def may_inline(survey: Survey, node: Node, uses: Sequence[Use]) -> tuple[bool, str]:
    """Whether a node is computed anew wherever it is read, and why; unrolls short axes of groups where that
    helps."""
    item, cost = survey.items[node], survey.upper[node]
    places = {(g, c) for g, c, _ in uses}
    unroll: list[tuple[Group, set[str]]] = []
    turns = 0
    for g, c, live in uses:
        again, short = _reused(g, c, live, cost)
        if (
            again
            and item.partial
            and any(survey.items[n].fused and live & set(g.reduced or ()) for n, _ in g.reductions)
        ):
            return False, "a sum of products would ask at every step whether there is an element"
        limit = 0.5 if any(survey.items[n].fused for n, _ in g.reductions) else REUSED
        if g.kind != "row":
            limit = REUSED
        if again and cost > limit:
            return False, f"a loop around it would compute an element again ({cost:g} additions, limit {limit:g})"
        turns += 1 if not again else 2
        if short:
            unroll.append((g, short))
    if item.pieces > 1 and (len(places) > 1 or item.pieces > 4 or cost > RECOMPUTE):
        return False, f"it is put together of {item.pieces} pieces"
    if len({g for g, _ in places}) > 1:
        moved = isinstance(node.op.form, forms.IndexMap) and item.cost == 0
        if not moved and not (survey.simple[node] and cost <= SHARED):
            return False, f"{len({g for g, _ in places})} kernels read it ({cost:g} additions, limit {SHARED:g})"
    elif not item.shifted:
        again, limit = cost * (len(places) - 1), NEIGHBOURS if _in_rows(uses) else RECOMPUTE
        if again > limit and (turns > len(uses) or not _each_once(node, uses)):
            return False, f"it is read at {len(places)} places ({again:g} more additions, limit {limit:g})"
    for g, short in unroll:
        g.unrolled |= short
    read = "once" if len(places) == 1 else f"at {len(places)} places"
    return True, f"it is read {read}, and an element costs {cost:g} additions"


def _in_rows(uses: Sequence[Use]) -> bool:
    """Whether elements are read that are rows apart: at fixed distances along an axis that is not the last one."""
    distances = [[a - b for a, b in zip(c, uses[0][1], strict=True)] for _, c, _ in uses]
    near = all(isinstance(d, int) for at in distances for d in at)
    return near and any(d != 0 for at in distances for d in at[:-1])


def _each_once(node: Node, uses: Sequence[Use]) -> bool:
    """Whether no more elements are read than there are: neighbours in a short axis, say."""
    count: Size = 0
    for g, _, live in dict.fromkeys(uses):
        count = count + dim.product(a.extent for a in g.axes if a.name in live)
    return dim.nonnegative(node.results[0].type.size - count)


def _reused(g: Group, coordinates: Coordinates, live: frozenset[str], cost: float) -> tuple[bool, set[str]]:
    """Whether elements at these coordinates are computed again and again as the group's loops
    run; and short axes that had better be unrolled so that they are not."""
    inside = [{s.name for s in dim.symbols(c)} for c in coordinates]
    present = {name for names in inside for name in names}
    if any(name.startswith("?") for name in present):
        return cost > REUSED, set()
    names = [a.name for a in (*g.space, *g.reduce) if a.name in live]
    missing = [n for n in names if n not in present]
    short = {
        n
        for n in missing
        if cost > REUSED and _is_short(g.extent(n)) and n not in (g.reduced or ()) and g.kind == "row"
    }
    missing = [n for n in missing if n not in short and n not in g.unrolled]
    last = max((k for k, n in enumerate(names) if n in present), default=-1)
    hoisted = all(names.index(n) > last for n in missing)
    overlapping = len(present & set(names)) > sum(1 for names in inside if names)
    return (not hoisted) or overlapping, short


def _is_short(extent: Size) -> bool:
    return isinstance(extent, int) and extent <= SHORT
