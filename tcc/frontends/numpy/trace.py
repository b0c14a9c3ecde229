"""Runs a Python function on traced values: a function of a module, or a closed region of one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tcc.errors import TccError, UserError
from tcc.frontends.numpy import scope as scopes
from tcc.frontends.numpy.eager import seen
from tcc.frontends.numpy.operand import Traced, as_value, here
from tcc.frontends.numpy.scope import Scope
from tcc.frontends.numpy.signature import Signature, definition, leaf_names, type_of
from tcc.frontends.numpy.size import TracedSize
from tcc.frontends.numpy.state import Slot, StateVariable
from tcc.frontends.numpy.tracer import Tracer
from tcc.ir import build
from tcc.ir import location as locations
from tcc.ir.build import graph_input
from tcc.ir.graph import Function, Graph, Value
from tcc.ir.interpret import run_graph
from tcc.ir.types import TensorType
from tcc.tree import Tree, flatten, unflatten

Call = Callable[[list[Any]], Any]
"""A function of a list of traced leaves, with nested results."""


@dataclass(frozen=True)
class TracedFunction:
    """A function of a module and the Python variables behind its states (name → variable)."""

    function: Function
    states: tuple[tuple[str, StateVariable], ...]


def trace(python: Callable[..., Any], signature: Signature, name: str) -> TracedFunction:
    """Traces a function with arguments of these types. UserError for what cannot be traced."""
    where = definition(python)
    scope = Scope(name, location=where)
    with scopes.entered(scope), _own_errors():
        inputs = [
            graph_input(type, path, where) for type, path in zip(signature.types, signature.input_names, strict=True)
        ]
        result = signature.call(python, [Tracer(v, scope) for v in inputs])
        outputs, tree = result_values(result, scope)
    slots: list[tuple[StateVariable, Slot]] = list(scope.states.items())
    written = [slot for _, slot in slots if slot.written]
    if not outputs and not written:
        why = "a compiled function gives results or sets states"
        raise UserError(f"'{name}' returns nothing", where=where.place(), why=why, fix="return the result")
    function = Function(
        graph=Graph(
            name,
            (*inputs, *(slot.entry for _, slot in slots)),
            (*outputs, *(slot.now for slot in written)),
        ),
        parameters=signature.parameters,
        arguments=signature.tree,
        results=tree,
        input_names=signature.input_names,
        output_names=leaf_names(tree.paths(_result_name(signature)), signature.input_names),
        reads=tuple(slot.name for _, slot in slots),
        writes=tuple(slot.name for slot in written),
        doc=inspect.getdoc(python) or "",
        location=where,
    )
    return TracedFunction(function, tuple((slot.name, state) for state, slot in slots))


def _result_name(signature: Signature) -> str:
    taken = {name.partition(".")[0] for name in signature.input_names}
    return next(n for n in ("out", "result", *(f"result{i}" for i in range(len(taken)))) if n not in taken)


def is_leaf(item: Any) -> bool:
    """Whether this is a leaf of results: never looked into."""
    return isinstance(item, (Traced, TracedSize))


def result_values(result: Any, scope: Scope) -> tuple[list[Value], Tree]:
    """The leaves of what a traced function returned as graph values, and their tree."""
    leaves, tree = flatten(result, is_leaf)
    for path, leaf in zip(tree.paths("result"), leaves, strict=True):
        if not isinstance(leaf, (Traced, TracedSize, np.ndarray, np.generic, bool, int, float, complex)):
            raise UserError(
                f"'{scope.name}' returns {type(leaf).__name__} in {path}",
                where=scope.location.place() or locations.user_line().place(),
                why="results are arrays and numbers, nested in dicts, lists, tuples and dataclasses",
                fix=f"return what is computed, and add the {type(leaf).__name__} after the call",
            )
    return [as_value(leaf) for leaf in leaves], tree


@dataclass(frozen=True)
class Region:
    """A function traced to a closed graph: its inputs are the arguments' leaves, then the captures.

    ``captures`` are the values of the enclosing scope that it uses.
    """

    graph: Graph
    results: Tree
    captures: tuple[Value, ...]


def trace_region(
    call: Call, types: Sequence[TensorType], name: str, names: Sequence[str] = (), weak: Sequence[bool] = ()
) -> Region:
    """Traces ``call`` on a list of traced leaves of these types, as a region of the current scope.

    ``weak`` marks leaves that stand for Python scalars.
    """
    scope = Scope(name, parent=here(name))
    inputs, outputs, tree = _run(scope, call, types, names, weak)
    graph = Graph(name, (*inputs, *scope.captures.values()), tuple(outputs))
    return Region(graph, tree, tuple(scope.captures))


def _run(
    scope: Scope, call: Call, types: Sequence[TensorType], names: Sequence[str] = (), weak: Sequence[bool] = ()
) -> tuple[list[Value], list[Value], Tree]:
    with scopes.entered(scope), _own_errors():
        labels = list(names) or [""] * len(types)
        flags = list(weak) or [False] * len(types)
        inputs = [graph_input(type, label) for type, label in zip(types, labels, strict=True)]
        traced = [Tracer(v, scope, flag) for v, flag in zip(inputs, flags, strict=True)]
        outputs, tree = result_values(call(traced), scope)
    return inputs, outputs, tree


@contextmanager
def _own_errors() -> Generator[None]:
    """An error of ours that NumPy answered with one of its own is raised as it was."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if isinstance(error.__cause__, TccError) and not isinstance(error, TccError):
            raise error.__cause__ from None
        raise


def inline(graph: Graph, arguments: Sequence[Value]) -> list[Tracer]:
    """A graph's outputs on values of the current scope, as traced arrays."""
    scope = here(graph.name)
    return [Tracer(v, scope) for v in build.inline(graph, arguments)]


def evaluate(call: Call, leaves: Sequence[Any], name: str) -> Any:
    """What ``call`` gives on a list of NumPy arrays: traced, then run node by node in NumPy.

    States are read and set in their variables.
    """
    arrays = [np.asarray(x) for x in leaves]
    scope = Scope(name)
    inputs, outputs, tree = _run(scope, call, [type_of(a) for a in arrays])
    slots = list(scope.states.items())
    graph = Graph(name, (*inputs, *(s.entry for _, s in slots)), (*outputs, *(s.now for _, s in slots)))
    results = run_graph(graph, [*arrays, *(state.value for state, _ in slots)])
    for (state, slot), value in zip(slots, results[len(outputs) :], strict=True):
        if slot.written:
            state.value = value
    return seen(unflatten(tree, [a[()] for a in results[: len(outputs)]]))
