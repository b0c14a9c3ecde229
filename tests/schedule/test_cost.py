"""The costs of programs: against a count of every turn of every loop, and the figures everyone knows."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tcc.ir import dim
from tcc.ir.build import map_functions
from tcc.ir.scalar import Apply
from tcc.loops import walk
from tcc.loops.parse import parse
from tcc.loops.program import Block, Call, If, Loop, Program, Store, Switch
from tcc.passes.cse import cse
from tcc.schedule import cost, schedule
from tests.schedule.scheduled import AVX2, AVX512, module_of
from tests.schedule.test_schedule_golden import CASES

SIZES = {"n": 70, "m": 33, "k": 21}


def programs(name: str) -> list[Program]:
    build, specs = CASES[name]
    module = map_functions(module_of(build, specs), cse)
    return [schedule(module, facts) for facts in (AVX512, AVX2)]


def counted(block: Block, names: Mapping[str, int]) -> tuple[int, int]:
    """Operations and stored bytes, turn by turn; reductions' combining aside."""
    operations = stored = 0
    for stmt in block:
        for expr in walk.expressions_of(stmt):
            turns = 1
            if isinstance(stmt, Loop):
                turns = 0 if any(expr in c.init for c in stmt.carries) else dim.evaluate(stmt.hi - stmt.lo, names)
            operations += turns * sum(cost.operations_of(p) for p in walk.parts(expr) if isinstance(p, Apply))
        if isinstance(stmt, Store):
            stored += stmt.value.dtype.bytes
        if isinstance(stmt, Loop):
            for turn in range(dim.evaluate(stmt.lo, names), dim.evaluate(stmt.hi, names)):
                inner = counted(stmt.body, {**names, stmt.axis: turn})
                operations, stored = operations + inner[0], stored + inner[1]
        else:
            for inside in walk.blocks_of(stmt):
                inner = counted(inside, names)
                operations, stored = operations + inner[0], stored + inner[1]
    return operations, stored


@pytest.mark.parametrize("name", ["softmax_symbolic", "dense", "joined", "call_put", "transposes", "half", "n_body"])
def test_sums_over_loops_are_exact(name: str) -> None:
    for program in programs(name):
        kernels = {k.name: k for k in program.kernels}
        for step in cost.Costs(kernels).steps(program.entries[0]):
            if not isinstance(step.statement, Call):
                continue
            kernel = kernels[step.statement.kernel]
            if any(isinstance(s, (If, Switch)) for s in walk.statements(kernel.body)):
                continue
            sizes = {s: dim.evaluate(v, SIZES) for s, v in zip(kernel.symbols, step.statement.sizes, strict=True)}
            operations, stored = counted(kernel.body, sizes)
            combined = [c for s in walk.statements(kernel.body) if isinstance(s, Loop) for c in s.carries if c.combine]
            found = dim.evaluate(step.cost.operations, SIZES)
            assert found == operations if not combined else found >= operations
            assert step.cost.moved is not None
            assert dim.evaluate(step.cost.moved, SIZES) >= stored
            assert dim.evaluate(step.cost.moved, SIZES) >= dim.evaluate(step.cost.compulsory, SIZES)


def test_a_product_has_two_operations_for_each_term_of_whole_tiles_and_touches_each_element_once() -> None:
    n, m, k = SIZES["n"], SIZES["m"], SIZES["k"]
    for program in programs("dense"):
        kernels = {x.name: x for x in program.kernels}
        steps = cost.Costs(kernels).steps(program.entries[0])
        operations = sum(dim.evaluate(s.cost.operations, SIZES) for s in steps)
        assert 2 * n * m * k <= operations <= 2 * (n + 7) * (m + 47) * k + 4 * n * m
        least = cost.Costs(kernels).compulsory(program.entries[0])
        assert dim.evaluate(least, SIZES) == 4 * (n * k + k * m + m + n * m)


def test_blocked_reductions_read_each_element_once() -> None:
    for program in programs("total"):
        kernels = {k.name: k for k in program.kernels}
        assert (
            dim.evaluate(cost.Costs(kernels).compulsory(program.entries[0]), {"n": 1000, "m": 1001}) == 4 * 1001000 + 4
        )


def test_a_gather_touches_no_more_than_it_reads() -> None:
    for program in programs("take"):
        entry, kernels = program.entries[0], {k.name: k for k in program.kernels}
        assert dim.evaluate(cost.Costs(kernels).compulsory(entry), {"n": 100000, "k": 10}) <= 10 * (64 * 8 + 8)


WORDS = """
kernel dots(A: i8 read, B: u8 read, C: i32 write; m, k)
  for i in 0..m
    for l in 0..k
      carry acc: i32 = i32(0) -> dot_u8i8(word(B[4*l]), word(A[4*i*k + 4*l]), acc)
    C[i] = acc
entry f(m, k)
  buffer a: i8[4*k*m] argument
  buffer b: u8[4*k] argument
  buffer c: i32[m] argument
  inputs a, b
  outputs c
  workspace 0
  worker_bytes 0
  body
    call dots(a, b, c; m, k)
"""


def test_words_count_as_the_numbers_in_them() -> None:
    program = parse(WORDS)
    (step,) = cost.Costs({k.name: k for k in program.kernels}).steps(program.entries[0])
    sizes = {"m": 3, "k": 5}
    assert dim.evaluate(step.cost.operations, sizes) == 2 * 3 * 20
    assert dim.evaluate(step.cost.compulsory, sizes) == 3 * 20 + 20 + 3 * 4
