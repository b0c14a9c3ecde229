"""What is known of a graph's nodes before they are placed: costs, leaves, what must be stored."""

from __future__ import annotations

from collections.abc import Container

from tcc.ir import forms
from tcc.ir.graph import Graph, Node, Value
from tcc.schedule.nests import Item, item_of, splat


class Survey:
    """Facts about the nodes of a graph.

    ``upper`` is the cost of an element if everything below it is inlined down to reductions;
    ``leaves`` the inputs that a value is computed from, as a set of bits, through reductions but not
    through products and forms that stand alone; ``simple`` the nodes computed from at most one of them
    without any reduction; ``needed`` the values that must be in memory.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.items: dict[Node, Item] = {n: item_of(n) for n in graph.nodes}
        self.order = {n: k for k, n in enumerate(graph.nodes)}
        self.needed: set[Value] = set(graph.outputs)
        for node in graph.nodes:
            if isinstance(node.op.form, (forms.Control, forms.Opaque)):
                self.needed.update(node.operands)
            elif isinstance(node.op.form, forms.Scatter):
                self.needed.add(node.operands[0])
        self.upper = self.costs(())
        self.leaves, self.simple = self._leaves()

    def costs(self, stored: Container[Value]) -> dict[Node, float]:
        """The cost of each node's element, with that of the operands that are not stored."""
        costs: dict[Node, float] = {}
        for node, item in self.items.items():
            below = sum(
                costs[v.producer]
                for v in dict.fromkeys(node.operands)
                if v.producer is not None and v not in stored and not self.opaque(v.producer)
            )
            costs[node] = min(item.cost + below, 1e6)
        return costs

    def opaque(self, node: Node) -> bool:
        """Whether a node's elements are never computed inline."""
        item = self.items[node]
        return item.nest is None or item.reduces

    def _leaves(self) -> tuple[dict[Value, int], dict[Node, bool]]:
        leaves: dict[Value, int] = {}
        simple: dict[Node, bool] = {}
        count = 0

        def leaf(value: Value) -> int:
            nonlocal count
            if value not in leaves:
                count += 1
                leaves[value] = 0 if splat(value) is not None else 1 << count
            return leaves[value]

        for node in self.graph.nodes:
            item = self.items[node]
            total = 0
            for value in node.operands:
                total |= leaf(value)
            sources = [v.producer for v in node.operands if v.producer is not None]
            simple[node] = (
                not self.opaque(node)
                and total & (total - 1) == 0
                and all(simple[s] or isinstance(s.op.form, forms.Literal) for s in sources)
            )
            for value in node.results:
                if item.nest is not None and not item.fused:
                    leaves[value] = total
                else:
                    leaf(value)
        return leaves, simple
