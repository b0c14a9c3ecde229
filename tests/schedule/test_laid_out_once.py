"""Large products: right operands are laid out by a kernel of their own, and units of few rows read them."""

from __future__ import annotations

import pytest

from tcc import ops
from tcc.ir.graph import Value
from tcc.loops.facts import Facts
from tcc.loops.program import Loop, Parallel
from tcc.loops.walk import statements
from tcc.schedule.products import panels
from tests.schedule.scheduled import AVX2, AVX512, check, program_of


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products are large from a few rows on."""
    monkeypatch.setattr(panels, "LARGE", 1)
    monkeypatch.setattr(panels, "SEVERAL", 30)
    monkeypatch.setattr(panels, "PACKED_SPAN", 0)


@pytest.mark.parametrize("facts", [AVX512, AVX2])
@pytest.mark.parametrize("rows", [30, 131, 140])
@pytest.mark.parametrize("columns", [50, 96, 100])
@pytest.mark.parametrize("batch", ["", "2, "])
def test_sizes(rows: int, columns: int, batch: str, facts: Facts) -> None:
    specs = f"f32[{batch}{rows}, 5]", f"f32[{batch}5, {columns}]"
    check(ops.matmul, *specs, sizes={}, facts=facts)


@pytest.mark.parametrize("dtype", ["f64", "bf16", "i8"])
def test_dtypes(dtype: str) -> None:
    half: dict[str, float] = {"rtol": 2e-2, "atol": 0.1} if dtype == "bf16" else {}
    check(ops.matmul, f"{dtype}[131, 6]", f"{dtype}[6, 100]", sizes={}, **half)


def test_operands_that_are_turned_and_what_becomes_of_the_sums() -> None:
    def build(a: Value, b: Value, c: Value) -> Value:
        return ops.maximum(ops.add(ops.matmul(ops.transpose(a), ops.transpose(b)), c), 0)

    check(build, "f32[5, 131]", "f32[100, 5]", "f32[100]", sizes={})


def test_units_are_of_few_rows() -> None:
    """Three blocks of columns are too few for even shares: each has the rows of eight tiles or less."""
    before, product = program_of(ops.matmul, "f32[640, 10]", "f32[10, 144]", facts=AVX512).kernels
    (units,) = [x for x in statements(product.body) if isinstance(x, Loop) and isinstance(x.mapping, Parallel)]
    assert units.hi == 3 * 10
    assert [p.access for p in before.parameters] == ["read", "write"]


def test_results_of_run_time_size_are_made_in_one_kernel() -> None:
    assert len(program_of(ops.matmul, "f32[m, 10]", "f32[10, 144]", facts=AVX512).kernels) == 1
