"""Products with long shared axes: all tiles of rows go some steps together before the next steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tcc import ops
from tcc.ir.graph import Value
from tcc.loops import walk
from tcc.loops.program import Alloc, Loop, Parallel
from tcc.ops.creation import literal
from tests.schedule.scheduled import AVX512, check, program_of

SMALL = replace(AVX512, l2=128 << 10, dots=frozenset())
WEIGHT = np.random.default_rng(3).normal(size=(1100, 50)).astype(np.float32)


def residual(a: Value, b: Value, c: Value) -> Value:
    return ops.maximum(ops.add(ops.matmul(a, b), c), 0)


CASES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "plain": (ops.matmul, ("f32[20, 1100]", "f32[1100, 50]")),
    "whole panels": (ops.matmul, ("f32[16, 1024]", "f32[1024, 96]")),
    "left turned": (lambda a, b: ops.matmul(ops.transpose(a), b), ("f32[1100, 20]", "f32[1100, 50]")),
    "right turned": (lambda a, b: ops.matmul(a, ops.transpose(b)), ("f64[20, 1100]", "f64[50, 1100]")),
    "batched": (ops.matmul, ("f32[2, 20, 1100]", "f32[2, 1100, 50]")),
    "epilogue": (residual, ("f32[20, 1100]", "f32[1100, 50]", "f32[50]")),
    "weight": (lambda a: ops.tanh(ops.matmul(a, literal(WEIGHT))), ("f32[20, 1100]",)),
    "many rows": (ops.matmul, ("f32[120, 1100]", "f32[1100, 100]")),
}


@pytest.mark.parametrize("name", CASES)
def test_blocks_of_steps(name: str) -> None:
    build, specs = CASES[name]
    program = program_of(build, *specs, facts=SMALL)
    (kernel,) = program.kernels
    assert any(isinstance(s, Loop) and s.axis.startswith("depth") for s in walk.statements(kernel.body))
    check(build, *specs, sizes={}, facts=SMALL, atol=1e-3)


def test_halves_of_the_rows_are_shared_where_all_columns_are_one_block() -> None:
    program = check(ops.matmul, "f32[64, 1100]", "f32[1100, 64]", sizes={}, facts=SMALL, atol=1e-3)
    (loop,) = [s for s in program.kernels[0].body if isinstance(s, Loop)]
    assert loop.hi == 2
    assert isinstance(loop.mapping, Parallel)
    assert not any(s.buffer.name.startswith("panel") for s in walk.statements(loop.body) if isinstance(s, Alloc))


def test_short_axes_are_not_cut() -> None:
    (kernel,) = program_of(ops.matmul, "f32[20, 400]", "f32[400, 50]", facts=SMALL).kernels
    assert not any(isinstance(s, Loop) and s.axis.startswith("depth") for s in walk.statements(kernel.body))
