"""The text form of modules and graphs: readable, and read back by `tcc.ir.parse`.

    state count = i64[] 0

    func classify(%x: f32[batch, 784]) -> out: f32[batch, 10]
      sizes batch: 1..4096
    {  // model.py:9
      %0: f32[784, 10] = literal(value=f32[784, 10] "W" #b5c0f1a0…)  // model.py:5
      %1: f32[batch, 10] = dot_general(%x, %0, lhs_contract=(1,), …)  // model.py:10
      return %1
    }

A value is named by ``%`` and a number, an input by ``%`` and its name. Constants of at most
`INLINE` elements (and uniform ones) are written out exactly, others by the head of their digest.
A node's line ends in its location; where none is given the parser takes the line of the text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from tcc.ir import dim, dtype
from tcc.ir.dim import Dim, Size, Symbol
from tcc.ir.dtype import DType
from tcc.ir.graph import Constant, Function, Graph, Module, Node, State, Value
from tcc.ir.location import Location
from tcc.ir.op import Array
from tcc.ir.types import TensorType
from tcc.tree import Tree

INLINE = 16
DIGEST = 16
IDENTIFIER = re.compile(r"[A-Za-z_][\w.]*")
RESERVED = frozenset({"True", "False", "None", "nan", "inf", "graph", "size", *dtype.BY_NAME})
"""Words that stand for themselves among attributes; a size of such a name is written ``size(…)``, as is
one that begins like a tuple."""


def to_text(item: Module | Function | Graph) -> str:
    """The text of a module, a function or a graph, ending in a newline."""
    if isinstance(item, Graph):
        return "\n".join(_graph(item, "", named=False)) + "\n"
    if isinstance(item, Function):
        return "\n".join(_function(item)) + "\n"
    parts = ["".join(_state(s) + "\n" for s in item.states)] if item.states else []
    return "\n".join([*parts, *(to_text(f) for f in item.functions)])


def _state(state: State) -> str:
    return f"state {state.name} = {constant_text(state.initial)}"


def _function(function: Function) -> list[str]:
    graph, count = function.graph, function.arguments.leaves
    names = [f"%{n}" for n in function.input_names] + [f"%{v.name}" for v in graph.inputs[count:]]
    leaves = [f"{n}: {v.type}" for n, v in zip(names, graph.inputs, strict=True)]
    returned = graph.outputs[: len(function.output_names)]
    made = [f"{n}: {v.type}" for n, v in zip(function.output_names, returned, strict=True)]
    arguments: list[str] = []
    for parameter, tree in zip(function.parameters, function.arguments.children, strict=True):
        text = tree_text(tree, leaves)
        arguments.append(text if text.startswith(f"%{parameter}:") else f"{parameter} = {text}")
    lines = [f"func {function.name}({', '.join(arguments)}) -> {tree_text(function.results, made)}"]
    lines += _sizes(graph)
    lines += [f"  reads {leaf} = {s}" for leaf, s in zip(leaves[count:], function.reads, strict=True)]
    lines += [f"  writes {s}" for s in function.writes]
    lines += [f"  doc {json.dumps(function.doc)}"] if function.doc else []
    opening = ["{" + _comment(function.location)] if lines[1:] else []
    if not opening:
        lines[0] += " {" + _comment(function.location)
    return [*lines, *opening, *_body(graph, dict(zip(graph.inputs, names, strict=True)), ""), "}"]


def tree_text(tree: Tree, leaves: Sequence[str]) -> str:
    """A tree with its leaves' texts in place: ``{W = %p.W: f32[3], b = …}``, ``(a, b)``, ``[a]``."""
    if tree.kind == "leaf":
        return leaves[tree.index]
    if tree.kind == "none":
        return "none"
    children = [tree_text(c, leaves) for c in tree.children]
    head = json.dumps(tree.type) if tree.type else ""
    if tree.keys:
        keys = [k if IDENTIFIER.fullmatch(k) else json.dumps(k) for k in tree.keys]
        children = [f"{k} = {c}" for k, c in zip(keys, children, strict=True)]
    inside = ", ".join(children)
    if tree.kind == "list":
        return f"{head}[{inside}]"
    if tree.kind == "tuple":
        return f"{head}({inside}{',' if len(children) == 1 else ''})"
    return f"{head}{{{inside}}}"


def _sizes(graph: Graph) -> list[str]:
    """The ranges of the symbols in a graph that have one."""
    ranged = [s for s in graph_symbols(graph) if s.lower != 0 or s.upper is not None]
    return [f"  sizes {s}: {s.lower}..{'' if s.upper is None else s.upper}" for s in ranged]


