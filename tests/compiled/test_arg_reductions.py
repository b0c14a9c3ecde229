"""argmax and argmin where elements are equal, nan, or no better than nothing, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import tcc

KINDS = {"f32": np.float32, "f64": np.float64, "f16": np.float16, "i64": np.int64, "u8": np.uint8, "i32": np.int32}


def rows(kind: type, n: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of ties, of one value throughout, of the extremes, and with nan in some places."""
    x = rng.integers(0, 5, (12, n)).astype(kind)
    if x.dtype.kind == "f":
        x[1], x[2], x[3] = -np.inf, np.inf, np.nan
        x[4, n // 2 :], x[5, -1], x[6, [0, n // 3]] = np.nan, np.nan, np.nan
        x[7] = rng.choice([0.0, -0.0], n)
        x[8, : n - 1], x[9, : n - 1] = -np.inf, np.inf
    else:
        x[1], x[2] = np.iinfo(kind).min, np.iinfo(kind).max
        x[3, : n - 1], x[4, : n - 1] = np.iinfo(kind).min, np.iinfo(kind).max
    return x


def check(function, x: np.ndarray) -> None:
    found = function(x)
    expected = [f(x, axis=k) for k in (0, 1) for f in (np.argmax, np.argmin)] + [np.argmax(x), np.argmin(x)]
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got, want, str(x.shape))


@pytest.mark.parametrize("dtype", list(KINDS))
def test_sizes_that_are_not_known(dtype: str) -> None:
    @tcc.function(x=f"{dtype}[m:1.., n:1..]")
    def places(x):
        return *(f(x, axis=k) for k in (0, 1) for f in (np.argmax, np.argmin)), np.argmax(x), np.argmin(x)

    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 10, 16, 17, 63, 64, 65, 130, 1000):
        x = rows(KINDS[dtype], n, rng)
        check(places, x)
        check(places, np.ascontiguousarray(x.T))


@pytest.mark.parametrize("shape", [(12, 3), (12, 50), (12, 200), (12, 1000)], ids=str)
@pytest.mark.parametrize("dtype", ["f32", "f64", "u8"])
def test_sizes_that_are_known(dtype: str, shape: tuple[int, int]) -> None:
    @tcc.function(x=f"{dtype}[{shape[0]}, {shape[1]}]", y=f"{dtype}[{shape[1]}, {shape[0]}]")
    def places(x, y):
        return [
            (*(f(v, axis=k) for k in (0, 1) for f in (np.argmax, np.argmin)), np.argmax(v), np.argmin(v))
            for v in (x, y)
        ]

    x = rows(KINDS[dtype], shape[1], np.random.default_rng(1))
    check(lambda v: places(v, np.ascontiguousarray(v.T))[0], x)
    check(lambda v: places(np.ascontiguousarray(v.T), v)[1], np.ascontiguousarray(x.T))


@pytest.mark.parametrize("known", [False, True])
def test_blocks(known: bool) -> None:
    """More elements than are reduced by themselves: the best in any of the blocks, or none better than the worst."""
    n = 3 * 16384 + 77

    @tcc.function(x=f"f32[{n}]" if known else "f32[n:1..]")
    def place(x):
        return np.argmax(x), np.argmin(x)

    for at in (0, 5, 16383, 16384, 40000, n - 1):
        for best in (1.0, np.nan):
            x = np.full(n, -np.inf, np.float32)
            x[at], x[-1] = best, best
            assert place(x) == (np.argmax(x), np.argmin(x)), (at, best)
    x = np.full(n, -np.inf, np.float32)
    assert place(x) == (0, 0)
    assert place(-x) == (0, 0)
