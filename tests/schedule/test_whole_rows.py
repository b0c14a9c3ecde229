"""Products whose rows are some whole vectors long: a tile is no wider than the operand, read where it lies or not."""

from __future__ import annotations

import numpy as np
import pytest

from tcc import ops
from tcc.ir.graph import Value
from tcc.ops.creation import literal
from tests.schedule.scheduled import AVX2, AVX512, check

FACTS = {"AVX2": AVX2, "AVX-512": AVX512}


@pytest.mark.parametrize("facts", FACTS)
@pytest.mark.parametrize("columns", [8, 16, 24, 32, 40, 48, 64, 80, 96, 112, 128, 144, 160, 192])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 9])
def test_no_more_than_the_row_is_touched(rows: int, columns: int, facts: str) -> None:
    check(ops.matmul, f"f32[{rows}, 24]", f"f32[24, {columns}]", sizes={}, facts=FACTS[facts])


@pytest.mark.parametrize("columns", [16, 64, 80, 112])
@pytest.mark.parametrize("rows", [1, 2, 3, 4])
@pytest.mark.parametrize("turned", [False, True])
def test_of_weights(rows: int, columns: int, turned: bool) -> None:
    """Also of those that cannot lie in panels, as their rows are read backwards."""
    array = np.random.default_rng(0).normal(size=(24, columns)).astype(np.float32)

    def build(x: Value) -> Value:
        weight = literal(array)
        return ops.matmul(x, ops.flip(weight, axis=0) if turned else weight)

    check(build, f"f32[{rows}, 24]", sizes={}, facts=AVX512)
