"""Passes on random graphs: valid graphs come out, and they compute the same."""

from __future__ import annotations

import numpy as np
import pytest

import tcc.ops as ops
from tcc.ir import build, interpret, verify
from tcc.ir.parse import parse_graph
from tcc.ir.text import to_text
from tcc.passes import in_order
from tcc.passes.batch import batch
from tcc.passes.validate import agree
from tests.ir.graphs import Case, generate, generate_case

SEEDS = range(0, 300, 10)


def close(case: Case, found: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    for a, b, tolerance in zip(found, wanted, case.tolerances, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        if tolerance == 0:
            assert agree(a, b), f"seed {case.seed}: {a} {b}"
        else:
            np.testing.assert_allclose(a.astype("f8"), b.astype("f8"), rtol=0, atol=tolerance)


@pytest.mark.parametrize("start", SEEDS)
def test_passes_keep_the_meaning(start: int) -> None:
    for seed in range(start, start + 10):
        case = generate_case(seed)
        verify.verify_graph(case.graph)
        wanted = interpret.run_graph(case.graph, case.inputs, case.sizes)
        graph = case.graph
        for name, change in in_order():
            graph = change(graph)
            verify.verify_graph(graph)
            assert [v.type for v in graph.outputs] == [v.type for v in case.graph.outputs], name
            close(case, interpret.run_graph(graph, case.inputs, case.sizes), wanted)
        assert all(n.op.form is not None for n in graph.nodes)


@pytest.mark.parametrize("start", SEEDS)
def test_text_reads_back(start: int) -> None:
    for seed in range(start, start + 10):
        graph, inputs, sizes = generate(seed)
        text = to_text(graph)
        known = {c.digest: c for c in build.constants(graph)}
        read = parse_graph(text, ops.TABLE, known)
        assert to_text(read) == text
        results = zip(interpret.run_graph(graph, inputs, sizes), interpret.run_graph(read, inputs, sizes), strict=True)
        assert all(agree(a, b) for a, b in results)


@pytest.mark.parametrize("start", SEEDS)
def test_batching_is_a_loop(start: int) -> None:
    for seed in range(start, start + 10):
        case = generate_case(seed)
        rng = np.random.default_rng(seed)
        flags = [bool(rng.integers(2)) for _ in case.inputs]
        many = batch(case.graph, flags, 3)
        verify.verify_graph(many)
        stacks = [np.stack([rng.permutation(a.reshape(-1)).reshape(a.shape) for _ in range(3)]) for a in case.inputs]
        inputs = [s if f else a for s, a, f in zip(stacks, case.inputs, flags, strict=True)]
        found = interpret.run_graph(many, inputs, case.sizes)
        for i in range(3):
            one = [s[i] if f else a for s, a, f in zip(stacks, case.inputs, flags, strict=True)]
            close(case, [f[i] for f in found], interpret.run_graph(case.graph, one, case.sizes))


def test_same_seed_same_graph() -> None:
    assert to_text(generate(7)[0]) == to_text(generate(7)[0])
    assert len({to_text(generate(s)[0]) for s in range(50)}) == 50
