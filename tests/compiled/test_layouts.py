"""Transposes in tiles, and reductions by columns, at sizes that fill no tile, strip or vector."""

from __future__ import annotations

import numpy as np
import pytest

import tcc

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["u1", "?", "f2", "f4", "f8", "c8"])
def test_transposes(dtype: str) -> None:
    name = {"u1": "u8", "?": "bool", "f2": "f16", "f4": "f32", "f8": "f64", "c8": "c64"}[dtype]

    @tcc.function(x=f"{name}[n, m]", y=f"{name}[m, n]")
    def turned(x, y):
        return np.transpose(x), np.where(y == y, np.transpose(x), y)

    for n, m in ((1, 1), (7, 5), (16, 16), (17, 33), (65, 130), (3, 100), (200, 190)):
        x, y = ((RNG.normal(size=shape) * 50).astype(dtype) for shape in ((n, m), (m, n)))
        for found in turned(x, y):
            np.testing.assert_array_equal(found, x.T, f"{name}, {n} by {m}")


@pytest.mark.parametrize("axes", [(0, 2, 1), (2, 1, 0), (2, 0, 1)])
def test_transposes_of_three_axes(axes: tuple[int, ...]) -> None:
    @tcc.function(x="f32[a, b, c]")
    def turned(x):
        return np.transpose(x, axes)

    for shape in ((3, 17, 20), (40, 5, 33), (1, 70, 2)):
        x = RNG.normal(size=shape).astype(np.float32)
        np.testing.assert_array_equal(turned(x), x.transpose(axes))


@pytest.mark.parametrize("axis", [0, 1])
def test_reductions_by_columns(axis: int) -> None:
    @tcc.function(x="f32[a, b, c]")
    def reduced(x):
        return np.sum(x, axis=axis), np.max(x, axis=axis), np.argmin(x, axis=axis)

    for shape in ((1, 1, 1), (9, 1030, 3), (2100, 5, 7), (16, 17, 1100), (8, 8, 8), (31, 3, 2050)):
        x = RNG.normal(size=shape).astype(np.float32)
        total, greatest, least = reduced(x)
        np.testing.assert_allclose(total, np.sum(x, axis=axis, dtype=np.float64), rtol=1e-5, atol=1e-4)
        np.testing.assert_array_equal(greatest, np.max(x, axis=axis))
        np.testing.assert_array_equal(least, np.argmin(x, axis=axis))
