"""Batching (vmap): the graph on many inputs at once, along a new leading axis.

Only what depends on a batched input gets the axis. Each op says how it goes through by its record's
``batch``; a composite without one is expanded; a scan batches its body.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import tcc.ops as ops
from tcc.errors import InternalError, Unsupported
from tcc.ir import build
from tcc.ir import location as locations
from tcc.ir.dim import Size
from tcc.ir.forms import Control
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.types import TensorType
from tcc.passes.decompose import expansion


def batch(graph: Graph, batched: Sequence[bool], size: Size) -> Graph:
    """The graph with a leading axis of ``size`` on the inputs marked and on every output."""
    inputs, outputs, flags = _batched(graph, batched, size)
    ends: list[Value] = []
    for value, flag in zip(outputs, flags, strict=True):
        with locations.located(value.location):
            ends.append(_led(value, flag, size))
    return Graph(graph.name, inputs, tuple(ends))


def _batched(
    graph: Graph, batched: Sequence[bool], size: Size
) -> tuple[tuple[Value, ...], tuple[Value, ...], tuple[bool, ...]]:
    """New inputs, outputs, and which outputs have the leading axis."""
    types = [_lead(v.type, size) if b else v.type for v, b in zip(graph.inputs, batched, strict=True)]
    inputs = tuple(Value(t, v.location, name=v.name) for v, t in zip(graph.inputs, types, strict=True))
    marked = {v: new for v, new, b in zip(graph.inputs, inputs, batched, strict=True) if b}
    plain = {v: new for v, new, b in zip(graph.inputs, inputs, batched, strict=True) if not b}
    results = batch_values(build.rebuild(graph.outputs, plain), marked, size)
    return inputs, tuple(v for v, _ in results), tuple(b for _, b in results)


def batch_values(
    outputs: Sequence[Value], batched: Mapping[Value, Value], size: Size, stops: Collection[Value] = ()
) -> list[tuple[Value, bool]]:
    """Each output, and whether it has the leading axis; ``batched`` gives values that have it.

    What is only reached through ``batched`` or ``stops`` is not visited. Unsupported names the op
    that has no rule.
    """
    done = dict(batched)
    for node in build.between(outputs, {*batched, *stops}):
        if any(v in done for v in node.operands):
            with locations.located(node.location):
                results = _node(node, done, size)
            done.update((old, new) for old, new in results if old not in done)
    return [(done[v], True) if v in done else (v, False) for v in outputs]


def _node(node: Node, done: Mapping[Value, Value], size: Size) -> list[tuple[Value, Value]]:
    operands = [done.get(v, v) for v in node.operands]
    flags = [v in done for v in node.operands]
    if isinstance(node.op.form, Control):
        return _control(node, node.op.form.kind, operands, flags, size)
    if node.op.batch is not None:
        results = [(v, True) for v in node.op.batch(size, operands, flags, node.attributes)]
    elif node.op.expand is not None:
        inner = {v: done[v] for v in node.operands if v in done}
        results = batch_values(expansion(node), inner, size, node.operands)
    else:
        raise Unsupported(
            f"{node.op.name} has no batching rule",
            where=node.location.place(),
            fix="write the loop over the batch with tcc.scan, or the op on arrays of one more dimension",
        )
    made = [_led(v, f, size) for v, f in results]
    for old, new in zip(node.results, made, strict=True):
        if new.type != _lead(old.type, size):
            raise InternalError(f"batching {node.op.name}: {old.type} became {new.type}, expected {size} in front")
    return list(zip(node.results, made, strict=True))


def _control(
    node: Node, kind: str, operands: Sequence[Value], flags: Sequence[bool], size: Size
) -> list[tuple[Value, Value]]:
    """A scan over the batched body. A carry is batched if its start or its next value is."""
    if kind != "scan":
        raise Unsupported(f"control of kind '{kind}' has no batching rule", where=node.location.place())
    body: Graph = node.attributes["body"]
    carries: int = node.attributes["carries"]
    stacked: int = carries + node.attributes["consts"]
    inner = list(flags)
    while True:
        inputs, outputs, made = _batched(body, inner, size)
        grown = [a or b for a, b in zip(inner[:carries], made[:carries], strict=True)]
        if grown == inner[:carries]:
            break
        inner[:carries] = grown
    kept = [_led(v, f, size) if want else v for v, f, want in zip(outputs, made, inner, strict=False)]
    ends = (*kept[:carries], *outputs[carries:])
    starts = [_led(v, f, size) if want else v for v, f, want in zip(operands, flags, inner, strict=True)]
    xs = [_swapped(v) if f else v for v, f in zip(starts[stacked:], inner[stacked:], strict=True)]
    attributes = {**node.attributes, "body": Graph(body.name, inputs, ends)}
    scan = Node(node.op, (*starts[:stacked], *xs), attributes)
    results: list[tuple[Value, Value]] = []
    for index, (old, new) in enumerate(zip(node.results, scan.results, strict=True)):
        has_axis = inner[index] if index < carries else made[index]
        moved = _swapped(new) if has_axis and index >= carries else new
        results.append((old, _led(moved, has_axis, size)))
    return results


def _led(value: Value, batched: bool, size: Size) -> Value:
    """The value with the leading axis, repeated along it if it had none."""
    return value if batched else ops.broadcast_to(value, (size, *value.type.shape))


def _swapped(value: Value) -> Value:
    """The first two axes exchanged: a scan steps along the first axis, a batch lies along it too."""
    return ops.transpose(value, (1, 0, *range(2, value.type.rank)))


def _lead(type: TensorType, size: Size) -> TensorType:
    return type.with_shape((size, *type.shape))
