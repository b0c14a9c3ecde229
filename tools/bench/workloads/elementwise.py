"""Chains of elementwise operations, small and large."""
# pyright: basic
# Bodies are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

from tools.bench.workload import TRANSCENDENTAL, Workload, integers, normal, uniform
from tools.bench.workloads import loops

MEGA = 1 << 20


def _chain(xp, x, a, b):
    y = xp.tanh(x * a + b)
    return y * xp.exp(y)


def _gelu(xp, x):
    return xp.gelu(x)


def _gelu_tanh(xp, x):
    return 0.5 * x * (1 + xp.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))


def _silu(xp, x):
    return x * xp.sigmoid(x)


def _polynomial(xp, x):
    y = x
    for i in range(20):
        y = y * x + 0.05 * i
    return y


def _select(xp, x, y):
    return xp.where(x > 0, xp.minimum(x, y), xp.maximum(0.1 * x, -1.0))


def _rotate(xp, x, y, t):
    c, s = xp.cos(t), xp.sin(t)
    return x * c - y * s, x * s + y * c


def _axpy(xp, x, y):
    return 2.5 * x + y


def _outer(xp, row, column):
    return xp.exp(-((row[None, :] - column[:, None]) ** 2))


def _entropy(xp, p):
    return -p * xp.log(p) - (1 - p) * xp.log(1 - p)


def _bits(xp, x, y):
    return (x * 3 + y) * (x - y)


def _add(xp, a, b):
    return a + b


def _triple(name, n, dtype="f4", **more):
    inputs = {"x": normal(n, dtype=dtype), "a": normal(n, dtype=dtype), "b": normal(n, dtype=dtype)}
    flops = n * (3 + 2 * TRANSCENDENTAL)
    return Workload(name, _chain, inputs, flops=flops, own={"numba": loops.chain}, **more)


WORKLOADS = (
    Workload(
        "add of 8 floats, from Python",
        _add,
        {"a": normal(8), "b": normal(8)},
        out=lambda xp, a, b, out: xp.add(a, b, out=out),
        own={"numba": loops.add},
        ranked=False,
    ),
    _triple("x·a+b, tanh, exp, mul on 1 M", MEGA, quick=True),
    _triple("x·a+b, tanh, exp, mul on 16 M", 16 * MEGA),
    _triple("x·a+b, tanh, exp, mul on 10,007", 10007),
    _triple("x·a+b, tanh, exp, mul on 1 M f64", MEGA, "f8", peak="f64", tolerance=1e-12),
    Workload("gelu (erf) on 1 M", _gelu, {"x": normal(MEGA)}, flops=MEGA * (4 + TRANSCENDENTAL), quick=True),
    Workload("gelu (tanh) on 1 M", _gelu_tanh, {"x": normal(MEGA)}, flops=MEGA * (8 + TRANSCENDENTAL)),
    Workload("silu on 1 M", _silu, {"x": normal(MEGA)}, flops=MEGA * (3 + TRANSCENDENTAL)),
    Workload("polynomial of degree 21 on 1 M", _polynomial, {"x": uniform(MEGA)}, flops=40 * MEGA),
    Workload("where, min, max on 1,000,003", _select, {"x": normal(1000003), "y": normal(1000003)}),
    Workload(
        "rotation by angles on 1 M",
        _rotate,
        {"x": normal(MEGA), "y": normal(MEGA), "t": normal(MEGA)},
        flops=MEGA * (6 + 2 * TRANSCENDENTAL),
    ),
    Workload("axpy on 16 M", _axpy, {"x": normal(16 * MEGA), "y": normal(16 * MEGA)}, own={"numba": loops.axpy}),
    Workload(
        "exp(-(row-column)²) 1500×1501",
        _outer,
        {"row": normal(1501), "column": normal(1500)},
        flops=1500 * 1501 * (3 + TRANSCENDENTAL),
    ),
    Workload(
        "binary entropy on 1 M",
        _entropy,
        {"p": uniform(MEGA, low=0.01, high=0.99)},
        flops=MEGA * (5 + 2 * TRANSCENDENTAL),
    ),
    Workload(
        "(3x+y)(x-y) on 1 M i32",
        _bits,
        {"x": integers(MEGA, high=1000, dtype="i4"), "y": integers(MEGA, high=1000, dtype="i4")},
    ),
)
