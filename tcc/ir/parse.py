"""Reads the text form of modules and graphs back; see `tcc.ir.text` for what it looks like."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

from tcc.errors import Place, UserError
from tcc.ir import dim, dtype
from tcc.ir.graph import Attributes, Constant, Function, Graph, Module, Node, State, Value
from tcc.ir.location import Location
from tcc.ir.op import Op
from tcc.ir.reader import Reader
from tcc.ir.types import TensorType
from tcc.tree import Tree

_KEY = re.compile(r'(?:[A-Za-z_][\w.]*|"(?:[^"\\]|\\.)*")\s*=')
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"-?(?:inf|nan|\d+\.\d*(?:e[+-]?\d+)?|\d+e[+-]?\d+)(?![\w.])")


def parse_module(
    text: str, table: Mapping[str, Op], constants: Mapping[str, Constant] | None = None, file: str = "<text>"
) -> Module:
    """The module of a text. ``table`` has the ops by name, ``constants`` the large ones by digest.

    UserError points at the line of ``file`` that cannot be read, or whose types do not fit.
    """
    reader = Reader(text, file, table, constants or {})
    functions: list[Function] = []
    states: dict[str, State] = {}
    while not reader.at_end():
        if reader.accept("state"):
            name = reader.name()
            reader.expect("=")
            initial = reader.constant()
            kind = dtype.of(initial.array.dtype)
            states[name] = State(name, TensorType(kind, tuple(initial.array.shape)), initial)
        else:
            reader.expect("func")
            functions.append(_function(reader))
    return Module(tuple(functions), tuple(states.values()))


def parse_graph(
    text: str, table: Mapping[str, Op], constants: Mapping[str, Constant] | None = None, file: str = "<text>"
) -> Graph:
    """The graph of a text that begins with ``graph``; arguments and errors as `parse_module`'s."""
    reader = Reader(text, file, table, constants or {})
    reader.expect("graph")
    graph = _graph(reader)
    if not reader.at_end():
        raise reader.error("expected the end of the text")
    return graph


def _clauses(reader: Reader) -> None:
    """The ranges of sizes, which stand before the first use that matters: the body."""
    while reader.accept("sizes"):
        name = reader.name()
        reader.expect(":")
        low, _, high = reader.until("\n{").partition("..")
        upper = reader.size(high) if high.strip() else None
        reader.sizes[name] = dim.symbol(name, int(low or 0), upper)


def _header_sizes(reader: Reader) -> None:
    """Ranges are read before the types that use them, though they stand below."""
    start = reader.position
    end = reader.text.find("{\n", start)
    comment = reader.text.find("{  //", start)
    end = min(e for e in (end, comment, len(reader.text)) if e >= 0)
    for match in re.finditer(r"^  sizes ", reader.text[start:end], re.MULTILINE):
        reader.position = start + match.start()
        _clauses(reader)
    reader.position = start


def _function(reader: Reader) -> Function:
    reader.sizes = {}
    line = reader.line()
    _header_sizes(reader)
    name = reader.name()
    parameters: list[str] = []
    leaves: list[tuple[str, TensorType]] = []

    def parameter() -> Tree:
        reader.blank()
        if not reader.text.startswith("%", reader.position):
            parameters.append(reader.name())
            reader.expect("=")
            return _tree(reader, lambda: _leaf(reader, reader.value()[1:], leaves))
        parameters.append(reader.value()[1:])
        return _leaf(reader, parameters[-1], leaves)

    reader.expect("(")
    arguments = Tree("tuple", tuple(reader.listed(")", parameter)))
    count = len(leaves)
    reader.expect("->")
    made: list[tuple[str, TensorType]] = []
    results = _tree(reader, lambda: _leaf(reader, reader.name(), made))
    _clauses(reader)
    reads: list[str] = []
    while reader.accept("reads"):
        _leaf(reader, reader.value()[1:], leaves)
        reader.expect("=")
        reads.append(reader.name())
    writes: list[str] = []
    while reader.accept("writes"):
        writes.append(reader.name())
    doc = reader.string() if reader.accept("doc") else ""
    reader.expect("{")
    location = reader.place(line)
    inputs = tuple(Value(type, location, name=leaf) for leaf, type in leaves)
    outputs = _body(reader, {f"%{v.name}": v for v in inputs})
    for (leaf, type), value in zip(made, outputs[: len(made)], strict=False):
        if value.type != type:
            raise reader.error(f"the result '{leaf}' is {value.type}, the signature says {type}")
    if len(outputs) != len(made) + len(writes):
        raise reader.error(f"'{name}' returns {len(outputs)} values, the signature says {len(made) + len(writes)}")
    input_names = tuple(leaf for leaf, _ in leaves[:count])
    output_names = tuple(leaf for leaf, _ in made)
    graph = Graph(name, inputs, outputs)
    signature = (tuple(parameters), arguments, results, input_names, output_names)
    return Function(graph, *signature, tuple(reads), tuple(writes), doc, location)


def _leaf(reader: Reader, name: str, leaves: list[tuple[str, TensorType]]) -> Tree:
    reader.expect(":")
    leaves.append((name, reader.type()))
    return Tree("leaf", index=len(leaves) - 1)


