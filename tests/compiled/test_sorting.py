"""Sorts of every length near a power of two or a block, against NumPy's stable ones."""

from __future__ import annotations

import numpy as np
import pytest

import tcc

LENGTHS = (0, 1, 2, 5, 16, 17, 63, 64, 65, 256, 257, 1000, 4095, 4096, 4097, 8193, 12345)


@pytest.mark.parametrize("dtype", ["f32", "f64", "f16", "i64", "u64", "u8"])
def test_sort_and_argsort(dtype: str) -> None:
    @tcc.function(x=f"{dtype}[b, n]")
    def both(x):
        return np.sort(x, axis=1), np.argsort(x, axis=1)

    rng = np.random.default_rng(0)
    kind = np.dtype({"f": "float", "i": "int", "u": "uint"}[dtype[0]] + dtype[1:])
    for n in LENGTHS:
        if kind.kind == "f":
            x = np.round(rng.normal(size=(2, n)) * 50).astype(kind)
            x[0, ::7] = np.nan
            x[1, ::5] = np.inf
            x[:, ::3] *= -1.0
        else:
            limits = np.iinfo(kind)
            x = rng.integers(limits.min, limits.max, (2, n), dtype=kind, endpoint=True)
        values, order = both(x)
        stable = np.argsort(x, axis=1, kind="stable")
        np.testing.assert_array_equal(order, stable, f"{dtype}, {n}")
        np.testing.assert_array_equal(values, np.take_along_axis(x, stable, 1), f"{dtype}, {n}")
