"""The dtypes of results, and what Python scalars and mixed operands become, are NumPy 2's."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tcc import ops
from tcc.errors import UserError
from tcc.ir import dtype as dt
from tests.ops.evaluated import one

NUMPY = [d for d in dt.ALL if d != dt.BF16]
UNARY = [
    "negative",
    "sign",
    "square",
    "reciprocal",
    "sqrt",
    "cbrt",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "logical_not",
    "bitwise_invert",
    "isnan",
    "isinf",
    "isfinite",
    "signbit",
    "conj",
]
BINARY = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "floor_divide",
    "remainder",
    "fmod",
    "power",
    "arctan2",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
    "copysign",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "left_shift",
    "right_shift",
    "logaddexp",
    "hypot",
]
REDUCTIONS = [
    "sum",
    "prod",
    "max",
    "min",
    "any",
    "all",
    "argmax",
    "argmin",
    "mean",
    "var",
    "std",
    "cumsum",
    "cumprod",
    "sort",
    "argsort",
]
BEYOND = {
    "sign",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "maximum",
    "minimum",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
}
"""Functions that NumPy defines on complex numbers (by lexicographic order, say) and tcc does not."""


def outcome(function: Callable[..., Any], *args: Any) -> Any:
    """The result's dtype, or that it is an error."""
    with np.errstate(all="ignore"):
        try:
            return np.asarray(function(*args)).dtype
        except (TypeError, UserError, OverflowError):
            return "error"


def agree(name: str, numpy: Callable[..., Any], *args: Any) -> None:
    expected = outcome(numpy, *args)
    arrays = [a for a in args if isinstance(a, np.ndarray)]

    def call(*values: Any) -> Any:
        given = iter(values)
        return getattr(ops, name)(*(next(given) if isinstance(a, np.ndarray) else a for a in args))

    found = outcome(lambda: one(call, *arrays))
    beyond = found == "error" and any(a.dtype.kind == "c" for a in arrays)
    assert found == expected or beyond, f"{name} of {[getattr(a, 'dtype', a) for a in args]}: {found}, NumPy {expected}"


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str) -> None:
    for d in NUMPY:
        agree(name, getattr(np, name), np.ones(2, d.numpy))


@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str) -> None:
    for a, b in itertools.product(NUMPY, NUMPY):
        agree(name, getattr(np, name), np.ones(2, a.numpy), np.ones(2, b.numpy))


@pytest.mark.parametrize("name", BINARY)
def test_python_scalars_are_weak(name: str) -> None:
    for d, scalar in itertools.product(NUMPY, (True, 1, 1.0)):
        agree(name, getattr(np, name), np.ones(2, d.numpy), scalar)
        agree(name, getattr(np, name), scalar, np.ones(2, d.numpy))


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name: str) -> None:
    for d in NUMPY:
        agree(name, getattr(np, name), np.ones(2, d.numpy))


def test_where_and_clip() -> None:
    for a, b in itertools.product(NUMPY, NUMPY):
        agree("where", np.where, np.ones(2, np.bool_), np.ones(2, a.numpy), np.ones(2, b.numpy))
    for d, scalar in itertools.product(NUMPY, (True, 1, 1.0)):
        agree("where", np.where, np.ones(2, np.bool_), np.ones(2, d.numpy), scalar)


@pytest.mark.parametrize("name", ["matmul", "dot", "inner", "outer", "tensordot"])
def test_products(name: str) -> None:
    for a, b in itertools.product(NUMPY, NUMPY):
        x, y = np.ones((2, 2), a.numpy), np.ones((2, 2), b.numpy)
        agree(name, getattr(np, name), x, y)


def test_integers_compare_by_their_values() -> None:
    signed = np.array([-1, 0, 2**62, 2**63 - 1], np.int64)
    unsigned = np.array([0, 1, 2**63, 2**64 - 1], np.uint64)
    for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
        function = getattr(ops, name)
        for x, y in ((signed[:, None], unsigned[None, :]), (unsigned[:, None], signed[None, :])):
            np.testing.assert_array_equal(one(function, x, y), getattr(np, name)(x, y), err_msg=name)


def test_a_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match="300 does not fit u8"):
        one(lambda x: ops.add(x, 300), np.zeros(2, np.uint8))
    with pytest.raises(UserError, match="no common dtype"):
        one(ops.add, np.zeros(2, dt.BF16.numpy), np.zeros(2, np.int32))


def test_a_weak_float_beside_bf16_stays_bf16() -> None:
    assert one(lambda x: ops.multiply(x, 0.5), np.ones(2, dt.BF16.numpy)).dtype == dt.BF16.numpy


@pytest.mark.parametrize("number", [300, -1])
@pytest.mark.parametrize("name", ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"])
def test_a_number_beyond_the_dtype_compares_by_its_value(name: str, number: int) -> None:
    x = np.array([0, 1, 255], np.uint8)
    function, numpy = getattr(ops, name), getattr(np, name)
    np.testing.assert_array_equal(one(lambda v: function(v, number), x), numpy(x, number))
    np.testing.assert_array_equal(one(lambda v: function(number, v), x), numpy(number, x))
