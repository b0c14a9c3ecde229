"""Products of which the results are larger than the second cache, and the right operand is not: rows go first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tcc import ops
from tcc.ir.graph import Value
from tcc.loops.program import Loop, Parallel
from tcc.loops.walk import statements
from tcc.ops.creation import literal
from tests.schedule.scheduled import AVX512, check, program_of

FACTS = replace(AVX512, l1=2 << 10, l2=16 << 10)


@pytest.mark.parametrize("rows", [40, 41, 77])
@pytest.mark.parametrize("columns", [64, 96, 100, 200])
@pytest.mark.parametrize("steps", [9, 10])
@pytest.mark.parametrize("batch", ["", "3, "])
def test_sizes(rows: int, columns: int, steps: int, batch: str) -> None:
    check(ops.matmul, f"f32[{batch}{rows}, {steps}]", f"f32[{batch}{steps}, {columns}]", sizes={}, facts=FACTS)


@pytest.mark.parametrize("turned", [False, True])
def test_weights(turned: bool) -> None:
    array = np.random.default_rng(0).normal(size=(100, 10) if turned else (10, 100)).astype(np.float32)

    def build(x: Value) -> Value:
        return ops.maximum(ops.matmul(x, ops.transpose(literal(array)) if turned else literal(array)), 0)

    for rows in ("rows", "60"):
        check(build, f"f32[{rows}, 10]", sizes={"rows": 60}, facts=FACTS)


def test_turned_operands() -> None:
    def build(a: Value, b: Value) -> Value:
        return ops.matmul(ops.transpose(a), ops.transpose(b))

    check(build, "f32[10, 70]", "f32[96, 10]", sizes={}, facts=FACTS)
    check(build, "bf16[10, 70]", "bf16[100, 10]", sizes={}, facts=FACTS, rtol=2e-2, atol=0.1)


def test_right_operands_are_laid_out_once() -> None:
    """By a kernel of its own; the other one has one unit for each tile of eight rows and each block of columns."""
    before, product = program_of(ops.matmul, "f32[640, 10]", "f32[10, 200]", facts=FACTS).kernels
    assert [p.name for p in before.parameters if p.access == "write"] == [
        p.name for p in product.parameters if "panel" in p.name
    ]
    (units,) = [x for x in statements(product.body) if isinstance(x, Loop) and isinstance(x.mapping, Parallel)]
    assert units.hi == 80 * 5


def test_operands_larger_than_the_cache_go_block_by_block() -> None:
    (kernel,) = program_of(ops.matmul, "f32[64, 40]", "f32[40, 200]", facts=FACTS).kernels
    assert not any("panels" in p.name for p in kernel.parameters)
