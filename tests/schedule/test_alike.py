"""Groups that are alike are emitted once, and those that differ in anything are told apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import tcc.ops as ops
from tcc.ir.graph import Value
from tcc.ir.location import Location, located
from tcc.loops.program import Call
from tcc.loops.verify import verify
from tcc.schedule import region, schedule
from tests.schedule.graphs import builders
from tests.schedule.scheduled import AVX2, AVX512, check, compare, module_of

Made = Callable[..., Value]
HERE = Location("model.py", 1)


def weight(number: int, *shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(number).normal(size=shape).astype(np.float32)


def layers(count: int) -> Callable[[Value], Value]:
    def build(x: Value) -> Value:
        for k in range(count):
            x = ops.tanh(ops.add(ops.matmul(x, weight(k, 96, 96)), weight(k, 96)))
            x = ops.divide(x, ops.add(1.0, ops.sum(ops.multiply(x, x), axis=0, keepdims=True)))
        return x

    return build


def test_layers_are_emitted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    emitted: list[object] = []
    emit = region.kernels.emit
    monkeypatch.setattr(region.kernels, "emit", lambda task: emitted.append(task) or emit(task))
    counts: list[tuple[int, int]] = []
    for count in (2, 6):
        emitted.clear()
        program = check(layers(count), "f32[n, 96]", sizes={"n": 5})
        assert len(program.constants) == 2 * count
        calls = [s for s in program.entries[0].body if isinstance(s, Call)]
        assert all(c.decisions for c in calls)
        counts.append((len(emitted), len(program.kernels)))
    assert counts[0] == counts[1]


def summed(*pairs: tuple[int, int]) -> Callable[..., Value]:
    """Products of the weights of these numbers, two by two."""

    def build(x: Value, y: Value, z: Value, w: Value) -> list[Value]:
        inputs = [(x, y), (z, w)]
        return [
            ops.add(ops.matmul(a, weight(m, 96, 64)), ops.matmul(b, weight(n, 96, 64)))
            for (a, b), (m, n) in zip(inputs, pairs, strict=True)
        ]

    return build  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("pairs", [((1, 1), (2, 3)), ((2, 3), (1, 1)), ((1, 2), (2, 1)), ((1, 2), (1, 2))])
def test_each_product_reads_its_own_weights(pairs: tuple[tuple[int, int], ...]) -> None:
    check(summed(*pairs), *["f32[n, 96]"] * 4, sizes={"n": 3})


PAIRS: dict[str, tuple[Made, Made]] = {
    "zeros of both signs": (
        lambda x, y: ops.divide(1.0, ops.multiply(ops.multiply(x, x), 0.0)),
        lambda x, y: ops.divide(1.0, ops.multiply(ops.multiply(x, x), -0.0)),
    ),
    "attributes of both signs": (
        lambda x, y: ops.divide(1.0, ops.pad(x, [(1, 0), (0, 0)], constant_values=0.0)),
        lambda x, y: ops.divide(1.0, ops.pad(x, [(1, 0), (0, 0)], constant_values=-0.0)),
    ),
    "numbers": (lambda x, y: ops.add(x, 1.0), lambda x, y: ops.add(x, 2.0)),
    "operands in turn": (ops.subtract, lambda x, y: ops.subtract(y, x)),
    "one operand twice": (ops.multiply, lambda x, y: ops.multiply(x, x)),
    "one result twice": (
        lambda x, y: ops.multiply(ops.exp(x), ops.exp(y)),
        lambda x, y: ops.multiply(e := ops.exp(x), e),
    ),
    "ops": (lambda x, y: ops.sin(x), lambda x, y: ops.cos(x)),
    "axes": (lambda x, y: ops.sum(x, axis=0), lambda x, y: ops.sum(x, axis=1)),
    "the axis that is turned": (lambda x, y: ops.add(x, y), lambda x, y: ops.add(x, ops.transpose(y))),
    "places": (lambda x, y: ops.getitem(x, slice(2, 6)), lambda x, y: ops.getitem(x, slice(0, 4))),
    "products": (lambda x, y: ops.matmul(x, y), lambda x, y: ops.matmul(x, ops.transpose(y))),
    "weights that are numbers": (
        lambda x, y: ops.add(x, np.ones(6, np.float32)),
        lambda x, y: ops.add(x, weight(1, 6)),
    ),
    "dtypes": (lambda x, y: ops.astype(x, "i32"), lambda x, y: ops.astype(x, "i64")),
    "what is stored": (
        lambda x, y: ops.multiply(ops.sum(x, axis=1, keepdims=True), y),
        lambda x, y: ops.multiply(ops.sum(x, axis=1), y),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_differs_is_told_apart(name: str) -> None:
    one, other = PAIRS[name]
    for first, second in ((one, other), (other, one), (one, one)):

        def build(a: Value, b: Value, c: Value, d: Value, f: Made = first, g: Made = second) -> tuple[Value, Value]:
            # Lines are told apart too.
            with located(HERE):
                return f(a, b), g(c, d)

        with np.errstate(divide="ignore"):
            check(build, *["f32[6, 6]"] * 4)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking takes minutes
)
@given(builders(most=5), builders(most=5), st.sampled_from([1, 3, 17]), st.sampled_from([AVX2, AVX512]))
def test_random_graphs_side_by_side(one: Any, other: Any, n: int, facts: Any) -> None:
    def build(*values: Value) -> list[Value]:
        with located(HERE):
            made = [one(*values[:4]), other(*values[4:8]), one(*values[4:8]), other(*values[8:])]
        return [v for result in made for v in (result if isinstance(result, (tuple, list)) else (result,))]

    module = module_of(build, ["f64[n, 5]", "f64[5]", "f64[n]", "f64[4, 5]"] * 3)
    program = schedule(module, facts)
    verify(program)
    compare(module, program, {"n": n}, rtol=1e-7, atol=1e-9)
