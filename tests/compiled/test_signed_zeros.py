"""Partial sums begin at -0, the sum itself at 0: of nothing but -0 it is 0, however many lanes, copies and blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tcc


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("shape", [(64, 64), (128, 300), (4100, 20)], ids=str)
def test_sums_of_negative_zeros(shape: tuple[int, int], dtype: str) -> None:
    rows, columns = shape

    @tcc.function(x=f"{dtype}[{rows}, {columns}]", y=f"{dtype}[{columns}]")
    def sums(x: Any, y: Any) -> Any:
        return x.sum(axis=0), x.sum(axis=1), x.sum(), x @ y

    x = np.full(shape, -0.0, {"f32": np.float32, "f64": np.float64}[dtype])
    for result in tcc.compile(sums).sums(x, np.ones(columns, x.dtype)):
        assert not np.any(result)
        assert not np.any(np.signbit(result))
