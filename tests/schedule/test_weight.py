"""Weights laid out in panels: their bytes, their digests, and that no more than a panel is made at a time."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import tcc
from tcc import describe, pipeline
from tcc.ir.dtype import BF16, I8, DType
from tcc.ir.graph import Constant
from tcc.loops.weight import Packing, Panels, Weight, joined


def numbers(*shape: int, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(-100, 100, shape).astype(dtype)


def expected(view: np.ndarray[Any, Any], outer: int, panels: Panels) -> np.ndarray[Any, Any]:
    """Element by element, from an array whose axes are the outer loops, the shared ones and the columns."""
    *around, columns = view.shape
    wide, words = panels.wide, panels.words
    filled = np.zeros((*around, -(-columns // wide) * wide), view.dtype)
    filled[..., :columns] = view
    if words is not None:
        rest = [(0, 0)] * (filled.ndim - 2) + [(0, -filled.shape[-2] % words.count), (0, 0)]
        filled = np.pad(filled, rest)
        last = [filled[..., k :: words.count, :].astype(words.dtype.numpy) for k in range(words.count)]
        bits = [x.view(f"u{words.dtype.bytes}").astype(np.uint32) << (words.dtype.bits * k) for k, x in enumerate(last)]
        filled = np.bitwise_or.reduce(bits) ^ np.uint32(words.flipped)
    steps = filled.reshape(*filled.shape[:outer], -1, filled.shape[-1])
    return np.stack([steps[..., k : k + wide] for k in range(0, steps.shape[-1], wide)], -3)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("words", [None, Packing(4, I8, 0x80808080), Packing(2, BF16)])
@pytest.mark.parametrize("columns", [1, 16, 35])
def test_panels_are_made_one_by_one(columns: int, words: Packing | None, turned: bool) -> None:
    dtype: DType | None = words and words.dtype
    array = numbers(2, 3, 7, columns, dtype=dtype.numpy if dtype else np.float32)
    view = array
    if turned:
        array = np.ascontiguousarray(array.transpose(3, 1, 0, 2))
        view = array.transpose(2, 1, 3, 0)
    lines = [(n, step // array.itemsize) for n, step in zip(view.shape, view.strides, strict=True)]
    panels = Panels(0, tuple(lines[:1]), tuple(lines[1:3]), lines[3], 16, words)
    weight = Weight(Constant.of(array), panels)
    assert len(list(weight.pieces())) == 2 * -(-columns // 16)
    np.testing.assert_array_equal(weight.array, expected(view, 1, panels))
    assert weight.array.shape == weight.shape
    assert (weight.array.dtype, weight.array.size) == (weight.dtype.numpy, weight.size)


def test_the_same_elements_in_other_loops_are_the_same_lines() -> None:
    assert joined([(2, 60), (3, 20), (4, 5)]) == ((24, 5),)
    assert joined([(1, 0), (24, 5), (1, 0)]) == ((24, 5),)
    assert joined([(1, 0), (1, 0)]) == ((1, 0),)
    assert joined([(24, 5), (1, 0)], 4) == ((24, 5), (1, 0))
    assert joined([(2, 60), (3, 20), (4, 5)], 4) == ((24, 5),)
    assert joined([(2, 15), (3, 5)], 4) == ((2, 15), (3, 5))
    assert joined([(2, 5), (3, 100)]) == ((2, 5), (3, 100))


def test_a_digest_names_source_and_layout() -> None:
    constant, other = Constant.of(numbers(4, 32)), Constant.of(numbers(4, 32) + 1)
    panels = Panels(0, (), ((4, 32),), (32, 1), 16)
    digests = {
        Weight(constant).digest,
        Weight(constant, panels).digest,
        Weight(other, panels).digest,
        Weight(constant, Panels(0, (), ((4, 32),), (32, 1), 8)).digest,
        Weight(constant, Panels(0, (), ((4, 32),), (32, 1), 16, Packing(2, BF16))).digest,
    }
    assert len(digests) == 5
    assert Weight(Constant.of(numbers(4, 32)), Panels(0, (), ((4, 32),), (32, 1), 16)).digest in digests


def test_memory_does_not_grow_with_the_weights() -> None:
    weights = [numbers(512, 1024), numbers(1024, 512)]
    for weight in weights:
        weight.flags.writeable = False

    @tcc.function(x="f32[n, 512]")
    def layers(x: np.ndarray[Any, Any]) -> Any:
        return np.tanh(x @ weights[0]) @ weights[1]

    module = tcc.trace(layers).module
    sizes: list[int] = []
    tracemalloc.start()
    try:
        made = pipeline.schedule(module, pipeline.Options(target="x86-64-v2,x86-64-v3,x86-64-v4"))
        block = describe.weight_block(made.module, made.programs)
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        block.write(lambda piece: sizes.append(len(piece)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [t.layout for t in block.tensors] == ["panels of 48 columns"] * 2
    assert sum(sizes) == block.bytes > 4 << 20
    assert before < 2 << 20
    assert most - before < 1 << 20
