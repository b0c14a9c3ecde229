"""Common subexpressions: nodes of one op on the same operands with equal attributes become one.

Nodes that no output needs are no part of a graph (`Graph.nodes` is what the outputs reach), so dead
code needs no pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from tcc.ir import build
from tcc.ir.graph import Graph, Node, Value


def cse(graph: Graph) -> Graph:
    """The graph and its regions with equal nodes merged; the first one's location stays."""
    return build.map_graphs(graph, _merge)


def _merge(graph: Graph) -> Graph:
    seen: dict[Any, Node] = {}

    def change(node: Node, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        attributes = tuple((name, _key(value)) for name, value in sorted(node.attributes.items()))
        key = (node.op.name, operands, attributes)
        if key in seen:
            return seen[key].results
        seen[key] = build.with_operands(node, operands)
        return seen[key].results

    return build.map_nodes(graph, change)


def _key(value: Any) -> Any:
    """Equal for attributes that mean the same: 0.0 differs from -0.0 and 1 from True, nan equals nan."""
    if isinstance(value, tuple):
        return tuple(_key(v) for v in cast("tuple[Any, ...]", value))
    if isinstance(value, (bool, int, float, complex)):
        return type(value).__name__, repr(value)
    return value
