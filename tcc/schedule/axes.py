"""The loops of a row kernel: which axes collapse into one, which runs along lanes, how many copies.

A first emission with one loop for each axis shows every address; the plan follows from them and
from the target's facts, never from an example's sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.scalar import TABLE, Apply
from tcc.loops import walk
from tcc.loops.decision import Alternative, Decision
from tcc.loops.facts import NEAR, Facts
from tcc.loops.program import Parallel
from tcc.schedule.element import KernelBuilder, Touch
from tcc.schedule.plan import LEAST_LANES, WORK, Plan, PlanLoop, coefficient
from tcc.schedule.register_tiles import at_most, tiled, with_rows

PARTIALS = 64
"""Partial results of a reduction along lanes: a function of nothing, so that results are the same on
every machine."""
BLOCK = 16 << 10
"""Elements that those partials cover; the results of blocks are combined in order."""
SERIAL_BLOCK = 1 << 10
"""The same for a reduction one after the other, so that rounding errors do not pile up."""
TILE = 64
"""Rows of a tile that is transposed: as many streams as prefetchers and the first level of the TLB follow."""
SQUARE = 16
"""Most lanes of one: the shuffles grow as W log W, the code with them."""
NOMINAL = 64
FEW = 8
"""Iterations that are too few to be shared among workers, where another loop has more."""


def choose(plan: Plan, seen: KernelBuilder, facts: Facts, fused: int, carries: int, rows_kept: bool) -> Plan:
    """The plan for a kernel whose first emission was ``seen``.

    ``fused`` counts its sums of products, ``carries`` its reductions with their instances; ``rows_kept``:
    a pass keeps elements in a row of scratch for the next, which is worth more than several rows at once.
    """
    space, touches = collapsed(plan.space, seen.touches)
    reduce, touches = collapsed(plan.reduce, touches)

    def lanes(loop: PlanLoop) -> int:
        return max(1, facts.vector_bytes // seen.widest((loop.name, *loop.names)))

    best = lanes_loop(space, reduce, touches, lanes)
    width = 1 if best is None else lanes(best)
    if best is not None:
        seen.decisions.append(_lanes_decision(best, width, lanes_costs(space, reduce, touches, lanes)))
    if best is None:
        pass
    elif _is_short(best):
        assert isinstance(best.extent, int)
        rest = [x for x in space if x is not best]
        best = replace(best, lanes=min(width, 1 << (best.extent - 1).bit_length()))
        if rest and isinstance(rest[-1].extent, int) and rest[-1].extent <= LEAST_LANES:
            rest[-1] = replace(rest[-1], copies=rest[-1].extent)
        space = (*rest, best)
    elif best in reduce:
        rest = tuple(x for x in reduce if x is not best)
        copies = _partial_copies(best.extent, width)
        reduce = (*rest, replace(best, lanes=width, copies=copies, block=block_of(best.extent, BLOCK)))
        if fused and not rows_kept:
            rows = max(1, facts.registers // 2 // copies // fused)
            space = with_rows(space, best, rows, touches)
    else:
        rest = tuple(x for x in space if x is not best)
        side = None if fused or reduce else _side(rest, best, width, touches)
        if fused:
            rest, best = tiled(rest, best, width, touches, facts, fused)
            space = (*rest, best)
        elif side is not None:
            space = _square(rest, side, best, width, {*seen.taken, *(x.name for x in rest)})
        else:
            copies = _copies(carries) if plan.reduce else _independent(touches)
            space = _with_turn(rest, replace(best, lanes=width), copies, touches, bool(reduce))
            if reduce:
                reduce = (*reduce[:-1], replace(reduce[-1], block=block_of(reduce[-1].extent, SERIAL_BLOCK)))
    chosen = Plan(parallel(space, reduce, element_cost(seen)), reduce, plan.unrolled)
    seen.decisions += decisions(chosen, element_cost(seen))
    return chosen


def _is_short(loop: PlanLoop) -> bool:
    return isinstance(loop.extent, int) and loop.extent < LEAST_LANES


def _lanes_decision(best: PlanLoop, width: int, costs: Sequence[tuple[PlanLoop, float]]) -> Decision:
    return Decision(
        "lanes",
        f"{best.name} of {best.extent}",
        f"{width} lanes along {best.name}",
        "the least sum over accesses: 1 for neighbours side by side, ½ for one that all lanes share, the stride "
        "where it is less than 6, else, as for a gather, 6; stores twice",
        tuple(Alternative(f"{loop.name} of {loop.extent}", cost) for loop, cost in costs),
        "access weights",
    )


def decisions(plan: Plan, cost: int) -> list[Decision]:
    """What a plan says, in words."""
    found: list[Decision] = []
    loops = (*plan.space, *plan.reduce)
    copied = [x for x in loops if x.copies > 1]
    if copied:
        shape = " × ".join(f"{x.copies * x.lanes} {x.name}" for x in loops if x.copies * x.lanes > 1)
        reason = "independent instructions hide each other's latency, and operands in registers are used again"
        found.append(Decision("tile", " × ".join(x.name for x in copied), f"a register tile of {shape}", reason))
    for loop in plan.reduce:
        if loop.block:
            reason = "rounding errors grow with the block and not with the extent, and the order is a function of it"
            found.append(Decision("tile", loop.name, f"reduced in blocks of {loop.block}", reason))
    outer = plan.space[0] if plan.space else None
    if outer is not None and isinstance(outer.mapping, Parallel):
        reason = f"an element costs about {cost} additions, and a piece should cost {WORK} or more"
        found.append(Decision("threads", outer.name, f"pieces of {outer.mapping.grain} or more on workers", reason))
    elif outer is not None:
        found.append(Decision("threads", outer.name, "on the calling thread", "too little work to share"))
    for axis in plan.unrolled:
        found.append(Decision("tile", axis.name, f"unrolled, {axis.extent} times", "values are used across it"))
    return found


def collapsed(loops: Sequence[PlanLoop], touches: Sequence[Touch]) -> tuple[tuple[PlanLoop, ...], Sequence[Touch]]:
    """Neighbouring loops joined where every address treats them as one axis, and the new addresses."""
    result: list[PlanLoop] = []
    for loop in reversed(loops):
        if result and _is_one(loop, result[0], touches):
            inner = result.pop(0)
            names = (*loop.names, inner.name, *inner.names)
            loop = PlanLoop(loop.name, loop.extent * inner.extent, (*loop.axes, *inner.axes), names=names)
            touches = [_renamed(t, inner.name, loop.name) for t in touches]
        result.insert(0, loop)
    return tuple(result), touches


def _renamed(touch: Touch, inner: str, outer: str) -> Touch:
    """The address with the outer axis gone and the inner one standing for both."""
    index = dim.substitute(dim.substitute(touch.index, {outer: 0}), {inner: dim.symbol(outer)})
    indirect = frozenset(outer if name == inner else name for name in touch.indirect)
    return replace(touch, index=index, indirect=indirect)


def _is_one(outer: PlanLoop, inner: PlanLoop, touches: Sequence[Touch]) -> bool:
    if inner.extent == 0:
        return False
    for touch in touches:
        a, b = coefficient(touch.index, outer.name), coefficient(touch.index, inner.name)
        if a is None or b is None or a != b * inner.extent:
            return False
    return True


def lanes_loop(
    space: Sequence[PlanLoop],
    reduce: Sequence[PlanLoop],
    touches: Sequence[Touch],
    lanes: Callable[[PlanLoop], int] | None = None,
) -> PlanLoop | None:
    """The loop with the least sum of weights over accesses."""
    costs = lanes_costs(space, reduce, touches, lanes)
    return min(costs, key=lambda pair: pair[1])[0] if costs else None


def lanes_costs(
    space: Sequence[PlanLoop],
    reduce: Sequence[PlanLoop],
    touches: Sequence[Touch],
    lanes: Callable[[PlanLoop], int] | None = None,
) -> list[tuple[PlanLoop, float]]:
    """The loops that could run along lanes, with the sum of their accesses' weights.

    Short ones, which fill a part of a vector, are among them where ``lanes`` says how many a loop's vector has
    and nothing is reduced: for each part that it would take to fill one.
    """
    turns = dim.product(x.extent for x in reduce)
    hoisted = float(max(1, turns)) if isinstance(turns, int) else NOMINAL
    costs: list[tuple[PlanLoop, float]] = []
    for loop in (*reversed(reduce), *reversed(space)):
        parts = 1.0
        if isinstance(loop.extent, int) and loop.extent < LEAST_LANES:
            if lanes is None or reduce or loop.extent < 2:
                continue
            parts = lanes(loop) / loop.extent
        cost = 0.25 if loop in reduce else 0.0
        for touch in touches:
            if touch.kind == "position":
                continue
            weight = _weight(touch, loop) * (2 if touch.kind == "store" else 1)
            cost += weight / (hoisted if reduce and not touch.inner else 1)
        costs.append((loop, max(1.0, parts) * cost))
    return costs


def _weight(touch: Touch, loop: PlanLoop) -> float:
    """1 for unit stride, a half for a uniform access, 6 for a strided or indirect one, less for small strides."""
    stride = coefficient(touch.index, loop.name)
    if stride is None or loop.name in touch.indirect:
        return 6
    if isinstance(stride, int) and abs(stride) < 6:
        return abs(stride) or 0.5
    return 6


def _side(rest: Sequence[PlanLoop], lanes: PlanLoop, width: int, touches: Sequence[Touch]) -> PlanLoop | None:
    """A loop whose neighbours lie side by side where those of the lanes do not: a transpose."""
    strided = [t for t in touches if t.kind != "position" and _weight(t, lanes) > 1 and not t.indirect]
    for loop in reversed(rest):
        if isinstance(loop.extent, int) and loop.extent < width:
            continue
        if any(coefficient(t.index, loop.name) == 1 for t in strided):
            return loop
    return None


def _with_turn(
    rest: tuple[PlanLoop, ...], lanes: PlanLoop, copies: int, touches: Sequence[Touch], reduces: bool
) -> tuple[PlanLoop, ...]:
    """The loops with some copies of the lanes' one, and in each all that lies between the lanes' elements."""
    turn = _in_turn(rest, lanes, touches)
    if turn is None:
        return (*rest, replace(lanes, copies=at_most(copies, lanes.extent, lanes.lanes)))
    assert isinstance(turn.extent, int)
    rest = tuple(x for x in rest if x is not turn)
    lanes = replace(lanes, copies=at_most(max(1, copies // turn.extent), lanes.extent, lanes.lanes))
    turn = replace(turn, copies=turn.extent)
    return (*rest, turn, lanes) if reduces else (*rest, lanes, turn)


def _in_turn(rest: Sequence[PlanLoop], lanes: PlanLoop, touches: Sequence[Touch]) -> PlanLoop | None:
    """A loop whose elements lie between those of the lanes, which are its extent apart."""
    for loop in reversed(rest):
        if not isinstance(loop.extent, int) or not 2 <= loop.extent <= NEAR:
            continue
        for touch in touches:
            near, far = coefficient(touch.index, loop.name), coefficient(touch.index, lanes.name)
            if touch.kind != "position" and near in (1, -1) and far in (loop.extent, -loop.extent):
                return loop
    return None


def _square(
    rest: Sequence[PlanLoop], side: PlanLoop, lanes: PlanLoop, width: int, taken: Collection[str]
) -> tuple[PlanLoop, ...]:
    """Tiles of `TILE` elements along the lanes by one vector along ``side``, transposed in registers.

    The tiles of one row of tiles follow each other along ``side``: each of the `TILE` lines read is one
    stream, and each line written is written whole.
    """
    width = min(width, SQUARE)
    inner = replace(lanes, lanes=width)
    before = tuple(x for x in rest if x is not side)
    if isinstance(lanes.extent, int) and lanes.extent <= TILE:
        return (*before, replace(side, copies=width), inner)
    name = f"{lanes.name}_tile"
    while name in taken:
        name += "_"
    tiles = PlanLoop(name, dim.ceildiv(lanes.extent, TILE), ())
    return (*before, tiles, replace(side, copies=width), replace(inner, tile=TILE, outer=name))


def block_of(extent: Size, block: int) -> int:
    """The block size, or 0 where the extent is known to be within one block."""
    upper = dim.bounds(extent)[1]
    return block if upper is None or upper > block else 0


def _partial_copies(extent: Size, width: int) -> int:
    """Copies that make up the partial results; those that a short extent leaves empty are neutral."""
    copies = max(1, PARTIALS // width)
    while isinstance(extent, int) and copies > 1 and extent <= width * copies // 2:
        copies //= 2
    return copies


def _independent(touches: Sequence[Touch]) -> int:
    """Copies of a body without carries: one that stores many results hides latency by itself."""
    stores = sum(t.kind == "store" for t in touches)
    return 4 if stores <= 4 else 2 if stores <= 8 else 1


def _copies(carries: int) -> int:
    return 4 if carries <= 4 else 2 if carries <= 8 else 1


def block_grain(plan: Plan, seen: KernelBuilder) -> int:
    """Blocks a worker should take at least where a reduction of everything is worth sharing; else 0."""
    if plan.space or plan.unrolled or len(plan.reduce) != 1 or plan.reduce[0].block != BLOCK:
        return 0
    cost = element_cost(seen)
    extent = plan.reduce[0].extent
    if isinstance(extent, int) and extent * cost < 2 * WORK:
        return 0
    return max(1, WORK // (BLOCK * cost))


def element_cost(seen: KernelBuilder) -> int:
    """Additions for one element of the innermost loop, memory included."""
    total = float(len(seen.touches))
    for part in walk.all_parts(seen.block()):
        if isinstance(part, Apply):
            total += TABLE[part.op].cost
    return max(1, round(total))


def parallel(space: tuple[PlanLoop, ...], reduce: tuple[PlanLoop, ...], cost: int) -> tuple[PlanLoop, ...]:
    """The outermost loop shared among workers, in pieces that are worth it."""
    if not space:
        return space
    first = _shared(space)
    if first is None:
        return space
    loops = (space[first], *space[:first], *space[first + 1 :])
    outer = loops[0]
    inner = dim.product(x.turn for x in (*loops[1:], *reduce)) * cost
    whole = inner * outer.extent
    if isinstance(whole, int) and whole < 2 * WORK:
        return space
    step = outer.lanes * outer.copies
    grain = 1 + dim.floordiv(dim.floordiv(WORK, inner + 1), step)
    return (replace(outer, mapping=Parallel(grain * step)), *loops[1:])


def _shared(space: Sequence[PlanLoop]) -> int | None:
    """The number of the loop to share: the outermost one of more than `FEW` iterations, else the longest. One
    along lanes cannot be moved outwards."""
    few: list[tuple[int, int]] = []
    for k, loop in enumerate(space):
        if loop.lanes > 1 and k > 0:
            continue
        if not isinstance(loop.extent, int) or loop.extent > FEW:
            return k
        if loop.extent > 1 and loop.copies == 1:
            few.append((loop.extent, -k))
    return -max(few)[1] if few else None