def _tree(reader: Reader, leaf: Callable[[], Tree]) -> Tree:
    reader.blank()
    kind = reader.string() if reader.text.startswith('"', reader.position) else ""
    keys: list[str] = []

    def child() -> Tree:
        reader.blank()
        if _KEY.match(reader.text, reader.position):
            keys.append(reader.string() if reader.text.startswith('"', reader.position) else reader.name())
            reader.expect("=")
        return _tree(reader, leaf)

    if reader.accept("none"):
        return Tree("none")
    if reader.accept("{"):
        children = reader.listed("}", child)
        return Tree("dataclass" if kind else "dict", tuple(children), tuple(keys), kind)
    if reader.accept("("):
        return Tree("tuple", tuple(reader.listed(")", child)), tuple(keys), kind)
    if reader.accept("["):
        return Tree("list", tuple(reader.listed("]", child)))
    return leaf()


def _graph(reader: Reader) -> Graph:
    line = reader.line()
    _header_sizes(reader)
    name = reader.name()
    reader.expect("(")
    leaves: list[tuple[str, TensorType]] = []
    reader.listed(")", lambda: _leaf(reader, reader.value()[1:], leaves))
    _clauses(reader)
    reader.expect("{")
    location = reader.place(line)
    inputs = tuple(Value(type, location, name=leaf) for leaf, type in leaves)
    return Graph(name, inputs, _body(reader, {f"%{v.name}": v for v in inputs}))


def _body(reader: Reader, values: dict[str, Value]) -> tuple[Value, ...]:
    while not reader.accept("return"):
        _node(reader, values)
    reader.blank()
    names = [] if reader.text.startswith("}", reader.position) else [_operand(reader, values)]
    while reader.accept(","):
        names.append(_operand(reader, values))
    reader.expect("}")
    return tuple(names)


def _operand(reader: Reader, values: Mapping[str, Value]) -> Value:
    name = reader.value()
    if name not in values:
        raise reader.error(f"there is no value {name}")
    return values[name]


def _node(reader: Reader, values: dict[str, Value]) -> None:
    reader.blank()
    line = reader.line()
    results: list[tuple[str, TensorType]] = []
    while True:
        _leaf(reader, reader.value(), results)
        if not reader.accept(","):
            break
    reader.expect("=")
    name = reader.name()
    if name not in reader.table:
        near = difflib.get_close_matches(name, reader.table, 3)
        where = Place(reader.file, line)
        raise UserError(
            f"there is no op '{name}'",
            where=where,
            why="it is not in the op set",
            fix=f"did you mean {' or '.join(near)}?" if near else "see 'tcc ops' for what there is",
        )
    operands: list[Value] = []
    attributes: dict[str, Any] = {}

    def argument() -> None:
        reader.blank()
        if reader.text.startswith("%", reader.position):
            operands.append(_operand(reader, values))
            return
        key = reader.name()
        reader.expect("=")
        attributes[key] = _attribute(reader)

    reader.expect("(")
    reader.listed(")", argument)
    node = _make(reader, name, operands, attributes, reader.place(line))
    found = [v.type for v in node.results]
    if found != [t for _, t in results]:
        inferred = ", ".join(map(str, found))
        raise UserError(
            f"{name} gives {inferred}, the text says otherwise",
            where=Place(reader.file, line),
            why="the types of results follow from the operands",
            fix=f"write {inferred}",
        )
    for (result, _), value in zip(results, node.results, strict=True):
        if result in values:
            raise UserError(
                f"{result} is named twice",
                where=Place(reader.file, line),
                why="a name stands for one value",
                fix="rename one of them",
            )
        values[result] = value


def _make(reader: Reader, name: str, operands: list[Value], attributes: Attributes, location: Location) -> Node:
    def make() -> Node:
        reader.table[name].check_operands([v.type for v in operands])
        return Node(reader.table[name], operands, attributes, location)

    return reader.located(make)


def _attribute(reader: Reader) -> Any:
    """Any attribute's value."""
    reader.blank()
    start = reader.text[reader.position : reader.position + 1]
    if start == '"':
        return reader.string()
    if start == "(":
        reader.expect("(")
        return tuple(reader.listed(")", lambda: _attribute(reader)))
    for word, value in (("True", True), ("False", False), ("None", None)):
        if reader.accept(word):
            return value
    if reader.accept("graph"):
        return _graph(reader)
    if reader.accept("complex"):
        return complex(*reader.pair(lambda: float(reader.read(_NUMBER, "a number"))))
    number = reader.try_read(_NUMBER)
    if number is not None:
        return float(number)
    match = _WORD.match(reader.text, reader.position)
    word = match.group() if match else ""
    if word in dtype.BY_NAME:
        if reader.text.startswith("[", reader.position + len(word)):
            return reader.constant()
        reader.position += len(word)
        return dtype.BY_NAME[word]
    if reader.accept("size("):
        size = reader.size(reader.until(")"))
        reader.expect(")")
        return size
    return reader.size(reader.until(",)"))
