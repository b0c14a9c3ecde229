"""Every op × dtype × sample, compiled in batches, against the reference, between guard pages.

The normal run takes a part of the table, drawn with the seed that is stated; `TCC_TEST_COMPLETE=1`
(`make test-all`) takes all of it.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest

from tcc import pipeline, runtime
from tcc.ir.graph import Module
from tests.compare import assert_close
from tests.compiled.cases import SEED, Case, cases, families
from tests.guarded import guarded

COMPLETE = os.environ.get("TCC_TEST_COMPLETE") == "1"
SAMPLED = 20
BATCH = 150
FAMILIES = families()


def chosen(family: str) -> list[Case]:
    """The cases of a family: all, or at least one for each op and then a sample."""
    everything = [list(cases(op, dtypes)) for op, dtypes in FAMILIES[family]]
    if COMPLETE:
        return [c for group in everything for c in group]
    rng = random.Random(f"{SEED} {family}")
    first = [rng.choice(group) for group in everything if group]
    rest = [c for group in everything for c in group if c not in first]
    return first + rng.sample(rest, max(0, min(len(rest), SAMPLED - len(first))))


def differences(batch: list[Case], folder: Path) -> list[str]:
    """What went wrong in a batch: one line for each function that differs."""
    path = folder / "batch.so"
    pipeline.compile_to(Module(tuple(c.function for c in batch)), path, pipeline.Options())
    wrong: list[str] = []
    with runtime.load(path) as library:
        for case in batch:
            for operands, expected in case.calls:
                try:
                    compare(case, library[case.function.name], operands, expected)
                except Exception as error:
                    wrong.append(f"{case.function.name} on {[a.shape for a in operands]}: {str(error)[:400]}")
                    break
    return wrong


def compare(
    case: Case, run: runtime.Function, operands: tuple[np.ndarray, ...], expected: tuple[np.ndarray, ...]
) -> None:
    """Calls a compiled function with guarded arrays and compares its results; those with strided ones are the same."""
    outs = tuple(guarded(np.zeros(e.shape, e.dtype), writable=True) for e in expected)
    run(*map(guarded, operands), out=outs if len(outs) > 1 else outs[0])
    again = run(*map(strided, operands))
    for found, same in zip(outs, again if len(outs) > 1 else (again,), strict=True):
        assert found.tobytes() == same.tobytes(), f"{case.function.name}: another result of strided operands"
    for found, wanted in zip(outs, expected, strict=True):
        scale = 0.0
        if case.sums and wanted.dtype.kind in "fcV":
            parts = [a.astype(np.complex128) for a in (*operands, wanted) if a.dtype.kind in "fcV"]
            scale = max((float(np.abs(p[np.isfinite(p)]).max(initial=0)) for p in parts), default=0.0)
        assert_close(found, wanted, 0 if case.moves_only else case.op.tolerance, scale=scale, what=case.function.name)


def strided(array: np.ndarray) -> np.ndarray:
    """The array as every other element of a larger one."""
    larger = np.zeros((*array.shape, 2), array.dtype)
    larger[..., 0] = array
    return larger[..., 0]


@pytest.mark.parametrize("family", FAMILIES)
def test_compiled_agrees_with_the_reference(family: str, tmp_path: Path) -> None:
    batch = chosen(family)
    wrong = [
        line for start in range(0, len(batch), BATCH) for line in differences(batch[start : start + BATCH], tmp_path)
    ]
    assert not wrong, f"{len(wrong)} of {len(batch)} functions differ:\n" + "\n".join(wrong[:30])
