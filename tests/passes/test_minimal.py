"""Winograd's filters: exactly what they stand for, and no more error than they state."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

from tcc.ir import dtype as dt
from tcc.passes.minimal import F2, F4, FILTERS, WINDOW, Filter, Rows, added_error


def whole(matrices: Sequence[Rows]) -> Any:
    found = np.eye(len(matrices[0][0]))
    for rows in matrices:
        found = np.array(rows) @ found
    return found


@pytest.mark.parametrize("f", FILTERS, ids=lambda f: f"F{f.made}")
def test_results_are_those_of_the_window(f: Filter) -> None:
    """Of each element of a tile, by each of the kernel: they are linear in both."""
    for tile, kernel in product(np.eye(f.tile), np.eye(WINDOW)):
        found = whole(f.results) @ ((f.wide @ kernel) * (whole(f.seen) @ tile))
        np.testing.assert_allclose(found, [tile[k : k + WINDOW] @ kernel for k in range(f.made)], atol=1e-15)


def test_those_of_two_results_are_lavin_and_grays() -> None:
    assert whole(F2.seen).tolist() == [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]]
    assert F2.wide.tolist() == [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]
    assert whole(F2.results).tolist() == [[1, 1, 1, 0], [0, 1, -1, 1]]


def test_factors_of_four_results_are_exact_in_f32() -> None:
    for matrix in (*F4.seen, *F4.results):
        np.testing.assert_array_equal(np.array(matrix), np.array(matrix, np.float32))


def test_errors_grow_with_the_filters_the_channels_and_epsilon() -> None:
    assert added_error([F2, F2], 1024, dt.F32) == 0
    assert 0 < added_error([F4], 64, dt.F32) == added_error([F4, F2], 64, dt.F32) < added_error([F4, F4], 64, dt.F32)
    assert added_error([F4, F4], 256, dt.F32) == 2 * added_error([F4, F4], 64, dt.F32)
    assert added_error([F4], 64, dt.F64) == 2.0**-29 * added_error([F4], 64, dt.F32)
