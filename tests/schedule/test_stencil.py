"""Stencil chains: which groups go through their rows together, and what that computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tcc
from tcc import ops
from tcc.ir import dim
from tcc.loops import walk
from tcc.loops.program import Alloc
from tcc.schedule.chains.stencil import Stencil, skewed
from tcc.schedule.placement import group
from tests.schedule.scheduled import AVX2, AVX512, check, module_of, program_of
from tests.schedule.test_schedule_golden import jacobi


def sweeps(count: int) -> Any:
    def build(x: Any) -> Any:
        for _ in range(count):
            x = jacobi(x)
        return x

    return build


def part(x: Any, rows: slice, columns: slice) -> Any:
    return ops.getitem(x, (rows, columns))


def shrinking(x: Any) -> Any:
    """Means of three rows and of three columns, without the edge: each is smaller than the one before."""
    for _ in range(2):
        n, m = x.type.shape
        near = [part(x, slice(k, k + n - 2), slice(0, m)) for k in range(3)]
        x = ops.multiply(ops.add(ops.add(ops.exp(near[0]), ops.tanh(near[1])), near[2]), 0.5)
        near = [part(x, slice(0, n - 2), slice(k, k + m - 2)) for k in range(3)]
        x = ops.multiply(ops.add(ops.add(near[0], near[1]), near[2]), 0.25)
    return x


def two_back(x: Any, y: Any) -> Any:
    """A wave: each step is made of the two before it."""
    for _ in range(4):
        x, y = ops.subtract(ops.multiply(jacobi(x), 2.0), y), x
    return x


def upwards(x: Any) -> Any:
    """Only rows below are read, and a sum over each row."""
    n, m = x.type.shape
    for _ in range(3):
        padded = ops.pad(x, ((0, 2), (0, 0)))
        below = part(padded, slice(2, n + 2), slice(0, m))
        x = ops.subtract(ops.tanh(ops.add(x, below)), ops.mean(x, axis=1, keepdims=True))
    return x


def without_sums(x: Any) -> Any:
    """The sum over a row of neighbours' sums is a group of its own, of nothing but a reduction."""
    n, m = x.type.shape
    for _ in range(2):
        padded = ops.pad(x, ((1, 1), (0, 0)))
        near = ops.add(part(padded, slice(0, n), slice(0, m)), part(padded, slice(2, n + 2), slice(0, m)))
        x = ops.subtract(near, ops.sum(near, axis=1, keepdims=True))
    return x


def in_planes(x: Any) -> Any:
    """Neighbours in three dimensions."""
    for _ in range(3):
        n, m, k = x.type.shape
        padded = ops.pad(x, ((1, 1), (1, 1), (1, 1)))
        total = x
        for axis in range(3):
            for start in (0, 2):
                at = [slice(1, e + 1) for e in (n, m, k)]
                at[axis] = slice(start, start + (n, m, k)[axis])
                total = ops.add(total, ops.getitem(padded, tuple(at)))
        x = ops.multiply(total, 0.125)
    return x


CASES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "sweeps": (sweeps(4), ("f32[n:1.., m:1..]",)),
    "shrinking": (shrinking, ("f32[n:5.., m:5..]",)),
    "two_back": (two_back, ("f64[n:1.., m:1..]", "f64[n, m]")),
    "upwards": (upwards, ("f32[n:1.., m:1..]",)),
    "without_sums": (without_sums, ("f32[n:1.., m:1..]",)),
    "in_planes": (in_planes, ("f32[n:1.., m:1.., k:1..]",)),
    "halves": (sweeps(3), ("bf16[n:1.., m:1..]",)),
}


@pytest.mark.parametrize("name", CASES)
def test_sweeps_are_one_kernel_without_arrays_between(name: str) -> None:
    build, specs = CASES[name]
    program = program_of(build, *specs)
    assert len(program.kernels) == 1
    (entry,) = program.entries
    assert entry.workspace == 0
    assert any(isinstance(s, Alloc) for s in walk.statements(program.kernels[0].body))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("n", "m"), [(5, 5), (6, 70), (75, 33), (150, 7)])
