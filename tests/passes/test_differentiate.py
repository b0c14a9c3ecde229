"""Gradients against differences, in f64: of graphs, of scans, of gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir import build, dim, interpret, types, verify
from tcc.ir.dtype import F64
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.op import DERIVED
from tcc.ir.types import TensorType
from tcc.passes import in_order
from tcc.passes.batch import batch
from tcc.passes.differentiate import value_and_gradient, vjp

N, T = dim.symbol("n"), dim.symbol("t")
RNG = np.random.default_rng(0)


def given(name: str, *shape: dim.Size) -> Value:
    return build.graph_input(TensorType(F64, shape), name)


def scan(body: Graph, carries: int, consts: int, operands: Sequence[Value], length: dim.Size, reverse: bool = False):
    attributes = {"body": body, "carries": carries, "consts": consts, "length": length, "reverse": reverse}
    return Node(ops.TABLE["scan"], operands, attributes).results


def check(graph: Graph, inputs: Sequence[np.ndarray], wrt: Sequence[int] | None = None) -> Graph:
    """The gradient graph, after it was compared with central differences."""
    positions = range(len(inputs)) if wrt is None else wrt
    pulled = value_and_gradient(graph, positions)
    verify.verify_graph(pulled)
    plain = interpret.run_graph(pulled, inputs)
    for _, change in in_order():
        pulled = change(pulled)
        verify.verify_graph(pulled)
    found = interpret.run_graph(pulled, inputs)
    for a, b in zip(plain, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
    wanted = interpret.run_graph(graph, inputs)
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-12)
    for position, gradient in zip(positions, found[len(wanted) :], strict=True):
        differences = np.zeros_like(inputs[position])
        for place in np.ndindex(differences.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = inputs[position].copy()
                moved[place] += step
                ends.append(interpret.run_graph(graph, [*inputs[:position], moved, *inputs[position + 1 :]])[0])
            differences[place] = (ends[0] - ends[1]) / 2e-5
        scale = max(1.0, float(np.abs(differences).max(initial=0)))
        np.testing.assert_allclose(gradient, differences, rtol=0, atol=2e-6 * scale)
    return pulled


def step() -> Graph:
    """A matrix state, constants of two kinds, slices, and two stacked results of which one is reused."""
    c, w, k, x = given("c", N, N), given("w", N, N), given("k"), given("x", N)
    h = ops.tanh(ops.add(ops.matmul(c, w), ops.multiply(x, k)))
    y = ops.sum(ops.multiply(ops.square(h), c), axis=0)
    return Graph("step", (c, w, k, x), (h, ops.sin(y), ops.exp(ops.negative(y))))


def recurrence(reverse: bool = False) -> Graph:
    c, w, k, x = given("c", N, N), given("w", N, N), given("k"), given("x", T, N)
    end, a, b = scan(step(), 1, 2, (c, w, k, x), T, reverse)
    return Graph("f", (c, w, k, x), (ops.add(ops.sum(ops.multiply(end, 2)), ops.sum(ops.multiply(a, b))),))


ARRAYS = [RNG.normal(size=s) for s in ((3, 3), (3, 3), (), (4, 3))]


@pytest.mark.parametrize("reverse", [False, True])
def test_scan(reverse: bool) -> None:
    check(recurrence(reverse), ARRAYS)


def test_scan_of_no_steps_and_of_one() -> None:
    check(recurrence(), [*ARRAYS[:3], np.zeros((0, 3))])
    check(recurrence(), [*ARRAYS[:3], ARRAYS[3][:1]])


def test_scan_with_respect_to_some() -> None:
    for wrt in ([0], [1], [2], [3], [3, 1]):
        check(recurrence(), ARRAYS, wrt)


def test_only_what_is_read_is_stacked() -> None:
    """One hidden state is kept for all that its square, its double and 1 - its square are needed for."""
    pulled = check(recurrence(), ARRAYS, [0])
    forward = next(n for n in pulled.nodes if n.op.name == "scan")
    matrices = [v for v in forward.results[1:] if v.type.rank == 3]
    assert len(matrices) == 2, "the state before and after a step"


def nested() -> Graph:
    c, w, x, ks = given("c", N, N), given("w", N, N), given("x", T, N), given("ks", 2)
    inner = (given("c", N, N), given("w", N, N), given("x", T, N), given("k"))
    end, a, b = scan(step(), 1, 2, (inner[0], inner[1], inner[3], inner[2]), T)
    body = Graph("outer", inner, (ops.multiply(end, 0.5), ops.sum(ops.multiply(a, b))))
    end, y = scan(body, 1, 2, (c, w, x, ks), 2, True)
    return Graph("g", (c, w, x, ks), (ops.add(ops.sum(end), ops.sum(y)),))


NESTED = [ARRAYS[0], ARRAYS[1], ARRAYS[3], RNG.normal(size=2)]


def test_nested_scan() -> None:
    check(nested(), NESTED)


def test_two_scans_in_a_row() -> None:
    c, w, k, x = given("c", N, N), given("w", N, N), given("k"), given("x", T, N)
    first = scan(step(), 1, 2, (c, w, k, x), T)
    second = scan(step(), 1, 2, (first[0], w, k, first[1]), T, True)
    check(Graph("f", (c, w, k, x), (ops.sum(ops.multiply(second[0], c)),)), ARRAYS)


def test_integer_carry_is_left_alone() -> None:
    """A counter beside the float state: it has no gradient, and what it selects still has one."""
    c, x = given("c"), given("x", T)
    i0 = ops.literal(np.int64(0))
    i = build.graph_input(types.parse("i64[]"), "i")
    state, item = given("c"), given("x")
    odd = ops.equal(ops.bitwise_and(i, 1), 1)
    new = ops.where(odd, ops.multiply(state, item), ops.add(state, ops.sin(item)))
    body = Graph("step", (i, state, item), (ops.add(i, 1), new, i))
    _, end, _ = scan(body, 2, 0, (i0, c, x), T)
    check(Graph("f", (c, x), (end,)), [np.array(0.7), RNG.normal(size=5)])


def test_second_derivative_through_a_scan() -> None:
    first = value_and_gradient(recurrence(), [0, 1])
    norm = ops.add(ops.sum(ops.square(first.outputs[1])), ops.sum(ops.square(first.outputs[2])))
    check(Graph("s", first.inputs, (norm,)), [*ARRAYS[:3], ARRAYS[3][:2]])


@pytest.mark.parametrize("flags", [(1, 1, 1, 1), (1, 0, 0, 0), (0, 0, 1, 0), (0, 1, 0, 1), (0, 0, 0, 1)])
def test_batched_gradient_of_a_scan(flags: tuple[int, ...]) -> None:
    one = value_and_gradient(nested(), range(4))
    many = batch(one, [bool(f) for f in flags], 3)
    verify.verify_graph(many)
    inputs = [np.stack([a + 0.1 * i for i in range(3)]) if f else a for a, f in zip(NESTED, flags, strict=True)]
    found = interpret.run_graph(many, inputs)
    for i in range(3):
        wanted = interpret.run_graph(one, [a[i] if f else a for a, f in zip(inputs, flags, strict=True)])
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a[i], b, rtol=1e-10, atol=1e-12)


def test_cotangents_add_up() -> None:
    x = given("x", N)
    y = ops.sin(x)
    total = ops.add(ops.sum(ops.multiply(y, y)), ops.sum(ops.multiply(x, y)))
    check(Graph("f", (x,), (total,)), [RNG.normal(size=4)])
    check(Graph("f", (x,), (ops.sum(x),)), [RNG.normal(size=4)])


def test_composites() -> None:
    x = given("x", 3, N)
    check(Graph("f", (x,), (ops.sum(ops.square(ops.softmax(x, axis=-1))),)), [RNG.normal(size=(3, 4))])


def test_composite_by_its_expansion() -> None:
    """The record says that the gradient is that of the expansion; an operand may be given twice."""
    record = ops.TABLE["softmax"]
    twice = replace(
        record,
        name="scaled",
        operands=("x: float", "y: float"),
        infer=lambda types, attributes: types[:1],
        expand=lambda x, y, axes: ops.multiply(ops.softmax(x, axis=axes), ops.sin(y)),
        reference=lambda x, y, axes: record.reference(x, axes=axes) * np.sin(y),
        gradient=DERIVED,
    )
    x, y = given("x", N), given("y", N)
    made = [Node(twice, pair, {"axes": (0,)}).results[0] for pair in ((x, y), (y, y))]
    check(Graph("f", (x, y), (ops.sum(ops.multiply(*made)),)), [RNG.normal(size=4), RNG.normal(size=4)])


def test_stop_gradient_stops() -> None:
    x = given("x", N)
    check_zero = value_and_gradient(Graph("f", (x,), (ops.sum(ops.stop_gradient(ops.exp(x))),)), [0])
    assert interpret.run_graph(check_zero, [np.ones(2)])[1].tolist() == [0, 0]


def test_what_does_not_matter_has_a_zero_gradient() -> None:
    x, y = given("x", N), given("y", N)
    graph = value_and_gradient(Graph("f", (x, y), (ops.sum(ops.multiply(x, ops.floor(y))), y)), [0, 1])
    value, aux, dx, dy = interpret.run_graph(graph, [np.full(2, 1.5), np.full(2, 2.5)])
    assert value == 6
    assert aux.tolist() == [2.5, 2.5]
    assert dx.tolist() == [2, 2]
    assert dy.tolist() == [0, 0]


def test_vjp_takes_a_cotangent_for_each_output() -> None:
    x = given("x", N)
    graph = vjp(Graph("f", (x,), (ops.square(x), ops.exp(x))), [0])
    arrays = [np.asarray([0.0, 1.0]), np.asarray([1.0, 2.0]), np.asarray([3.0, 0.0])]
    _, _, dx = interpret.run_graph(graph, arrays)
    np.testing.assert_allclose(dx, [3.0, 4.0])


def test_gradients_that_are_not_defined() -> None:
    x, i = given("x", N), build.graph_input(types.parse("i32[n]"), "i")
    with pytest.raises(UserError, match="only a scalar of a float dtype"):
        value_and_gradient(Graph("f", (x,), (x,)), [0])
    with pytest.raises(UserError, match="with respect to 'i' is not defined"):
        value_and_gradient(Graph("f", (x, i), (ops.sum(x),)), [1])
