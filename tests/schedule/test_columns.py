"""Reductions of columns: of few columns and many rows, blocks of rows are shared among workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tcc import ops
from tcc.loops.program import Loop, Parallel, Program
from tests.schedule.scheduled import AVX2, AVX512, check, program_of


def moments(x: Any) -> Any:
    return ops.sum(x, axis=0), ops.sum(ops.multiply(x, x), axis=0)


CASES: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "sum": (lambda x: ops.sum(x, axis=0), ("f32[4100, 20]",)),
    "of whole numbers": (lambda x: ops.sum(x, axis=0), ("i32[4100, 20]",)),
    "largest": (lambda x: ops.max(x, axis=0), ("f64[4100, 20]",)),
    "mean": (lambda x: ops.mean(x, axis=0), ("f64[4100, 33]",)),
    "two": (moments, ("f32[4100, 20]",)),
    "product": (ops.matmul, ("f32[4100]", "f32[4100, 20]")),
    "complex": (lambda x: ops.sum(x, axis=0), ("c64[4100, 20]",)),
    "around": (lambda x: ops.sum(x, axis=1), ("f32[2, 4100, 20]",)),
    "half": (lambda x: ops.sum(x, axis=0), ("bf16[4100, 20]",)),
}


def shared(program: Program) -> list[str]:
    """The axes of loops that are shared among workers."""
    loops = [s for k in program.kernels for s in k.body if isinstance(s, Loop)]
    return [loop.axis for loop in loops if isinstance(loop.mapping, Parallel)]


@pytest.mark.parametrize("facts", [AVX2, AVX512], ids=["AVX2", "AVX-512"])
@pytest.mark.parametrize("name", CASES)
def test_blocks_of_rows_are_shared(name: str, facts: Any) -> None:
    build, specs = CASES[name]
    program = check(build, *specs, sizes={}, facts=facts, rtol=1e-5 if "bf16" not in specs[0] else 1e-2, atol=1e-3)
    assert [axis for axis in shared(program) if axis.startswith("block")]
    assert len(program.kernels) == 2


@pytest.mark.parametrize(
    ("build", "spec"),
    [
        (lambda x: ops.sum(x, axis=0), "f32[1000, 20]"),
        (lambda x: ops.sum(x, axis=0), "f32[4100, 40000]"),
        (lambda x: ops.argmax(x, axis=0), "f32[4100, 20]"),
        (lambda x: ops.sum(x, axis=0), "f32[n, 20]"),
    ],
    ids=["few rows", "many columns", "positions", "sizes at run time"],
)
def test_one_kernel_does_for_others(build: Callable[..., Any], spec: str) -> None:
    program = program_of(build, spec)
    assert len(program.kernels) == 1
    assert not [axis for axis in shared(program) if axis.startswith("block")]


def test_few_wide_strips_are_halved() -> None:
    program = program_of(lambda x: ops.sum(x, axis=0), "f32[1000, 4096]")
    (loop,) = [s for s in program.kernels[0].body if isinstance(s, Loop)]
    assert loop.hi == 2
    assert isinstance(loop.mapping, Parallel)


def test_nan_and_signed_zeros_go_through_blocks() -> None:
    x = np.full((4100, 20), -0.0)
    x[4000, 3] = np.nan
    check(lambda v: (ops.sum(v, axis=0), ops.max(v, axis=0)), "f64[4100, 20]", sizes={}, inputs=[x])
