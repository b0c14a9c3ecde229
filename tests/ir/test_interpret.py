from __future__ import annotations

import numpy as np
import pytest

import tcc.ops as ops
from tcc.errors import InternalError, UserError
from tcc.ir import build, dim, interpret, types
from tcc.ir.graph import Graph, Node


def graph(*specs: str) -> Graph:
    symbols: dict = {}
    inputs = tuple(build.graph_input(types.parse(s, symbols), f"x{i}") for i, s in enumerate(specs))
    return Graph("f", inputs, tuple(ops.negative(x) for x in inputs))


def solve(specs: tuple[str, ...], *shapes: tuple[int, ...]) -> dict[str, int]:
    return interpret.solve_sizes([v.type for v in graph(*specs).inputs], [np.zeros(s, "f") for s in shapes])


def test_sizes_are_solved() -> None:
    assert solve(("f32[n, m]",), (3, 4)) == {"n": 3, "m": 4}
    assert solve(("f32[2*n + 1]",), (7,)) == {"n": 3}
    assert solve(("f32[n + m]", "f32[m]"), (7,), (2,)) == {"n": 5, "m": 2}
    assert solve(("f32[n*m]", "f32[m]", "f32[n - m]"), (15,), (3,), (2,)) == {"n": 5, "m": 3}


@pytest.mark.parametrize(
    ("specs", "shapes", "message"),
    [
        (("f32[n, 2*n]",), [(3, 5)], "'argument 0' has 5 where .* wants 6"),
        (("f32[2*n]",), [(5,)], "has 5 where"),
        (("f32[3]",), [(4,)], "wants 3"),
        (("f32[n]",), [(4, 1)], "1 dimensions"),
        (("f32[n:2..4]",), [(5,)], "expected n in 2..4"),
        (("f32[n//2]",), [(5,)], "cannot be found"),
        (("f32[n*m]",), [(6,)], "cannot be found"),
        (("f32[n]",), [(4,), (4,)], "expected 1 arguments, got 2"),
    ],
)
def test_sizes_that_do_not_fit(specs: tuple[str, ...], shapes: list, message: str) -> None:
    with pytest.raises(UserError, match=message):
        solve(specs, *shapes)


def test_wrong_dtype_names_the_argument() -> None:
    with pytest.raises(UserError, match="'x1' has dtype f64"):
        interpret.run_graph(graph("f32[n]", "f32[n]"), [np.zeros(3, "f"), np.zeros(3)])


def test_runs_and_observes() -> None:
    seen: list[str] = []
    (found,) = interpret.run_graph(
        graph("f32[n]"), [np.arange(3, dtype="f")], observe=lambda node, _results: seen.append(node.op.name)
    )
    np.testing.assert_array_equal(found, -np.arange(3, dtype="f"))
    assert seen == ["negative"]


def test_sizes_in_attributes_are_numbers() -> None:
    x = build.graph_input(types.parse("f32[n]"), "x")
    n = x.type.shape[0]
    made = Graph("f", (x,), (ops.iota((n, n + 1), 1), ops.full((2 * n,), 3.0)))
    a, b = interpret.run_graph(made, [np.zeros(2, "f")])
    assert a.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert b.tolist() == [3.0] * 4


def scan_graph(reverse: bool) -> Graph:
    symbols: dict = {}
    c, x = (build.graph_input(types.parse(s, symbols), n) for s, n in (("f64[]", "c"), ("f64[t]", "x")))
    inner = tuple(build.graph_input(types.parse("f64[]"), n) for n in "cx")
    total = ops.add(ops.multiply(inner[0], 2), inner[1])
    body = Graph("step", inner, (total, ops.negative(total)))
    attributes = {"body": body, "carries": 1, "consts": 0, "length": x.type.shape[0], "reverse": reverse}
    return Graph("f", (c, x), Node(ops.TABLE["scan"], (c, x), attributes).results)


@pytest.mark.parametrize("reverse", [False, True])
def test_scan_runs_its_body(reverse: bool) -> None:
    xs = np.asarray([1.0, 10.0, 100.0])
    total, ys, carry = 5.0, {}, []
    for i in reversed(range(3)) if reverse else range(3):
        total = 2 * total + xs[i]
        ys[i] = -total
        carry.append(total)
    end, found = interpret.run_graph(scan_graph(reverse), [np.float64(5), xs])
    assert end == total
    assert found.tolist() == [ys[i] for i in range(3)]
    end, found = interpret.run_graph(scan_graph(reverse), [np.float64(5), xs[:0]])
    assert end == 5
    assert found.shape == (0,)


def test_a_reference_of_another_type_is_our_mistake() -> None:
    x = build.graph_input(types.parse("f32[n]"), "x")
    node = ops.exp(x).producer
    assert node is not None
    object.__setattr__(node.results[0], "type", types.parse("f64[n]"))
    with pytest.raises(InternalError, match="its reference gave float32"):
        interpret.run_graph(Graph("f", (x,), node.results), [np.zeros(3, "f")])


def test_dim_of_nothing_known() -> None:
    assert interpret.evaluate((1, (dim.symbol("n") * 2, "a")), {"n": 3}) == (1, (6, "a"))
