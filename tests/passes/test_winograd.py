"""Which convolutions become products of tiles, and that they are what they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tcc import ops
from tcc.ir import types
from tcc.ir.build import graph_input
from tcc.ir.graph import Graph, Value
from tcc.ir.interpret import run_graph
from tcc.passes.rules import simplify
from tests.schedule.scheduled import sample

SAME: dict[str, Any] = {"padding": "SAME"}


def kernel(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def rewritten(spec: str, k: Any, given: dict[str, Any]) -> tuple[Graph, Graph]:
    """A graph with a convolution by an array or by an input of a type, and what rules make of it."""
    x = graph_input(types.parse(spec, {}), "x")
    inputs: tuple[Value, ...] = (x,)
    if isinstance(k, str):
        inputs = (x, graph_input(types.parse(k, {}), "k"))
        k = inputs[1]
    graph = Graph("f", inputs, (ops.convolution(x, k, **given),))
    return graph, simplify(graph)


def is_tiled(graph: Graph) -> bool:
    return "convolution" not in {n.op.name for n in graph.nodes}


TILED = {
    "square": ("f32[1, 8, 8, 16]", kernel(3, 3, 16, 16), SAME),
    "double": ("f64[1, 8, 8, 16]", kernel(3, 3, 16, 16).astype(np.float64), SAME),
    "line": ("f32[2, 15, 16]", kernel(3, 16, 16), SAME),
    "across": ("f32[1, 8, 8, 16]", kernel(1, 3, 16, 16), {}),
    "down": ("f32[1, 8, 8, 16]", kernel(3, 1, 16, 16), {"padding": ((-1, 3), (0, 1))}),
    "free": ("f32[1, 13, 11, 16]", "f32[3, 3, 16, 16]", SAME),
    "sizes": ("f32[n, h, w, 16]", kernel(3, 3, 16, 16), SAME),
    "odd": ("f32[1, 7, 7, 16]", kernel(3, 3, 16, 17), SAME),
}
DIRECT = {
    "few_channels": ("f32[1, 8, 8, 15]", kernel(3, 3, 15, 16), SAME),
    "few_results": ("f32[1, 8, 8, 16]", kernel(3, 3, 16, 15), SAME),
    "few_tiles": ("f32[1, 4, 6, 16]", kernel(3, 3, 16, 16), SAME),
    "few_for_any": ("f32[1, 8, 8, 16]", "f32[3, 3, 16, 16]", SAME),
    "cut_tiles": ("f32[9, 3, 3, 16]", kernel(3, 3, 16, 16), SAME),
    "one_row": ("f32[1, 1, 64, 16]", kernel(3, 3, 16, 16), SAME),
    "strided": ("f32[1, 16, 16, 16]", kernel(3, 3, 16, 16), {**SAME, "strides": 2}),
    "dilated": ("f32[1, 16, 16, 16]", kernel(3, 3, 16, 16), {**SAME, "rhs_dilation": 2}),
    "grouped": ("f32[1, 16, 16, 32]", kernel(3, 3, 16, 32), {**SAME, "groups": 2}),
    "five": ("f32[1, 16, 16, 16]", kernel(5, 3, 16, 16), SAME),
    "volume": ("f32[1, 8, 8, 8, 16]", kernel(3, 3, 3, 16, 16), SAME),
    "integers": ("i32[1, 8, 8, 16]", kernel(3, 3, 16, 16).astype(np.int32), SAME),
    "halves": ("f16[1, 8, 8, 16]", kernel(3, 3, 16, 16).astype(np.float16), SAME),
    "infinite": (
        "f32[1, 8, 8, 16]",
        np.where(kernel(3, 3, 16, 16) > 3, np.float32(np.inf), kernel(3, 3, 16, 16)),
        SAME,
    ),
}


@pytest.mark.parametrize("case", TILED)
def test_tiled(case: str) -> None:
    graph, changed = rewritten(*TILED[case])
    assert is_tiled(changed)
    rng = np.random.default_rng(1)
    sizes = {"n": 2, "h": 5, "w": 6}
    arrays = [sample(v.type, sizes, rng) for v in graph.inputs]
    ((wanted,), (found,)) = (run_graph(g, arrays, sizes) for g in (graph, changed))
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=0, atol=64 * np.finfo(wanted.dtype).eps * np.abs(wanted).max())


@pytest.mark.parametrize("case", DIRECT)
def test_direct(case: str) -> None:
    assert not is_tiled(rewritten(*DIRECT[case])[1])


def test_the_kernels_sums_are_a_constant() -> None:
    _, changed = rewritten(*TILED["square"])
    (literal,) = (n for n in changed.nodes if n.op.name == "literal")
    k = TILED["square"][1].astype(np.float64)
    rows = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    wanted = np.einsum("ai,bj,ijco->abco", rows, rows, k).reshape(16, 16, 16)
    np.testing.assert_array_equal(literal.attributes["value"].array, wanted.astype(np.float32))
    assert literal.attributes["value"].layout
