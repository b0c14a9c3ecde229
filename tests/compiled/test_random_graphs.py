"""Random graphs (up to 15 nodes, symbolic sizes) compiled, against the interpreter, between guard pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tcc import pipeline, runtime
from tcc.ir import interpret
from tcc.ir.graph import Module
from tcc.ir.location import Location
from tests.compiled.functions import as_function
from tests.guarded import guarded
from tests.ir.graphs import Case, generate_case

COUNT = 520
BATCH = 40


@pytest.mark.parametrize("start", range(0, COUNT, BATCH))
def test_compiled_agrees_with_the_interpreter(start: int, tmp_path: Path) -> None:
    batch = [generate_case(seed) for seed in range(start, start + BATCH)]
    location = Location("random.py", 1)
    module = Module(tuple(as_function(case.graph, location) for case in batch))
    pipeline.compile_to(module, tmp_path / "batch.so", pipeline.Options())
    wrong: list[str] = []
    with runtime.load(tmp_path / "batch.so") as library:
        for case in batch:
            try:
                compare(case, library[case.graph.name])
            except (AssertionError, ValueError) as error:
                wrong.append(f"seed {case.seed}: {str(error)[:600]}")
    assert not wrong, f"{len(wrong)} graphs differ:\n" + "\n".join(wrong)


def compare(case: Case, run: runtime.Function) -> None:
    """Runs a compiled graph on guarded arrays; integers equal, floats within the derived tolerance."""
    wanted = interpret.run_graph(case.graph, case.inputs, case.sizes)
    outs = tuple(guarded(np.zeros_like(w), writable=True) for w in wanted)
    run(*map(guarded, case.inputs), out=outs if len(outs) > 1 else outs[0])
    for found, expected, tolerance in zip(outs, wanted, case.tolerances, strict=True):
        if expected.dtype.kind in "biu":
            np.testing.assert_array_equal(found, expected)
        else:
            epsilon = float(np.finfo(expected.dtype).eps)
            allowed = 4 * tolerance + 8 * epsilon * np.abs(expected.astype("f8"))
            error = np.abs(found.astype("f8") - expected.astype("f8"))
            assert (error <= allowed).all(), f"off by {error.max()}, allowed {allowed.max()}"
