"""Equal kernels are compiled once; kernels that differ in anything but names and lines stay apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import tcc
from tcc import pipeline
from tcc.ir.location import Location
from tcc.loops.program import Call, Program
from tcc.loops.text import parse
from tcc.loops.verify import verify
from tcc.schedule.merge import canonical, merged

KERNEL = """kernel k(x: f32 read, y: f32 write; n)
  for i in 0..n lanes 8
    let v = x[i] if position[i64](i) < i64(4) else 0
    y[i] = v + f32(0.0)
"""


def layers(count: int) -> Program:
    """A chain of equal layers, each with weights of its own, written on lines of its own."""
    weights = [np.random.default_rng(k).normal(size=(8, 8)).astype(np.float32) for k in range(count)]

    @tcc.function(x="f32[n, 8]")
    def chain(x: np.ndarray) -> np.ndarray:
        for weight in weights:
            x = np.tanh(x @ weight)
        return np.sort(x, axis=1)

    return pipeline.schedule(tcc.trace(chain).module, pipeline.Options(target="x86-64-v3")).programs[0]


def test_layers_share_their_kernels() -> None:
    programs = [layers(3), layers(9)]
    assert len(programs[0].kernels) == len(programs[1].kernels)
    for program, count in zip(programs, (3, 9), strict=True):
        verify(program)
        calls = [s for s in program.entries[0].body if isinstance(s, Call)]
        assert len(calls) > count
        weights = [v.buffer for c in calls for v in c.buffers if v.buffer.startswith("w")]
        assert len(set(weights)) == count


def kernel(text: str):
    (found,) = parse(text).kernels
    return found


def test_names_and_lines_do_not_count() -> None:
    one = kernel(KERNEL)
    other = kernel(KERNEL.replace("kernel k", "kernel other").replace("x", "parameter1").replace("y", "z"))
    assert canonical(one) == canonical(replace(other, location=Location("model.py", 3)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lanes 8", "lanes 16"),
        ("f32(0.0)", "f32(-0.0)"),
        ("i64(4)", "i64(5)"),
        ("; n)", "; n within 1..)"),
        ("x: f32 read", "x: f32 update"),
        ("x[i] if", "y[i] if"),
    ],
)
def test_everything_else_counts(old: str, new: str) -> None:
    assert old in KERNEL
    assert canonical(kernel(KERNEL)) != canonical(kernel(KERNEL.replace(old, new)))


def test_a_program_without_equal_kernels_stays() -> None:
    program = layers(1)
    assert merged(program) is program
