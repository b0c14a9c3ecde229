"""Sums of products under windows: no question in their loops, groups as an axis, weights in panels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tcc.ops as ops
from tcc.ir.build import map_functions
from tcc.ir.graph import Value
from tcc.loops.facts import Facts
from tcc.loops.program import Program
from tcc.loops.text import to_text
from tcc.loops.verify import verify
from tcc.passes.rules import simplify
from tcc.schedule import schedule
from tests.schedule.scheduled import AVX512, compare, module_of

AVX2 = Facts(32, 16)


def weight(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def scheduled(make: Any, *specs: str, facts: Facts = AVX2, sizes: Any = None) -> Program:
    module = map_functions(module_of(make, specs), simplify)
    program = schedule(module, facts)
    verify(program)
    compare(module, program, sizes or {})
    return program


@pytest.mark.parametrize("facts", [AVX2, AVX512], ids=["avx2", "avx512"])
def test_padding_is_laid_out_before_the_sums(facts: Facts) -> None:
    def layer(x: Value, k: Value) -> Value:
        return ops.maximum(ops.convolution(x, k, padding="SAME"), 0)

    program = scheduled(layer, "f32[1, 5, 7, 9]", "f32[3, 3, 9, 16]", facts=facts)
    assert [k.name.split("_")[-1] for k in program.kernels] == ["pad", "maximum"]
    assert "inside" not in to_text(program).split("kernel ")[2]


def test_sizes_at_run_time() -> None:
    def layer(x: Value, k: Value) -> Value:
        return ops.convolution(x, k, 2, 1)

    for sizes in ({"n": 1, "h": 5, "w": 4}, {"n": 2, "h": 1, "w": 1}, {"n": 0, "h": 3, "w": 2}):
        scheduled(layer, "f32[n, h, w, 4]", "f32[3, 3, 4, 16]", sizes=sizes)


def test_groups_are_an_axis_of_their_own() -> None:
    program = scheduled(lambda x, k: ops.convolution(x, k, groups=2), "f32[1, 6, 6, 16]", "f32[3, 3, 8, 32]")
    assert "//16" not in to_text(program)


def test_groups_of_fewer_channels_than_lanes_read_their_own_channels_only() -> None:
    """Columns of a tile that do not exist would belong to the next group, past the end of the input in the last."""
    make = lambda x, k: ops.convolution(x, k, groups=2)  # noqa: E731
    program = scheduled(make, "f32[1, 6, 6, 16]", "f32[3, 3, 8, 16]", facts=AVX512)
    assert "//8" not in to_text(program)


def test_a_large_weight_is_stored_in_panels_only() -> None:
    k = weight(3, 3, 32, 100)
    program = scheduled(lambda x: ops.convolution(x, k), "f32[1, 6, 6, 32]")
    assert [c.array.shape for c in program.constants] == [(3, 3 * 3 * 32, 48)]
    panels = program.constants[0].array
    np.testing.assert_array_equal(panels[1], k.reshape(288, 100)[:, 48:96])
    np.testing.assert_array_equal(panels[2, :, :4], k.reshape(288, 100)[:, 96:])
    assert not panels[2, :, 4:].any()


def test_tiles_of_windows_go_through_one_kernel_in_blocks() -> None:
    """Winograd's transforms and products for a block of tiles after the other; the last ones of odd sizes are cut."""
    k = weight(3, 3, 16, 20)

    def layer(x: Value) -> Value:
        return ops.maximum(ops.convolution(x, k, padding="SAME"), 0)

    for sizes in (
        {"n": 2, "h": 5, "w": 3},
        {"n": 1, "h": 2, "w": 7},
        {"n": 1, "h": 1, "w": 1},
        {"n": 0, "h": 3, "w": 2},
    ):
        program = scheduled(layer, "f32[n, h, w, 16]", sizes=sizes)
        assert len(program.kernels) == 1
        assert program.entries[0].workspace == 0


def test_blocks_are_of_rows_of_tiles_where_a_row_is_short() -> None:
    k = weight(3, 3, 16, 16)
    program = scheduled(lambda x: ops.convolution(x, k, padding="SAME"), "f32[3, n, 9, 16]", sizes={"n": 11})
    assert len(program.kernels) == 1
    # Twelve rows of five tiles.
    assert "12*block0" in to_text(program)


def test_blocks_leave_room_for_the_kernel_in_the_second_cache() -> None:
    k = weight(3, 3, 16, 16)
    for l2, rows in ((1 << 20, 7), (1 << 17, 2), (1 << 16, 1)):
        facts = Facts(32, 16, l2=l2)
        program = scheduled(lambda x: ops.convolution(x, k, padding="SAME"), "f32[3, 18, 18, 16]", facts=facts)
        assert len(program.kernels) == 1
        # Three images of nine rows of tiles.
        assert f"for u0 in 0..{3 * -(-9 // rows)} parallel" in to_text(program)


def test_a_single_block_is_not_left_to_one_worker() -> None:
    k = weight(3, 3, 96, 96)
    module = map_functions(module_of(lambda x: ops.convolution(x, k, padding="SAME"), ["f32[1, 14, 16, 96]"]), simplify)
    facts = Facts(32, 16, l2=1 << 18)
    assert [n.name.split("_")[-1] for n in schedule(module, facts).kernels] == [
        "concatenate",
        "general",
        "concatenate",
        "reshape",
    ]


def test_sums_of_the_same_elements_are_stored_together() -> None:
    def layer(x: Value) -> Value:
        a, b = ops.exp(x), ops.tanh(x)
        return ops.stack([ops.add(a, b), ops.subtract(a, b), ops.multiply(a, b)])

    (kernel,) = scheduled(layer, "f32[5, 40]").kernels
    assert to_text(kernel).count("exp(") == 1


@pytest.mark.parametrize(("results", "copies"), [(4, " copies 4"), (8, " copies 2"), (12, "")])
def test_bodies_of_many_results_hide_latency_without_copies(results: int, copies: str) -> None:
    def layer(x: Value) -> Value:
        return ops.stack([ops.add(ops.exp(x), float(k)) for k in range(results)])

    (kernel,) = scheduled(layer, "f32[5, 40]").kernels
    assert f"for i0 in 0..200 lanes 8{copies}  @" in to_text(kernel)


def test_unlike_pieces_are_stored_apart() -> None:
    def layer(x: Value, y: Value) -> Value:
        return ops.concatenate([ops.exp(x), ops.tanh(y), ops.exp(x)])

    assert len(scheduled(layer, "f32[5, 40]", "f32[5, 40]").kernels) == 2
