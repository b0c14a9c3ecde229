"""Passes and control flow: what is taken out of loops, dead parts of loops and branches, branches known ahead."""

from __future__ import annotations

from typing import Any

import numpy as np

from tcc import ops
from tcc.ir import interpret, text, types
from tcc.ir.build import graph_input
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.parse import parse_graph
from tcc.passes.fold import fold
from tcc.passes.hoist import hoist
from tcc.passes.prune import prune
from tcc.passes.validate import validated


def inputs(*specs: str) -> tuple[Value, ...]:
    symbols: dict[str, Any] = {}
    return tuple(graph_input(types.parse(s, symbols), f"x{k}") for k, s in enumerate(specs))


def control(graph: Graph) -> Node:
    (node,) = (n for n in graph.nodes if n.op.name in ("scan", "while_loop", "cond"))
    return node


def recurrent() -> Graph:
    """h·U + x·W + the mean of w: of three sums only h·U needs the state."""
    h, u, w, x = inputs("f64[b, 4]", "f64[4, 4]", "f64[3, 4]", "f64[b, 3]")
    new = ops.add(ops.add(ops.matmul(h, u), ops.matmul(x, w)), ops.mean(w))
    body = Graph("step", (h, u, w, x), (ops.tanh(new), ops.sum(x, axis=1)))
    outer = inputs("f64[b, 4]", "f64[4, 4]", "f64[3, 4]", "f64[t, b, 3]")
    return Graph("f", outer, ops.scan(body, outer[:1], outer[1:3], outer[3:], outer[3].type.shape[0]))


def test_products_that_need_no_state_leave_the_loop() -> None:
    graph = recurrent()
    hoisted = prune(validated("hoist", hoist, ulps=16)(graph))
    assert [n.op.name for n in control(hoisted).attributes["body"].nodes if n.op.name in ("dot_general", "sum")] == [
        "dot_general"
    ]
    for length in (0, 1, 5):
        rng = np.random.default_rng(length)
        arrays = [rng.normal(size=s) for s in ((2, 4), (4, 4), (3, 4), (length, 2, 3))]
        for a, b in zip(interpret.run_graph(graph, arrays), interpret.run_graph(hoisted, arrays), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_large_products_of_two_slices_stay() -> None:
    gram, x = inputs("f64[9, 9]", "f64[9]")
    body = Graph("step", (gram, x), (ops.add(gram, ops.outer(x, x)),))
    outer = inputs("f64[9, 9]", "f64[t, 9]")
    graph = Graph("f", outer, ops.scan(body, outer[:1], [], outer[1:], outer[1].type.shape[0]))
    assert hoist(graph) is graph


def loop() -> Graph:
    """Four carries: the count that ends the loop, one that is read, one that it reads, one that nobody reads."""
    types_ = ("i64[]", "f64[]", "f64[]", "f64[]", "f64[]")
    n, a, b, c, k = inputs(*types_)
    body = Graph("body", (n, a, b, c, k), (ops.add(n, 1), ops.add(a, b), ops.multiply(b, 0.5), ops.add(c, k)))
    n, a, b, c, k = inputs(*types_)
    cond = Graph("cond", (n, a, b, c, k), (ops.less(n, 4),))
    outer = inputs(*types_)
    return Graph("f", outer, ops.while_loop(cond, body, outer[:4], outer[4:])[1:2])


def test_dead_carries_of_a_loop_go() -> None:
    pruned = validated("prune", prune)(loop())
    assert control(pruned).attributes["carries"] == 3
    assert len(control(pruned).operands) == 3


def branches(index: Value, x: Value, y: Value) -> tuple[Value, ...]:
    made: list[Graph] = []
    for k in range(3):
        a, b = inputs("f64[n]", "f64[n]")
        made.append(Graph(f"branch{k}", (a, b), (ops.multiply(a, float(k)), ops.add(a, b))))
    return ops.cond(index, made, [x, y])


def test_dead_results_and_operands_of_branches_go() -> None:
    index, x, y = inputs("i64[]", "f64[n]", "f64[n]")
    graph = Graph("f", (index, x, y), branches(index, x, y)[:1])
    pruned = validated("prune", prune)(graph)
    assert len(control(pruned).operands) == 2
    assert len(control(pruned).results) == 1


def test_a_branch_known_ahead_takes_the_place() -> None:
    x, y = inputs("f64[n]", "f64[n]")
    for index, branch in ((1, 1), (7, 2), (-1, 2)):
        graph = Graph("f", (x, y), branches(ops.literal(np.asarray(index, np.int64)), x, y))
        folded = validated("fold", fold)(fold(graph))
        assert all(n.op.name != "cond" for n in folded.nodes)
        found = interpret.run_graph(folded, [np.ones(2), np.ones(2)])
        np.testing.assert_array_equal(found[0], [branch, branch])


def test_regions_print_and_are_read_back() -> None:
    index, x, y = inputs("i64[]", "f64[n]", "f64[n]")
    for graph in (loop(), Graph("f", (index, x, y), branches(index, x, y))):
        written = text.to_text(graph)
        assert text.to_text(parse_graph(written, ops.TABLE)) == written
