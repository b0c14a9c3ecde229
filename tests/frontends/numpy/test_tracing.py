"""Sizes, captured arrays, nested arguments, states and locations of traced functions."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import tcc
from tcc.errors import UserError
from tcc.ir import build, dim
from tcc.ir.graph import Function, Module
from tcc.ir.text import to_text
from tcc.ir.verify import verify


def traced(python: Callable[..., Any], **specs: Any) -> Function:
    module: Module = tcc.trace(tcc.function(**specs)(python)).module
    verify(module)
    return module.functions[0]


def shapes(function: Function) -> list[str]:
    return [str(v.type) for v in function.graph.outputs]


def test_sizes_compute() -> None:
    def f(x, y):
        n, m = x.shape
        assert x.shape == (n, 4)
        assert m == 4
        assert n == y.shape[0]
        assert 2 * n + 1 != n
        assert n >= 0
        return (
            x.reshape(m, n),
            x.reshape(-1),
            np.concatenate([x, x]),
            x[1:],
            x[: n // 2],
            tcc.zeros((n + 1, m), "f32"),
            tcc.arange(2 * n),
            np.broadcast_to(y, (m, n)),
        )

    assert shapes(traced(f, x="f32[n, 4]", y="f32[n]")) == [
        "f32[4, n]",
        "f32[4*n]",
        "f32[2*n, 4]",
        "f32[max(0, n - 1), 4]",
        "f32[n//2, 4]",
        "f32[n + 1, 4]",
        "i64[2*n]",
        "f32[4, n]",
    ]


def test_a_size_counts_as_a_python_number() -> None:
    def f(x, i):
        n = x.shape[0]
        return x / n, x * (1 / n), x * (n / 2), i + n, np.sqrt(n) * x, n, n / 2, np.maximum(x, n), (n - 1) * x

    assert shapes(traced(f, x="f32[n]", i="i32[n]")) == [
        "f32[n]", "f32[n]", "f32[n]", "i32[n]", "f64[n]", "i64[]", "f64[]", "f32[n]", "f32[n]"
    ]  # fmt: skip


def test_ranges_decide_comparisons() -> None:
    def f(x):
        assert x.shape[0] > 0
        assert x.shape[0] != 0
        assert bool(x.shape[0])
        return x

    (size,) = traced(f, x="f32[n:1..64]").graph.inputs[0].type.shape
    assert dim.bounds(size) == (1, 64)


def test_arithmetic_sizes() -> None:
    function = traced(lambda x, y: x[1::2] + y, x="f32[2*n + 1]", y="f32[n]")
    assert shapes(function) == ["f32[n]"]


W = np.arange(6, dtype="f4").reshape(2, 3)
params = {"bias": np.ones(3, "f4"), "again": W.copy()}


def test_captured_arrays_are_stored_once_under_their_names() -> None:
    local = np.full(3, 2, "f4")

    def f(x):
        return x @ W + params["bias"] + local + x @ params["again"]

    constants = {c.name: c for c in build.constants(traced(f, x="f32[n, 2]").graph)}
    assert set(constants) == {"W", "params.bias", "local"}


def test_captured_arrays_are_snapshots() -> None:
    array = np.zeros(3, "f4")
    function = traced(lambda x: x + array, x="f32[3]")
    array[:] = 1
    (constant,) = build.constants(function.graph)
    assert not constant.array.any()


@dataclasses.dataclass
class Layer:
    W: Any
    b: Any


class Pair(NamedTuple):
    first: Any
    second: Any


def test_nested_arguments_and_results() -> None:
    @dataclasses.dataclass
    class Local:
        value: Any

    def f(layers, pair, local):
        assert isinstance(layers[0], Layer)
        assert isinstance(local, Local)
        out = pair.first
        for layer in layers:
            out = out @ layer.W + layer.b
        return {"out": out, "rest": [pair.second, (local.value, None)]}

    layer = Layer("f32[4, 4]", "f32[4]")
    function = traced(f, layers=[layer, layer], pair=Pair("f32[n, 4]", "f64[]"), local=Local("i32[2]"))
    assert function.input_names == (
        "layers.0.W", "layers.0.b", "layers.1.W", "layers.1.b", "pair.first", "pair.second", "local.value"
    )  # fmt: skip
    assert function.output_names == ("out.out", "out.rest.0", "out.rest.1.0")
    assert function.parameters == ("layers", "pair", "local")


def test_results_are_not_named_like_arguments() -> None:
    assert traced(lambda out: out + 1, out="f32[n]").output_names == ("result",)


def test_parameters_follow_the_python_signature() -> None:
    def f(a, b=2, *, c):
        return a * b + c

    function = traced(f, c="f32[n]", a="f32[n]")
    assert function.parameters == ("a", "c")


def test_locations_are_the_users_lines() -> None:
    def inner(x):
        return np.tanh(x)

    def f(x):
        return tcc.scan(lambda c, row: (inner(c) + row, None), x[0], x)[0]

    function = traced(f, x="f32[n, 3]")
    nodes = list(function.graph.nodes)
    nodes += [n for node in nodes if node.op.name == "scan" for n in node.attributes["body"].nodes]
    assert {n.location.file for n in nodes} == {__file__}
    (tanh,) = [n for n in nodes if n.op.name == "tanh"]
    assert tanh.location.function == "inner"
    assert tanh.location.line == inner.__code__.co_firstlineno + 1


def test_functions_are_inlined_and_checked() -> None:
    @tcc.function(x="f32[n, 4]", y="f32[n]")
    def f(x, y):
        return x * y[:, None]

    assert shapes(traced(lambda a, b: f(a.T, b), a="f32[4, k]", b="f32[k]")) == ["f32[k, 4]"]
    with pytest.raises(UserError, match="argument 'y' of 'f'") as raised:
        traced(lambda a, b: f(a.T, b), a="f32[4, k]", b="f32[m]")
    assert "with n=k" in raised.value.why
    with pytest.raises(UserError, match="argument 'x' of 'f'"):
        traced(lambda a, b: f(a, b), a="f64[k, 4]", b="f32[k]")


def test_states_are_read_and_written_by_name() -> None:
    total = tcc.state(np.zeros(3, "f4"))
    count = tcc.state(np.int64(0), name="calls")

    @tcc.function(x="f32[3]")
    def step(x):
        total.value = total.value + x
        count.value = count.value + 1
        total.value = total.value * 2
        return total.value

    @tcc.function
    def peek():
        return count.value

    module = tcc.trace(step).module
    verify(module)
    (function,) = module.functions
    assert function.reads == function.writes == ("total", "calls")
    assert [s.name for s in module.states] == ["total", "calls"]
    with tcc.eager():
        assert step(np.ones(3, "f4")).tolist() == [2, 2, 2]
    assert total.value.tolist() == [2, 2, 2]
    assert count.value == 1


def test_the_text_of_a_trace(golden: Callable[[str], Callable[[str], None]]) -> None:
    def f(x, p):
        """Documented."""
        n = x.shape[0]
        y = np.maximum(x @ p["W"] + p["b"], 0)
        return y / n, tcc.scan(lambda c, row: (c * 0.5 + row, c.sum()), np.zeros_like(y[0]), y)

    function = traced(f, x="f32[n, 2]", p={"W": "f32[2, m]", "b": "f32[m]"})
    text = to_text(function)
    golden("golden/trace.tcc")("\n".join(line.partition("  //")[0] for line in text.splitlines()) + "\n")
