"""Chains of groups in one kernel, against the graph's interpreter, between pages that may not be touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tcc import pipeline, runtime
from tcc.ir.graph import Module
from tcc.ir.interpret import run_graph
from tcc.ir.location import Location
from tests.compiled.functions import described
from tests.guarded import guarded
from tests.schedule.chains import CASES
from tests.schedule.scheduled import sample

pytestmark = pytest.mark.xdist_group("chains")
"""One worker compiles the library for all of them."""

HERE = Location(__file__, 1)
SIZES = [(0, 3), (1, 1), (3, 50), (64, 64), (65, 7), (131, 203)]


MODULE = Module(tuple(described(name, specs, make, HERE) for name, (make, specs) in CASES.items()))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[runtime.Library]:
    path: Path = tmp_path_factory.mktemp("chains") / "chains.so"
    pipeline.compile_to(MODULE, path, pipeline.Options())
    with runtime.load(path) as loaded:
        yield loaded


@pytest.mark.parametrize(("n", "m"), SIZES)
@pytest.mark.parametrize("number", range(len(CASES)), ids=list(CASES))
def test_chain(library: runtime.Library, number: int, n: int, m: int) -> None:
    graph = MODULE.functions[number].graph
    sizes = {"g": 2, "h": 3, "n": n, "m": m}
    rng = np.random.default_rng(n)
    arrays = [sample(v.type, sizes, rng) for v in graph.inputs]
    found = library[graph.name](*map(guarded, arrays))
    for a, b in zip(run_graph(graph, arrays, sizes), found if isinstance(found, tuple) else (found,), strict=True):
        half = a.dtype.itemsize == 2
        np.testing.assert_allclose(b.astype("f8"), a.astype("f8"), rtol=2e-2 if half else 2e-5, atol=1e-5)


def test_a_query_that_sees_no_key_gives_zeros(library: runtime.Library) -> None:
    q, k, v = (np.ones((1, n, 12), np.float32) for n in (2, 3, 3))
    seen = np.array([[False, False, False], [True, False, True]])
    out = library["masked"](q, k, v, seen)
    np.testing.assert_array_equal(out[0, 0], np.zeros(12))
    np.testing.assert_allclose(out[0, 1], np.ones(12), rtol=1e-6)
