"""Text in, text out: what passes do to small graphs, in files to be read."""

from __future__ import annotations

from pathlib import Path

import pytest

import tcc.ops as ops
from tcc.ir import dim, verify
from tcc.ir.graph import Graph
from tcc.ir.parse import parse_graph
from tcc.ir.text import to_text
from tcc.passes import in_order
from tcc.passes.batch import batch
from tcc.passes.differentiate import value_and_gradient
from tcc.passes.validate import Pass, validated

CASES = sorted((Path(__file__).parent / "cases").glob("*.tcc"))


def gradient(graph: Graph) -> Graph:
    """With respect to every input."""
    return value_and_gradient(graph, range(len(graph.inputs)))


def batched(graph: Graph) -> Graph:
    """Over the first input."""
    return batch(graph, [True] + [False] * (len(graph.inputs) - 1), dim.symbol("batch"))


PASSES: dict[str, Pass] = {name: validated(name, change, ulps=4) for name, change in in_order()}
PASSES |= {"gradient": gradient, "batch": batched}


@pytest.mark.parametrize("file", CASES, ids=lambda f: f.stem)
def test_pass(file: Path, golden) -> None:
    text = file.read_text()
    graph = parse_graph(text, ops.TABLE, file=file.name)
    for name in text.splitlines()[0].removeprefix("// passes:").split(","):
        graph = PASSES[name.strip()](graph)
        verify.verify_graph(graph)
    golden(f"golden/{file.stem}.tcc")(to_text(graph))
