"""Reductions and running sums."""
# pyright: basic
# Bodies are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

from tools.bench.workload import TRANSCENDENTAL, Workload, normal
from tools.bench.workloads import loops

_SQUARE = {"x": normal(4096, 4096)}


def _sum0(xp, x):
    return xp.sum(x, axis=0)


def _sum1(xp, x):
    return xp.sum(x, axis=1)


def _max1(xp, x):
    return xp.max(x, axis=1)


def _argmax(xp, x):
    return xp.argmax(x, axis=1)


def _total(xp, x):
    return xp.sum(x)


def _moments(xp, x):
    return xp.mean(x, axis=1), xp.var(x, axis=1)


def _cumsum0(xp, x):
    return xp.cumsum(x, axis=0)


def _cumsum1(xp, x):
    return xp.cumsum(x, axis=1)


def _logsumexp(xp, x):
    return xp.logsumexp(x, axis=1)


def _distance(xp, x, y):
    d = x - y
    return xp.sqrt(xp.sum(d * d, axis=1))


def _middle(xp, x):
    return xp.sum(x, axis=1)


WORKLOADS = (
    Workload(
        "sum over axis 0, 4096²",
        _sum0,
        _SQUARE,
        out=lambda xp, x, out: xp.sum(x, axis=0, out=out),
        own={"numba": loops.sum0},
        quick=True,
    ),
    Workload(
        "sum over axis 1, 4096²",
        _sum1,
        _SQUARE,
        out=lambda xp, x, out: xp.sum(x, axis=1, out=out),
        own={"numba": loops.sum1},
    ),
    Workload("max over axis 1, 4096²", _max1, _SQUARE, own={"numba": loops.max1}),
    Workload(
        "argmax over axis 1, 4096×1000", _argmax, {"x": normal(4096, 1000)}, tolerance=0, own={"numba": loops.argmax1}
    ),
    Workload("sum of 10 M f64", _total, {"x": normal(10_000_000, dtype="f8")}, peak="f64", tolerance=1e-9),
    Workload("sum of 100,000", _total, {"x": normal(100_000)}),
    Workload("mean and variance of rows, 4096×1000", _moments, {"x": normal(4096, 1000)}, flops=5 * 4096e3),
    Workload("sum over the middle axis, 64×512×129", _middle, {"x": normal(64, 512, 129)}),
    Workload(
        "cumsum over axis 1, 4096×1024",
        _cumsum1,
        {"x": normal(4096, 1024)},
        own={"numba": loops.cumsum1},
        tolerance=1e-3,
    ),
    Workload("cumsum over axis 0, 4096×1024", _cumsum0, {"x": normal(4096, 1024)}, tolerance=1e-3),
    Workload(
        "logsumexp of rows, 4096×1000", _logsumexp, {"x": normal(4096, 1000)}, flops=4096e3 * (3 + TRANSCENDENTAL)
    ),
    Workload(
        "distances of rows, 100,000×17", _distance, {"x": normal(100_000, 17), "y": normal(100_000, 17)}, flops=51e5
    ),
)
