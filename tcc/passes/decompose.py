"""Composites expanded until only primitives are left."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import cast

from tcc.errors import InternalError
from tcc.ir import build
from tcc.ir.graph import Graph, Node, Value


def decompose(graph: Graph, keep: Collection[str] = ()) -> Graph:
    """The graph and its regions without composites but those named in ``keep``."""

    def change(node: Node, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        if node.op.expand is None or node.op.name in keep:
            return None
        results = expansion(build.with_operands(node, operands))
        return build.rebuild(results, {v: v for v in operands}, change)

    return build.map_graphs(graph, lambda g: build.map_nodes(g, change))


def expansion(node: Node) -> tuple[Value, ...]:
    """What a composite's results are, one step down. InternalError when the types are others."""
    assert node.op.expand is not None
    made = node.op.expand(*node.operands, **node.attributes)
    results = (made,) if isinstance(made, Value) else cast("tuple[Value, ...]", tuple(made))
    if [v.type for v in results] != [v.type for v in node.results]:
        found, wanted = ([str(v.type) for v in values] for values in (results, node.results))
        raise InternalError(f"{node.op.name} expands to {found}, infers {wanted}", where=node.location.place())
    return results
