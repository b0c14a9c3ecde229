"""Traced and eager dtypes agree: every ufunc of the table, every pair of dtypes, Python scalars beside arrays."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest

import tcc
from tcc.errors import TccError
from tcc.frontends.numpy import scope as scopes
from tcc.frontends.numpy import table
from tcc.frontends.numpy.scope import Scope
from tcc.frontends.numpy.tracer import Tracer
from tcc.ir import dtype as dt
from tcc.ir.build import graph_input
from tcc.ir.types import TensorType

DTYPES = [d for d in dt.ALL if d.name != "bf16"]
SCALARS = [True, 3, 2.5, 1j]
UNARY = [u for u in table.UFUNCS if u.nin == 1]
BINARY = [u for u in table.UFUNCS if u.nin == 2 and u.signature is None]


def eager(ufunc: np.ufunc, *operands: Any) -> Any:
    """The result dtypes in NumPy, or None where NumPy refuses."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return dtypes(ufunc(*operands))
        except (TypeError, OverflowError, ValueError):
            return None


def traced(ufunc: np.ufunc, *operands: Any) -> Any:
    """The result dtypes in a trace, or None where tcc refuses."""
    scope = Scope("test")
    with scopes.entered(scope):
        inputs = [
            Tracer(graph_input(TensorType(dt.of(x.dtype), x.shape)), scope) if isinstance(x, np.ndarray) else x
            for x in operands
        ]
        try:
            return dtypes(ufunc(*inputs))
        except TccError:
            return None


def dtypes(result: Any) -> list[np.dtype[Any]]:
    return [r.dtype for r in (result if isinstance(result, tuple) else (result,))]


@pytest.mark.parametrize("ufunc", UNARY, ids=lambda u: u.__name__)
def test_unary(ufunc: np.ufunc) -> None:
    wrong = []
    for dtype in DTYPES:
        x = np.ones(2, dtype.numpy)
        expected, found = eager(ufunc, x), traced(ufunc, x)
        if found != expected and not (found is None and expected is not None and dtype.kind in REFUSED):
            wrong.append((dtype.name, expected, found))
    assert not wrong


REFUSED = ("complex", "bool")
"""Kinds for which tcc may refuse what NumPy computes; it may never give another dtype."""


@pytest.mark.parametrize("ufunc", BINARY, ids=lambda u: u.__name__)
def test_binary(ufunc: np.ufunc) -> None:
    wrong = []
    pairs = [(np.ones(2, a.numpy), np.ones(2, b.numpy)) for a, b in itertools.product(DTYPES, repeat=2)]
    pairs += [(np.ones(2, a.numpy), s) for a, s in itertools.product(DTYPES, SCALARS)]
    pairs += [(s, np.ones(2, a.numpy)) for a, s in itertools.product(DTYPES, SCALARS)]
    for pair in pairs:
        expected, found = eager(ufunc, *pair), traced(ufunc, *pair)
        kinds = {dt.of(np.asarray(x).dtype).kind for x in pair}
        if found != expected and not (found is None and expected is not None and kinds & set(REFUSED)):
            wrong.append(([getattr(x, "dtype", x) for x in pair], expected, found))
    assert not wrong[:5]


@pytest.mark.parametrize("scalar", [np.float64(2), np.float32(2), np.int8(2), np.bool_(True)], ids=str)
def test_numpy_scalars_are_strong(scalar: Any) -> None:
    for dtype in DTYPES:
        x = np.ones(2, dtype.numpy)
        assert traced(np.add, x, scalar) == eager(np.add, x, scalar)


@pytest.mark.parametrize("name", ["i8", "u8", "u1", "i4", "f4", "f8", "c8", "float64", "bool", "int", "<f4"])
def test_names_of_dtypes_are_read_as_numpy_reads_them(name: str) -> None:
    x = np.ones(2, "f4")
    for function in (lambda x: x.astype(name), lambda x: np.zeros_like(x, dtype=name)):
        assert tcc.function(function)(x).dtype == function(x).dtype
