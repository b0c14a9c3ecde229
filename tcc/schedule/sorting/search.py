"""Binary search of many elements at once: each lane halves its own part of a sorted row.

The parts of all lanes have one length, so that the number of steps follows from the row's length alone, and no
branch depends on what is compared: a step is a gather, a comparison and an addition.
"""

from __future__ import annotations

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import I32, I64
from tcc.ir.graph import Node
from tcc.ir.scalar import Const, Expr, Name, apply, compute_dtype
from tcc.loops.program import Carry, Position
from tcc.schedule import axes as planning
from tcc.schedule.block import OpenLoop
from tcc.schedule.element import KernelBuilder
from tcc.schedule.group import Axis
from tcc.schedule.plan import PlanLoop, opened

MOST_STEPS = 63
COPIES = 4
COST = 64


def emit(kernel: KernelBuilder, node: Node) -> None:
    """The statements of a search: operands are rows in order and what is sought in each."""
    at = node.location
    table, wanted = node.operands
    batch = table.type.rank - 1
    length = table.type.shape[-1]
    _, most = dim.bounds(length)
    narrow = most is not None and most < 1 << 31
    positions = I32 if narrow else I64

    sizes = [Axis(f"@{k}", e) for k, e in enumerate(wanted.type.shape)]
    outer = tuple(PlanLoop(kernel.fresh("i"), a.extent, (a,)) for a in sizes[:batch])
    total = dim.product(a.extent for a in sizes[batch:])
    # A single element has one lane: what is stored for it depends on no axis.
    width = 1 if total == 1 else kernel.facts.lanes(compute_dtype(table.type.dtype) if narrow else I64)
    copies = COPIES if not isinstance(total, int) else max(1, min(COPIES, -(-total // width)))
    inner = PlanLoop(kernel.fresh("i"), total, tuple(sizes[batch:]), lanes=width, copies=copies)
    loops = planning.parallel((*outer, inner), (), COST)
    for x in loops:
        kernel.open(opened(x, at))
    found: dict[str, Size] = {}
    for x in loops:
        found.update(x.coordinates())
    place = tuple(found[a.name] for a in sizes)

    sought = kernel.element(wanted, place)
    start, left = Name(positions, kernel.fresh("start")), Name(positions, kernel.fresh("left"))
    known = isinstance(length, int)
    steps = length.bit_length() if isinstance(length, int) else MOST_STEPS
    loop = OpenLoop(kernel.fresh("step"), 0, steps, location=at)
    rest = apply("shr", left, Const(positions, 1))
    if not known:
        loop.while_ = apply("gt", left, Const(positions, 0))
    half = left - rest
    kernel.open(loop)
    for name in (start, left):
        kernel.carried(Carry((name.name,), (positions,), (), (), location=at))
        kernel.sources[name.name] = frozenset(x.name for x in loops)
    probe = kernel.chosen(start + half - Const(positions, 1), at, "x", 0, dim.maximum(length - 1, 0))
    entry = kernel.element(table, (*place[:batch], probe))
    before = _before(entry, sought, node.attributes["right"])
    moved = kernel.bind(apply("select", before, start + half, start), at)
    loop.carries += [
        Carry((start.name,), (positions,), (Const(positions, 0),), (moved,), location=at),
        Carry((left.name,), (positions,), (Position(positions, length),), (rest,), location=at),
    ]
    kernel.close()
    result = start if positions == I64 else apply("cast", start, dtype=I64)
    kernel.add(kernel.store(node.results[0], place, kernel.bind(result, at), at))
    for _ in loops:
        kernel.close()


def _before(entry: Expr, sought: Expr, right: bool) -> Expr:
    """Whether an entry of the row comes before the place of what is sought; nan comes after all numbers."""
    wide = compute_dtype(entry.dtype)
    if wide != entry.dtype:
        entry, sought = apply("cast", entry, dtype=wide), apply("cast", sought, dtype=wide)
    ordered = apply("le" if right else "lt", entry, sought)
    if not wide.is_float:
        return ordered
    last = apply("isnan", sought)
    return apply("or", ordered, last if right else apply("and", last, apply("eq", entry, entry)))
