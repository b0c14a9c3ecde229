"""Graphs scheduled and run by the loop IR's interpreter, compared with the graph's interpreter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tcc.ir import dim, types
from tcc.ir.build import graph_input
from tcc.ir.graph import Function, Graph, Module, State, Value
from tcc.ir.interpret import run_graph
from tcc.ir.scalar import DOTS
from tcc.loops.facts import Facts
from tcc.loops.interpret import run_entry
from tcc.loops.program import Program
from tcc.loops.verify import verify
from tcc.passes.decompose import decompose
from tcc.schedule import schedule
from tcc.tree import Tree

AVX512 = Facts(vector_bytes=64, registers=32, dots=frozenset(DOTS))
AVX2 = Facts(vector_bytes=32, registers=16)


def module_of(
    build: Callable[..., Any],
    specs: Sequence[str],
    states: Sequence[State] = (),
    reads: Sequence[str] = (),
    writes: Sequence[str] = (),
    name: str = "f",
) -> Module:
    """A module of one function; ``build`` takes and returns graph values."""
    symbols: dict[str, Any] = {}
    inputs = tuple(graph_input(types.parse(s, symbols), f"x{k}") for k, s in enumerate(specs))
    held = tuple(graph_input(next(s.type for s in states if s.name == r), r) for r in reads)
    result = build(*inputs, *held)
    outputs: tuple[Value, ...] = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    graph = decompose(Graph(name, (*inputs, *held), outputs))
    count = len(outputs) - len(writes)
    leaves = Tree("tuple", tuple(Tree("leaf", index=k) for k in range(len(inputs))))
    results = Tree("tuple", tuple(Tree("leaf", index=k) for k in range(count)))
    return Module(
        (
            Function(
                graph,
                tuple(f"x{k}" for k in range(len(inputs))),
                leaves,
                results,
                tuple(f"x{k}" for k in range(len(inputs))),
                tuple(f"y{k}" for k in range(count)),
                tuple(reads),
                tuple(writes),
            ),
        ),
        tuple(states),
    )


def program_of(build: Callable[..., Any], *specs: str, facts: Facts = AVX512) -> Program:
    """The verified program of a function."""
    program = schedule(module_of(build, specs), facts)
    verify(program)
    return program


def weights_of(program: Program) -> dict[str, Any]:
    """The constants of a program by digest."""
    return {c.digest: c.array for c in program.constants}


def sample(type: types.TensorType, sizes: Mapping[str, int], rng: np.random.Generator) -> Any:
    """An array of a type."""
    shape = tuple(dim.evaluate(s, sizes) for s in type.shape)
    kind = type.dtype.kind
    if kind == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if type.dtype.is_integer:
        return rng.integers(0 if kind == "uint" else -9, 10, shape).astype(type.dtype.numpy)
    values = rng.normal(size=shape)
    if kind == "complex":
        values = values + 1j * rng.normal(size=shape)
    return np.asarray(values).astype(type.dtype.numpy)


def check(
    build: Callable[..., Any],
    *specs: str,
    sizes: Mapping[str, int] | None = None,
    facts: Facts = AVX512,
    inputs: Sequence[Any] | None = None,
    rtol: float = 2e-5,
    atol: float = 1e-5,
) -> Program:
    """Schedules, verifies, runs and compares; the program."""
    module = module_of(build, specs)
    program = schedule(module, facts)
    verify(program)
    compare(module, program, sizes or {}, inputs, rtol, atol)
    return program


def compare(
    module: Module,
    program: Program,
    sizes: Mapping[str, int],
    inputs: Sequence[Any] | None = None,
    rtol: float = 2e-5,
    atol: float = 1e-5,
) -> None:
    """The program's outputs against the graph's."""
    graph = module.functions[0].graph
    rng = np.random.default_rng(0)
    arrays = list(inputs) if inputs is not None else [sample(v.type, sizes, rng) for v in graph.inputs]
    wanted = run_graph(graph, arrays, sizes)
    found = run_entry(program, graph.name, arrays, sizes, weights_of(program))
    for k, (a, b) in enumerate(zip(wanted, found, strict=True)):
        b = b.reshape(a.shape)
        if a.dtype.kind in "biu":
            np.testing.assert_array_equal(b, a, err_msg=f"output {k}")
        elif a.dtype.itemsize == 2 and a.dtype.kind in "fV":
            np.testing.assert_allclose(b.astype("f4"), a.astype("f4"), rtol=2e-2, atol=1e-2, err_msg=f"output {k}")
        else:
            np.testing.assert_allclose(b, a, rtol=rtol, atol=atol, err_msg=f"output {k}")
