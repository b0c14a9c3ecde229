"""Whole functions from Python to machine code and back, against their own bodies in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import tcc
from tcc.errors import UserError
from tcc.tree import flatten

rng = np.random.default_rng(0)
W = rng.normal(size=(7, 3)).astype("f4")


def a(*shape: int, dtype: Any = "f4") -> Any:
    return rng.normal(size=shape).astype(dtype)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def recurrent(x):
    return tcc.scan(lambda c, row: (np.tanh(c * 0.5 + row), c * 2), np.zeros_like(x[0]), x)


def loss(w, x):
    return np.sum(np.tanh(x @ w) ** 2)


def changed(x, i):
    return x.at[1:-1].set(0), x.at[::2].add(1), x.at[i].set(7)


CASES: list[tuple[Callable[..., Any], dict[str, str], tuple[Any, ...]]] = [
    (softmax, {"x": "f32[n, m]"}, (a(5, 37),)),
    (lambda x: np.maximum(x @ W, 0), {"x": "f32[n, 7]"}, (a(5, 7),)),
    (lambda x: x.transpose(2, 0, 1) + x.sum(), {"x": "f32[a, b, c]"}, (a(3, 4, 5),)),
    (lambda x: x[1:] - x[:-1], {"x": "f32[2*n + 1]"}, (a(9),)),
    (lambda x: (x, x, x + 1), {"x": "f32[n]"}, (a(9),)),
    (lambda: np.arange(3), {}, ()),
    (lambda x: (W, x.shape[0], 2.5), {"x": "f32[n, m]"}, (a(2, 2),)),
    (lambda n: n + 1, {"n": "f32[n]"}, (a(9),)),
    (lambda int, char: int + char, {"int": "f32[double]", "char": "f32[double]"}, (a(9), a(9))),
    (lambda x: x * 2 + np.exp(x), {"x": "bf16[n]"}, (a(9, dtype=ml_dtypes.bfloat16),)),
    (lambda x: x * 2 + np.exp(x), {"x": "f16[n]"}, (a(9, dtype="f2"),)),
    (lambda x: (x + 200, x / 3, x >> 1, x.sum()), {"x": "u8[n]"}, (np.arange(99, dtype="u1"),)),
    (lambda x: abs(x * 1j) + x.real, {"x": "c64[n]"}, (a(9, dtype="c8"),)),
    (lambda x: (np.sort(x, axis=1), np.cumsum(x, axis=0), x.argmax(axis=1)), {"x": "f32[n, m]"}, (a(5, 6),)),
    (lambda x, i: (np.take(x, i, axis=0), x[i, 0]), {"x": "f32[n, 2]", "i": "i64[k]"}, (a(5, 2), np.array([0, -1]))),
    (lambda x: x * (x.shape[0] * 1.5) + x.shape[0] ** 0.5, {"x": "f32[n]"}, (a(9),)),
    (recurrent, {"x": "f32[n, m]"}, (a(5, 6),)),
    (tcc.grad(loss), {"w": "f32[m]", "x": "f32[n, m]"}, (a(7), a(5, 7))),
]


@pytest.mark.parametrize(("python", "specs", "arguments"), CASES, ids=map(str, range(len(CASES))))
def test_compiled_agrees_with_the_body(python: Callable[..., Any], specs: dict[str, str], arguments: Any) -> None:
    function = tcc.function(**specs)(python) if specs else tcc.function(python)
    found, _ = flatten(function(*arguments))
    with tcc.eager():
        expected, _ = flatten(function(*arguments))
    assert len(found) == len(expected)
    for f, e in zip(found, expected, strict=True):
        assert np.asarray(f).dtype == np.asarray(e).dtype
        assert np.shape(f) == np.shape(e)
        wide = np.complex128 if np.iscomplexobj(e) else np.float64
        tolerance = 1e-2 if np.asarray(e).dtype.itemsize == 2 else 1e-5
        np.testing.assert_allclose(np.asarray(f, wide), np.asarray(e, wide), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_elements_are_changed(n: int) -> None:
    x, i = a(n), np.arange(0, n, 2)
    expected = x.copy(), x.copy(), x.copy()
    expected[0][1:-1] = 0
    expected[1][::2] += 1
    expected[2][i] = 7
    for found, want in zip(CHANGED(x, i), expected, strict=True):
        assert found.tolist() == want.tolist()


CHANGED = tcc.function(x="f32[n]", i="i64[k]")(changed)


def test_an_index_out_of_range_is_an_error() -> None:
    function = tcc.function(x="f32[n]", i="i64[k]")(lambda x, i: np.take(x, i))
    with pytest.raises(UserError, match="out of range"):
        function(a(3), np.array([0, 3]))


def test_large_weights_lie_in_a_file_beside_the_library(tmp_path: Path) -> None:
    large = np.arange(5 << 20, dtype="f4")

    @tcc.function(x="f32[n]", i="i64[n]")
    def looked_up(x, i):
        return tcc.take(large, i) + x

    path = tmp_path / "model.so"
    tcc.compile(looked_up).save(path)
    assert path.stat().st_size < 1 << 20
    assert path.with_suffix(".safetensors").stat().st_size > large.nbytes
    with tcc.load(path) as library:
        found = library.looked_up(np.float32([1, 2]), np.array([0, len(large) - 1]))
    np.testing.assert_array_equal(found, [1, large[-1] + 2])
