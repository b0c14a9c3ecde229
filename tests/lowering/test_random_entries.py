"""Emitted entries against the interpreter over random host programs."""

from __future__ import annotations

import numpy as np
import pytest

from tcc.loops.program import Program
from tcc.loops.text import parse, to_text
from tests.loops.entries import KERNELS, MESSAGES, WEIGHT, generate, run
from tests.lowering.running import Machine

BATCH = 40


@pytest.mark.parametrize("batch", range(5))
def test_random_entries(batch: int) -> None:
    cases = [generate(seed) for seed in range(batch * BATCH, (batch + 1) * BATCH)]
    program = Program(KERNELS, tuple(c.program.entries[0] for c in cases), (("w", WEIGHT),), MESSAGES)
    assert parse(to_text(program)) == program
    machine = Machine(program, cases[0].weights)
    for case in cases:
        status, expected, after = run(case)
        entry = case.program.entries[0]
        for workers in (0, 2):
            states = [case.states[b.name].copy() for b in entry.buffers if b.space == "state"]
            found, outputs = machine.run(entry.name, case.inputs, case.sizes, None, states, workers)
            where = f"entry {entry.name}, {workers} workers\n{to_text(entry)}"
            assert found == status, where
            if status:
                continue
            for name, array, wanted in zip(entry.outputs, outputs, expected, strict=True):
                np.testing.assert_array_equal(array, wanted, f"output {name} of {where}")
            for name, array in zip(after, states, strict=True):
                np.testing.assert_array_equal(array, after[name], f"state {name} of {where}")
