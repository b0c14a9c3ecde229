"""Loops that end by a condition or by a count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tcc import ops
from tcc.control.carry import in_eager, settled, with_captures
from tcc.control.scan import scanned
from tcc.errors import UserError
from tcc.frontends.numpy.eager import seen
from tcc.frontends.numpy.operand import as_value, here
from tcc.frontends.numpy.public import traced_or_computed
from tcc.frontends.numpy.size import TracedSize, unwrap_size
from tcc.frontends.numpy.trace import Region, is_leaf, trace_region
from tcc.frontends.numpy.tracer import Tracer
from tcc.ir import dim
from tcc.ir import location as locations
from tcc.ir.dim import Size
from tcc.ir.dtype import BOOL
from tcc.ir.graph import Graph, Value
from tcc.tree import Tree, flatten, unflatten

Carry = Callable[[Any], Any]
CountedBody = Callable[[Any, Any], Any]


def while_loop(cond: Carry, body: Carry, init: Any) -> Any:
    """Repeats ``state = body(state)`` from ``init`` while ``cond(state)`` holds; the last state.

    The state may be nested. UserError when it changes its type, or ``cond`` gives no bool scalar. It has
    no reverse-mode gradient: where one is needed use `fori_loop` or `tcc.scan`, whose lengths are known.
    """
    if in_eager():
        init = seen(init)
        while bool(cond(init)):
            init = seen(body(init))
        return init
    return traced_or_computed(_while, "while_loop")(cond, body, init)


def _while(cond: Carry, body: Carry, init: Any) -> Any:
    starts, tree = flatten(init, is_leaf)

    def trace(carries: list[Value], weak: list[bool]) -> Region:
        region = _region(body, carries, weak, "the body of while_loop", tree)
        if region.results.paths() != tree.paths():
            raise UserError(
                "while_loop: the body must return what it takes",
                where=locations.user_line().place(),
                why=f"it returned the parts {region.results.paths()}, init has {tree.paths()}",
                fix="nest what it returns like init",
            )
        return region

    carries, inner = settled(starts, trace, "while_loop", tree)
    test = _region(cond, carries, [False] * len(carries), "the condition of while_loop", tree)
    made = [v.type for v in test.graph.outputs]
    if len(made) != 1 or made[0].rank or made[0].dtype != BOOL:
        raise UserError(
            "while_loop: the condition must return one bool",
            where=locations.user_line().place(),
            why=f"it returned {', '.join(map(str, made)) or 'nothing'}",
            fix="compare numbers, and join the elements of an array with np.any or np.all",
        )
    (condition, step), captures = with_captures([test, inner])
    results = ops.while_loop(
        Graph("cond", condition.inputs, condition.outputs),
        Graph("body", step.inputs, step.outputs),
        carries,
        captures,
    )
    scope = here("while_loop")
    return unflatten(tree, [Tracer(v, scope) for v in results])


def _region(function: Carry, carries: list[Value], weak: list[bool], name: str, tree: Tree) -> Region:
    def call(traced: list[Any]) -> Any:
        return function(unflatten(tree, traced))

    return trace_region(call, [v.type for v in carries], name, tree.paths("carry"), weak)


def fori_loop(lo: Any, hi: Any, body: CountedBody, init: Any) -> Any:
    """Repeats ``state = body(i, state)`` for i from ``lo`` to ``hi - 1``; the last state.

    With numbers or symbolic sizes as bounds it is a `tcc.scan`, and has a gradient; bounds that are
    traced values make it a `while_loop`. UserError when the state changes its type.
    """
    if in_eager():
        plain = all(isinstance(x, int) for x in (lo, hi))
        count = int if plain else np.result_type(*(x for x in (lo, hi) if not isinstance(x, int))).type
        init = seen(init)
        for i in range(int(lo), int(hi)):
            init = seen(body(count(i), init))
        return init
    return traced_or_computed(_fori, "fori_loop")(lo, hi, body, init)


def _fori(lo: Any, hi: Any, body: CountedBody, init: Any) -> Any:
    if all(isinstance(x, (int, np.integer, TracedSize)) for x in (lo, hi)):
        first, last = (_bound(x) for x in (lo, hi))
        count = last - first
        length = count if dim.nonnegative(count) else dim.maximum(count, 0)
        numbers = Tracer(ops.add(ops.arange(length), first), here("fori_loop"))
        return scanned(lambda state, i: (body(i, state), None), init, numbers, length, False, "fori_loop", True)[0]
    lower, upper = as_value(lo), as_value(hi)
    for name, value in (("lo", lower), ("hi", upper)):
        if value.type.rank or not value.type.dtype.is_integer:
            raise UserError(
                f"fori_loop: '{name}' is {value.type}",
                where=locations.user_line().place(),
                why="expected an integer, a size or an integer scalar",
                fix="convert it: bound.astype(np.int64)",
            )
    scope = here("fori_loop")
    limit, start = (Tracer(v, scope) for v in _promoted(lower, upper, lo, hi))
    state = _while(lambda s: s[0] < limit, lambda s: (s[0] + np.ones((), limit.dtype), body(s[0], s[1])), (start, init))
    return state[1]


def _promoted(lower: Value, upper: Value, lo: Any, hi: Any) -> tuple[Value, Value]:
    """The upper and the lower bound in one dtype; a Python number takes the other's."""
    if isinstance(lo, (int, TracedSize)):
        return upper, ops.astype(lower, upper.type.dtype)
    if isinstance(hi, (int, TracedSize)):
        return ops.astype(upper, lower.type.dtype), lower
    both = ops.add(lower, upper).type.dtype
    return ops.astype(upper, both), ops.astype(lower, both)


def _bound(item: Any) -> Size:
    size = unwrap_size(item)
    return int(size) if isinstance(size, np.integer) else size
