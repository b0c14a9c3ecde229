"""The loop IR's rules on loops and their carries."""

from __future__ import annotations

from dataclasses import replace

from tcc.ir import dim
from tcc.ir.dtype import BOOL, DType
from tcc.ir.scalar import Expr, Name
from tcc.loops import walk
from tcc.loops.program import Apart, Block, Blocks, Carry, Let, Load, Loop, Parallel, Position, Serial
from tcc.loops.verify_expression import Place, check_combine, check_expr, check_size, check_uniform
from tcc.loops.verify_threads import check_threads

UNROLLED = 64
LANES = tuple(1 << n for n in range(11))


def check_loop(place: Place, loop: Loop) -> None:
    """The rules on a loop's own numbers, and on its carries' initial values."""
    what, at = f"the loop over '{loop.axis}'", loop.location
    check_uniform(place, loop.lo, what, at)
    check_uniform(place, loop.hi, what, at)
    if loop.lanes not in LANES or loop.copies < 1:
        raise place.fail(f"{what} has {loop.lanes} lanes and {loop.copies} copies", "lanes is a power of two", at)
    if loop.lanes > 1 and any(x.lanes > 1 for x in place.loops):
        raise place.fail(f"{what} has lanes", "a loop around it has lanes already", at)
    check_threads(place, loop)
    if isinstance(loop.mapping, Parallel):
        check_size(place, loop.mapping.grain, at)
    bound = place.loops or loop.carries or loop.while_ is not None or loop.unrolled
    if isinstance(loop.mapping, (Parallel, Blocks)) and bound:
        raise place.fail(f"{what} is parallel", "it is inside another loop, or has carries, or ends early", at)
    if isinstance(loop.mapping, Apart) and (
        loop.carries or loop.while_ is not None or any(x.lanes * x.copies > 1 for x in place.loops)
    ):
        raise place.fail(f"{what} is apart", "it has carries or a while, or is inside of lanes or copies", at)
    split = loop.lanes * loop.copies > 1
    if split and any(not c.combine for c in loop.carries):
        raise place.fail(f"{what} is split", "it carries state", at)
    if loop.while_ is not None and (split or loop.unrolled):
        raise place.fail(f"{what} is split or unrolled", "it has a while", at)
    if loop.unrolled:
        extent = loop.hi - loop.lo
        if not isinstance(extent, int) or extent > UNROLLED:
            raise place.fail(f"{what} is unrolled over {extent}", f"at most {UNROLLED}, a constant", at)
    for carry in loop.carries:
        _check_carry(place, carry)


def is_split(loop: Loop) -> bool:
    """Whether iterations may run at once or in any order: several of them, that is."""
    turned = not isinstance(loop.mapping, (Serial, Apart)) and loop.hi - loop.lo != 1
    return loop.lanes > 1 or loop.copies > 1 or turned


def _check_carry(place: Place, carry: Carry) -> None:
    what, at = f"the carry '{', '.join(carry.names)}'", carry.location
    if not carry.names or not len(carry.names) == len(carry.dtypes) == len(carry.init) == len(carry.update):
        raise place.fail(what, "it has not one dtype, initial value and update for each name", at)
    for values in (carry.init, carry.update):
        if tuple(e.dtype for e in values) != carry.dtypes:
            raise place.fail(
                f"{what} is {_shown(carry.dtypes)}", f"a value is {_shown(tuple(e.dtype for e in values))}", at
            )
    for value in carry.init:
        check_expr(place, value, at)
    if carry.combine:
        check_combine(place, carry.combine, carry.dtypes, at)
    elif carry.prefix:
        raise place.fail(f"{what} is a prefix", "it has no combine", at)


def _shown(dtypes: tuple[DType, ...]) -> str:
    return ", ".join(map(str, dtypes))


def loop_place(place: Place, loop: Loop) -> Place:
    """The place at the start of a loop's body."""
    inner = place
    for carry in loop.carries:
        if not carry.combine or carry.prefix:
            inner = _define(inner, loop, carry)
    if loop.while_ is not None:
        check_expr(inner, loop.while_, loop.location)
        if loop.while_.dtype != BOOL:
            raise place.fail(f"the while of the loop over '{loop.axis}'", "a condition is bool", loop.location)
    # Where a loop begins says which of its iterations there are: a loop over tiles, and one inside a tile.
    depends = check_size(place, loop.lo, loop.location) | {loop.axis}
    inner = inner.define(loop.axis, None, depends, loop.location).index(loop.axis)
    reserved = place.reserved | {n for c in loop.carries for n in c.names}
    return replace(inner, loops=(*place.loops, loop), reserved=reserved)


def _define(place: Place, loop: Loop, carry: Carry) -> Place:
    """Carries depend on every axis around, and on their own."""
    axes = frozenset(x.axis for x in place.loops) | {loop.axis}
    for name, dtype in zip(carry.names, carry.dtypes, strict=True):
        place = place.define(name, dtype, axes, carry.location)
    return place


def check_carries(place: Place, loop: Loop, end: Place) -> Place:
    """The rules on updates, given the place at the end of the body; the place after the loop."""
    prefixes = {n for c in loop.carries if c.prefix for n in c.names}
    for carry in loop.carries:
        for update in carry.update:
            check_expr(end, update, carry.location)
        if carry.prefix:
            _check_prefix(place, loop.body, carry, prefixes)
    for carry in loop.carries:
        place = _define(place, loop, carry)
    return place


def _check_prefix(place: Place, body: Block, carry: Carry, prefixes: set[str]) -> None:
    first = next((k for k, s in enumerate(body) if prefixes & walk.used_names((s,))), len(body))
    late = {s.name for s in body[first:] if isinstance(s, Let)}
    late |= {n for s in body[first:] if isinstance(s, Loop) for c in s.carries for n in c.names}
    used = {n for e in carry.update for n in _names(e)}
    if used & (late | prefixes):
        raise place.fail(
            f"the update of the prefix '{', '.join(carry.names)}' needs '{min(used & (late | prefixes))}'",
            "it is defined after a use of a prefix of this loop, or is one",
            carry.location,
        )


def _names(root: Expr) -> set[str]:
    names: set[str] = set()
    for part in walk.parts(root):
        if isinstance(part, Name):
            names.add(part.name)
        elif isinstance(part, (Load, Position)):
            names |= {x.name for x in dim.symbols(part.index)}
    return names
