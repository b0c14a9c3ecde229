"""Type texts and dtype promotion."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tcc.errors import UserError
from tcc.ir import dim, dtype, types
from tcc.ir.types import TensorType


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("f32[batch, 784]", "f32[batch, 784]"),
        ("f32", "f32[]"),
        ("f64[ ]", "f64[]"),
        ("i8[2*n+1]", "i8[2*n + 1]"),
        ("c128[max(n, 3), n//2]", "c128[max(3, n), n//2]"),
        ("f32[n:1..4096]", "f32[n]"),
        ("float32[3,]", "f32[3]"),
    ],
)
def test_specs_parse_and_print(text: str, printed: str) -> None:
    assert str(types.parse(text)) == printed


def test_ranges_reach_the_symbols() -> None:
    known: dict[str, dim.Size] = {}
    types.parse("f32[n:2..8, m:1..]", known)
    assert dim.bounds(known["n"]) == (2, 8)
    assert dim.bounds(known["m"]) == (1, None)
    assert types.parse("f32[n]", known).shape == (known["n"],)


@pytest.mark.parametrize("text", ["f32[", "f33[2]", "f32[-1]", "f32[n**2]", "[3]", "f32[n:1..2, n:1..3]"])
def test_bad_specs_are_refused(text: str) -> None:
    with pytest.raises(UserError):
        types.parse(text, {})


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations_with_replacement(dtype.ALL, 2)))
def test_promotion_is_numpys(a: dtype.DType, b: dtype.DType) -> None:
    try:
        expected = np.result_type(a.numpy, b.numpy)
    except TypeError:
        with pytest.raises((UserError, TypeError)):
            dtype.promote(a, b)
        return
    assert dtype.promote(a, b).numpy == expected


def test_strides_are_row_major() -> None:
    n = dim.symbol("n")
    assert TensorType(dtype.F32, (2, n, 4)).strides == (4 * n, 4, 1)
    assert TensorType(dtype.F32).strides == ()


@pytest.mark.parametrize("name", ["i8", "u8"])
def test_names_that_numpy_reads_otherwise_are_refused_as_arguments(name: str) -> None:
    assert types.parse(f"{name}[3]").dtype.bits == 8
    with pytest.raises(UserError, match="two meanings"):
        dtype.of(name)
    assert dtype.of(np.dtype(name)).bits == 64
