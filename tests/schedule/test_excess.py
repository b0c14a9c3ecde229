"""Products of bytes of the same sign: what flipping one operand's top bits adds is made once for each row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tcc import ops
from tcc.ir.graph import Value
from tests.schedule.scheduled import AVX512, check


def product(a: Value, b: Value) -> Value:
    return ops.matmul(ops.astype(a, "i32"), ops.astype(b, "i32"))


def scaled(a: Value, b: Value) -> Value:
    return ops.multiply(ops.astype(product(a, b), "f32"), 0.5)


CASES: dict[str, tuple[Callable[..., Any], tuple[str, ...], int]] = {
    "several blocks": (product, ("i8[9, 64]", "i8[64, 200]"), 2),
    "unsigned": (product, ("u8[9, 64]", "u8[64, 200]"), 2),
    "epilogue": (scaled, ("i8[9, 64]", "i8[64, 200]"), 2),
    "batched": (product, ("i8[3, 9, 64]", "i8[3, 64, 200]"), 2),
    "a batch of right operands": (product, ("i8[9, 64]", "i8[3, 64, 200]"), 2),
    "sizes at run time": (product, ("i8[m, 64]", "i8[64, n]"), 2),
    "one block": (product, ("i8[9, 64]", "i8[64, 40]"), 1),
    "packed rows": (product, ("i8[9, 63]", "i8[63, 200]"), 1),
    "of both signs": (product, ("u8[9, 64]", "i8[64, 200]"), 1),
}


@pytest.mark.parametrize("name", CASES)
def test_rows_are_gone_through_once(name: str) -> None:
    build, specs, kernels = CASES[name]
    for sizes in ({"m": 9, "n": 70}, {"m": 1, "n": 1}):
        program = check(build, *specs, sizes=sizes, facts=AVX512)
    assert len(program.kernels) == kernels
