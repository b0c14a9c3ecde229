"""Work that does not depend on a scan's state is taken out of its steps.

What a step computes from the constants alone is computed once; what it computes from its slices of xs is
computed for all steps at once, by batching: the products of an LSTM's inputs with its weights become one
product before the loop, of as many rows as there are steps. Only sums are taken out (products with
constants, reductions, and what stands alone): their results are no larger than what they read, while an
elementwise value is cheaper to compute again than to store for every step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tcc.errors import Unsupported
from tcc.ir import build, forms
from tcc.ir.graph import Graph, Node, Value
from tcc.passes.batch import batch_values

FIXED, STEP, STATE = 0, 1, 2
"""What a value in a step depends on: the constants only, the slices too, the state too."""


def hoist(graph: Graph) -> Graph:
    """The graph and its regions with sums taken out of scans; what they leave unread is for `prune`."""
    return build.map_graphs(graph, lambda g: build.map_nodes(g, _change))


def _change(node: Node, operands: tuple[Value, ...]) -> Sequence[Value] | None:
    if not isinstance(node.op.form, forms.Control) or node.op.form.kind != "scan":
        return None
    body: Graph = node.attributes["body"]
    carries: int = node.attributes["carries"]
    first: int = carries + node.attributes["consts"]
    depends: dict[Value, int] = dict.fromkeys(body.inputs[:carries], STATE)
    depends |= dict.fromkeys(body.inputs[carries:first], FIXED) | dict.fromkeys(body.inputs[first:], STEP)
    taken: list[Value] = []
    for inner in body.nodes:
        level = max((depends[v] for v in inner.operands), default=FIXED)
        depends |= dict.fromkeys(inner.results, level)
        if level != STATE and _sums(inner, depends):
            taken += inner.results
    if not taken:
        return None
    lifted = build.rebuild(taken, dict(zip(body.inputs[carries:first], operands[carries:first], strict=True)))
    slices = dict(zip(body.inputs[first:], operands[first:], strict=True))
    try:
        outside = batch_values(lifted, slices, node.attributes["length"], frozenset(operands))
    except Unsupported:
        return None
    inside = build.like_inputs(taken)
    fixed = [(v, i) for (v, stacked), i in zip(outside, inside, strict=True) if not stacked]
    steps = [(v, i) for (v, stacked), i in zip(outside, inside, strict=True) if stacked]
    inputs = (*body.inputs[:first], *(i for _, i in fixed), *body.inputs[first:], *(i for _, i in steps))
    outputs = build.rebuild(body.outputs, dict(zip(taken, inside, strict=True)))
    attributes = {
        **node.attributes,
        "body": Graph(body.name, inputs, tuple(outputs)),
        "consts": first - carries + len(fixed),
    }
    values = (*operands[:first], *(v for v, _ in fixed), *operands[first:], *(v for v, _ in steps))
    return Node(node.op, values, attributes).results


def _sums(node: Node, depends: Mapping[Value, int]) -> bool:
    """Whether a node is worth taking out: it sums, and its result is no larger than what it reads."""
    form = node.op.form
    if isinstance(form, forms.Contract):
        return bool(node.attributes["lhs_contract"]) and any(depends[v] == FIXED for v in node.operands)
    return isinstance(form, (forms.Reduce, forms.Window))
