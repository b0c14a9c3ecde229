"""What a scan computes and nobody reads is taken out of its body: dead results, carries and operands.

Elsewhere dead code needs no pass: a graph is what its outputs reach.
"""

from __future__ import annotations

from collections.abc import Sequence

from tcc.ir import build
from tcc.ir.forms import Control
from tcc.ir.graph import Graph, Node, Value


def prune(graph: Graph) -> Graph:
    """The graph with only those parts of its scans, and of scans in these, that its outputs need."""
    used = set(graph.outputs)
    needed: dict[Node, list[bool]] = {}
    for node in reversed(graph.nodes):
        if isinstance(node.op.form, Control) and node.op.form.kind == "scan":
            inputs, needed[node] = _needed(node, [v in used for v in node.results])
            used.update(v for v, n in zip(node.operands, inputs, strict=True) if n)
        elif any(v in used for v in node.results):
            used.update(node.operands)

    def change(node: Node, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        return _pruned(node, operands, needed[node]) if node in needed else None

    return build.map_nodes(graph, change)


def _needed(node: Node, used: Sequence[bool]) -> tuple[list[bool], list[bool]]:
    """Which inputs and which outputs of a scan's body matter, given the results that are read."""
    body: Graph = node.attributes["body"]
    carries: int = node.attributes["carries"]
    outputs = list(used)
    while True:
        reached: set[Value] = {v for v, n in zip(body.outputs, outputs, strict=True) if n}
        for inner in build.between(tuple(reached), set()):
            reached.update(inner.operands)
        inputs = [v in reached for v in body.inputs]
        # A carry that is read, within or after the loop, is started and carried on.
        inputs[:carries] = [a or b for a, b in zip(inputs[:carries], outputs[:carries], strict=True)]
        if inputs[:carries] == outputs[:carries]:
            return inputs, outputs
        outputs[:carries] = inputs[:carries]


def _pruned(node: Node, operands: Sequence[Value], outputs: Sequence[bool]) -> Sequence[Value] | None:
    body: Graph = node.attributes["body"]
    carries, consts = node.attributes["carries"], node.attributes["consts"]
    inputs, _ = _needed(node, outputs)
    kept = tuple(v for v, n in zip(body.inputs, inputs, strict=True) if n)
    ends = tuple(v for v, n in zip(body.outputs, outputs, strict=True) if n)
    inner = prune(Graph(body.name, body.inputs, ends))
    if inner.outputs == body.outputs and len(kept) == len(body.inputs):
        return None
    attributes = {
        **node.attributes,
        "body": Graph(body.name, kept, inner.outputs),
        "carries": sum(inputs[:carries]),
        "consts": sum(inputs[carries : carries + consts]),
    }
    made = Node(node.op, [v for v, n in zip(operands, inputs, strict=True) if n], attributes)
    results = iter(made.results)
    return [next(results) if n else old for old, n in zip(node.results, outputs, strict=True)]
