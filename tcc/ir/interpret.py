"""The oracle: a graph's meaning in NumPy, one node at a time, by each op's reference.

Composites run by their own reference too, so that an expansion can be judged against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from tcc.errors import InternalError, UserError
from tcc.ir import dim, dtype
from tcc.ir.dim import Dim, Size, Symbol
from tcc.ir.forms import Control
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.op import Array
from tcc.ir.types import TensorType

Observe = Callable[[Node, tuple[Array, ...]], None]
"""Called with each node and its results as they are computed."""


def run_graph(
    graph: Graph,
    inputs: Sequence[Array],
    sizes: Mapping[str, int] | None = None,
    observe: Observe | None = None,
) -> list[Array]:
    """The graph's outputs. ``sizes`` default to those solved from the inputs' shapes.

    UserError when an input does not fit its type; InternalError when a reference's result is not of
    the type that its op inferred.
    """
    arrays = [np.asarray(a) for a in inputs]
    solved = solve_sizes([v.type for v in graph.inputs], arrays, [v.name for v in graph.inputs], sizes)
    with np.errstate(all="ignore"):
        return _run(graph, arrays, solved, observe)


def _run(graph: Graph, inputs: Sequence[Array], sizes: Mapping[str, int], observe: Observe | None) -> list[Array]:
    values: dict[Value, Array] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        results = run_node(node, [values[v] for v in node.operands], sizes, observe)
        values.update(zip(node.results, results, strict=True))
        if observe is not None:
            observe(node, results)
    return [values[v] for v in graph.outputs]


def run_node(
    node: Node, operands: Sequence[Array], sizes: Mapping[str, int], observe: Observe | None = None
) -> tuple[Array, ...]:
    """One node's results, checked against their types."""
    if isinstance(node.op.form, Control):
        results = tuple(_CONTROL[node.op.form.kind](node, operands, sizes, observe))
    else:
        answer = node.op.reference(*operands, **concrete(node.attributes, sizes))
        several = isinstance(answer, (tuple, list))
        results = tuple(cast("Sequence[Any]", answer)) if several else (answer,)
    arrays = tuple(np.asarray(a) for a in results)
    if len(arrays) != len(node.results):
        raise InternalError(f"{node.op.name}: its reference gave {len(arrays)} results, expected {len(node.results)}")
    for array, value in zip(arrays, node.results, strict=True):
        expected = shape_of(value.type, sizes)
        if array.shape != expected or array.dtype != value.type.dtype.numpy:
            raise InternalError(
                f"{node.op.name}: its reference gave {array.dtype}{list(array.shape)}, "
                f"expected {value.type.dtype.numpy}{list(expected)} ({value.type})",
                where=node.location.place(),
            )
    return arrays


def _scan(node: Node, operands: Sequence[Array], sizes: Mapping[str, int], observe: Observe | None) -> Iterator[Array]:
    body: Graph = node.attributes["body"]
    n_carries, n_consts = node.attributes["carries"], node.attributes["consts"]
    length = evaluate(node.attributes["length"], sizes)
    carries = list(operands[:n_carries])
    consts = operands[n_carries : n_carries + n_consts]
    stacked = operands[n_carries + n_consts :]
    ys = [np.empty(shape_of(v.type, sizes), v.type.dtype.numpy) for v in node.results[n_carries:]]
    for step in reversed(range(length)) if node.attributes["reverse"] else range(length):
        results = _run(body, [*carries, *consts, *(np.asarray(x[step]) for x in stacked)], sizes, observe)
        carries = results[:n_carries]
        for y, part in zip(ys, results[n_carries:], strict=True):
            y[step] = part
    yield from carries
    yield from ys


def _while(node: Node, operands: Sequence[Array], sizes: Mapping[str, int], observe: Observe | None) -> Sequence[Array]:
    count: int = node.attributes["carries"]
    carries, consts = list(operands[:count]), operands[count:]
    while _run(node.attributes["cond"], [*carries, *consts], sizes, observe)[0]:
        carries = _run(node.attributes["body"], [*carries, *consts], sizes, observe)
    return carries


def _cond(node: Node, operands: Sequence[Array], sizes: Mapping[str, int], observe: Observe | None) -> Sequence[Array]:
    branches: tuple[Graph, ...] = node.attributes["branches"]
    index = int(operands[0])
    return _run(branches[index if 0 <= index < len(branches) else -1], operands[1:], sizes, observe)


