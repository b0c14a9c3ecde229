"""Gradients beyond the numbers of one derivative: their types, twice over, and over sizes known at run time."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tcc import ops
from tcc.ir import dim, interpret, verify
from tcc.ir import dtype as dt
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.location import located
from tcc.ir.op import NotDifferentiable, Op, Sample
from tcc.ir.types import TensorType
from tcc.ops.samples import dtype_cases
from tcc.passes.differentiate import vjp
from tests.ops.evaluated import HERE
from tests.ops.test_functions import CALLS

Array = np.ndarray[Any, Any]
DIFFERENTIABLE = [
    pytest.param(op, id=name) for name, op in ops.TABLE.items() if not isinstance(op.gradient, NotDifferentiable)
]


def _inputs(arrays: tuple[Array, ...]) -> tuple[Value, ...]:
    return tuple(
        Value(TensorType(dt.of(a.dtype), a.shape), HERE, name=f"x{i}") for i, a in enumerate(map(np.asarray, arrays))
    )


def _samples(op: Op, dtypes: tuple[dt.DType, ...]) -> list[Sample]:
    return [s for s in op.samples(dtypes, np.random.default_rng(zlib.crc32(op.name.encode()))) if s.gradient]


@pytest.mark.parametrize("op", DIFFERENTIABLE)
def test_cotangents_have_their_values_types(op: Op) -> None:
    for dtypes in dtype_cases(op):
        for sample in _samples(op, dtypes):
            inputs = _inputs(sample.operands)
            wrt = [i for i, v in enumerate(inputs) if v.type.dtype.is_inexact]
            results = Node(op, inputs, sample.attributes, HERE).results
            if wrt and all(v.type.dtype.is_inexact for v in results):
                graph = vjp(Graph(op.name, inputs, results), wrt)  # refuses a cotangent of another type
                verify.verify_graph(graph)


@pytest.mark.parametrize("op", DIFFERENTIABLE)
def test_second_derivatives(op: Op) -> None:
    """The derivative of a random combination of cotangents, along a random direction."""
    rng = np.random.default_rng(11)
    wide = next((d for d in dtype_cases(op) if dt.F64 in d or not d), None)
    assert wide is not None or op.name in ("real", "imag")
    for sample in _samples(op, wide)[:3] if wide is not None else ():
        inputs = _inputs(sample.operands)
        results = Node(op, inputs, sample.attributes, HERE).results
        wrt = [i for i, v in enumerate(inputs) if v.type.dtype == dt.F64]
        if not wrt or any(v.type.dtype != dt.F64 for v in results) or any(not v.type.size for v in results):
            continue
        first = vjp(Graph(op.name, inputs, results), wrt)
        cotangents = Graph(op.name, first.inputs, first.outputs[len(results) :])
        arrays = [*sample.operands, *(rng.uniform(0.5, 1.5, v.type.shape) for v in results)]
        seeds = [rng.uniform(0.5, 1.5, v.type.shape) for v in cotangents.outputs]
        second = vjp(cotangents, wrt)
        found = interpret.run_graph(second, [*arrays, *seeds])[len(cotangents.outputs) :]
        for i, slope in zip(wrt, found, strict=True):
            direction = rng.uniform(-1, 1, np.shape(arrays[i]))
            ends = []
            for sign in (1, -1):
                moved = [a + sign * 1e-5 * direction if k == i else a for k, a in enumerate(arrays)]
                given = interpret.run_graph(cotangents, moved)
                ends.append(sum(float(np.sum(s * c)) for s, c in zip(seeds, given, strict=True)))
            expected = (ends[0] - ends[1]) / 2e-5
            scale = max(1.0, *(float(np.abs(a).max(initial=0)) for a in (slope, *found)))
            assert float(np.sum(slope * direction)) == pytest.approx(expected, rel=1e-4, abs=1e-5 * scale), sample.label


RNG = np.random.default_rng(5)
IMAGE = RNG.normal(size=(2, 7, 5, 4))
KERNEL = RNG.normal(size=(3, 2, 4, 6))
M = RNG.normal(size=(3, 4))
WINDOWS: dict[str, tuple[Callable[..., Any], tuple[Array, ...]]] = {
    "conv": (lambda x, k: ops.convolution(x, k), (IMAGE, KERNEL)),
    "conv_same": (lambda x, k: ops.convolution(x, k, 1, "SAME"), (IMAGE, KERNEL)),
    "conv_strided": (lambda x, k: ops.convolution(x, k, (2, 3), ((1, 2), (0, 1)), 1, (2, 1)), (IMAGE, KERNEL)),
    "conv_spread": (lambda x, k: ops.convolution(x, k, 1, "SAME", 2), (IMAGE, KERNEL)),
    "conv_groups": (lambda x, k: ops.convolution(x, k, 2, 1, groups=2), (IMAGE, KERNEL[:, :, :2])),
    "max_pool": (lambda x: ops.max_pool(x, 2), (IMAGE,)),
    "max_pool_same": (lambda x: ops.max_pool(x, 3, 2, "SAME"), (IMAGE,)),
    "avg_pool": (lambda x: ops.avg_pool(x, (2, 3), 1, "SAME"), (IMAGE,)),
    "avg_pool_all": (lambda x: ops.avg_pool(x, 2, 1, 1, count_include_pad=True), (IMAGE,)),
    "slice": (lambda x: ops.getitem(x, (slice(None, None, -2), slice(1, -1))), (M,)),
    "index": (lambda x: ops.getitem(x, (1, slice(-2, None))), (M,)),
    "gather": (lambda x: ops.getitem(x, (slice(1, None), [0, 2, 2])), (M,)),
    "diff": (lambda x: ops.subtract(ops.getitem(x, slice(1, None)), ops.getitem(x, slice(None, -1))), (M,)),
    "cumsum": (lambda x: ops.cumsum(x, 1), (M,)),
    "cumprod": (lambda x: ops.cumprod(x, 0), (M,)),
    "softmax": (lambda x: ops.softmax(x), (M,)),
    "layer_norm": (lambda x, w, b: ops.layer_norm(x, w, b), (M, M[0], M[1])),
    "attention": (lambda q, k: ops.attention(q, k, k, causal=True, scale=0.5), (M, M)),
    "max": (lambda x: ops.max(x, 1), (M,)),
    "sort": (lambda x: ops.sort(x), (M,)),
}
GRADED = {
    **WINDOWS,
    **{n: (f, arrays) for n, (f, _, arrays) in CALLS.items() if n not in ("argmax_flat", "split", "reshape", "vdot")},
}


@pytest.mark.parametrize("name", GRADED)
def test_symbolic_sizes_give_the_same_gradients(name: str) -> None:
    function, arrays = GRADED[name]
    named = {n for a in arrays for n in a.shape if n > 1} - ({2, 4, 6} if name == "conv_groups" else set())
    fixed, symbolic = (_gradients(function, arrays, s) for s in (set[int](), named))
    for f, s in zip(fixed, symbolic, strict=True):
        np.testing.assert_array_equal(f, s)


def _gradients(function: Callable[..., Any], arrays: tuple[Array, ...], named: set[int]) -> list[Array]:
    inputs = tuple(
        Value(
            TensorType(dt.of(a.dtype), tuple(dim.symbol(f"s{n}") if n in named else n for n in a.shape)),
            HERE,
            name=f"x{i}",
        )
        for i, a in enumerate(arrays)
    )
    with located(HERE):
        made = function(*inputs)
    outputs = (made,) if isinstance(made, Value) else tuple(made)
    results = interpret.run_graph(Graph("f", inputs, outputs), arrays)
    graph = vjp(Graph("f", inputs, outputs), range(len(inputs)))
    verify.verify_graph(graph)
    seeds = [np.random.default_rng(1).uniform(0.5, 1.5, r.shape).astype(r.dtype) for r in results]
    return interpret.run_graph(graph, [*arrays, *seeds])


def test_gradients_at_edges() -> None:
    """Where the textbook's formula gives nan: powers of 0, norms of 0, selections of what is not taken."""

    def slope(function: Callable[..., Value], *arrays: Any) -> list[Array]:
        given = tuple(np.asarray(a, np.float64) for a in arrays)
        inputs = _inputs(given)
        with located(HERE):
            result = function(*inputs)
        graph = vjp(Graph("f", inputs, (result,)), range(len(inputs)))
        return interpret.run_graph(graph, [*given, np.ones_like(given[0])])[1:]

    np.testing.assert_array_equal(slope(lambda x: ops.power(x, 0), [0.0, 2.0])[0], [0, 0])
    np.testing.assert_array_equal(slope(lambda x: ops.power(x, 2), [0.0, 3.0])[0], [0, 6])
    np.testing.assert_array_equal(slope(ops.power, [0.0, 0.0], [2.0, 1.0]), [[0, 1], [0, 0]])
    np.testing.assert_array_equal(slope(ops.abs, [0.0, -2.0])[0], [0, -1])
    safe = lambda x: ops.where(ops.greater(x, 0), ops.log(ops.where(ops.greater(x, 0), x, 1)), 0)  # noqa: E731
    np.testing.assert_array_equal(slope(safe, [0.0, 2.0])[0], [0, 0.5])
    np.testing.assert_array_equal(slope(ops.relu, [0.0, 1.0])[0], [0, 1])
    np.testing.assert_array_equal(slope(ops.logaddexp, [1e3, -1e3], [1e3, 1e3]), [[0.5, 0], [0.5, 1]])
    np.testing.assert_array_equal(slope(ops.softplus, [-1e3, 1e3])[0], [0, 1])
    np.testing.assert_array_equal(slope(ops.elu, [-1e3, 1e3])[0], [0, 1])
    np.testing.assert_array_equal(slope(lambda x: ops.cumprod(x, 0), [0.0, 3.0])[0], [4, 0])
    np.testing.assert_array_equal(slope(lambda x: ops.sigmoid(x), [-1e3, 1e3])[0], [0, 0])
