"""What a program reads and writes in memory, beside what it cannot avoid.

Counted as it runs: for each kernel, the different elements that it loads from and stores to the buffers
it is given (a second access finds the element in a cache), and both sides of every copy. Scratch and
workers' workspace are not counted: they are as large as a cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import tcc.ops as ops
from tcc.ir.build import graph_input, map_functions
from tcc.ir.graph import Graph, Value
from tcc.loops import interpret
from tcc.loops.program import Copy, Kernel
from tcc.passes.cse import cse
from tcc.schedule import schedule
from tests.schedule.scheduled import AVX512, module_of
from tests.schedule.test_schedule_golden import dense, jacobi, layer_norm, softmax

RNG = np.random.default_rng(0)


class _Counted:
    """A buffer that remembers which of its elements are loaded and stored."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.loaded: set[int] = set()
        self.stored: set[int] = set()

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> Any:
        self.loaded.add(index)
        return self.array[index]

    def __setitem__(self, index: int, value: Any) -> None:
        self.stored.add(index)
        self.array[index] = value

    @property
    def bytes(self) -> int:
        return (len(self.loaded) + len(self.stored)) * self.array.itemsize


def moved(build: Callable[..., Any], arrays: Sequence[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """The bytes moved by a program of these inputs' shapes, and those of its inputs and outputs."""
    total = 0
    compile_kernel, copy = interpret.compile_kernel, interpret.Run.copy

    def counting(kernel: Kernel) -> interpret.Compiled:
        run = compile_kernel(kernel)

        def call(views: Sequence[tuple[Any, Any]], sizes: Sequence[int]) -> set[int]:
            nonlocal total
            counted = [(_Counted(array), written) for array, written in views]
            failed = run(counted, sizes)  # pyright: ignore[reportArgumentType] - it is used as an array
            total += sum(c.bytes for c, _ in counted)
            return failed

        return call

    def counting_copy(run: interpret.Run, node: Copy, source: int, target: int, count: int) -> None:
        nonlocal total
        total += 2 * count * run.memories[node.source.buffer].array.itemsize
        copy(run, node, source, target, count)

    monkeypatch.setattr(interpret, "compile_kernel", counting)
    monkeypatch.setattr(interpret.Run, "copy", counting_copy)
    specs = [f"f32{list(a.shape)}" for a in arrays]
    program = schedule(map_functions(module_of(build, specs), cse), AVX512)
    results = interpret.run_entry(program, program.entries[0].name, arrays, {})
    return total, sum(a.nbytes for a in (*arrays, *results))


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def sweeps(x: Value) -> Value:
    return jacobi(jacobi(jacobi(x)))


def looped(x: Value) -> Value:
    inside = graph_input(x.type, "x")
    (last,) = ops.scan(Graph("sweep", (inside,), (jacobi(inside),)), [x], [], [], 3, False)
    return last


def perceptron(x: Value, w: Value, b: Value, v: Value, c: Value) -> Value:
    return ops.add(ops.matmul(dense(x, w, b), v), c)


CELLS = 4 * 20 * 37

# Programs, their inputs, and how many bytes more than inputs and outputs they may move: values that must be
# written and read again because a product or a neighbour needs all of them.
CASES: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...], int]] = {
    "softmax": (softmax, ((20, 37),), 0),
    "softmax of columns": (lambda x: ops.softmax(x, 0), ((20, 37),), 0),
    "layer norm": (layer_norm, ((20, 37), (37,), (37,)), 0),
    "transpose": (lambda x: ops.transpose(x), ((20, 37),), 0),
    "transposed sum": (lambda x, y: ops.add(ops.transpose(x), y), ((20, 37), (37, 20)), 0),
    "sum of columns": (lambda x: ops.sum(x, axis=0), ((20, 37),), 0),
    "concatenate": (lambda x, y: ops.exp(ops.concatenate([x, y], axis=1)), ((20, 37), (20, 5)), 0),
    "pad": (lambda x: ops.multiply(ops.pad(x, ((1, 2), (0, 3))), 2.0), ((20, 37),), 0),
    "slice": (lambda x: ops.subtract(ops.getitem(x, (slice(None), slice(0, 30))), 1.0), ((20, 37),), -4 * 20 * 7),
    "chain": (lambda x: ops.tanh(ops.exp(ops.negative(ops.reshape(x, (-1,))))), ((20, 37),), 0),
    "one sweep": (jacobi, ((20, 37),), 0),
    "three sweeps": (sweeps, ((20, 37),), 2 * 2 * CELLS),
    "three sweeps in a loop": (looped, ((20, 37),), 2 * 2 * CELLS),
    "perceptron": (perceptron, ((9, 20), (20, 33), (33,), (33, 7), (7,)), 2 * 4 * 9 * 33),
}


@pytest.mark.parametrize("name", CASES)
def test_no_more_is_moved_than_must_be(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build, shapes, more = CASES[name]
    found, compulsory = moved(build, [floats(*shape) for shape in shapes], monkeypatch)
    assert found <= compulsory + more