_CONTROL = {"scan": _scan, "while": _while, "cond": _cond}


def concrete(attributes: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, Any]:
    """Attributes with every size in them as a number."""
    return {name: evaluate(value, sizes) for name, value in attributes.items()}


def evaluate(value: Any, sizes: Mapping[str, int]) -> Any:
    """An attribute's value with the sizes in it as numbers."""
    if isinstance(value, Dim):
        return dim.evaluate(value, sizes)
    if isinstance(value, tuple):
        parts = cast("tuple[Any, ...]", value)
        return tuple(evaluate(v, sizes) for v in parts)
    return value


def is_symbolic(value: Any) -> bool:
    """Whether an attribute's value holds a size that is no number."""
    return isinstance(value, Dim) or (
        isinstance(value, tuple) and any(map(is_symbolic, cast("tuple[Any, ...]", value)))
    )


def shape_of(type: TensorType, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The shape in numbers."""
    return tuple(dim.evaluate(s, sizes) for s in type.shape)


def solve_sizes(
    types: Sequence[TensorType],
    arrays: Sequence[Array],
    names: Sequence[str] | None = None,
    known: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """The symbols of ``types`` by name, from the shapes of ``arrays``; every size is then checked.

    A size is solved when it is linear in one symbol not known yet. ``known`` are given beforehand.
    UserError names the argument, what was expected and what was found.
    """
    labels = [n or f"argument {i}" for i, n in enumerate(names if names is not None else [""] * len(types))]
    if len(arrays) != len(types):
        raise UserError(f"expected {len(types)} arguments, got {len(arrays)}")
    sizes = dict(known or {})
    pending: list[tuple[str, TensorType, Size, int]] = []
    for label, type, array in zip(labels, types, arrays, strict=True):
        found = dtype.of(array.dtype)
        if found != type.dtype:
            raise UserError(
                f"'{label}' has dtype {found}",
                why=f"expected {type}",
                fix=f"{label}.astype(np.{type.dtype.numpy.name})",
            )
        if array.ndim != type.rank:
            raise UserError(f"'{label}' has shape {array.shape}", why=f"expected {type}: {type.rank} dimensions")
        pending += [(label, type, size, extent) for size, extent in zip(type.shape, array.shape, strict=True)]
    checks = pending
    while True:
        rest = [item for item in pending if not _solve(item[2], item[3], sizes)]
        if len(rest) == len(pending):
            break
        pending = rest
    for label, type, size, extent in checks:
        _check(label, type, size, extent, sizes)
    return sizes


def _solve(size: Size, extent: int, sizes: dict[str, int]) -> bool:
    """Solves ``size == extent`` for its one unknown symbol, if it is linear in it."""
    rest = dim.substitute(size, sizes)
    unknown = dim.symbols(rest)
    if not isinstance(rest, Dim) or not unknown:
        return True
    name = unknown[0].name
    if len(unknown) > 1 or not all(isinstance(a, Symbol) for a in dim.atoms(rest)):
        return False
    if any(power > 1 for monomial, _ in rest.terms for _, power in monomial):
        return False
    offset = sum(c for m, c in rest.terms if not m)
    slope = next(c for m, c in rest.terms if m)
    sizes[name] = (extent - offset) // slope
    return True


def _check(label: str, type: TensorType, size: Size, extent: int, sizes: Mapping[str, int]) -> None:
    unknown = [s.name for s in dim.symbols(size) if s.name not in sizes]
    if unknown:
        raise UserError(
            f"the size '{unknown[0]}' of '{label}' cannot be found from the shapes",
            why=f"'{size}' is not linear in one unknown size",
            fix="give another argument a dimension of that size alone",
        )
    expected = dim.evaluate(size, sizes)
    if expected != extent:
        why = f"{size} is {expected} by the other sizes" if isinstance(size, Dim) else ""
        raise UserError(f"'{label}' has {extent} where {type} wants {expected}", why=why)
    for symbol in dim.symbols(size):
        upper = None if symbol.upper is None else dim.evaluate(symbol.upper, sizes)
        value = sizes[symbol.name]
        if value < symbol.lower or (upper is not None and value > upper):
            allowed = f"{symbol.lower}..{'' if upper is None else upper}"
            raise UserError(f"'{label}' gives {symbol.name}={value}", why=f"expected {symbol.name} in {allowed}")
