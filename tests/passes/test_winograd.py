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
from tcc.passes.differentiate import value_and_gradient
from tcc.passes.minimal import F2, F4, Filter, added_error
from tcc.passes.rewrite import Match, Rewrite
from tcc.passes.rules import rules
from tcc.passes.winograd import Tiling
from tests.schedule.scheduled import sample

SAME: dict[str, Any] = {"padding": "SAME"}


def kernel(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def convolution(spec: str, k: Any, given: dict[str, Any]) -> Graph:
    """A graph with a convolution by an array or by an input of a type."""
    x = graph_input(types.parse(spec, {}), "x")
    inputs: tuple[Value, ...] = (x,)
    if isinstance(k, str):
        inputs = (x, graph_input(types.parse(k, {}), "k"))
        k = inputs[1]
    return Graph("f", inputs, (ops.convolution(x, k, **given),))


def is_tiled(graph: Graph) -> bool:
    return "convolution" not in {n.op.name for n in graph.nodes}


def filters(graph: Graph, tolerance: float) -> tuple[Filter, ...]:
    """The filters that a convolution's axes get."""
    (node,) = (n for n in graph.nodes if n.op.name == "convolution")
    match = Match(dict(zip("xk", node.operands, strict=True)), (node,))
    return tuple(Tiling(tolerance).filters(match).values())


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


@pytest.mark.parametrize("tolerance", [0.0, 1e-3])
@pytest.mark.parametrize("case", TILED)
def test_tiled(case: str, tolerance: float) -> None:
    graph = convolution(*TILED[case])
    changed = Rewrite(rules(tolerance))(graph)
    assert is_tiled(changed)
    rng = np.random.default_rng(1)
    sizes = {"n": 2, "h": 5, "w": 6}
    arrays = [sample(v.type, sizes, rng) for v in graph.inputs]
    ((wanted,), (found,)) = (run_graph(g, arrays, sizes) for g in (graph, changed))
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=0, atol=64 * np.finfo(wanted.dtype).eps * np.abs(wanted).max())


@pytest.mark.parametrize("case", DIRECT)
def test_direct(case: str) -> None:
    assert not is_tiled(Rewrite(rules(0.0))(convolution(*DIRECT[case])))


@pytest.mark.parametrize("case", TILED)
def test_tiles_of_four_results_are_asked_for(case: str) -> None:
    assert set(filters(convolution(*TILED[case]), 0.0)) == {F2}


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_the_fastest_within_the_tolerance(dtype: str) -> None:
    k = kernel(3, 3, 64, 64).astype({"f32": "f4", "f64": "f8"}[dtype])
    graph = convolution(f"{dtype}[1, 56, 56, 64]", k, SAME)
    one, two = (added_error(chosen, 64, graph.inputs[0].type.dtype) for chosen in ([F4, F2], [F4, F4]))
    assert filters(graph, 0.99 * one) == (F2, F2)
    assert sorted(f.made for f in filters(graph, one)) == [2, 4]
    assert filters(graph, 0.99 * two) == filters(graph, one)
    assert filters(graph, two) == (F4, F4)


CHOSEN = {
    "large": ("f32[1, 56, 56, 64]", kernel(3, 3, 64, 64), (F4, F4)),
    "cut": ("f32[1, 14, 14, 64]", kernel(3, 3, 64, 64), (F4, F4)),
    "few_tiles": ("f32[1, 7, 7, 64]", kernel(3, 3, 64, 64), (F2, F4)),
    "few_tiles_of_many": ("f32[8, 7, 7, 64]", kernel(3, 3, 64, 64), (F4, F4)),
    "two_rows": ("f32[1, 2, 64, 64]", kernel(3, 3, 64, 64), (F2, F4)),
    "two_columns": ("f32[1, 64, 2, 64]", kernel(3, 3, 64, 64), (F4, F2)),
    "six": ("f32[9, 6, 6, 64]", kernel(3, 3, 64, 64), (F2, F2)),
    "line": ("f32[1, 64, 64]", kernel(3, 64, 64), (F4,)),
    "short_lines": ("f32[16, 6, 64]", kernel(3, 64, 64), (F2,)),
    "sizes": ("f32[n, h, w, 64]", kernel(3, 3, 64, 64), (F4, F4)),
    "free": ("f32[1, 56, 56, 64]", "f32[3, 3, 64, 64]", (F4, F4)),
    "few_tiles_for_any": ("f32[1, 14, 14, 64]", "f32[3, 3, 64, 64]", (F2, F2)),
}
"""The filters of each axis where any error is allowed: a tile that is cut, or too few of them, cost more."""


