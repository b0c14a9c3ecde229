"""Searches in tables of every length near a power of two, of known and of unknown size, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import tcc

LENGTHS = (0, 1, 2, 3, 16, 17, 31, 32, 33, 100, 1023, 1024, 1025)


def _table(dtype: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Sorted, with equal elements, infinities and a tail of nan."""
    kind = np.dtype({"f": "float", "i": "int", "u": "uint"}[dtype[0]] + dtype[1:])
    table = rng.normal(size=n) * n
    if kind.kind == "f":
        table[: n // 8], table[n // 2 : n // 2 + n // 8], table[n - n // 8 :] = -np.inf, 0.0, np.nan
    return np.sort(np.abs(table).astype(kind) if kind.kind == "u" else table.astype(kind))


def _sought(table: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    x = rng.permutation(np.resize(table, (3, 41)) if table.size else np.zeros((3, 41), table.dtype))
    with np.errstate(invalid="ignore"):
        x[:, ::3] = np.where(np.isfinite(x[:, ::3]), x[:, ::3] + 1, x[:, ::3])
    if x.dtype.kind == "f":
        x[:, ::7], x[0, ::5], x[1, ::5] = np.nan, np.inf, -np.inf
        x[2, ::5] = -0.0
    return x


@pytest.mark.parametrize("dtype", ["f32", "f64", "f16", "i64", "u8"])
def test_a_table_of_unknown_size(dtype: str) -> None:
    @tcc.function(table=f"{dtype}[n]", x=f"{dtype}[k, m]")
    def both(table, x):
        return np.searchsorted(table, x), np.searchsorted(table, x, side="right")

    rng = np.random.default_rng(0)
    for n in LENGTHS:
        table = _table(dtype, n, rng)
        x = _sought(table, rng)
        for side, found in zip(("left", "right"), both(table, x), strict=True):
            np.testing.assert_array_equal(found, np.searchsorted(table, x, side), f"{side}, {n}")


@pytest.mark.parametrize("n", [0, 1, 16, 17, 100])
def test_a_table_of_known_size(n: int) -> None:
    @tcc.function(table=f"f32[{n}]", x="f32[3, 41]")
    def both(table, x):
        return np.searchsorted(table, x), np.searchsorted(table, x, side="right")

    rng = np.random.default_rng(1)
    table = _table("f32", n, rng)
    x = _sought(table, rng)
    for side, found in zip(("left", "right"), both(table, x), strict=True):
        np.testing.assert_array_equal(found, np.searchsorted(table, x, side), side)


def test_a_search_takes_as_many_steps_as_halvings() -> None:
    @tcc.function(table="f32[1000]", x="f32[64]")
    def place(table, x):
        return np.searchsorted(table, x)

    assert "in 0..10" in str(tcc.trace(place).lower("native"))


def test_rows_of_their_own() -> None:
    @tcc.function(tables="f64[b, 20]", x="f64[b, 5]")
    def places(tables, x):
        return tcc.vmap(np.searchsorted)(tables, x)

    rng = np.random.default_rng(2)
    tables, x = np.sort(rng.normal(size=(3, 20))), rng.normal(size=(3, 5))
    expected = [np.searchsorted(t, r) for t, r in zip(tables, x, strict=True)]
    np.testing.assert_array_equal(places(tables, x), expected)


def test_a_sorter() -> None:
    @tcc.function(x="f32[n]", v="f32[m]")
    def places(x, v):
        return np.searchsorted(x, v, sorter=np.argsort(x))

    rng = np.random.default_rng(3)
    x, v = rng.random(50, dtype=np.float32), rng.random(9, dtype=np.float32)
    np.testing.assert_array_equal(places(x, v), np.searchsorted(x, v, sorter=np.argsort(x)))
