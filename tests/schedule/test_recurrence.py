"""Scans whose state stays in registers are one kernel; others are loops of kernels, with the same results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tcc import ops
from tcc.ir import types
from tcc.ir.build import graph_input
from tcc.ir.graph import Graph, Module, Value
from tcc.loops.facts import Facts
from tcc.loops.program import Loop
from tcc.loops.verify import verify
from tcc.schedule import schedule
from tests.schedule.scheduled import AVX2, AVX512, compare, module_of

Step = Callable[..., Sequence[Value]]
LENGTHS = (0, 1, 2, 5)


def module(step: Step, carries: Sequence[str], consts: Sequence[str], xs: Sequence[str], reverse: bool) -> Module:
    """A scan over ``t`` steps; the specs of xs are those of a slice."""

    def build(*values: Value) -> list[Value]:
        symbols: dict[str, Any] = {}
        inputs = [graph_input(types.parse(s, symbols), f"i{k}") for k, s in enumerate((*carries, *consts, *xs))]
        body = Graph("step", tuple(inputs), tuple(step(*inputs)))
        a, b = len(carries), len(carries) + len(consts)
        return list(ops.scan(body, values[:a], values[a:b], values[b:], values[-1].type.shape[0], reverse))

    stacked = [s.replace("[]", "[t]").replace("[", "[t, ") if "[]" not in s else s.replace("[]", "[t]") for s in xs]
    return module_of(build, [*carries, *consts, *stacked])


def affine(h: Value, a: Value, x: Value) -> Sequence[Value]:
    new = ops.add(ops.multiply(h, a), x)
    return new, ops.tanh(new)


def rotation(m: Value, x: Value) -> Sequence[Value]:
    """A state of 2×2, multiplied by a matrix and its transpose."""
    new = ops.add(ops.matmul(ops.matmul(x, m), ops.transpose(x, (1, 0))), m)
    return new, ops.sum(new, axis=0)


def oscillator(p: Value, x: Value) -> Sequence[Value]:
    """Two numbers for each lane along the last axis, mixed with each other."""
    q = ops.stack([ops.subtract(p_of(p, 0), ops.multiply(p_of(p, 1), x)), ops.add(p_of(p, 1), p_of(p, 0))])
    return q, p_of(q, 0)


def p_of(value: Value, row: int) -> Value:
    return ops.getitem(value, row)


def neighbours(h: Value, x: Value) -> Sequence[Value]:
    return ops.add(ops.roll(h, 1), x), h


def mean_of_all(h: Value, x: Value) -> Sequence[Value]:
    return (ops.add(ops.multiply(h, 0.5), ops.subtract(x, ops.mean(h))),)


CASES = {
    "affine": (affine, ["f64[n]"], ["f64[n]"], ["f64[n]"], True),
    "affine_rows": (affine, ["f32[b, 20]"], ["f32[b, 20]"], ["f32[b, 20]"], True),
    "scalar": (affine, ["f64[]"], ["f64[]"], ["f64[]"], True),
    "matrix": (rotation, ["f64[2, 2]"], [], ["f64[2, 2]"], True),
    "oscillator": (oscillator, ["f32[2, n]"], [], ["f32[n]"], True),
    "integers": (lambda k, x: (ops.add(ops.multiply(k, 3), x), k), ["i32[n]"], [], ["i32[n]"], True),
    "flags": (lambda k, x: (ops.logical_xor(k, x), k), ["bool[n]"], [], ["bool[n]"], True),
    "halves": (affine, ["f16[n]"], ["f16[n]"], ["f16[n]"], True),
    "neighbours": (neighbours, ["f64[n]"], [], ["f64[n]"], False),
    "mean": (mean_of_all, ["f64[n]"], [], ["f64[n]"], False),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("facts", [AVX512, AVX2], ids=["avx512", "avx2"])
@pytest.mark.parametrize("name", CASES)
def test_recurrence(name: str, facts: Facts, reverse: bool) -> None:
    step, carries, consts, xs, alone = CASES[name]
    made = module(step, carries, consts, xs, reverse)
    program = schedule(made, facts)
    verify(program)
    assert (len(program.kernels) == 1 and not any(isinstance(s, Loop) for s in program.entries[0].body)) == alone
    for length in LENGTHS:
        for extent in (0, 1, 3, 37):
            compare(made, program, {"t": length, "n": extent, "b": extent})


def test_axes_known_before_run_time_are_no_lanes() -> None:
    """Lanes along the first axis, numbers along the second: five of them need no memory between steps."""

    def step(h: Value, x: Value) -> Sequence[Value]:
        return ops.add(ops.roll(h, 1, axis=1), x), h

    made = module(step, ["f64[n, 5]"], [], ["f64[n, 5]"], False)
    program = schedule(made, AVX512)
    assert len(program.kernels) == 1
    compare(made, program, {"t": 4, "n": 19})
