from __future__ import annotations

import numpy as np
import pytest

import tcc.ops as ops
from tcc.errors import InternalError
from tcc.ir import build, interpret, types
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.location import Location, located


def given(name: str = "x", spec: str = "f32[n]") -> Value:
    return build.graph_input(types.parse(spec), name)


def test_what_does_not_change_is_kept() -> None:
    x = given()
    graph = Graph("f", (x,), (ops.exp(ops.negative(x)),))
    assert build.map_nodes(graph, build.keep_node) is graph
    assert build.map_graphs(graph, lambda g: g) is graph


def test_rebuild_replaces_results_and_does_not_visit_behind_them() -> None:
    x, y = given("x"), given("y")
    inner = ops.exp(x)
    visited: list[str] = []

    def change(node: Node, _operands: tuple[Value, ...]) -> None:
        visited.append(node.op.name)

    (made,) = build.rebuild([ops.negative(inner)], {inner: y}, change)
    assert visited == ["negative"]
    assert made.producer is not None
    assert made.producer.operands == (y,)


def test_values_made_in_place_of_a_node_have_its_location() -> None:
    x = given()
    with located(Location("model.py", 7)):
        y = ops.exp(x)
    graph = build.map_nodes(Graph("f", (x,), (y,)), lambda _node, operands: [ops.negative(operands[0])])
    assert graph.outputs[0].location == Location("model.py", 7)


def test_inline_checks_types() -> None:
    x = given()
    graph = Graph("f", (x,), (ops.exp(x),))
    with pytest.raises(InternalError, match=r"input 'x' is f32\[n\], got f64\[n\]"):
        build.inline(graph, [given("y", "f64[n]")])
    with pytest.raises(InternalError, match="takes 1 inputs"):
        build.inline(graph, [])
    y = given("y")
    twice = Graph("g", (y,), tuple(build.inline(graph, build.inline(graph, [y]))))
    (found,) = interpret.run_graph(twice, [np.zeros(2, "f")])
    np.testing.assert_allclose(found, np.e, rtol=1e-6)


def test_between_stops() -> None:
    x = given()
    a = ops.exp(x)
    b = ops.add(a, ops.negative(x))
    assert [n.op.name for n in build.between([b], set())] == ["exp", "negative", "add"]
    assert [n.op.name for n in build.between([b], {a})] == ["negative", "add"]
    assert [n.op.name for n in build.between([b, a], {b})] == ["exp"]


def test_deep_graphs_do_not_recurse() -> None:
    x = given()
    y = x
    for _ in range(5000):
        y = ops.negative(y)
    graph = Graph("f", (x,), (y,))
    assert len(build.copy(graph).nodes) == 5000


def test_constants_are_found_once() -> None:
    x = given(spec="f32[3]")
    w = np.ones(3, "f")
    total = ops.add(ops.add(x, ops.literal(w)), ops.multiply(x, ops.literal(w.copy())))
    assert len(build.constants(Graph("f", (x,), (total,)))) == 1
    found = build.constant_of(ops.literal(w))
    assert found is not None
    assert found.array.tolist() == [1, 1, 1]
    assert build.constant_of(x) is None
