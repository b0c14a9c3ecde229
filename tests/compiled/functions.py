"""A graph as a function of a library: inputs x0, x1, … and a tuple of results."""

from __future__ import annotations

from tcc.ir.graph import Function, Graph
from tcc.ir.location import Location
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
