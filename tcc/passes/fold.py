"""Constant folding: nodes whose operands are all literals become literals, by the ops' references.

Of branches that a literal chooses from, the one chosen takes the place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import tcc.ops as ops
from tcc.ir import build, interpret
from tcc.ir.forms import Control
from tcc.ir.graph import Graph, Node, Value


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
        arrays = [c.array for c in constants if c is not None]
        if not operands or len(arrays) < len(operands) or isinstance(node.op.form, Control):
            return None
        total = sum(a.size for a in arrays)
        for result in node.results:
            size = result.type.size
            if not isinstance(size, int) or size > min(self.limit, max(total, self.growth)):
                return None
        if any(interpret.is_symbolic(value) for value in node.attributes.values()):
            return None
        with np.errstate(all="ignore"):
            results = interpret.run_node(build.with_operands(node, operands), arrays, {})
        return [ops.literal(a) for a in results]


fold = Fold()
