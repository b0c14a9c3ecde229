"""What holds of every valid graph; run between passes in tests and debug runs."""

from __future__ import annotations

import re
from typing import Any

from tcc.errors import InternalError, TccError
from tcc.ir.dim import Dim
from tcc.ir.dtype import DType
from tcc.ir.forms import Control
from tcc.ir.graph import Constant, Function, Graph, Module, Node, Value

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*$")


def verify(module: Module) -> None:
    """InternalError names the first thing that is wrong with a module."""
    names = [f.name for f in module.functions]
    states = {s.name: s for s in module.states}
    _require(len(set(names)) == len(names), f"two functions have one name among {names}")
    _require(len(states) == len(module.states), "two states have one name")
    for state in module.states:
        array = state.initial.array
        fits = array.shape == state.type.shape and array.dtype == state.type.dtype.numpy
        _require(fits, f"the state '{state.name}' is {state.type}, its initial value {array.dtype}{list(array.shape)}")
    for function in module.functions:
        verify_graph(function.graph)
        _verify_signature(function, {n: s.type for n, s in states.items()})


def _verify_signature(function: Function, states: dict[str, Any]) -> None:
    graph, name = function.graph, function.name
    arguments, results = function.arguments.leaves, function.results.leaves
    _require(len(function.parameters) == len(function.arguments.children), f"'{name}': one tree for each parameter")
    _require(len(graph.inputs) == arguments + len(function.reads), f"'{name}': inputs are arguments, then states read")
    _require(
        len(graph.outputs) == results + len(function.writes), f"'{name}': outputs are results, then states written"
    )
    _require(len(function.input_names) == arguments, f"'{name}': a name for each argument's leaf")
    _require(len(function.output_names) == results, f"'{name}': a name for each result's leaf")
    spelled = [n.replace(".", "_") for n in (*function.input_names, *function.output_names)]
    _require(len(set(spelled)) == len(spelled), f"'{name}': two leaves have one name among {spelled}")
    _require(all(_IDENTIFIER.match(n) for n in (name, *spelled)), f"'{name}': names must be C identifiers: {spelled}")
    bound = [*zip(function.reads, graph.inputs[arguments:], strict=True)]
    bound += [*zip(function.writes, graph.outputs[results:], strict=True)]
    for state, value in bound:
        _require(state in states, f"'{name}': there is no state '{state}'")
        _require(states[state] == value.type, f"'{name}': the state '{state}' is {states[state]}, got {value.type}")


def verify_graph(graph: Graph) -> None:
    """The same for one graph and the regions in it."""
    _require(len(set(graph.inputs)) == len(graph.inputs), f"'{graph.name}': an input is listed twice")
    for value in graph.inputs:
        _require(value.producer is None, f"'{graph.name}': the input '{value.name}' has a producer")
        _require(value.location.known, f"'{graph.name}': the input '{value.name}' has no location")
    seen: set[Value] = set(graph.inputs)
    for node in graph.nodes:
        for operand in node.operands:
            if operand not in seen:
                raise _invalid(f"'{graph.name}': {node} reads {operand}, which nothing in it makes", node)
        seen.update(node.results)
        _verify_node(node)
    for value in graph.outputs:
        _require(value in seen, f"'{graph.name}': the output {value} is made by nothing in it")


def _verify_node(node: Node) -> None:
    if not node.location.known:
        raise _invalid(f"{node} has no location", node)
    try:
        node.op.check_operands([v.type for v in node.operands])
        expected = node.op.infer(tuple(v.type for v in node.operands), node.attributes)
    except TccError as error:
        raise InternalError(
            f"{node.op.name} does not fit its record", where=node.location.place(), why=error.what
        ) from error
    found = tuple(v.type for v in node.results)
    if found != tuple(expected):
        raise _invalid(f"{node.op.name} has {_types(found)}, infers {_types(expected)}", node)
    for index, value in enumerate(node.results):
        if value.producer is not node or value.index != index:
            raise _invalid(f"{node}: result {index} belongs elsewhere", node)
    for name, value in node.attributes.items():
        _verify_attribute(node, name, value)


def _verify_attribute(node: Node, name: str, value: Any) -> None:
    if isinstance(value, Graph):
        _require(isinstance(node.op.form, Control), f"{node.op.name} holds a graph but is no control op", node)
        verify_graph(value)
    elif isinstance(value, tuple):
        for part in value:  # pyright: ignore[reportUnknownVariableType]
            _verify_attribute(node, name, part)
    elif isinstance(value, Constant):
        array = value.array
        frozen = array.flags.c_contiguous and not array.flags.writeable and array.dtype.isnative
        _require(frozen, f"{node.op.name}: the constant '{name}' is not a contiguous snapshot", node)
    else:
        plain = value is None or type(value) in (bool, int, float, complex, str) or isinstance(value, (Dim, DType))
        _require(plain, f"{node.op.name}: the attribute '{name}' is a {type(value).__name__}", node)


def _types(types: tuple[Any, ...]) -> str:
    return ", ".join(map(str, types))


def _require(condition: bool, what: str, node: Node | None = None) -> None:
    if not condition:
        raise _invalid(what, node)


def _invalid(what: str, node: Node | None) -> InternalError:
    return InternalError(f"invalid graph: {what}", where=node.location.place() if node is not None else None)
