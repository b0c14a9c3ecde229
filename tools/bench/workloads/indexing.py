"""Gathers, scatters and sorts."""
# pyright: basic
# Bodies are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

from tools.bench.workload import Workload, integers, normal, uniform
from tools.bench.workloads import loops

_ROW = 768 * 4


def _take(xp, table, ids):
    return xp.take(table, ids, axis=0)


def _mean_of_rows(xp, table, ids):
    return xp.mean(xp.take(table, ids, axis=0), axis=0)


def _scatter(xp, x, ids, updates):
    return xp.scatter_add(x, ids, updates)


def _along(xp, x, ids):
    return xp.take_along_axis(x, ids, axis=1)


def _sort(xp, x):
    return xp.sort(x, axis=-1)


def _argsort(xp, x):
    return xp.argsort(x, axis=-1)


WORKLOADS = (
    Workload(
        "embedding 50257×768, 1024 ids",
        _take,
        {"table": normal(50257, 768), "ids": integers(1024, high=50257)},
        moved=(1024 * _ROW, 1024 * _ROW),
        own={"numba": loops.take},
        quick=True,
    ),
    Workload(
        "mean of 4096 gathered rows of 50257×768",
        _mean_of_rows,
        {"table": normal(50257, 768), "ids": integers(4096, high=50257)},
        moved=(4096 * _ROW, _ROW),
    ),
    Workload(
        "gather of 1 M from 1 M",
        _take,
        {"table": normal(1 << 20), "ids": integers(1 << 20, high=1 << 20, dtype="i4")},
    ),
    Workload(
        "scatter-add of 20,000 rows into 1000×64",
        _scatter,
        {"x": normal(1000, 64), "ids": integers(20_000, high=1000), "updates": normal(20_000, 64)},
        own={"numba": loops.scatter_add},
    ),
    Workload(
        "take along axis 1, 4096×256 of 1000", _along, {"x": normal(4096, 1000), "ids": integers(4096, 256, high=1000)}
    ),
    Workload("sort 1 M", _sort, {"x": normal(1 << 20)}, tolerance=0),
    Workload("sort rows of 4096×256", _sort, {"x": normal(4096, 256)}, tolerance=0),
    Workload("argsort 100,000 f64", _argsort, {"x": uniform(100_000, dtype="f8")}, tolerance=0),
)
