"""Branches gone through backwards: the branch that was taken is run again, and its gradient after it.

Nothing is kept from the forward run: what one branch would keep the other has no value for.
"""

from __future__ import annotations

from collections.abc import Sequence

import tcc.ops as ops
from tcc.ir import build
from tcc.ir import location as locations
from tcc.ir.graph import Graph, Node, Value
from tcc.passes.scan_gradient import Backward


def transpose(
    node: Node, given: Sequence[Value | None], active: Sequence[bool], backward: Backward
) -> list[Value | None]:
    """The operands' cotangents from the results'; None for operands that are not active."""
    wanted = [k for k, a in enumerate(active) if a]
    seeds = [k for k, g in enumerate(given) if g is not None]
    branches: list[Graph] = []
    for branch in node.attributes["branches"]:
        body = build.copy(branch)
        inner: list[Value | None] = [None] * len(given)
        for k in seeds:
            inner[k] = build.graph_input(node.results[k].type, f"g{k}", locations.current())
        targets = [body.inputs[k - 1] for k in wanted]
        _, found = backward(body.outputs, inner, targets)
        made = [ops.zeros(v.type.shape, v.type.dtype) if g is None else g for g, v in zip(found, targets, strict=True)]
        inputs = (*body.inputs, *(v for v in inner if v is not None))
        branches.append(Graph(f"{body.name}_gradient", inputs, tuple(made)))
    operands = [*node.operands, *(g for g in given if g is not None)]
    results = Node(node.op, operands, {**node.attributes, "branches": tuple(branches)}).results
    cotangents: list[Value | None] = [None] * len(node.operands)
    for k, result in zip(wanted, results, strict=True):
        cotangents[k] = result
    return cotangents
