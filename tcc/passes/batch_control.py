"""Batching of control flow: regions are batched, conditions that differ between examples become masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tcc.ops as ops
from tcc.ir import build
from tcc.ir.dim import Size
from tcc.ir.graph import Graph, Node, Value

Batched = Callable[[Graph, Sequence[bool], "Size"], "tuple[tuple[Value, ...], tuple[Value, ...], tuple[bool, ...]]"]
"""``batched(graph, flags, size)``: new inputs, outputs, and which outputs have the leading axis."""

Pairs = list[tuple[Value, bool]]
"""Results, and whether they have the leading axis."""


def scan(node: Node, operands: Sequence[Value], flags: Sequence[bool], size: Size, batched: Batched) -> Pairs:
    """A scan over the batched body. A carry is batched if its start or its next value is."""
    body: Graph = node.attributes["body"]
    carries: int = node.attributes["carries"]
    stacked: int = carries + node.attributes["consts"]
    inner, (inputs, outputs, made) = _settled(body, carries, flags, size, batched)
    kept = [led(v, f, size) if want else v for v, f, want in zip(outputs, made, inner, strict=False)]
    ends = (*kept[:carries], *outputs[carries:])
    starts = [led(v, f, size) if want else v for v, f, want in zip(operands, flags, inner, strict=True)]
    xs = [_swapped(v) if f else v for v, f in zip(starts[stacked:], inner[stacked:], strict=True)]
    attributes = {**node.attributes, "body": Graph(body.name, inputs, ends)}
    results = Node(node.op, (*starts[:stacked], *xs), attributes).results
    pairs: Pairs = []
    for index, new in enumerate(results):
        has_axis = inner[index] if index < carries else made[index]
        pairs.append((_swapped(new) if has_axis and index >= carries else new, has_axis))
    return pairs


def while_loop(node: Node, operands: Sequence[Value], flags: Sequence[bool], size: Size, batched: Batched) -> Pairs:
    """A loop that runs while it does for any example; those that have ended keep their carries."""
    cond: Graph = node.attributes["cond"]
    body: Graph = node.attributes["body"]
    carries: int = node.attributes["carries"]
    inner, (inputs, outputs, made) = _settled(body, carries, flags, size, batched)
    tests, conditions, (differs,) = batched(cond, inner, size)
    if differs:
        inner = [True] * carries + inner[carries:]
        inputs, outputs, made = batched(body, inner, size)
        tests, conditions, _ = batched(cond, inner, size)
    kept = [led(v, f, size) if want else v for v, f, want in zip(outputs, made, inner, strict=False)]
    step, test = Graph(body.name, inputs, tuple(kept)), Graph(cond.name, tests, conditions)
    if differs:
        fresh = build.like_inputs(inputs)
        (alive,) = build.inline(test, fresh)
        new = build.inline(step, fresh)
        masked = [ops.where(_along(alive, v), v, old) for v, old in zip(new, fresh, strict=False)]
        step, test = Graph(body.name, fresh, tuple(masked)), Graph(cond.name, tests, (ops.any(conditions[0]),))
    starts = [led(v, f, size) if want else v for v, f, want in zip(operands, flags, inner, strict=True)]
    results = Node(node.op, starts, {**node.attributes, "cond": test, "body": step}).results
    return list(zip(results, inner[:carries], strict=True))


def cond(node: Node, operands: Sequence[Value], flags: Sequence[bool], size: Size, batched: Batched) -> Pairs:
    """One branch for all examples; all branches, and for each example its own, where the index differs."""
    branches: tuple[Graph, ...] = node.attributes["branches"]
    regions = [batched(b, flags[1:], size) for b in branches]
    differs = flags[0] or any(any(made) for _, _, made in regions)
    graphs = [
        Graph(b.name, inputs, tuple(led(v, f or not differs, size) for v, f in zip(outputs, made, strict=True)))
        for b, (inputs, outputs, made) in zip(branches, regions, strict=True)
    ]
    if not flags[0]:
        results = Node(node.op, operands, {**node.attributes, "branches": tuple(graphs)}).results
        return [(v, differs) for v in results]
    everything = [build.inline(g, operands[1:]) for g in graphs]
    chosen = everything[-1]
    for number, values in enumerate(everything[:-1]):
        here = ops.equal(operands[0], number)
        chosen = [ops.where(_along(here, v), v, other) for v, other in zip(values, chosen, strict=True)]
    return [(v, True) for v in chosen]


def _settled(
    body: Graph, carries: int, flags: Sequence[bool], size: Size, batched: Batched
) -> tuple[list[bool], tuple[tuple[Value, ...], tuple[Value, ...], tuple[bool, ...]]]:
    """Which inputs of a body are batched once that of the carries has settled, and the batched body."""
    inner = list(flags)
    while True:
        found = batched(body, inner, size)
        grown = [a or b for a, b in zip(inner[:carries], found[2][:carries], strict=True)]
        if grown == inner[:carries]:
            return inner, found
        inner[:carries] = grown


def led(value: Value, batched: bool, size: Size) -> Value:
    """The value with the leading axis, repeated along it if it had none."""
    return value if batched else ops.broadcast_to(value, (size, *value.type.shape))


def _along(condition: Value, value: Value) -> Value:
    """A condition for each example, for each element of a batched value."""
    ones = (1,) * (value.type.rank - 1)
    return ops.broadcast_to(ops.reshape(condition, (*condition.type.shape, *ones)), value.type.shape)


def _swapped(value: Value) -> Value:
    """The first two axes exchanged: a scan steps along the first axis, a batch lies along it too."""
    return ops.transpose(value, (1, 0, *range(2, value.type.rank)))
