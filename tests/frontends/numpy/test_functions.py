"""NumPy's functions traced and run node by node agree with NumPy: values, dtypes and shapes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

import tcc
from tcc import ops
from tcc.frontends.numpy import table
from tcc.frontends.numpy.public import traced_or_computed
from tcc.tree import flatten

rng = np.random.default_rng(0)
x = rng.normal(size=(3, 4)).astype("f4")
v = rng.normal(size=4).astype("f8")
i = rng.integers(-5, 5, size=(3, 4))
b = x > 0
k = np.array([2, 0, -1])
z = (rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3))).astype("c8")
W = rng.normal(size=(4, 2)).astype("f4")

CASES: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (lambda x: x + 1, (x,)),
    (lambda x: 1 - x, (x,)),
    (lambda x: x * [1, 2, 3, 4], (x,)),
    (lambda x: np.ones(4, "f4") * x + np.float32(2), (x,)),
    (lambda x: np.float64(2) * x, (x,)),
    (lambda x: x / 3 // 2 % 5, (x,)),
    (lambda i: i / 3, (i,)),
    (lambda i: (i // 3, i % 3, -i, abs(i), +i), (i,)),
    (lambda i: divmod(i, 3), (i,)),
    (lambda i: divmod(7, i), (np.arange(1, 5),)),
    (lambda i: (i & 3, i | 1, i ^ 5, ~i, i << 1, i >> 1, 3 & i), (i,)),
    (lambda b: (~b, b & True, b ^ b, b | False, b + b, b * 2), (b,)),
    (lambda x: (x**2, x**3, abs(x) ** 0.5, x**-1, x**0, x**1, 2**x), (x,)),
    (lambda i: (i**2, i**3), (i,)),
    (lambda x: (x > 0, x <= 1, x == x, x != 0, x <= 1.5), (x,)),
    (lambda x: x.T @ x, (x,)),
    (lambda x: x @ W, (x,)),
    (lambda x: W.T @ x.T, (x,)),
    (lambda x, v: x @ v, (x, v)),
    (lambda x: (x.sum(), x.mean(0), x.prod(axis=1), x.max(keepdims=True), x.min(-1)), (x,)),
    (lambda x: (x.std(), x.var(axis=1, ddof=1), x.argmax(), x.argmin(axis=0)), (x,)),
    (lambda i: (i.sum(), i.mean(), i.sum(dtype="f4"), i.prod(axis=0)), (i.astype("i1"),)),
    (lambda b: (b.all(), b.any(axis=0), b.sum(), np.mean(b)), (b,)),
    (lambda x: (x.reshape(4, 3), x.reshape((2, -1)), x.ravel(), x.flatten(), x.T, x.transpose(1, 0)), (x,)),
    (lambda x: (x[0], x[-1, 1], x[1:], x[:, ::2], x[::-1, 1:3], x[..., None, 0], x[None]), (x,)),
    (lambda x: (x[[0, 2]], x[:, np.array([1, 1])], x[[0, 1], [1, 2]], x[1, [0, 3]]), (x,)),
    (lambda x, k: (x[k], np.take(x, k, axis=1), x[k, 1], x[:, k]), (x, k)),
    (lambda x: (np.stack([x, x]), np.concatenate([x, x], 1), np.vstack([x, x[0]]), np.hstack((x, x))), (x,)),
    (lambda x: (np.split(x, 2, axis=1), np.flip(x), np.roll(x, 1, axis=0), np.tile(x, 2), np.repeat(x, 2, 1)), (x,)),
    (lambda x: (np.pad(x, 1), np.pad(x, ((0, 1), (2, 0)), constant_values=3)), (x,)),
    (lambda x: (np.expand_dims(x, 0), np.squeeze(x[None]), np.moveaxis(x, 0, 1), np.swapaxes(x, 0, 1)), (x,)),
    (lambda x: (np.tril(x), np.triu(x, 1), np.diff(x, axis=0), np.broadcast_to(x, (2, 3, 4))), (x,)),
    (lambda x, i: (np.where(i > 0, x, 0), np.where(i, x, i), np.clip(x, -1, 1), x.clip(0), np.clip(i, 0, 3)), (x, i)),
    (lambda x: (np.round(x), np.round(x, 1), np.floor(x), np.sign(x), np.linalg.norm(x, axis=1)), (x,)),
    (lambda x: (np.count_nonzero(x > 0), np.ptp(x, axis=0), np.column_stack([x, x[:, 0]])), (x,)),
    (lambda x: np.broadcast_arrays(x, x[0]), (x,)),
    (lambda x: (np.cumsum(x, axis=1), np.cumprod(x, axis=0), x.cumsum()), (x,)),
    (lambda x: (np.sort(x, axis=1), np.argsort(x, axis=0)), (x,)),
    (lambda x: (np.einsum("ij,kj->ik", x, x), np.einsum("ij->j", x), np.tensordot(x, x, ((1,), (1,)))), (x,)),
    (lambda x, v: (np.dot(x, v), np.inner(x, v), np.outer(v, v), np.vdot(v, v)), (x, v)),
    (lambda x: (np.zeros_like(x), np.ones_like(x, dtype="i4"), np.full_like(x, 2), np.zeros((2, 3), like=x)), (x,)),
    (lambda x: (np.arange(5, like=x), np.eye(3, like=x), np.linspace(x[0, 0], 1, 5)), (x,)),
    (lambda x: (np.array([x[0], x[1]], like=x), np.asarray(x, like=x)), (x,)),
    (lambda x: (np.add.reduce(x), np.add.reduce(x, axis=1), np.maximum.reduce(x), np.add.accumulate(x)), (x,)),
    (lambda x: np.multiply.outer(x[0], x[1]), (x,)),
    (lambda x: np.exp(x, dtype="f8"), (x,)),
    (lambda x: (special.expit(x), special.erf(x), special.erfc(x), special.log1p(abs(x))), (x,)),
    (lambda i: (special.erf(i), np.exp(i), np.sqrt(abs(i))), (i.astype("i1"),)),
    (lambda z: (z.real, z.imag, z.conj(), abs(z), z * 2j, z / z), (z,)),
    (lambda x: (x.astype("i4"), x.astype(np.float16), x.astype("bool")), (x,)),
    (lambda x: sum(list(x)), (x,)),
    (lambda x: (x * x.shape[0], x / x.shape[1], x * (1 / x.shape[0]), np.sqrt(x.shape[1]) * x), (x,)),
    (lambda x: (np.shape(x), np.ndim(x), np.size(x), x.size, x.nbytes, x.itemsize), (x,)),
    (lambda x: np.take_along_axis(x, np.argsort(x, axis=1), axis=1), (x,)),
    (lambda x: np.atleast_2d(x[0]), (x,)),
]


def agree(found: Any, expected: Any) -> None:
    mine, theirs = flatten(found)[0], flatten(expected)[0]
    assert len(mine) == len(theirs)
    for a, e in zip(mine, theirs, strict=True):
        assert np.asarray(a).dtype == np.asarray(e).dtype
        assert np.shape(a) == np.shape(e)
        np.testing.assert_allclose(a, e, rtol=2e-6, atol=1e-6)


nans = np.where(b, x, np.nan).astype("f4")
COMPOSED: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (
        lambda x: (np.average(x), np.average(x, axis=0), np.average(x, axis=1, weights=v), np.average(x, weights=x)),
        (x,),
    ),
    (lambda x: (np.fliplr(x), np.flipud(x), *(np.rot90(x, k) for k in range(-1, 5))), (x,)),
    (lambda x: (np.cross(x[:, :3], x[:, 1:]), np.cross(x, x[::-1], axis=0)), (x,)),
    (
        lambda x: (np.trapezoid(x), np.trapezoid(x, dx=0.5, axis=0), np.trapezoid(x, v), np.trapezoid(x, x, axis=0)),
        (x,),
    ),
    (lambda x: (np.isclose(x, x + 1e-9), np.isclose(x, 0.1, atol=0.3), np.isclose(x, x, equal_nan=True)), (nans,)),
    (lambda x: (np.diag(x), np.diag(x[0]), np.diag(x[:, :3])), (x,)),
    (lambda x: (*np.meshgrid(x, v), *np.meshgrid(x, v, x, indexing="ij"), *np.meshgrid(x, v, sparse=True)), (x[0],)),
    (lambda x: np.select([x > 1, x > 0], [x, x * 2.0], -1), (x,)),
    (lambda x: np.select([x > 1, x > 0], [np.ones_like(x, dtype="i4"), x]), (x,)),
    (lambda z: (np.angle(z), np.angle(z, deg=True)), (z,)),
    (
        lambda x: (np.nansum(x), np.nanprod(x, axis=0), np.nanmax(x, axis=1), np.nanmin(x), np.nanmean(x, axis=0)),
        (nans,),
    ),
    (lambda x: (np.nanmax(x, axis=1), np.nanmean(x, axis=1, keepdims=True)), (np.full((2, 3), np.nan),)),
    (lambda i: (np.nansum(i), np.nanmax(i, axis=0), np.nanmean(i)), (i,)),
    (
        lambda x: (
            np.median(x),
            np.median(x, axis=0),
            np.median(x, axis=-1, keepdims=True),
            np.median(x, keepdims=True),
        ),
        (x,),
    ),
    (lambda x: (np.median(x, axis=0), np.median(x, axis=1)), (nans,)),
    (lambda i: (np.median(i), np.median(i, axis=0)), (i,)),
    (lambda x: (np.dstack([x, x]), np.dstack([x[0], x[1]])), (x,)),
    (lambda x: (np.cumulative_sum(x, axis=1), np.cumulative_sum(x[0])), (x,)),
    (lambda x: (*np.hsplit(x, 2), *np.hsplit(x, [1]), *np.vsplit(x, 3), *np.hsplit(x[0], 2)), (x,)),
    (lambda x: (np.kron(x, W), np.kron(x[0], x[1]), np.kron(x[0], x)), (x,)),
    (lambda x: (np.polyval(v, x), np.polyval(x[0], 2.0), np.polyval([1, 2], x)), (x,)),
    (lambda x: (np.sinc(x), np.sinc(x * 0)), (v,)),
    (lambda x: (np.sort(x, kind="stable"), np.argsort(x, 0, kind="mergesort"), x.argsort(kind="stable")), (x,)),
    (lambda x: (np.sort(x, stable=True), np.argsort(x, stable=True)), (x,)),
    (lambda i: (np.bincount(i[0], minlength=9), np.bincount(i[1], v, 9), np.bincount(i[0], i[1], 9)), (abs(i),)),
    (lambda x: (np.searchsorted(x, v), np.searchsorted(x, x, side="right"), np.searchsorted(v, x)), (np.sort(x[0]),)),
]


@pytest.mark.parametrize(("python", "arguments"), [*CASES, *COMPOSED], ids=map(str, range(len(CASES) + len(COMPOSED))))
def test_traced_agrees_with_numpy(python: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        agree(traced_or_computed(python, "test")(*arguments), python(*arguments))


def test_every_op_with_a_name_of_numpy_is_in_the_table() -> None:
    missing = []
    for name in vars(ops):
        function = getattr(np, name, None)
        plain = callable(function) and not isinstance(function, type) and not name.startswith("_")
        if plain and callable(getattr(ops, name)) and not isinstance(getattr(ops, name), type(np)):
            if function is np.broadcast_shapes:
                continue  # of shapes, not of arrays
            known = function in table.UFUNCS if isinstance(function, np.ufunc) else function in table.FUNCTIONS
            missing += [] if known else [name]
    assert not missing


def update(change: Callable[[Any], Any], index: Any) -> Any:
    expected = x.copy()
    change(expected)
    return expected


@pytest.mark.parametrize(
    "index",
    [0, -1, (1, 2), slice(1, 3), (slice(None), slice(1, -1)), (..., 0), [0, 2], ([0, 1], [1, 2]), slice(None, None, 2)],
    ids=str,
)
def test_at(index: Any) -> None:
    def both(x):
        return x.at[index].set(7), x.at[index].add(x[index])

    assigned, added = x.copy(), x.copy()
    assigned[index] = 7
    added[index] += x[index]
    agree(traced_or_computed(both, "test")(x), (assigned, added))


def test_public_functions_take_numpy_arrays_and_traced_values() -> None:
    agree(tcc.erf(x), special.erf(x))
    agree(tcc.zeros((2, 3), "f32"), np.zeros((2, 3), "f4"))
    agree(
        traced_or_computed(lambda x: tcc.erf(x) + tcc.arange(4, dtype="f32"), "test")(x),
        special.erf(x) + np.arange(4, dtype="f4"),
    )
    with pytest.raises(AttributeError, match=r"did you mean tcc\.zeros"):
        _ = tcc.zeroes


def test_bincount_of_what_is_out_of_range_fails() -> None:
    @tcc.function(i="i32[n]")
    def counts(i):
        return np.bincount(i, minlength=5)

    np.testing.assert_array_equal(counts(np.array([4, 0, 4], np.int32)), [1, 0, 0, 0, 2])
    for wrong in (5, -1):
        with pytest.raises(tcc.errors.UserError, match="out of range"):
            counts(np.array([0, wrong], np.int32))


def test_bincount_wants_the_result_s_size() -> None:
    with pytest.raises(tcc.errors.Unsupported, match="minlength"):
        traced_or_computed(lambda i: np.bincount(i), "test")(i[0])


def test_an_unknown_kind_of_sort() -> None:
    with pytest.raises(tcc.errors.UserError, match="no kind 'bubble'"):
        traced_or_computed(lambda x: np.sort(x, kind="bubble"), "test")(x)  # pyright: ignore
