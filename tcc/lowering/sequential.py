"""Loops of one lane and one copy: one iteration after the other."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from tcc.errors import InternalError
from tcc.loops.program import Loop
from tcc.lowering.carried import (
    Bounds,
    Run,
    bind,
    conjunction,
    flat,
    for_loop,
    narrow_mask,
    next_values,
    rebuilt,
    variation,
)
from tcc.lowering.expression import evaluate
from tcc.lowering.frame import Axis, Frame
from tcc.lowering.mlir import ir, scf
from tcc.lowering.registers import add, any_of, both, compare, integer
from tcc.lowering.tile import Tile


def unrolled(frame: Frame, loop: Loop, run: Run) -> None:
    """The body once for each number of the axis."""
    lo, hi = frame.resolve(loop.lo), frame.resolve(loop.hi)
    if not isinstance(lo, int) or not isinstance(hi, int) or loop.while_ is not None:
        raise InternalError(f"the loop over {loop.axis} cannot be unrolled", where=loop.location.place())
    carried = [[evaluate(frame, e) for e in c.init] for c in loop.carries]
    for number in range(lo, hi):
        with frame.scope():
            frame.numbers[loop.axis] = number
            bind(frame, loop, carried)
            for statement in loop.body:
                run(frame, statement)
            carried = [next_values(frame, loop, c, old, None) for c, old in zip(loop.carries, carried, strict=True)]
    frame.memo = {}
    bind(frame, loop, carried, after=True)


class Sequential:
    """A counted loop, or one that a condition ends."""

    def __init__(self, frame: Frame, loop: Loop, run: Run) -> None:
        self.frame, self.loop, self.run = frame, loop, run

    def emit(self) -> None:
        """The loop; its carries' names are bound after it."""
        frame, loop = self.frame, self.loop
        around = frame.mask.tile if frame.mask is not None else None
        known = variation(frame).carries(loop, around.varies if around is not None else frozenset())
        start = [
            [frame.shaped(evaluate(frame, e), known[n]) for n, e in zip(c.names, c.init, strict=True)]
            for c in loop.carries
        ]
        self.bounds = Bounds(frame, loop)
        if loop.while_ is None:
            results = for_loop(self.bounds.lo, self.bounds.hi, 1, start, lambda i, now: self.iteration(i, now, None))
        else:
            results = self.while_loop(start, around)
        frame.memo = {}
        bind(frame, loop, results, after=True)

    def iteration(self, i: ir.Value, carried: list[list[Tile]], alive: Tile | None) -> list[list[Tile]]:
        """One pass of the body; ``alive`` freezes the iterations around for which the loop has ended."""
        frame, loop = self.frame, self.loop
        with frame.scope():
            frame.axes[loop.axis] = Axis(i)
            bind(frame, loop, carried)
            if alive is not None:
                narrow_mask(frame, alive, inhabited=False)
            for statement in loop.body:
                self.run(frame, statement)
            after = [next_values(frame, loop, c, old, alive) for c, old in zip(loop.carries, carried, strict=True)]
            return [
                [frame.shaped(new, old.varies) for new, old in zip(n, o, strict=True)]
                for n, o in zip(after, carried, strict=True)
            ]

    def while_loop(self, start: list[list[Tile]], around: Tile | None) -> list[list[Tile]]:
        frame, loop, bounds = self.frame, self.loop, self.bounds
        assert loop.while_ is not None
        values = [bounds.lo, *flat(start)]
        types = [v.type for v in values]
        op = scf.WhileOp(types, values)
        here = [op.operation.location] * len(types)
        before, after = op.before.blocks.append(*types, arg_locs=here), op.after.blocks.append(*types, arg_locs=here)
        with ir.InsertionPoint(before), frame.scope():
            alive = self.alive(rebuilt(start, list(before.arguments)[1:]))
            live = alive if around is None else conjunction(frame, around, alive)
            some = any_of([live.at(at)[0] for at in frame.grid(live.axes)])
            more = both(compare("lt", before.arguments[0], bounds.hi), some)
            scf.ConditionOp(more, list(before.arguments))
        with ir.InsertionPoint(after), frame.scope():
            now = rebuilt(start, list(after.arguments)[1:])
            alive = self.alive(now)
            if around is not None:
                alive = conjunction(frame, around, alive)
            # One that all share needs no mask: the loop has ended where it does not hold.
            new = self.iteration(after.arguments[0], now, alive if alive.varies else None)
            scf.YieldOp([add(after.arguments[0], integer(1)), *flat(new)])
        return rebuilt(start, list(op.results)[1:])

    def alive(self, carried: list[list[Tile]]) -> Tile:
        assert self.loop.while_ is not None
        bind(self.frame, self.loop, carried, after=True)
        self.frame.memo = {}
        return evaluate(self.frame, self.loop.while_)
