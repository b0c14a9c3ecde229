"""Running combinations in loops of several lanes or copies."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tcc.loops.program import Carry, Let, Loop, Stmt
from tcc.loops.walk import used_names
from tcc.lowering.combine import Reducer
from tcc.lowering.expression import evaluate
from tcc.lowering.frame import Frame
from tcc.lowering.mlir import ir
from tcc.lowering.registers import select
from tcc.lowering.tile import Tile
from tcc.lowering.variation import own_axes


class Prefixes:
    """The running combinations of one pass, each bound before the first statement that uses it."""

    def __init__(self, loop: Loop, reducers: Sequence[Reducer], partials: list[list[Tile]], mask: Tile | None) -> None:
        self.loop, self.reducers, self.partials, self.mask = loop, reducers, partials, mask
        self.after: dict[int, list[Tile]] = {}
        self.waiting = [n for n, c in enumerate(loop.carries) if c.prefix]

    def define(self, frame: Frame, statement: Stmt | None) -> None:
        """Binds what ``statement`` mentions; all that is left for None."""
        for number in list(self.waiting):
            carry = self.loop.carries[number]
            if number in self.waiting and (statement is None or used_names((statement,)) & set(carry.names)):
                self.scan(frame, number, carry)

    def scan(self, frame: Frame, number: int, carry: Carry) -> None:
        self.waiting.remove(number)
        for other in list(self.waiting):
            lets = tuple(Let("", e) for e in carry.update)
            if used_names(lets) & set(self.loop.carries[other].names):
                self.scan(frame, other, self.loop.carries[other])
        frame.memo = {}
        loop, reducer, before = self.loop, self.reducers[number], self.partials[number]
        axis = loop.axis
        shape = before[0].varies | own_axes(loop)
        values = [frame.shaped(evaluate(frame, e), shape) for e in carry.update]
        if self.mask is not None:
            neutral = reducer.identity()
            values = [
                frame.tile(v.dtype, v.axes, [select(self.mask.at(at)[0], v.at(at), i) for at in frame.grid(v.axes)])
                for v, i in zip(values, neutral, strict=True)
            ]
        copies = range(loop.copies) if axis in values[0].axes else range(1)
        bound: list[dict[tuple[int, ...], tuple[ir.Value, ...]]] = [{} for _ in values]
        totals: list[dict[tuple[int, ...], tuple[ir.Value, ...]]] = [{} for _ in values]
        for at in frame.grid(before[0].axes):
            items = [[v.at({**at, axis: u}) for v in values] for u in copies]
            running, total = reducer.running(items, [b.at(at) for b in before], loop.lanes)
            for n in range(len(values)):
                totals[n][tuple(at.values())] = total[n]
                for u in copies:
                    coordinate = {**at, axis: u}
                    bound[n][tuple(coordinate[a] for a in values[n].axes)] = running[u][n]
        for n, name in enumerate(carry.names):
            frame.names[name] = replace(values[n], parts={k: bound[n][k] for k in values[n].parts})
        self.after[number] = [replace(b, parts=t) for b, t in zip(before, totals, strict=True)]
