"""What goes round a loop: leaves that keep their types, and the regions that take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tcc import ops
from tcc.errors import UserError
from tcc.frontends.numpy import scope as scopes
from tcc.frontends.numpy.operand import Traced, as_value, is_scalar
from tcc.frontends.numpy.size import TracedSize
from tcc.frontends.numpy.trace import Region
from tcc.ir import build
from tcc.ir.graph import Graph, Value
from tcc.tree import Tree

Retrace = Callable[[list[Value], list[bool]], Region]
"""A region for carries of these values' types; the flags mark those that stand for Python scalars."""


def in_eager() -> bool:
    """Whether the caller runs its Python on NumPy values."""
    return scopes.is_eager() and scopes.current() is None


def is_weak(item: Any) -> bool:
    """Whether an item stands for a Python scalar, and takes the dtype beside it."""
    return is_scalar(item) or isinstance(item, TracedSize) or (isinstance(item, Traced) and item.weak)


def settled(starts: Sequence[Any], trace: Retrace, what: str, tree: Tree) -> tuple[list[Value], Region]:
    """The carries, and the region that the step is; its first outputs are the next carries.

    A carry that begins as a Python scalar takes the dtype that the step gives it. UserError when
    another changes its type.
    """
    carries, weak = [as_value(x) for x in starts], [is_weak(x) for x in starts]
    region = trace(carries, weak)
    produced = [v.type for v in region.graph.outputs[: len(carries)]]
    if any(w and t.dtype != v.type.dtype for w, t, v in zip(weak, produced, carries, strict=True)):
        carries = [ops.astype(v, t.dtype) if w else v for w, t, v in zip(weak, produced, carries, strict=True)]
        region = trace(carries, [False] * len(carries))
    for path, start, end in zip(tree.paths("carry"), carries, region.graph.outputs[: len(carries)], strict=True):
        if start.type != end.type:
            raise UserError(
                f"{what}: '{path}' begins as {start.type} and the step makes it {end.type}",
                where=end.location.place(),
                why="the carry keeps its shape and dtype through all steps",
                fix="convert the initial value, or the step's result, with astype"
                if start.type.shape == end.type.shape
                else "begin with the largest shape, and change elements with carry.at[index].set(value)",
            )
    return carries, region


def with_captures(regions: Sequence[Region]) -> tuple[list[Graph], tuple[Value, ...]]:
    """Regions of equal arguments as graphs that all take the captures of each, and these captures."""
    captures = tuple(dict.fromkeys(v for region in regions for v in region.captures))
    graphs: list[Graph] = []
    for region in regions:
        count = len(region.graph.inputs) - len(region.captures)
        own = dict(zip(region.captures, region.graph.inputs[count:], strict=True))
        inputs = [own[v] if v in own else build.graph_input(v.type, v.name, v.location) for v in captures]
        graphs.append(Graph(region.graph.name, (*region.graph.inputs[:count], *inputs), region.graph.outputs))
    return graphs, captures