def graph_symbols(graph: Graph) -> tuple[Symbol, ...]:
    """Every symbol in a graph's types and attributes, regions included, in order of appearance."""
    found: dict[Symbol, None] = {}

    def collect(item: Any) -> None:
        if isinstance(item, Dim):
            found.update(dict.fromkeys(dim.symbols(item)))
        elif isinstance(item, Graph):
            found.update(dict.fromkeys(graph_symbols(item)))
        elif isinstance(item, tuple):
            for part in cast("tuple[Any, ...]", item):
                collect(part)

    for value in graph.inputs:
        collect(value.type.shape)
    for node in graph.nodes:
        collect(tuple(node.attributes.values()))
        for value in node.results:
            collect(value.type.shape)
    return tuple(found)


def _graph(graph: Graph, indent: str, named: bool) -> list[str]:
    """A graph's lines; ``named`` for a region, whose symbols are its surroundings'."""
    names: dict[Value, str] = {}
    own = [v.name for v in graph.inputs]
    for index, value in enumerate(graph.inputs):
        plain = IDENTIFIER.fullmatch(value.name) is not None and own.count(value.name) == 1
        free = (f"arg{index}" + "_" * n for n in range(len(own) + 1) if f"arg{index}" + "_" * n not in own)
        names[value] = f"%{value.name if plain else next(free)}"
    inputs = ", ".join(f"{names[v]}: {v.type}" for v in graph.inputs)
    place = next((v.location for v in graph.inputs if v.location.known), None)
    comment = _comment(place) if place is not None else ""
    sizes = [] if named else _sizes(graph)
    lines = [f"graph {graph.name}({inputs})", *sizes, "{" + comment]
    if not sizes:
        lines = [f"graph {graph.name}({inputs}) {{{comment}"]
    return [*lines, *(indent + line for line in _body(graph, names, "")), indent + "}"]


def _body(graph: Graph, names: dict[Value, str], indent: str) -> list[str]:
    lines: list[str] = []
    for node in graph.nodes:
        for value in node.results:
            names[value] = f"%{len(names) - len(graph.inputs)}"
        lines += _node(node, names)
    lines.append("return " + ", ".join(names[v] for v in graph.outputs) if graph.outputs else "return")
    return [f"{indent}  {line}" for line in lines]


def _node(node: Node, names: dict[Value, str]) -> list[str]:
    results = ", ".join(f"{names[v]}: {v.type}" for v in node.results)
    arguments = [names[v] for v in node.operands]
    arguments += [f"{name}={attribute_text(value)}" for name, value in node.attributes.items()]
    return (f"{results} = {node.op.name}({', '.join(arguments)})" + _comment(node.location)).split("\n")


def attribute_text(value: Any) -> str:
    """An attribute as text."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, (float, complex)):
        return number_text(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, Constant):
        return constant_text(value)
    if isinstance(value, Graph):
        return "\n".join(_graph(value, "", named=True))
    if isinstance(value, tuple):
        parts = [attribute_text(v) for v in cast("tuple[Any, ...]", value)]
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    if isinstance(value, Dim) and (str(value)[0] == "(" or any(s.name in RESERVED for s in dim.symbols(value))):
        return f"size({value})"
    return str(cast("Size | DType", value))


def number_text(value: float | complex) -> str:
    """A Python float or complex, exactly; a nan's payload is not kept."""
    if isinstance(value, complex):
        return f"complex({number_text(value.real)}, {number_text(value.imag)})"
    return str(value) if not math.isfinite(value) else repr(float(value))


def constant_text(constant: Constant) -> str:
    """A constant: its type, its name, and its elements in row-major order, a repeated one, or its digest."""
    array = constant.array
    shape = cast("tuple[int, ...]", array.shape)
    head = str(TensorType(dtype.of(array.dtype), shape)) + (f" {json.dumps(constant.name)}" if constant.name else "")
    flat = array.reshape(-1)
    if array.ndim == 0:
        return f"{head} {element_text(flat[0])}"
    if array.size <= INLINE:
        return f"{head} [{', '.join(map(element_text, flat))}]"
    raw = flat.view(np.uint8).reshape(array.size, -1)
    if (raw == raw[0]).all():
        return f"{head} [{element_text(flat[0])}...]"
    return f"{head} #{constant.digest[:DIGEST]}"


def element_text(element: Any) -> str:
    """An element so that `read_element` gives the same bits."""
    kind = dtype.of(element.dtype)
    if kind.is_complex:
        return f"complex({element_text(element.real)}, {element_text(element.imag)})"
    if not kind.is_float:
        return str(element.item())
    short = "nan" if element != element else str(element)
    for text in (short, repr(float(element))):
        if np.asarray(float(text)).astype(kind.numpy).tobytes() == element.tobytes():
            return text
    return f"0x{int.from_bytes(element.tobytes(), 'little'):x}"


def read_element(text: str, kind: DType) -> Array:
    """The scalar array of a real dtype that `element_text` wrote."""
    if kind.is_float and text.startswith("0x"):
        return np.frombuffer(int(text, 16).to_bytes(kind.bytes, "little"), kind.numpy)[0]
    number = text == "True" if kind.kind == "bool" else float(text) if kind.is_float else int(text)
    return np.asarray(number).astype(kind.numpy)


def _comment(location: Location) -> str:
    return f"  // {location}" if location.known else ""
