"""Chains of groups that meet in a large value: which become one kernel, and what that computes."""

from __future__ import annotations

from typing import Any

import pytest

from tcc import ops
from tcc.ir import dim
from tcc.loops import walk
from tcc.loops.facts import Facts
from tcc.schedule.chains import band
from tcc.schedule.chains.chain import Chain, chained
from tcc.schedule.placement import group
from tests.schedule.chains import CASES, layers
from tests.schedule.scheduled import AVX2, AVX512, check, module_of, program_of

SIZES = {"g": 2, "h": 2, "n": 67, "m": 11}


@pytest.mark.parametrize("name", CASES)
def test_a_chain_is_one_kernel(name: str) -> None:
    build, specs = CASES[name]
    program = program_of(build, *specs)
    assert len(program.kernels) == 1
    (entry,) = program.entries
    assert entry.workspace == 0


@pytest.mark.parametrize("name", CASES)
def test_a_chain_computes_what_the_graph_does(name: str) -> None:
    build, specs = CASES[name]
    check(build, *specs, sizes=SIZES, facts=AVX2)


@pytest.mark.parametrize("facts", [AVX2, AVX512])
@pytest.mark.parametrize("rows", [5, 97, 130])
@pytest.mark.parametrize("shift", [-200, -100, -97, -40, 0, 3, 200])
def test_bands_of_known_sizes(rows: int, shift: int, facts: Facts) -> None:
    """Blocks of which nothing is seen, a part, or all; of rows that are whole tiles, or not."""

    def build(x: Any, a: Any, b: Any) -> Any:
        scores = ops.matmul(x, a)
        row, column = (ops.iota(scores.type.shape, axis) for axis in (0, 1))
        seen = ops.less(column, ops.add(row, shift))
        return ops.matmul(ops.where(seen, ops.tanh(scores), 0), b)

    check(build, f"f32[{rows}, 2]", f"f32[2, {rows}]", f"f32[{rows}, 3]", sizes={}, facts=facts)


def band_of(name: str) -> band.Band | None:
    build, specs = CASES[name]
    (function,) = module_of(build, specs).functions
    grouping = chained(group(function.graph), function.graph.outputs, AVX2)
    (chain,) = grouping.groups
    assert isinstance(chain, Chain)
    return band.found(chain, grouping)


@pytest.mark.parametrize(("name", "shift"), [("causal", 0), ("windowed", 2)])
def test_columns_that_are_masked_for_a_whole_block_are_not_computed(name: str, shift: int) -> None:
    found = band_of(name)
    assert found is not None
    assert found.shift == shift
    build, specs = CASES[name]
    (kernel,) = program_of(build, *specs).kernels
    assert "seen0" in {s.name for size in walk.all_sizes(kernel.body) for s in dim.symbols(size)}


@pytest.mark.parametrize("name", ["attention", "masked", "layers", "weights", "grouped"])
def test_other_chains_use_all_columns(name: str) -> None:
    assert band_of(name) is None


@pytest.mark.parametrize("name", ["causal", "windowed"])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (66, 130), (130, 3), (70, 70)])
def test_bands_of_any_size(name: str, n: int, m: int) -> None:
    build, specs = CASES[name]
    check(build, *specs, sizes={"h": 1, "n": n, "m": m}, facts=AVX2)


@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (1, 1), (64, 7), (65, 1)])
def test_blocks_of_any_size(n: int, m: int) -> None:
    build, specs = CASES["masked"]
    check(build, *specs, sizes={"h": 1, "n": n, "m": m}, facts=AVX2)


def test_weights_that_would_be_read_for_each_block_are_no_chain() -> None:
    program = program_of(layers, "f32[n, 768]", "f32[768, 3072]", "f32[3072, 768]")
    assert len(program.kernels) == 2


def test_what_fits_into_the_cache_is_no_chain() -> None:
    program = program_of(ops.attention, "f32[2, 16, 12]", "f32[2, 16, 12]", "f32[2, 16, 12]")
    assert len(program.kernels) > 1


def test_a_value_that_others_read_is_in_memory() -> None:
    def build(x: Any, a: Any, b: Any) -> Any:
        hidden = ops.maximum(ops.matmul(x, a), 0)
        return ops.matmul(hidden, b), ops.sum(hidden, 0)

    check(build, "f32[n, 12]", "f32[12, 16]", "f32[16, 5]", sizes={"n": 66})
