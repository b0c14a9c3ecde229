"""A graph as a function of a library: inputs x0, x1, … and a tuple of results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tcc.ir import types
from tcc.ir.build import graph_input
from tcc.ir.graph import Function, Graph
from tcc.ir.location import Location, located
from tcc.tree import Tree


def as_function(graph: Graph, location: Location) -> Function:
    """A function whose arguments are the graph's inputs in order; one result is no tuple."""
    leaves = tuple(Tree("leaf", index=i) for i in range(len(graph.inputs)))
    results = tuple(Tree("leaf", index=i) for i in range(len(graph.outputs)))
    names = tuple(f"x{i}" for i in range(len(leaves)))
    return Function(
        graph,
        names,
        Tree("tuple", leaves),
        Tree("tuple", results) if len(results) != 1 else results[0],
        names,
        tuple(f"out{i}" for i in range(len(results))),
        location=location,
    )


def described(name: str, specs: Sequence[str], make: Callable[..., Any], location: Location) -> Function:
    """What ``make`` makes of graph inputs of these types, as a function; equal sizes have equal names."""
    symbols: dict[str, Any] = {}
    inputs = tuple(graph_input(types.parse(s, symbols), f"x{k}") for k, s in enumerate(specs))
    with located(location):
        results = make(*inputs)
    return as_function(Graph(name, inputs, results if isinstance(results, tuple) else (results,)), location)
