"""The public functions that are made of several ops, against NumPy, with static and with symbolic sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from tcc import ops
from tcc.errors import UserError
from tcc.ir import dim
from tcc.ir import dtype as dt
from tcc.ir.graph import Value
from tcc.ir.types import TensorType
from tests.ops.evaluated import HERE, evaluated, one

RNG = np.random.default_rng(3)
M = RNG.normal(size=(3, 4))
T = RNG.normal(size=(2, 3, 4))
V = RNG.normal(size=5)

Call = tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...]]
CALLS: dict[str, Call] = {
    "stack": (lambda a, b: ops.stack([a, b], 1), lambda a, b: np.stack([a, b], 1), (M, M)),
    "concatenate_flat": (lambda a, b: ops.concatenate([a, b], None), lambda a, b: np.concatenate([a, b], None), (M, V)),
    "roll": (lambda a: ops.roll(a, 2, 1), lambda a: np.roll(a, 2, 1), (M,)),
    "roll_back": (lambda a: ops.roll(a, -1, 0), lambda a: np.roll(a, -1, 0), (M,)),
    "roll_far": (lambda a: ops.roll(a, (7, 9), (0, 1)), lambda a: np.roll(a, (7, 9), (0, 1)), (M,)),
    "roll_flat": (lambda a: ops.roll(a, 5), lambda a: np.roll(a, 5), (M,)),
    "expand_dims": (lambda a: ops.expand_dims(a, (0, -1)), lambda a: np.expand_dims(a, (0, -1)), (M,)),
    "moveaxis": (lambda a: ops.moveaxis(a, (0, 1), (-1, 0)), lambda a: np.moveaxis(a, (0, 1), (-1, 0)), (T,)),
    "swapaxes": (lambda a: ops.swapaxes(a, 0, -1), lambda a: np.swapaxes(a, 0, -1), (T,)),
    "tile": (lambda a: ops.tile(a, (2, 1, 3)), lambda a: np.tile(a, (2, 1, 3)), (M,)),
    "repeat": (lambda a: ops.repeat(a, 3, 1), lambda a: np.repeat(a, 3, 1), (M,)),
    "repeat_flat": (lambda a: ops.repeat(a, 2), lambda a: np.repeat(a, 2), (M,)),
    "tril": (lambda a: ops.tril(a, 1), lambda a: np.tril(a, 1), (T,)),
    "triu": (lambda a: ops.triu(a, -1), lambda a: np.triu(a, -1), (M,)),
    "diagonal": (lambda a: ops.diagonal(a, 1, 2, 1), lambda a: np.diagonal(a, 1, 2, 1), (T,)),
    "diagonal_low": (lambda a: ops.diagonal(a, -1), lambda a: np.diagonal(a, -1), (M,)),
    "trace": (lambda a: ops.trace(a), lambda a: np.asarray(np.trace(a)), (M,)),
    "flip_all": (lambda a: ops.flip(a), lambda a: np.flip(a), (M,)),
    "reshape": (lambda a: ops.reshape(a, (-1, 2)), lambda a: np.reshape(a, (-1, 2)), (np.ones((6, 4)),)),
    "transpose": (lambda a: ops.transpose(a), lambda a: np.transpose(a), (T,)),
    "mean": (lambda a: ops.mean(a, (0, 2)), lambda a: np.mean(a, (0, 2)), (T,)),
    "var": (lambda a: ops.var(a, 1, ddof=1), lambda a: np.var(a, 1, ddof=1), (M,)),
    "std": (lambda a: ops.std(a, keepdims=True), lambda a: np.std(a, keepdims=True), (M,)),
    "logsumexp": (lambda a: ops.logsumexp(a, 1), lambda a: special.logsumexp(a, 1), (M * 500,)),
    "argmax_flat": (lambda a: ops.argmax(a), lambda a: np.asarray(np.argmax(a)), (M,)),
    "matmul_vectors": (ops.matmul, lambda a, b: np.asarray(np.matmul(a, b)), (V, V)),
    "matmul_row": (ops.matmul, np.matmul, (M[0, :3], T)),
    "matmul_column": (ops.matmul, np.matmul, (T, M[0])),
    "matmul_shared": (ops.matmul, np.matmul, (T, M.T)),
    "matmul_batched": (ops.matmul, np.matmul, (T, np.swapaxes(T, 1, 2))),
    "matmul_broadcast": (ops.matmul, np.matmul, (T[:, None], np.swapaxes(T, 1, 2)[None])),
    "matmul_one": (ops.matmul, np.matmul, (M[None], np.swapaxes(T, 1, 2))),
    "dot": (ops.dot, np.dot, (T, np.swapaxes(T, 1, 2))),
    "vdot": (ops.vdot, lambda a, b: np.asarray(np.vdot(a, b)), (M + 1j, M * 1j)),
    "inner": (ops.inner, np.inner, (T, M)),
    "outer": (ops.outer, np.outer, (M, V)),
    "tensordot": (
        lambda a, b: ops.tensordot(a, b, ([2, 1], [1, 0])),
        lambda a, b: np.tensordot(a, b, ([2, 1], [1, 0])),
        (T, M),
    ),
    "vecdot": (ops.vecdot, np.vecdot, (T, M)),
    "hypot": (ops.hypot, np.hypot, (M * 1e200, M[::-1])),
    "logaddexp": (ops.logaddexp, np.logaddexp, (M * 1000, M[::-1])),
    "round": (lambda a: ops.round(a, 1), lambda a: np.round(a, 1), (M,)),
    "pad": (
        lambda a: ops.pad(a, ((1, 2), (0, 3)), constant_values=7),
        lambda a: np.pad(a, ((1, 2), (0, 3)), constant_values=7),
        (M,),
    ),
    **{
        f"pad_{mode}": (
            lambda a, m=mode: ops.pad(a, ((1, 2), (0, 1)), m),
            lambda a, m=mode: np.pad(a, ((1, 2), (0, 1)), m),
            (M,),
        )
        for mode in ("edge", "reflect", "symmetric", "wrap")
    },
    "split": (lambda a: ops.split(a, 2, 1), lambda a: np.split(a, 2, 1), (np.ones((3, 4)),)),
    "split_at": (lambda a: ops.split(a, [1, 3, 9], 1), lambda a: np.split(a, [1, 3, 9], 1), (M,)),
    "split_back": (lambda a: ops.split(a, [-3, 2, -1], 1), lambda a: np.split(a, [-3, 2, -1], 1), (M,)),
    "softplus": (ops.softplus, lambda a: np.logaddexp(a, 0), (M * 100,)),
    "nan_to_num": (ops.nan_to_num, np.nan_to_num, (np.array([np.nan, np.inf, -np.inf, 1.0]),)),
    "sort_flat": (lambda a: ops.sort(a, None), lambda a: np.sort(a, None), (M,)),
}


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_function(name: str, symbolic: bool) -> None:
    function, numpy, arrays = CALLS[name]
    if symbolic and name in ("split", "reshape"):
        pytest.skip("the divisibility of a named size is not known")
    expected = numpy(*arrays)
    found = evaluated(function, *arrays, symbolic=symbolic)
    for f, e in zip(found, expected if isinstance(expected, list) else [expected], strict=True):
        assert (f.shape, f.dtype) == (np.shape(e), np.asarray(e).dtype)
        np.testing.assert_allclose(f, e, rtol=1e-12, atol=1e-12)


EINSUMS = [
    ("ij,jk->ik", (3, 4), (4, 5)),
    ("ij,kj", (3, 4), (5, 4)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("...ij,jk->...ik", (2, 3, 4), (4, 5)),
    ("...i,...i", (2, 3), (3,)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("iji->ij", (3, 2, 3)),
    ("ijkl->", (2, 3, 2, 2)),
    ("ij->ji", (2, 3)),
    ("i,j->ij", (2,), (3,)),
    ("i,i,i->i", (3,), (3,), (3,)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    ("ab,bc,cd,da->", (2, 3), (3, 4), (4, 5), (5, 2)),
    ("ij,jk->k", (2, 3), (3, 4)),
    ("ijk,ikl,il->j", (2, 3, 4), (2, 4, 5), (2, 5)),
    ("i->", (3,)),
    ("...->...", (2, 3)),
    ("b...,b->...", (2, 3, 4), (2,)),
    ("ij,ij->ij", (1, 3), (2, 3)),
]


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("case", EINSUMS, ids=[c[0] for c in EINSUMS])
def test_einsum(case: tuple[Any, ...], symbolic: bool) -> None:
    text, *shapes = case
    arrays = [RNG.normal(size=s) for s in shapes]
    found = one(lambda *xs: ops.einsum(text, *xs), *arrays, symbolic=symbolic)
    np.testing.assert_allclose(found, np.asarray(np.einsum(text, *arrays)), rtol=1e-12, atol=1e-12)


CREATIONS: dict[str, tuple[Callable[[], Value], Any]] = {
    "arange": (lambda: ops.arange(5), np.arange(5)),
    "arange_step": (lambda: ops.arange(10, 1, -3), np.arange(10, 1, -3)),
    "arange_float": (lambda: ops.arange(0.0, 1.0, 0.3), np.arange(0.0, 1.0, 0.3)),
    "arange_dtype": (lambda: ops.arange(2, 7, dtype="f32"), np.arange(2, 7, dtype="f4")),
    "arange_empty": (lambda: ops.arange(3, 1), np.arange(3, 1)),
    "linspace": (lambda: ops.linspace(-1, 2, 7), np.linspace(-1, 2, 7)),
    "linspace_open": (lambda: ops.linspace(0, 1, 5, endpoint=False), np.linspace(0, 1, 5, endpoint=False)),
    "linspace_one": (lambda: ops.linspace(3, 9, 1), np.linspace(3, 9, 1)),
    "linspace_int": (lambda: ops.linspace(-1, 4, 4, dtype="i32"), np.linspace(-1, 4, 4, dtype="i4")),
    "eye": (lambda: ops.eye(3, 4, 1), np.eye(3, 4, 1)),
    "tri": (lambda: ops.tri(3, 4, -1, "i32"), np.tri(3, 4, -1, "i4")),
    "full": (lambda: ops.full((2, 2), 7), np.full((2, 2), 7)),
    "full_array": (lambda: ops.full((2, 2), np.arange(2.0)), np.full((2, 2), np.arange(2.0))),
    "zeros": (lambda: ops.zeros(3), np.zeros(3)),
    "ones_like": (lambda: ops.ones_like(np.zeros((2, 0), "i2")), np.ones_like(np.zeros((2, 0), "i2"))),
}


@pytest.mark.parametrize("name", CREATIONS)
def test_creation(name: str) -> None:
    make, expected = CREATIONS[name]
    found = one(make)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-15, atol=1e-15)


def test_sizes_are_operands() -> None:
    x = np.arange(5.0)
    np.testing.assert_array_equal(one(lambda v: ops.divide(v, v.type.shape[0]), x, symbolic=True), x / 5)
    np.testing.assert_array_equal(one(lambda v: ops.arange(v.type.shape[0] + 1), x, symbolic=True), np.arange(6))
    np.testing.assert_array_equal(one(lambda v: ops.eye(v.type.shape[0]), x, symbolic=True), np.eye(5))


N, K = dim.symbol("n"), dim.symbol("m")


def value(*shape: Any, dtype: dt.DType = dt.F32) -> Value:
    return Value(TensorType(dtype, shape), HERE, name="x")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.add(value(N), value(K)), "sizes are 'n' and 'm': a named size broadcasts with itself"),
        (lambda: ops.add(value(N), value(3)), "sizes are 'n' and '3'"),
        (lambda: ops.add(value(2), value(3)), "do not broadcast"),
        (lambda: ops.matmul(value(N, 3), value(4, N)), "do not fit"),
        (lambda: ops.reshape(value(N, 3), (-1, 2)), "do not divide by 2 for every value"),
        (lambda: ops.reshape(value(6), (4,)), "it has 6 elements, the shape 4"),
        (lambda: ops.sum(value(3), axis=1), "axis 1 is out of range"),
        (lambda: ops.sum(value(3, 3), axis=(0, 0)), "named twice"),
        (lambda: ops.max(value(0, 3), axis=0), "over an axis of size 0"),
        (lambda: ops.concatenate([value(2, 3), value(3, 2)]), "differ in another axis"),
        (lambda: ops.stack([value(2), value(3)]), "differ in shape"),
        (lambda: ops.subtract(value(2, dtype=dt.BOOL), value(2, dtype=dt.BOOL)), "operand 'x1' has dtype bool"),
        (lambda: ops.einsum("ij,jk->ik", value(2, 3), value(4, 5)), "letter 'j' has sizes '3' and '4'"),
        (lambda: ops.convolution(value(1, 5, 5, 3), value(2, 2, 4, 1)), "in 1 groups"),
        (lambda: ops.split(value(5), 2), "does not divide into 2"),
        (lambda: ops.squeeze(value(5), 0), "has size '5'"),
        (lambda: ops.transpose(value(5, 2), (0, 0)), "no order"),
        (lambda: ops.pad(value(3), 1, "mirror"), "unknown mode"),
        (lambda: ops.attention(value(3, 4), value(5, 3), value(5, 2)), "expected query"),
        (lambda: ops.add(value(3), None), "no tensor: NoneType"),
        (lambda: ops.add(value(3), "a"), "no tensor: str"),
        (lambda: ops.where(value(3), 1), "is missing"),
        (lambda: ops.astype(value(3), "f33"), "unknown dtype"),
    ],
)
def test_wrong_arguments(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        call()