@pytest.mark.parametrize("case", CHOSEN)
def test_sizes_choose_the_filter_of_each_axis(case: str) -> None:
    spec, k, wanted = CHOSEN[case]
    assert [f.made for f in filters(convolution(spec, k, SAME), 1.0)] == [f.made for f in wanted]


ERRORS = {
    "square": ("f32[2, 16, 16, 64]", (3, 3, 64, 16), SAME),
    "odd": ("f32[3, 11, 13, 33]", (3, 3, 33, 17), SAME),
    "cut": ("f32[2, 18, 17, 16]", (3, 3, 16, 16), {"padding": ((-1, 0), (2, -3))}),
    "line": ("f32[2, 67, 128]", (3, 128, 16), SAME),
    "across": ("f32[1, 5, 66, 32]", (1, 3, 32, 16), {}),
    "deep": ("f32[4, 16, 12, 512]", (3, 3, 512, 16), SAME),
    "double": ("f64[1, 15, 17, 32]", (3, 3, 32, 16), SAME),
}


@pytest.mark.parametrize("constant", [True, False], ids=["weight", "argument"])
@pytest.mark.parametrize("case", ERRORS)
def test_errors_are_within_the_tolerance(case: str, constant: bool) -> None:
    """And not so far within it that it says nothing."""
    spec, shape, given = ERRORS[case]
    k = kernel(*shape).astype("f8" if spec.startswith("f64") else "f4")
    graph = convolution(spec, k if constant else f"{spec[:3]}{list(shape)}", given)
    chosen = filters(graph, 1.0)
    tolerance = added_error(chosen, shape[-2], graph.inputs[0].type.dtype)
    assert F4 in chosen
    x = sample(graph.inputs[0].type, {}, np.random.default_rng(2))
    (found,) = run_graph(Rewrite(rules(tolerance))(graph), [x] if constant else [x, k])
    exact = convolution(spec.replace("f32", "f64"), f"f64{list(shape)}", given)
    (wanted,) = run_graph(exact, [x.astype("f8"), k.astype("f8")])
    error = np.abs(found - wanted).max() / np.abs(wanted).max()
    assert tolerance / 64 < error < tolerance


def test_gradients_are_convolutions_too() -> None:
    spec, k = "f64[2, 12, 12, 16]", kernel(3, 3, 16, 16).astype("f8")
    graph = value_and_gradient(total(convolution(spec, k, SAME)), [0])
    changed = Rewrite(rules(1e-6))(graph)
    assert is_tiled(changed)
    x = np.random.default_rng(3).standard_normal((2, 12, 12, 16))
    for found, wanted in zip(run_graph(changed, [x]), run_graph(graph, [x]), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())


def total(graph: Graph) -> Graph:
    """The sum of the squares of a graph's result."""
    return Graph("total", graph.inputs, (ops.sum(ops.square(graph.outputs[0])),))


@pytest.mark.parametrize(("tolerance", "name"), [(0.0, "F(2 × 2, 3 × 3)"), (1e-3, "F(4 × 4, 3 × 3)")])
def test_the_kernels_sums_are_a_constant(tolerance: float, name: str) -> None:
    k = kernel(3, 3, 16, 16)
    changed = Rewrite(rules(tolerance))(convolution("f32[1, 16, 16, 16]", k, SAME))
    (constant,) = (n.attributes["value"] for n in changed.nodes if n.op.name == "literal" and n.results[0].type.rank)
    rows = (F4 if tolerance else F2).wide
    wanted = np.einsum("ai,bj,ijco->abco", rows, rows, k.astype(np.float64)).reshape(-1, 16, 16)
    np.testing.assert_allclose(constant.array, wanted, rtol=1e-6, atol=1e-7)
    assert constant.layout == f"sums of Winograd's {name}"
