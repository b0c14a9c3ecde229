from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import tcc.ops as ops
from tcc.errors import InternalError
from tcc.ir import build, types, verify
from tcc.ir.graph import Constant, Function, Graph, Module, Node, State, Value
from tcc.ir.location import UNKNOWN
from tcc.tree import Tree

LEAF = Tree("leaf", index=0)


def given(spec: str = "f32[n]", name: str = "x") -> Value:
    return build.graph_input(types.parse(spec), name)


def function(graph: Graph) -> Function:
    return Function(graph, ("x",), Tree("tuple", (LEAF,)), LEAF, ("x",), ("out",))


def bad(graph: Graph, message: str) -> None:
    with pytest.raises(InternalError, match=message):
        verify.verify_graph(graph)


def test_a_valid_module() -> None:
    x = given()
    verify.verify(Module((function(Graph("f", (x,), (ops.exp(x),))),)))


def test_values_must_be_made_inside() -> None:
    x, y = given(), given()
    bad(Graph("f", (x,), (ops.add(x, y),)), "reads .* which nothing in it makes")
    bad(Graph("f", (x,), (y,)), "the output .* is made by nothing")
    bad(Graph("f", (x, x), (x,)), "an input is listed twice")
    bad(Graph("f", (x, ops.exp(x)), (x,)), "has a producer")


def test_types_must_be_the_inferred_ones() -> None:
    x = given()
    y = ops.exp(x)
    object.__setattr__(y, "type", types.parse("f64[n]"))
    bad(Graph("f", (x,), (y,)), "exp has f64.*, infers f32")


def test_locations_must_be_known() -> None:
    x = Value(types.parse("f32[n]"), UNKNOWN, name="x")
    bad(Graph("f", (x,), (x,)), "the input 'x' has no location")
    z = given()
    bad(Graph("f", (z,), Node(ops.TABLE["exp"], (z,), {}, UNKNOWN).results), "has no location")


def test_attributes_are_of_known_kinds() -> None:
    x = given("f32[2, 3]")
    node = ops.transpose(x, (1, 0)).producer
    assert node is not None
    node.attributes = {"axes": [1, 0]}
    bad(Graph("f", (x,), node.results), "attribute 'axes' is a list")
    value = Constant(np.zeros(3))
    bad(Graph("f", (), Node(ops.TABLE["literal"], (), {"value": value}).results), "not a contiguous snapshot")


def test_regions_are_closed() -> None:
    c, x = given("f32[]", "c"), given("f32[t]", "x")
    inner, outer = given("f32[]", "c"), given("f32[]", "o")
    item = given("f32[]", "x")
    body = Graph("step", (inner, item), (ops.add(inner, outer),))
    attributes = {"body": body, "carries": 1, "consts": 0, "length": x.type.shape[0], "reverse": False}
    bad(Graph("f", (c, x), Node(ops.TABLE["scan"], (c, x), attributes).results), "which nothing in it makes")


def test_signatures() -> None:
    x = given()
    valid = function(Graph("f", (x,), (x,)))
    state = State("s", types.parse("f32[2]"), Constant.of(np.zeros(2, "f")))
    for changed, message in (
        (replace(valid, input_names=()), "a name for each argument"),
        (replace(valid, output_names=("x",)), "two leaves have one name"),
        (replace(valid, input_names=("a-b",)), "must be C identifiers"),
        (replace(valid, parameters=()), "one tree for each parameter"),
        (replace(valid, writes=("s",)), "outputs are results, then states"),
        (replace(valid, graph=Graph("f", (x,), (x, x)), writes=("t",)), "there is no state 't'"),
        (replace(valid, graph=Graph("f", (x,), (x, x)), writes=("s",)), "the state 's' is"),
    ):
        with pytest.raises(InternalError, match=message):
            verify.verify(Module((changed,), (state,)))
    with pytest.raises(InternalError, match="two functions have one name"):
        verify.verify(Module((valid, valid)))
    with pytest.raises(InternalError, match="its initial value"):
        verify.verify(Module((), (replace(state, type=types.parse("f32[3]")),)))
