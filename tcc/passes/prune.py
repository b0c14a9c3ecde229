"""What control flow computes and nobody reads is taken out of its regions: dead results, carries and operands.

Elsewhere dead code needs no pass: a graph is what its outputs reach.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tcc.ir import build
from tcc.ir.forms import Control
from tcc.ir.graph import Graph, Node, Value

Flags = list[bool]


def prune(graph: Graph) -> Graph:
    """The graph with only those parts of its control flow, and of that within, that its outputs need."""
    used = set(graph.outputs)
    needed: dict[Node, Flags] = {}
    for node in reversed(graph.nodes):
        if isinstance(node.op.form, Control):
            inputs, needed[node] = _RULES[node.op.form.kind][0](node, [v in used for v in node.results])
            used.update(v for v, n in zip(node.operands, inputs, strict=True) if n)
        elif any(v in used for v in node.results):
            used.update(node.operands)

    def change(node: Node, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        if not isinstance(node.op.form, Control):
            return None
        needs, pruned = _RULES[node.op.form.kind]
        outputs = needed[node]
        inputs, _ = needs(node, outputs)
        if all(inputs) and all(outputs) and build.map_regions(node.attributes, prune) is node.attributes:
            return None
        made = Node(node.op, _kept(operands, inputs), {**node.attributes, **pruned(node, inputs, outputs)})
        results = iter(made.results)
        return [next(results) if n else old for old, n in zip(node.results, outputs, strict=True)]

    return build.map_nodes(graph, change)


def _kept(values: Sequence[Value], flags: Sequence[bool]) -> tuple[Value, ...]:
    return tuple(v for v, n in zip(values, flags, strict=True) if n)


def _reached(outputs: Sequence[Value]) -> set[Value]:
    """What outputs are computed from, themselves included."""
    found = set(outputs)
    for node in build.between(outputs, set()):
        found.update(node.operands)
    return found


def _region(graph: Graph, inputs: Sequence[bool], outputs: Sequence[bool]) -> Graph:
    """A region with some inputs and outputs only, and pruned within."""
    inner = prune(Graph(graph.name, graph.inputs, _kept(graph.outputs, outputs)))
    return Graph(graph.name, _kept(graph.inputs, inputs), inner.outputs)


def _scan_needs(node: Node, used: Sequence[bool]) -> tuple[Flags, Flags]:
    """Which operands and which results of a scan matter, given the results that are read."""
    body: Graph = node.attributes["body"]
    carries: int = node.attributes["carries"]
    outputs = list(used)
    while True:
        reached = _reached(_kept(body.outputs, outputs))
        inputs = [v in reached for v in body.inputs]
        # A carry that is read, within or after the loop, is started and carried on.
        inputs[:carries] = [a or b for a, b in zip(inputs[:carries], outputs[:carries], strict=True)]
        if inputs[:carries] == outputs[:carries]:
            return inputs, outputs
        outputs[:carries] = inputs[:carries]


def _scan_pruned(node: Node, inputs: Flags, outputs: Flags) -> dict[str, object]:
    carries, consts = node.attributes["carries"], node.attributes["consts"]
    return {
        "body": _region(node.attributes["body"], inputs, outputs),
        "carries": sum(inputs[:carries]),
        "consts": sum(inputs[carries : carries + consts]),
    }


def _while_needs(node: Node, used: Sequence[bool]) -> tuple[Flags, Flags]:
    """The same for a loop: what its condition reads matters too."""
    cond: Graph = node.attributes["cond"]
    body: Graph = node.attributes["body"]
    carries: int = node.attributes["carries"]
    tested = [v in _reached(cond.outputs) for v in cond.inputs]
    outputs = [a or b for a, b in zip(used, tested[:carries], strict=True)]
    while True:
        reached = _reached(_kept(body.outputs, outputs))
        inputs = [v in reached or t for v, t in zip(body.inputs, tested, strict=True)]
        grown = [a or b for a, b in zip(inputs[:carries], outputs, strict=True)]
        if grown == outputs:
            return [*outputs, *inputs[carries:]], outputs
        outputs = grown


def _while_pruned(node: Node, inputs: Flags, outputs: Flags) -> dict[str, object]:
    cond = _region(node.attributes["cond"], inputs, [True])
    return {"cond": cond, "body": _region(node.attributes["body"], inputs, outputs), "carries": sum(outputs)}


def _cond_needs(node: Node, used: Sequence[bool]) -> tuple[Flags, Flags]:
    """The same for branches: an operand matters that one of them reads."""
    branches: tuple[Graph, ...] = node.attributes["branches"]
    inputs = [False] * (len(node.operands) - 1)
    for branch in branches:
        reached = _reached(_kept(branch.outputs, used))
        inputs = [n or v in reached for n, v in zip(inputs, branch.inputs, strict=True)]
    return [any(used), *inputs], list(used)


def _cond_pruned(node: Node, inputs: Flags, outputs: Flags) -> dict[str, object]:
    branches: tuple[Graph, ...] = node.attributes["branches"]
    return {"branches": tuple(_region(b, inputs[1:], outputs) for b in branches)}


_RULES: dict[
    str,
    tuple[
        Callable[[Node, Sequence[bool]], tuple[Flags, Flags]],
        Callable[[Node, Flags, Flags], dict[str, object]],
    ],
] = {
    "scan": (_scan_needs, _scan_pruned),
    "while": (_while_needs, _while_pruned),
    "cond": (_cond_needs, _cond_pruned),
}
