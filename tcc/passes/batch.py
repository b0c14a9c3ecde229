"""Batching (vmap): the graph on many inputs at once, along a new leading axis.

Only what depends on a batched input gets the axis. Each op says how it goes through by its record's
``batch``; a composite without one is expanded; how control flow does is in `tcc.passes.batch_control`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tcc.errors import InternalError, Unsupported
from tcc.ir import build
from tcc.ir import location as locations
from tcc.ir.dim import Size
from tcc.ir.forms import Control
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.types import TensorType
from tcc.passes import batch_control
from tcc.passes.batch_control import led
from tcc.passes.decompose import expansion


def batch(graph: Graph, batched: Sequence[bool], size: Size) -> Graph:
    """The graph with a leading axis of ``size`` on the inputs marked and on every output."""
    inputs, outputs, flags = _batched(graph, batched, size)
    ends: list[Value] = []
    for value, flag in zip(outputs, flags, strict=True):
        with locations.located(value.location):
            ends.append(led(value, flag, size))
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
        results = _CONTROL[node.op.form.kind](node, operands, flags, size, _batched)
    elif node.op.batch is not None:
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
    made = [led(v, f, size) for v, f in results]
    for old, new in zip(node.results, made, strict=True):
        if new.type != _lead(old.type, size):
            raise InternalError(f"batching {node.op.name}: {old.type} became {new.type}, expected {size} in front")
    return list(zip(node.results, made, strict=True))


_CONTROL = {"scan": batch_control.scan, "while": batch_control.while_loop, "cond": batch_control.cond}


def _lead(type: TensorType, size: Size) -> TensorType:
    return type.with_shape((size, *type.shape))
