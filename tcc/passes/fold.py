"""Constant folding: nodes whose operands are all literals become literals, by the ops' references.

Elementwise ops on constants that are one number throughout are computed once, and spread again. Of
branches that a literal chooses from, the one chosen takes the place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import tcc.ops as ops
from tcc.ir import build, interpret
from tcc.ir.forms import Control, Elementwise
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.op import Array
from tcc.passes.rewrite import uniform


@dataclass(frozen=True)
class Fold:
    """Folds results of at most ``limit`` elements each, and none that is larger than the operands
    together but for ``growth`` elements: a broadcast number costs less as a broadcast.
    """

    limit: int = 1 << 16
    growth: int = 16

    def __call__(self, graph: Graph) -> Graph:
        """The graph and its regions with constants computed."""
        return build.map_graphs(graph, lambda g: build.map_nodes(g, self._change))

    def _change(self, node: Node, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        constants = [build.constant_of(v) for v in operands]
        if isinstance(node.op.form, Control) and node.op.form.kind == "cond" and constants[0] is not None:
            branches: tuple[Graph, ...] = node.attributes["branches"]
            index = int(constants[0].array)
            return build.inline(branches[index if 0 <= index < len(branches) else -1], operands[1:], self._change)
        if not operands or isinstance(node.op.form, Control):
            return None
        arrays = [c.array for c in constants if c is not None]
        if any(interpret.is_symbolic(value) for value in node.attributes.values()):
            return None
        if len(arrays) == len(operands) and self._worth(node, sum(a.size for a in arrays)):
            return [ops.literal(a) for a in _computed(node, operands, arrays)]
        if not isinstance(node.op.form, Elementwise):
            return None
        numbers = [np.asarray(n) for v in operands if (n := uniform(v)) is not None]
        if len(numbers) < len(operands):
            return None
        results = _computed(node, tuple(map(ops.literal, numbers)), numbers)
        return [ops.broadcast_to(ops.literal(a), v.type.shape) for a, v in zip(results, node.results, strict=True)]

    def _worth(self, node: Node, total: int) -> bool:
        """Whether the results of operands of so many elements together are small enough."""
        sizes = [v.type.size for v in node.results]
        return all(isinstance(n, int) and n <= min(self.limit, max(total, self.growth)) for n in sizes)


def _computed(node: Node, operands: tuple[Value, ...], arrays: Sequence[Array]) -> tuple[Array, ...]:
    with np.errstate(all="ignore"):
        return interpret.run_node(build.with_operands(node, operands), arrays, {})


fold = Fold()
