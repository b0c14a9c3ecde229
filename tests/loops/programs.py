"""Random valid loop-IR programs: `generate(seed)` makes a case, `run(case)` interprets it.

A case is a program of one kernel and one entry that calls it, with inputs for its buffers. All that is
allowed may occur: several dtypes, permuted, strided, reversed, gathered and guarded accesses, lanes and
copies on any axes, tails, extents 0 and 1, reductions, prefixes, state, while, scratch and passes, shared
stores, checks, ifs, switches, unrolled and parallel loops.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from tcc.ir import dim
from tcc.loops.interpret import run_kernel
from tcc.loops.program import (
    Block,
    Buffer,
    Call,
    Entry,
    If,
    Kernel,
    Loop,
    Program,
    Switch,
    View,
)
from tests.loops.accesses import data
from tests.loops.kernels import MESSAGES as MESSAGES
from tests.loops.kernels import Maker


@dataclass(frozen=True)
class Case:
    """A program, what it runs on, and whether emitted code must give exactly the interpreter's bits.

    ``buffers`` are the contents before the run, by parameter name; those of outputs are a fill pattern.
    """

    seed: int
    program: Program
    buffers: dict[str, np.ndarray]
    sizes: dict[str, int]
    exact: bool

    @property
    def kernel(self) -> Kernel:
        return self.program.kernels[0]


def run(case: Case) -> tuple[int, dict[str, np.ndarray]]:
    """The status, and the contents of all buffers afterwards."""
    buffers = {name: array.copy() for name, array in case.buffers.items()}
    return run_kernel(case.kernel, buffers, case.sizes), buffers


def same(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Where two arrays hold the same values; nan is equal to nan and 0.0 to -0.0."""
    return (found == expected) | ((found != found) & (expected != expected))


def generate(seed: int) -> Case:
    """The case of a seed; always the same one."""
    rng = random.Random(seed)
    for attempt in range(50):
        maker = Maker(random.Random(rng.random() + attempt))
        body = maker.kernel_body()
        case = _case(seed, maker, body)
        if case is not None:
            return case
    raise AssertionError(f"no case of seed {seed} has a fit size")


def _case(seed: int, maker: Maker, body: Block) -> Case | None:
    sizes = dict(maker.symbols)
    counts = {name: dim.evaluate(size, sizes) for name, size in maker.sizes.items()}
    if sum(counts.values()) > 60_000 or _work(body, sizes) > 40_000:
        return None
    kernel = Kernel(f"k{seed}", tuple(maker.parameters.values()), tuple(sizes), body)
    special = maker.chance(0.25)
    numbers = np.random.default_rng(seed)
    buffers = {
        p.name: np.full(counts[p.name], 1, p.dtype.numpy)
        if p.access == "write"
        else data(numbers, p.dtype, counts[p.name], special)
        for p in kernel.parameters
    }
    spaces = {"read": "argument", "write": "argument", "update": "state"}
    entry = Entry(
        f"f{seed}",
        tuple(sizes),
        tuple(Buffer(p.name, p.dtype, maker.sizes[p.name], spaces[p.access]) for p in kernel.parameters),
        tuple(p.name for p in kernel.parameters if p.access == "read"),
        tuple(p.name for p in kernel.parameters if p.access == "write"),
        (),
        0,
        maker.worker_bytes,
        (Call(kernel.name, tuple(View(p.name) for p in kernel.parameters), tuple(map(dim.symbol, sizes))),),
    )
    return Case(seed, Program((kernel,), (entry,), (), MESSAGES), buffers, sizes, maker.exact)


def _work(block: Block, sizes: dict[str, int]) -> int:
    """About how many statements run."""
    total = 0
    for s in block:
        if isinstance(s, Loop):
            try:
                count = dim.evaluate(s.hi, sizes) - dim.evaluate(s.lo, sizes)
            except KeyError:
                count = 20
            total += max(0, count) * (1 + _work(s.body, sizes))
        elif isinstance(s, If):
            total += 1 + _work(s.body, sizes) + _work(s.otherwise, sizes)
        elif isinstance(s, Switch):
            total += 1 + sum(_work(c, sizes) for c in s.cases)
        else:
            total += 1
    return total
