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


@pytest.mark.parametrize("dtype", ["f32", "f64", "i16", "u64"])
@pytest.mark.parametrize("n", [2, 3, 16, 25, 100])
def test_many_short_rows(dtype: str, n: int) -> None:
    """Of one length: along memory and across it, a whole number of vectors of rows or not."""

    @tcc.function(x=f"{dtype}[b, {n}]", y=f"{dtype}[2, {n}, 19]", z=f"{dtype}[4, 8, {n}]")
    def all_of_them(x, y, z):
        return [(np.sort(v, axis=k), np.argsort(v, axis=k)) for v, k in ((x, 1), (y, 1), (z, 2))]

    rng = np.random.default_rng(n)
    kind = np.dtype({"f": "float", "i": "int", "u": "uint"}[dtype[0]] + dtype[1:])

    def made(*shape: int) -> np.ndarray:
        x = (rng.integers(-9, 9, shape) if kind.kind != "u" else rng.integers(0, 18, shape)).astype(kind)
        if kind.kind == "f":
            x[rng.random(shape) < 0.1] = np.nan
            x[rng.random(shape) < 0.1] = -np.inf
            x[rng.random(shape) < 0.1] = -0.0
        return x

    for b in (0, 1, 7, 16, 53):
        given = (made(b, n), made(2, n, 19), made(4, 8, n))
        for x, axis, (values, order) in zip(given, (1, 1, 2), all_of_them(*given), strict=True):
            stable = np.argsort(x, axis=axis, kind="stable")
            np.testing.assert_array_equal(order, stable)
            np.testing.assert_array_equal(values, np.take_along_axis(x, stable, axis))


def test_rows_that_are_as_many_as_lanes_are_sorted_side_by_side() -> None:
    @tcc.function(x="f64[64, 16]")
    def rows(x):
        return np.sort(x, axis=1)

    assert "for stage" not in str(tcc.trace(rows).lower("native"))


@pytest.mark.parametrize("dtype", ["f32", "f64", "f16", "i64", "u64", "u32", "u8"])
@pytest.mark.parametrize(
    ("k", "size"), [(0, "n:40.."), (1, "n:1..5000"), (5, "n:40.."), (8, "n:8..5000"), (30, "n:40..")]
)
def test_the_greatest(dtype: str, k: int, size: str) -> None:
    """Found one by one, with their positions beside them or in one integer, or by a sort of all."""

    @tcc.function(x=f"{dtype}[5, {size}]")
    def greatest(x):
        return tcc.top_k(x, k)

    rng = np.random.default_rng(k)
    kind = np.dtype({"f": "float", "i": "int", "u": "uint"}[dtype[0]] + dtype[1:])
    for n in (40, 129, 1000):
        if kind.kind == "f":
            x = np.round(rng.normal(size=(5, n)) * 9).astype(kind) * kind.type(-1)
            x[0, ::7], x[1, ::3], x[2], x[3] = np.nan, np.inf, -np.inf, np.nan
        else:
            limits = np.iinfo(kind)
            x = rng.integers(limits.min, limits.max, (5, n), dtype=kind, endpoint=True)
            x[0], x[1, ::2], x[2] = limits.min, limits.max, x[2] % 3
        values, order = greatest(x)
        turned = np.argsort(x[:, ::-1], axis=1, kind="stable")
        expected = n - 1 - turned[:, ::-1][:, :k]
        np.testing.assert_array_equal(order, expected)
        np.testing.assert_array_equal(values, np.take_along_axis(x, expected, 1))


def test_the_greatest_along_another_axis_and_their_gradient() -> None:
    x = np.random.default_rng(0).normal(size=(7, 3))
    values, order = tcc.top_k(x, 2, axis=0)
    np.testing.assert_array_equal(order, np.argsort(-x, axis=0)[:2])
    np.testing.assert_array_equal(values, -np.sort(-x, axis=0)[:2])
    slope = tcc.grad(lambda x: np.sum(tcc.top_k(x, 2, axis=0)[0] ** 2))(x)
    np.testing.assert_allclose(slope, np.where(x >= values[1], 2 * x, 0))


@pytest.mark.parametrize("size", ["3", "n"])
def test_more_than_there_may_be(size: str) -> None:
    @tcc.function(x=f"f32[{size}]")
    def greatest(x):
        return tcc.top_k(x, 4)

    with pytest.raises(tcc.errors.UserError, match="there may be fewer"):
        tcc.trace(greatest)


def test_complex_numbers_have_no_greatest() -> None:
    with pytest.raises(tcc.errors.UserError, match="no order"):
        tcc.top_k(np.zeros(3, np.complex64), 1)
