"""Workloads of a few elements, for tests of the bench itself."""
# pyright: basic
# Bodies are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

from tools.bench.workload import Workload, normal, weight


def _layer(xp, x, W):
    return xp.tanh(xp.matmul(x, W)), x.sum(axis=1)


def _wrong(xp, x):
    return x if type(xp).__module__.endswith("numpy_arrays") else x + 1


WORKLOADS = (
    Workload(
        "tiny add",
        lambda xp, a, b: a + b,
        {"a": normal(8), "b": normal(8)},
        out=lambda xp, a, b, out: xp.add(a, b, out=out),
    ),
    Workload("tiny layer", _layer, {"x": normal(4, 8)}, {"W": weight(8, 3)}, flops=2 * 4 * 8 * 3),
    Workload("tiny, wrong in peers", _wrong, {"x": normal(8)}),
)