def test_a_stencil_chain_computes_what_the_graph_does(name: str, n: int, m: int) -> None:
    build, specs = CASES[name]
    check(build, *specs, sizes={"n": n, "m": m, "k": 9}, facts=AVX2 if n % 2 else AVX512)


@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (1, 1), (1, 40), (2, 1), (64, 1), (65, 2)])
def test_any_size(n: int, m: int) -> None:
    check(sweeps(3), "f32[n, m]", sizes={"n": n, "m": m}, facts=AVX2)


def stencil_of(build: Any, *specs: str) -> Stencil | None:
    (function,) = module_of(build, specs).functions
    grouping = skewed(group(function.graph), function.graph.outputs, AVX2)
    found = [g for g in grouping.groups if isinstance(g, Stencil)]
    return found[0] if found else None


def test_each_sweep_is_ahead_of_the_next_by_what_that_reads() -> None:
    stencil = stencil_of(sweeps(3), "f32[2048, 2048]")
    assert stencil is not None
    assert [(lead.first, lead.last) for lead in stencil.leads] == [(-2, 2), (-1, 1), (0, 0)]


def test_rings_hold_a_few_rows() -> None:
    program = program_of(sweeps(10), "f32[2048, 2048]", facts=AVX2)
    (kernel,) = program.kernels
    rings = [s.buffer.size for s in walk.statements(kernel.body) if isinstance(s, Alloc)]
    assert rings == [6 * 2048] * 9


def test_rings_that_exceed_the_cache_are_shared_among_chains() -> None:
    program = program_of(sweeps(8), "f32[16384, 8192]", facts=AVX2)
    assert 1 < len(program.kernels) < 8


def test_what_fits_into_the_cache_is_no_chain() -> None:
    assert stencil_of(sweeps(3), "f32[1000, 1000]") is None


def test_few_rows_are_no_chain() -> None:
    assert stencil_of(sweeps(3), "f32[16, 1048576]") is None


def test_a_sweep_that_is_a_result_too_is_in_memory() -> None:
    def both(x: Any) -> Any:
        once = sweeps(1)(x)
        return once, sweeps(2)(once)

    stencil = stencil_of(both, "f32[2048, 2048]")
    assert stencil is not None
    assert len(stencil.members) == 2
    check(both, "f32[n, m]", sizes={"n": 70, "m": 20}, facts=AVX2)


def test_rows_that_are_apart_by_an_unknown_distance_are_no_chain() -> None:
    def apart(x: Any) -> Any:
        n, m = x.type.shape
        half = dim.floordiv(n, 2)
        for _ in range(2):
            padded = ops.pad(x, ((0, half), (0, 0)))
            x = ops.tanh(ops.add(x, part(padded, slice(half, half + n), slice(0, m))))
        return x

    assert stencil_of(apart, "f32[n:2.., m]") is None
    check(apart, "f32[n:2.., m]", sizes={"n": 9, "m": 20}, facts=AVX2)


def relax(u: Any, steps: Any) -> Any:
    def sweep(_: Any, u: Any) -> Any:
        p = np.pad(u, 1)
        return 0.25 * (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:])

    return tcc.fori_loop(0, steps, sweep, u)


@pytest.mark.parametrize("steps", [1, 7, 8, 10, 17])
def test_steps_of_a_loop_go_through_memory_together(steps: int) -> None:
    rng = np.random.default_rng(steps)

    @tcc.function(u="f32[n:1.., m:1..]", k="f32[steps]")
    def diffuse(u: Any, k: Any) -> Any:
        return relax(u, k.shape[0])

    compiled = tcc.compile(diffuse)
    for shape in ((70, 33), (5, 9), (1, 1)):
        u = rng.normal(size=shape).astype(np.float32)
        k = np.zeros(steps, np.float32)
        with tcc.eager():
            expected = diffuse(u, k)
        np.testing.assert_array_equal(compiled.diffuse(u, k), expected)


def test_a_loop_of_known_length_leaves_few_steps_over() -> None:
    def ten(u: Any) -> Any:
        return relax(u, 10)

    text = str(tcc.trace(tcc.function(u="f32[2048, 2048]")(ten)).lower("x86-64-v3"))
    assert text.count("  call ") == 2
    assert text.count("kernel ") == 1
    assert "  copy " not in text
