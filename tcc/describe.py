"""What a compiled module is, as plain data: its manifest and its weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from tcc import artifact
from tcc.artifact import BufferPlan, Manifest, Solve, Tensor
from tcc.errors import InternalError
from tcc.ir import dim
from tcc.ir.dim import Dim, Size, Symbol
from tcc.ir.graph import Function, Module, Value
from tcc.loops.program import Copy, Entry, Loop, Parallel, Program
from tcc.loops.walk import statements
from tcc.loops.weight import Weight
from tcc.schedule import cost
from tcc.targets.weights import WeightArray, WeightBlock, layout
from tcc.version import VERSION


def weight_block(module: Module, programs: Sequence[Program]) -> WeightBlock:
    """The constants that the programs read and the states' initial values, each once."""
    weights = [w for program in programs for w in program.constants]
    named = [(w.name, w) for w in weights] + [(s.name, Weight(s.initial)) for s in module.states]
    return layout([_weight(name, weight) for name, weight in named])


def _weight(name: str, weight: Weight) -> WeightArray:
    def data() -> Iterator[memoryview]:
        for piece in weight.pieces():
            yield np.ascontiguousarray(piece).reshape(-1).view(np.uint8).data

    return WeightArray(name, weight.dtype.name, weight.shape, weight.digest, data, weight.layout)


def manifest(module: Module, programs: Sequence[Program], block: WeightBlock, prefix: str) -> Manifest:
    """The manifest of a module's program, or of one for each instruction set, the least demanding first."""
    described = [_functions(module, program) for program in programs]
    return Manifest(
        version=VERSION,
        prefix=prefix,
        functions=described[0] if len(programs) == 1 else _for_all(described, programs),
        states=tuple(
            artifact.State(s.name, s.type.dtype.name, s.initial.array.shape, block.offsets[s.initial.digest])
            for s in module.states
        ),
        messages=programs[0].messages,
    )


def _functions(module: Module, program: Program) -> tuple[artifact.Function, ...]:
    entries = {e.name: e for e in program.entries}
    costs = cost.Costs({k.name: k for k in program.kernels})
    return tuple(_function(f, entries[f.name], costs) for f in module.functions)


def _for_all(
    described: Sequence[tuple[artifact.Function, ...]], programs: Sequence[Program]
) -> tuple[artifact.Function, ...]:
    """The functions with memory for whichever program runs; the plan is that of the most demanding one.

    There are no steps to profile: each program has its own, and the library chooses among them.
    InternalError where the programs are not called alike.
    """
    found: list[artifact.Function] = []
    for versions in zip(*described, strict=True):
        first = versions[-1]
        if any((v.entry_symbols, v.states) != (first.entry_symbols, first.states) for v in versions):
            raise InternalError(f"'{first.name}' is called in another way on each instruction set")
        entries = [e for program in programs for e in program.entries if e.name == first.name]
        workspace = dim.maximum(*(e.workspace for e in entries))
        worker_bytes = dim.maximum(*(e.worker_bytes for e in entries))
        parallel = any(v.parallel for v in versions)
        found.append(
            replace(first, workspace=str(workspace), worker_bytes=str(worker_bytes), parallel=parallel, steps=())
        )
    return tuple(found)


def _function(function: Function, entry: Entry, costs: cost.Costs) -> artifact.Function:
    inputs = function.graph.inputs[: len(function.input_names)]
    outputs = function.graph.outputs[: len(function.output_names)]
    symbols, solves = solve(inputs)
    known = {s.name for s in symbols}
    lost = [name for name in entry.symbols if name not in known]
    if lost:
        raise InternalError(f"'{function.name}': the sizes {', '.join(lost)} are in no argument")
    return artifact.Function(
        name=function.name,
        parameters=function.parameters,
        arguments=_tensors(function.input_names, inputs),
        results=_tensors(function.output_names, outputs),
        arguments_tree=function.arguments,
        results_tree=function.results,
        symbols=tuple(artifact.Symbol(s.name, s.lower, _constant(s.upper)) for s in symbols),
        solves=solves,
        entry_symbols=entry.symbols,
        states=tuple(b.name for b in entry.buffers if b.space == "state"),
        reads=function.reads,
        writes=function.writes,
        workspace=str(entry.workspace),
        worker_bytes=str(entry.worker_bytes),
        parallel=any(
            isinstance(s, Loop) and isinstance(s.mapping, Parallel)
            for name in _called(entry)
            for s in statements(costs.kernels[name].body)
        ),
        plan=_plan(entry),
        steps=tuple(map(_step, costs.steps(entry))),
        compulsory=str(costs.compulsory(entry)),
        doc=function.doc,
    )


def _text(size: Size | None) -> str:
    return "" if size is None else str(size)


def _step(step: cost.Step) -> artifact.Step:
    statement, found = step.statement, step.cost
    name = "copy" if isinstance(statement, Copy) else statement.kernel
    line = str(statement.location) if statement.location.known else ""
    return artifact.Step(name, line, step.dtype, str(found.operations), _text(found.moved), str(found.compulsory))


def _called(entry: Entry) -> Iterator[str]:
    for statement in statements(entry.body):
        kernel = getattr(statement, "kernel", None)
        if kernel is not None:
            yield kernel


def _tensors(names: Sequence[str], values: Sequence[Value]) -> tuple[Tensor, ...]:
    return tuple(
        Tensor(name, v.type.dtype.name, tuple(map(str, v.type.shape))) for name, v in zip(names, values, strict=True)
    )


def _plan(entry: Entry) -> tuple[BufferPlan, ...]:
    offsets = dict(entry.offsets)
    return tuple(
        BufferPlan(b.name, b.dtype.name, b.space, str(b.size * b.dtype.bytes), str(offsets.get(b.name, 0)))
        for b in entry.buffers
    )


def _constant(size: Size | None) -> int | None:
    return None if size is None else dim.bounds(size)[1]


def solve(inputs: Sequence[Value]) -> tuple[tuple[Symbol, ...], tuple[Solve, ...]]:
    """The symbols in the inputs' shapes in order of appearance, and how each is found from an extent.

    InternalError when one cannot be: front ends check that.
    """
    places = [(i, axis, size) for i, v in enumerate(inputs) for axis, size in enumerate(v.type.shape)]
    symbols = tuple(dict.fromkeys(s for _, _, size in places for s in dim.symbols(size)))
    solves: list[Solve] = []
    known: set[str] = set()
    while len(known) < len(symbols):
        found = next((s for place in places for s in [_solved(*place, known)] if s is not None), None)
        if found is None:
            lost = ", ".join(s.name for s in symbols if s.name not in known)
            raise InternalError(f"the sizes {lost} cannot be found from the shapes of the arguments")
        known.add(found.symbol)
        solves.append(found)
    return symbols, tuple(solves)


def _solved(argument: int, axis: int, size: Size, known: set[str]) -> Solve | None:
    unknown = [s for s in dim.symbols(size) if s.name not in known]
    if len(unknown) != 1 or not isinstance(size, Dim):
        return None
    name = unknown[0].name
    offset, at_one, at_two = (dim.substitute(size, {name: value}) for value in (0, 1, 2))
    coefficient = at_one - offset
    if at_two - at_one != coefficient or any(s.name == name for s in dim.symbols(offset)):
        return None
    if size != offset + coefficient * dim.of_atom(unknown[0]):
        return None
    return Solve(name, argument, axis, str(coefficient), str(offset))
