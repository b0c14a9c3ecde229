"""Products of few rows: the right operand is read row by row, the sums so far stand in a strip of results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tcc import ops
from tcc.ir.graph import Value
from tcc.loops import walk
from tcc.loops.program import Loop, Program
from tests.schedule.scheduled import AVX2, AVX512, check, program_of

SMALL = {"AVX2": replace(AVX2, l2=16 << 10), "AVX-512": replace(AVX512, l2=16 << 10, dots=frozenset())}


def is_streamed(program: Program) -> bool:
    return any(isinstance(s, Loop) and s.unrolled for k in program.kernels for s in walk.statements(k.body))


def dense(a: Value, b: Value, c: Value) -> Value:
    return ops.maximum(ops.add(ops.matmul(a, b), c), 0)


def softmaxed(a: Value, b: Value) -> Value:
    return ops.softmax(ops.matmul(a, b), axis=-1)


CASES: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "two rows": (ops.matmul, ("f32[2, 40]", "f32[40, 300]")),
    "three rows": (ops.matmul, ("f32[3, 43]", "f32[43, 301]")),
    "four rows": (ops.matmul, ("f64[4, 47]", "f64[47, 260]")),
    "left turned": (lambda a, b: ops.matmul(ops.transpose(a), b), ("f32[40, 3]", "f32[40, 300]")),
    "batched": (ops.matmul, ("f32[2, 3, 40]", "f32[2, 40, 300]")),
    "one operand for a batch": (ops.matmul, ("f32[5, 3, 40]", "f32[40, 300]")),
    "epilogue": (dense, ("f32[3, 40]", "f32[40, 300]", "f32[300]")),
    "softmax": (softmaxed, ("f32[3, 40]", "f32[40, 300]")),
    "two products": (
        lambda a, b, c: ops.add(ops.matmul(a, b), ops.matmul(a, c)),
        ("f32[3, 40]", "f32[40, 300]", "f32[40, 300]"),
    ),
}


@pytest.mark.parametrize("facts", SMALL)
@pytest.mark.parametrize("name", CASES)
def test_few_rows_are_streamed(name: str, facts: str) -> None:
    build, specs = CASES[name]
    program = check(build, *specs, sizes={}, facts=SMALL[facts], atol=1e-4, rtol=1e-4)
    assert is_streamed(program) == (name != "one operand for a batch")


@pytest.mark.parametrize(
    ("build", "specs"),
    [
        (ops.matmul, ("f32[5, 40]", "f32[40, 300]")),
        (ops.matmul, ("f32[3, 40]", "f32[40, 100]")),
        (ops.matmul, ("f32[3, 8]", "f32[8, 600]")),
        (lambda a, b: ops.matmul(a, ops.transpose(b)), ("f32[3, 40]", "f32[300, 40]")),
        (lambda a, b: ops.matmul(a, ops.astype(b, "f32")), ("f32[3, 40]", "f16[40, 300]")),
        (ops.matmul, ("f32[n, 40]", "f32[40, 300]")),
    ],
    ids=["more rows", "short rows", "few steps", "turned", "converted", "rows at run time"],
)
def test_others_are_not(build: Callable[..., Any], specs: tuple[str, ...]) -> None:
    assert not is_streamed(program_of(build, *specs, facts=SMALL["AVX-512"]))


def test_more_rows_are_where_the_operand_is_in_no_cache() -> None:
    facts = replace(SMALL["AVX-512"], last_level=32 << 10)
    assert is_streamed(check(ops.matmul, "f32[7, 40]", "f32[40, 300]", sizes={}, facts=facts, atol=1e-4, rtol=1e-4))
