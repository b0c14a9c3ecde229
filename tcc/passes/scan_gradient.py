"""A scan gone through backwards: the forward scan keeps residuals, a reversed one carries cotangents.

The body's gradient is built once. Its values that need no cotangent are the forward part; those of
them that the backward part reads are residuals, and become stacked results of the forward scan.
What only depends on the body's constants is computed again instead, and so is what cheap ops make of
one other value (an index map of it, 1 - its square): that one value is kept, or read, for all of these.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

import tcc.ops as ops
from tcc.ir import build, dim
from tcc.ir import location as locations
from tcc.ir.dim import Size
from tcc.ir.forms import Elementwise, IndexMap
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.scalar import SCALARS, TABLE, Apply, Expr, Name, compute_dtype

Backward = Callable[
    [Sequence[Value], Sequence["Value | None"], Sequence[Value]], "tuple[list[Value], list[Value | None]]"
]
"""`tcc.passes.differentiate.backward`, which this recursion goes through."""


CHEAP = 8.0
"""Additions that cost no more than storing a value in one loop and loading it in another."""


@dataclass(frozen=True)
class Extended:
    """A scan that is to be replaced by one with more results; ``residuals`` stand for these."""

    node: Node
    body: Graph
    residuals: tuple[Value, ...]


def replaced(scans: Sequence[Extended]) -> dict[Value, Value]:
    """The new scans' results by what they stand for; ``scans`` come last one first."""
    mapping: dict[Value, Value] = {}
    for scan in reversed(scans):
        node = scan.node
        operands = build.rebuild(node.operands, mapping)
        made = Node(node.op, operands, {**node.attributes, "body": scan.body}, node.location)
        mapping.update(zip((*node.results, *scan.residuals), made.results, strict=True))
    return mapping


def transpose(
    node: Node, given: Sequence[Value | None], active: Sequence[bool], backward: Backward
) -> tuple[Extended, list[Value | None]]:
    """The scan that keeps residuals, and the operands' cotangents from the results'."""
    body = build.copy(node.attributes["body"])
    carries, consts = node.attributes["carries"], node.attributes["consts"]
    first = carries + consts
    held = _moving(body, carries, active)
    wrt = [v for v, m in zip(body.inputs, held, strict=True) if m]
    varying = [i for i in range(carries) if held[i]]
    summed = [i for i in range(carries, first) if held[i]]
    stacked = [i for i in range(first, len(body.inputs)) if held[i]]

    next_in = {i: _input(body.outputs[i], f"g{i}") for i in varying}
    sums_in = [_input(body.inputs[i], f"s{i}") for i in summed]
    ys_in = {i: _input(v, f"g{i}") for i, v in enumerate(body.outputs) if i >= carries and given[i] is not None}
    seeds = [next_in.get(i, ys_in.get(i)) for i in range(len(body.outputs))]
    outputs, found = backward(body.outputs, seeds, wrt)
    by_input = dict(zip(wrt, found, strict=True))

    ends = [_dense(by_input[body.inputs[i]], body.inputs[i]) for i in varying]
    for total, i in zip(sums_in, summed, strict=True):
        step = by_input[body.inputs[i]]
        ends.append(total if step is None else ops.add(total, step))
    slices = [i for i in stacked if by_input[body.inputs[i]] is not None]
    ends += [_dense(by_input[body.inputs[i]], body.inputs[i]) for i in slices]

    linear = [*next_in.values(), *sums_in, *ys_in.values()]
    kept = _residuals(ends, linear, body.inputs[carries:first])
    read = [v for v in kept if v in body.inputs[first:]]
    saved = [v for v in kept if v not in body.inputs]
    saved += [v for v in kept if v in body.inputs[:carries]]
    stored = {v: node.results[i] for i, v in enumerate(outputs) if i >= carries}
    fresh = [v for v in saved if v not in stored]
    length: Size = node.attributes["length"]
    residuals = {v: _stack_of(v, length, node) for v in fresh}
    extended = Extended(node, Graph(body.name, body.inputs, (*outputs, *fresh)), tuple(residuals.values()))

    shared = build.like_inputs(body.inputs[carries:first])
    read_in, saved_in = build.like_inputs(read), build.like_inputs(saved)
    mapping = dict(zip((*body.inputs[carries:first], *read, *saved), (*shared, *read_in, *saved_in), strict=True))
    reversed_inputs = (*next_in.values(), *sums_in, *shared, *ys_in.values(), *read_in, *saved_in)
    reversed_body = Graph(f"{body.name}_gradient", reversed_inputs, tuple(build.rebuild(ends, mapping)))

    operands = [_dense(given[i], node.operands[i]) for i in varying]
    operands += [ops.zeros(v.type.shape, v.type.dtype) for v in sums_in]
    operands += node.operands[carries:first]
    operands += [g for i in ys_in if (g := given[i]) is not None]
    operands += [node.operands[body.inputs.index(v)] for v in read]
    operands += [stored[v] if v in stored else residuals[v] for v in saved]
    attributes = {
        "body": reversed_body,
        "carries": len(varying) + len(sums_in),
        "consts": consts,
        "length": length,
        "reverse": not node.attributes["reverse"],
    }
    results = Node(node.op, operands, {**node.attributes, **attributes}).results
    cotangents: list[Value | None] = [None] * len(node.operands)
    for i, result in zip((*varying, *summed, *slices), results, strict=True):
        cotangents[i] = result
    return extended, cotangents


