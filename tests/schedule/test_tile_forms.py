"""Products whose numbers of rows and columns only the machine knows: which tiles they have, and what these compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tcc import ops
from tcc.ir import dim
from tcc.ir.graph import Value
from tcc.loops.program import Block, Kernel, Loop, Switch
from tcc.loops.walk import blocks_of, statements
from tcc.ops.creation import literal
from tcc.schedule.block import FEW, BlockBuilder
from tests.schedule.scheduled import AVX2, AVX512, check, program_of

WEIGHT = np.random.default_rng(0).normal(size=(9, 100)).astype(np.float32)


def weighted(x: Value) -> Value:
    return ops.maximum(ops.matmul(x, literal(WEIGHT)), 0)


def turned(a: Value, b: Value) -> Value:
    return ops.matmul(ops.transpose(a), ops.transpose(b))


@pytest.mark.parametrize("facts", [AVX512, AVX2])
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 17, 25, 26, 33])
@pytest.mark.parametrize(
    ("build", "specs"),
    [
        (ops.matmul, ["f32[m, k]", "f32[k, n]"]),
        (ops.matmul, ["f32[m, 9]", "f32[9, 100]"]),
        (ops.matmul, ["bf16[m, k]", "bf16[k, n]"]),
        (ops.matmul, ["i8[m, k]", "i8[k, n]"]),
        (turned, ["f32[k, m]", "f32[n, k]"]),
        (weighted, ["f32[m, 9]"]),
    ],
)
def test_every_number_of_rows(build: Callable[..., Any], specs: list[str], rows: int, facts: Any) -> None:
    columns = (1, 15, 17, 40, 49) if rows in (1, 7, 25) else (40,)
    half: dict[str, float] = {"rtol": 2e-2, "atol": 0.1} if "bf16" in specs[0] else {}
    for n in columns if "n" in "".join(specs) else (0,):
        check(build, *specs, sizes={"m": rows, "k": 9, "n": n}, facts=facts, **half)


def tiles(block: Block) -> list[tuple[int, int]]:
    """Rows and vectors of each tile."""
    found: list[tuple[int, int]] = []
    for stmt in block:
        inner = [s for s in blocks_of(stmt)[0] if isinstance(s, Loop)] if isinstance(stmt, Loop) else []
        if isinstance(stmt, Loop) and stmt.axis.startswith("i") and any(s.lanes > 1 for s in inner):
            found.append((stmt.copies, inner[0].copies))
        else:
            found += [t for b in blocks_of(stmt) for t in tiles(b)]
    return found


def kernel_of(build: Callable[..., Any], *specs: str) -> Kernel:
    return program_of(build, *specs, facts=AVX512).kernels[-1]


def test_narrow_tiles_have_few_heights() -> None:
    """A vector of sums is waited for unless there are eight: lower tiles of one or two vectors would save nothing."""
    found = tiles(kernel_of(turned, "f32[k, m]", "f32[n, k]").body)
    assert found == [(8, 1), (4, 2), (6, 2), (8, 2), *((h, 3) for h in range(1, 9))]


def test_blocks_that_are_packed_only_where_rows_are_many_have_high_tiles() -> None:
    """Others are read where they lie, unless they are narrow."""
    packed, direct = (tiles(case) for case in _modes(kernel_of(ops.matmul, "f32[m, k]", "f32[k, n]")))
    assert packed == [(8, 1), (4, 2), (6, 2), (8, 2), (6, 3), (7, 3), (8, 3)]
    assert direct == [(h, 3) for h in range(1, 9)]


def _modes(kernel: Kernel) -> tuple[Block, ...]:
    return next(s for s in statements(kernel.body) if isinstance(s, Switch)).cases


def test_all_values_of_a_size() -> None:
    """As few as the positions that it follows from; the nearest ones that are few."""
    builder = BlockBuilder()
    at = dim.axis("at", 1000)
    where: Any = program_of(ops.matmul, "f32[3, 3]", "f32[3, 3]").kernels[0].location
    block = builder.sized(dim.floordiv(at, 100), where, "block", 0, 9)
    start = builder.sized(block * 96, where, "start", 0, 999)
    rows = builder.sized(dim.minimum(96, 1000 - start), where, "rows", 1, 96)
    assert builder.values_of(rows) == {96}
    assert builder.values_of(start + rows) == {96 * k for k in range(1, 11)}
    assert builder.values_of(dim.minimum(96, 900 - start)) == {96, 36}
    assert builder.values_of(at) is None
    assert builder.values_of(dim.axis("few", FEW)) == set(range(FEW))
    assert builder.values_of(dim.symbol("n") + 1) is None
