"""Building graphs from graphs: copy, substitute, inline. Nodes that do not change are kept, not copied."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from tcc.errors import InternalError
from tcc.ir import location as locations
from tcc.ir.forms import Literal
from tcc.ir.graph import Attributes, Constant, Graph, Module, Node, Value
from tcc.ir.location import Location
from tcc.ir.types import TensorType

NodeChange = Callable[[Node, tuple[Value, ...]], Sequence[Value] | None]
"""``change(node, operands)`` → values in place of the node's results, or None to keep the op."""


def graph_input(type: TensorType, name: str = "", location: Location | None = None) -> Value:
    """A new graph input."""
    return Value(type, location if location is not None else locations.current(), name=name)


def like_inputs(values: Sequence[Value]) -> tuple[Value, ...]:
    """New inputs of the types, names and locations of some values."""
    return tuple(Value(v.type, v.location, name=v.name) for v in values)


def with_operands(node: Node, operands: Sequence[Value]) -> Node:
    """The node on other operands; the node itself when they are its own."""
    if all(a is b for a, b in zip(node.operands, operands, strict=True)):
        return node
    return Node(node.op, operands, node.attributes, node.location)


def keep_node(_node: Node, _operands: tuple[Value, ...]) -> None:
    """The `NodeChange` that changes nothing."""
    return


def rebuild(outputs: Sequence[Value], values: Mapping[Value, Value], change: NodeChange = keep_node) -> list[Value]:
    """The outputs with values replaced and, operands first, nodes changed.

    ``values`` may name inputs and results; what is only reached through a replaced result is not
    visited. Values made by ``change`` take the location of the node that it replaces.
    """
    done: dict[Value, Value] = dict(values)
    for node in between(outputs, values):
        operands = tuple(done.get(v, v) for v in node.operands)
        with locations.located(node.location):
            results = change(node, operands)
        if results is None:
            results = with_operands(node, operands).results
        if len(results) != len(node.results):
            raise InternalError(f"{node.op.name} has {len(node.results)} results, its replacement {len(results)}")
        for old, new in zip(node.results, results, strict=True):
            done.setdefault(old, new)
    return [done.get(v, v) for v in outputs]


def between(outputs: Sequence[Value], stops: Container[Value]) -> Iterator[Node]:
    """The nodes that outputs reach without passing a value in ``stops``, operands first."""
    done: set[Node] = set()
    for output in outputs:
        stack = [(output.producer, False)] if output.producer is not None and output not in stops else []
        while stack:
            node, ready = stack.pop()
            if node in done:
                continue
            if ready:
                done.add(node)
                yield node
                continue
            stack.append((node, True))
            before = (v for v in reversed(node.operands) if v not in stops)
            stack += [(v.producer, False) for v in before if v.producer is not None and v.producer not in done]


def map_nodes(graph: Graph, change: NodeChange) -> Graph:
    """The graph with nodes changed, operands first; the graph itself when nothing changed."""
    outputs = rebuild(graph.outputs, {}, change)
    if all(a is b for a, b in zip(graph.outputs, outputs, strict=True)):
        return graph
    return Graph(graph.name, graph.inputs, tuple(outputs))


def inline(graph: Graph, arguments: Sequence[Value], change: NodeChange = keep_node) -> list[Value]:
    """The graph's outputs computed from ``arguments`` in place of its inputs.

    InternalError when their number or types do not fit.
    """
    if len(arguments) != len(graph.inputs):
        raise InternalError(f"'{graph.name}' takes {len(graph.inputs)} inputs, got {len(arguments)}")
    for formal, actual in zip(graph.inputs, arguments, strict=True):
        if formal.type != actual.type:
            raise InternalError(f"'{graph.name}': input '{formal.name}' is {formal.type}, got {actual.type}")
    return rebuild(graph.outputs, dict(zip(graph.inputs, arguments, strict=True)), change)


def copy(graph: Graph, name: str | None = None) -> Graph:
    """The same graph on inputs of its own."""
    inputs = like_inputs(graph.inputs)
    return Graph(graph.name if name is None else name, inputs, tuple(inline(graph, inputs)))


def map_regions(attributes: Attributes, change: Callable[[Graph], Graph]) -> Attributes:
    """Attributes with every graph in them changed; the same mapping when nothing changed."""
    changed = {name: _map_value(value, change) for name, value in attributes.items()}
    same = all(changed[name] is attributes[name] for name in attributes)
    return attributes if same else changed


def _map_value(value: Any, change: Callable[[Graph], Graph]) -> Any:
    if isinstance(value, Graph):
        return change(value)
    if isinstance(value, tuple):
        parts = cast("tuple[Any, ...]", value)
        changed = tuple(_map_value(v, change) for v in parts)
        return parts if all(a is b for a, b in zip(parts, changed, strict=True)) else changed
    return value


def map_graphs(graph: Graph, change: Callable[[Graph], Graph]) -> Graph:
    """A pass over a graph and, before it, over the regions inside it."""

    def inner(node: Node, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        attributes = map_regions(node.attributes, lambda region: map_graphs(region, change))
        if attributes is node.attributes:
            return None
        return Node(node.op, operands, attributes, node.location).results

    return change(map_nodes(graph, inner))


def map_functions(module: Module, change: Callable[[Graph], Graph]) -> Module:
    """A pass over every function's graph."""
    functions = tuple(replace(f, graph=change(f.graph)) for f in module.functions)
    return replace(module, functions=functions)


def constant_of(value: Value) -> Constant | None:
    """The constant that a value is, if it is a literal."""
    if value.producer is not None and isinstance(value.producer.op.form, Literal):
        return value.producer.attributes["value"]
    return None


def constants(graph: Graph) -> tuple[Constant, ...]:
    """Every constant in a graph and its regions, equal ones once, in order."""
    found: dict[Constant, None] = {}

    def collect(value: Any) -> None:
        if isinstance(value, Constant):
            found[value] = None
        elif isinstance(value, Graph):
            found.update(dict.fromkeys(constants(value)))
        elif isinstance(value, tuple):
            for part in value:  # pyright: ignore[reportUnknownVariableType]
                collect(part)

    for node in graph.nodes:
        for value in node.attributes.values():
            collect(value)
    return tuple(found)