def _moving(body: Graph, carries: int, active: Sequence[bool]) -> list[bool]:
    """Which of the body's inputs matter: the active ones, and carries that ever depend on these."""
    moving = [a and v.type.dtype.is_inexact for a, v in zip(active, body.inputs, strict=True)]
    while True:
        reached = {v for v, m in zip(body.inputs, moving, strict=True) if m}
        for node in body.nodes:
            if any(v in reached for v in node.operands):
                reached.update(v for v in node.results if v.type.dtype.is_inexact)
        grown = [m or v in reached for m, v in zip(moving[:carries], body.outputs, strict=False)]
        if grown == moving[:carries]:
            return moving
        moving[:carries] = grown


def _residuals(ends: Sequence[Value], linear: Sequence[Value], consts: Sequence[Value]) -> list[Value]:
    """The forward values that the backward part reads, in order, but what the constants give."""
    dependent, fixed = set(linear), set(consts)
    for node in build.between(ends, dependent | fixed):
        if any(v in dependent for v in node.operands):
            dependent.update(node.results)
        elif all(v in fixed for v in node.operands):
            fixed.update(node.results)
    sources: dict[Value, Value] = {}
    read: dict[Value, None] = {}
    for node in build.between(ends, set(linear)):
        if any(v in dependent for v in node.operands):
            read.update((v, None) for v in node.operands if v not in dependent)
        else:
            sources.update((v, _source(v, fixed, sources)) for v in node.results)
    read.update((v, None) for v in ends if v not in dependent)
    return list(dict.fromkeys(sources.get(v, v) for v in read if v not in fixed))


def _source(value: Value, fixed: Container[Value], sources: Mapping[Value, Value]) -> Value:
    """The one value that cheap ops make this of, if there is one and it is no larger; else itself."""
    node = value.producer
    assert node is not None
    varying = {sources.get(v, v) for v in node.operands if v not in fixed}
    if len(varying) != 1 or not _is_cheap(node):
        return value
    (source,) = varying
    smaller = source.producer is None or dim.nonnegative(value.type.size - source.type.size)
    return source if smaller else value


def _is_cheap(node: Node) -> bool:
    """Whether computing this again costs less than storing and loading it."""
    if isinstance(node.op.form, IndexMap):
        return True
    if not isinstance(node.op.form, Elementwise):
        return False
    elements = [Name(compute_dtype(v.type.dtype), f"x{i}") for i, v in enumerate(node.operands)]
    made = node.op.form.compute(SCALARS, *elements, **node.attributes)
    return sum(map(_cost, made if isinstance(made, tuple) else (made,))) <= CHEAP


def _cost(expression: Expr) -> float:
    if not isinstance(expression, Apply):
        return 0.0
    return TABLE[expression.op].cost + sum(map(_cost, expression.args))


def _input(value: Value, name: str) -> Value:
    return build.graph_input(value.type, name, locations.current())


def _stack_of(value: Value, length: Size, node: Node) -> Value:
    """What stands for a residual's stacked values until the scan that makes them exists."""
    return build.graph_input(value.type.with_shape((length, *value.type.shape)), "residual", node.location)


def _dense(cotangent: Value | None, value: Value) -> Value:
    return cotangent if cotangent is not None else ops.zeros(value.type.shape, value.type.dtype)
