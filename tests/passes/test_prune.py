from __future__ import annotations

import numpy as np

import tcc.ops as ops
from tcc.ir import build, interpret, types, verify
from tcc.ir.graph import Graph, Node, Value
from tcc.passes.prune import prune


def given(name: str, spec: str) -> Value:
    return build.graph_input(types.parse(spec), name)


def graph(*wanted: int) -> Graph:
    """Three carries (the second reads the first, nobody needs the third), two constants, two stacks."""
    body_inputs = tuple(given(n, "f64[]") for n in ("a", "b", "c", "k", "l", "x", "z"))
    a, b, c, k, l, x, z = body_inputs
    ends = (ops.add(a, x), ops.multiply(b, a), ops.add(c, l), ops.multiply(a, k), ops.exp(z))
    body = Graph("step", body_inputs, ends)
    inputs = (*(given(n, "f64[]") for n in ("a", "b", "c", "k", "l")), given("x", "f64[t]"), given("z", "f64[t]"))
    attributes = {"body": body, "carries": 3, "consts": 2, "length": inputs[5].type.shape[0], "reverse": False}
    results = Node(ops.TABLE["scan"], inputs, attributes).results
    return Graph("f", inputs, tuple(results[i] for i in wanted))


def parts(pruned: Graph) -> tuple[int, int, int]:
    (node,) = (n for n in pruned.nodes if n.op.name == "scan")
    carries, consts = node.attributes["carries"], node.attributes["consts"]
    return carries, consts, len(node.operands) - carries - consts


def test_only_what_is_read_stays() -> None:
    arrays = [*map(np.float64, (1.0, 2.0, 3.0, 4.0, 5.0)), np.arange(3.0), np.arange(3.0)]
    for wanted, left in (((0,), (1, 0, 1)), ((1,), (2, 0, 1)), ((2,), (1, 1, 0)), ((3,), (1, 1, 1)), ((4,), (0, 0, 1))):
        before = graph(*wanted)
        after = prune(before)
        verify.verify_graph(after)
        assert parts(after) == left
        found, expected = (interpret.run_graph(g, arrays)[0] for g in (after, before))
        np.testing.assert_array_equal(found, expected)


def test_nothing_to_take_out() -> None:
    whole = graph(0, 1, 2, 3, 4)
    assert prune(whole) is whole
