"""What loops of every kind share: bounds, carried values, masks."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Callable, Sequence

from tcc.errors import InternalError
from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import BOOL
from tcc.loops.program import Blocks, Carry, Loop, Parallel, Stmt
from tcc.lowering import index
from tcc.lowering.combine import Reducer
from tcc.lowering.expression import evaluate
from tcc.lowering.frame import Frame, Mask
from tcc.lowering.mlir import ir, scf
from tcc.lowering.positions import in_order
from tcc.lowering.registers import add, both, integer, select
from tcc.lowering.tile import Tile
from tcc.lowering.variation import Variation

Run = Callable[[Frame, Stmt], None]
"""Emits one statement."""


class Bounds:
    """A loop's bounds as scalars; ``extent`` is None where only the machine knows it."""

    def __init__(self, frame: Frame, loop: Loop) -> None:
        lo, hi = frame.resolve(loop.lo), frame.resolve(loop.hi)
        if index.varies(frame, lo) | index.varies(frame, hi):
            raise InternalError(
                f"the bounds of the loop over {loop.axis} differ between iterations that run side by side",
                where=loop.location.place(),
            )
        self.lo, self.hi = index.evaluate(frame, lo, {}), index.evaluate(frame, hi, {})
        self.extent: Size | None = hi - lo
        if isinstance(self.extent, int):
            self.extent = max(self.extent, 0)
        if isinstance(loop.mapping, (Parallel, Blocks)):
            if frame.function.span is None or frame.axes:
                raise InternalError(f"the parallel loop over {loop.axis} is not the outermost of a kernel")
            begin, end = frame.function.span
            self.lo, self.hi = add(self.lo, begin), add(self.lo, end)
            self.extent = None


def variation(frame: Frame) -> Variation:
    """What is known of the names at this point, for the shapes of carries."""
    names = {name: tile.varies for name, tile in frame.names.items()}
    names.update({name: index.varies(frame, dim.symbol(name)) for name in frame.axes})
    return Variation(names)


def bind(frame: Frame, loop: Loop, carried: Sequence[Sequence[Tile]], after: bool = False) -> None:
    """Binds the carries' names: all of them after the loop, those that the body sees before."""
    for carry, tiles in zip(loop.carries, carried, strict=True):
        if after or carry.prefix or not carry.combine:
            frame.names.update(zip(carry.names, tiles, strict=True))


def next_values(frame: Frame, loop: Loop, carry: Carry, old: Sequence[Tile], mask: Tile | None) -> list[Tile]:
    """The values of a loop's carry after an iteration, frozen where ``mask`` is false."""
    frame.memo = {}
    new = [evaluate(frame, e) for e in carry.update]
    around = frozenset().union(*(t.varies for t in (*old, *new, *([mask] if mask else []))))
    before = [frame.shaped(t, around) for t in old]
    if carry.combine:
        reducer = Reducer(frame.function.facts, carry.combine, carry.dtypes)
        return reducer.merge(before, new, mask, reducer.is_identity(carry.init) and in_order(loop, carry))
    if mask is None:
        return [frame.shaped(t, ()) for t in new]
    results: list[Tile] = []
    for was, now in zip(before, new, strict=True):
        parts = [select(mask.at(at)[0], now.at(at), was.at(at)) for at in frame.grid(was.axes)]
        results.append(frame.tile(was.dtype, was.axes, parts))
    return results


def flat(carried: Sequence[Sequence[Tile]]) -> list[ir.Value]:
    """All machine values of a loop's carries."""
    return [value for tiles in carried for tile in tiles for value in tile.flat()]


def rebuilt(shapes: Sequence[Sequence[Tile]], values: Sequence[ir.Value]) -> list[list[Tile]]:
    """Carries of the same shapes of other machine values."""
    rest = list(values)
    return [[tile.rebuilt(rest) for tile in tiles] for tiles in shapes]


def for_loop(
    lo: ir.Value, hi: ir.Value, step: int, carried: list[list[Tile]], body: Callable[..., list[list[Tile]]]
) -> list[list[Tile]]:
    """A counted loop; ``body(iteration, carried)`` returns the carried tiles, of the same shapes."""
    op = scf.ForOp(lo, hi, integer(step), flat(carried))
    with ir.InsertionPoint(op.body):
        after = body(op.induction_variable, rebuilt(carried, op.inner_iter_args))
        scf.YieldOp(flat(after))
    return rebuilt(carried, op.results)


def conjunction(frame: Frame, first: Tile, second: Tile) -> Tile:
    """Where both bools hold."""
    axes = frame.ordered((*first.axes, *second.axes))
    parts = [(both(first.at(at)[0], second.at(at)[0]),) for at in frame.grid(axes)]
    return frame.tile(BOOL, axes, parts)


def narrow_mask(frame: Frame, live: Tile, inhabited: bool) -> None:
    """From here on in the scope only iterations run for which ``live`` holds too; see `Mask`."""
    outer = frame.mask
    tile = live if outer is None else conjunction(frame, outer.tile, live)
    frame.mask = Mask(tile, inhabited and (outer is None or outer.inhabited))
