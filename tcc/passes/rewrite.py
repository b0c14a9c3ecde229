"""The rewrite engine: rules are rows, a pattern and what takes its place.

A pattern is nested tuples: ``("add", "x", ("negative", "y"))`` is an op by name on patterns; a string
is a variable, the same value wherever it stands again (``"c: bool"`` says its dtype or kind too); a
number is a constant all of whose elements are that number, the sign of a zero included.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

import numpy as np

from tcc.errors import InternalError
from tcc.ir import build
from tcc.ir.forms import IndexMap
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.op import accepts
from tcc.ir.scalar import Number

Pattern = Union[str, bool, int, float, tuple[Any, ...]]

COMMUTATIVE = frozenset(
    {"add", "multiply", "maximum", "minimum", "equal", "not_equal", "bitwise_and", "bitwise_or", "bitwise_xor"}
)
"""Ops whose two operands a pattern may find in either order."""

ROUNDS = 32
"""Passes over a graph, and rewrites of one value, after which rules are taken to run in a circle."""


@dataclass(frozen=True)
class Match:
    """What a pattern found: variables' values by name, and nodes in the pattern's order."""

    values: Mapping[str, Value]
    nodes: tuple[Node, ...]

    def __getitem__(self, name: str) -> Value:
        return self.values[name]

    def attribute(self, node: int, name: str) -> Any:
        """An attribute of the node that the pattern names ``node``-th."""
        return self.nodes[node].attributes[name]

    @property
    def root(self) -> Value:
        """The value to be replaced."""
        return self.nodes[0].results[0]


@dataclass(frozen=True)
class Rule:
    """A row: where ``pattern`` matches and ``guard`` holds, ``result`` takes its place.

    ``dtypes`` are the kinds that the variables without one of their own may have. ``tolerance`` is
    the allowed difference in units in the last place; 0 means the same bits (any nan being equal to
    any other). ``finite``: it holds for finite values whose sums are finite too; an infinity or a nan may reach more
    results than before. ``samples`` are what the row is tested on: the shape of the variables, then the
    attributes of each op in the pattern's order.
    """

    name: str
    pattern: tuple[Any, ...]
    result: Callable[[Match], Value]
    dtypes: str = "bool int uint float complex"
    guard: Callable[[Match], bool] = lambda _: True
    tolerance: float = 0.0
    finite: bool = False
    samples: tuple[tuple[Any, ...], ...] = (((3, 4),),)


@dataclass(frozen=True)
class Rewrite:
    """A pass: some rules, applied everywhere until none applies."""

    rules: tuple[Rule, ...]
    by_op: dict[str, list[Rule]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_op: dict[str, list[Rule]] = {}
        for rule in self.rules:
            by_op.setdefault(rule.pattern[0], []).append(rule)
        object.__setattr__(self, "by_op", by_op)

    def __call__(self, graph: Graph) -> Graph:
        """The graph and its regions, rewritten. InternalError when rules run in a circle."""
        return build.map_graphs(graph, self._settle)

    def _settle(self, graph: Graph) -> Graph:
        for _ in range(ROUNDS):
            rewritten = build.map_nodes(graph, self._change)
            if rewritten is graph:
                return graph
            graph = rewritten
        raise InternalError(f"rewriting '{graph.name}' does not end", why=f"it still changes after {ROUNDS} rounds")

    def _change(self, node: Node, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        if node.op.name not in self.by_op:
            return None
        value = build.with_operands(node, operands).results[0]
        applied: list[str] = []
        while (step := self._step(value)) is not None:
            name, value = step
            applied.append(name)
            if len(applied) > ROUNDS:
                raise InternalError("rewrite rules run in a circle", why=", ".join(applied[-4:]))
        return (value,) if applied else None

    def _step(self, value: Value) -> tuple[str, Value] | None:
        node = value.producer
        if node is None or len(node.results) != 1:
            return None
        for rule in self.by_op.get(node.op.name, ()):
            for match in matches(rule, value):
                result = rule.result(match)
                if result.type != value.type:
                    raise InternalError(f"the rule '{rule.name}' turns {value.type} into {result.type}")
                return rule.name, result
        return None


def matches(rule: Rule, value: Value) -> Iterator[Match]:
    """The ways in which a rule applies to a value."""
    for values, nodes in _match(rule.pattern, value, {}, ()):
        match = Match(values, nodes)
        free = (v for n, v in values.items() if n in _free(rule.pattern))
        if all(accepts(frozenset(rule.dtypes.split()), v.type.dtype) for v in free) and rule.guard(match):
            yield match


def _free(pattern: Pattern) -> frozenset[str]:
    """The variables of a pattern that state no dtype."""
    if isinstance(pattern, tuple):
        return frozenset(name for part in pattern[1:] for name in _free(part))
    return frozenset({pattern}) if isinstance(pattern, str) and ":" not in pattern else frozenset()


def _match(
    pattern: Pattern, value: Value, values: dict[str, Value], nodes: tuple[Node, ...]
) -> Iterator[tuple[dict[str, Value], tuple[Node, ...]]]:
    if isinstance(pattern, str):
        name, _, kind = (part.strip() for part in pattern.partition(":"))
        if values.get(name, value) is value and (not kind or accepts(frozenset({kind}), value.type.dtype)):
            yield {**values, name: value}, nodes
    elif isinstance(pattern, tuple):
        node = value.producer
        if node is None or node.op.name != pattern[0] or len(node.operands) != len(pattern) - 1:
            return
        orders: Iterable[Sequence[Value]] = (node.operands,)
        if pattern[0] in COMMUTATIVE:
            orders = (node.operands, node.operands[::-1])
        for operands in orders:
            yield from _match_all(pattern[1:], operands, values, (*nodes, node))
    elif is_number(value, pattern):
        yield values, nodes


def _match_all(
    patterns: Sequence[Pattern], operands: Sequence[Value], values: dict[str, Value], nodes: tuple[Node, ...]
) -> Iterator[tuple[dict[str, Value], tuple[Node, ...]]]:
    if not patterns:
        yield values, nodes
        return
    for bound, seen in _match(patterns[0], operands[0], values, nodes):
        yield from _match_all(patterns[1:], operands[1:], bound, seen)


def uniform(value: Value) -> Any:
    """The one NumPy scalar that all elements of a constant are; None when it is no such constant.

    Looks through ops that only move elements of one operand, unless they may add others (a pad).
    """
    constant = build.constant_of(value)
    if constant is not None:
        array = constant.array
        if array.size == 0:
            return None
        flat = array.reshape(-1)
        raw = flat[: 1 << 16].view(np.uint8).reshape(min(flat.size, 1 << 16), -1)
        same = flat.size <= 1 << 16 and bool((raw == raw[0]).all())
        return flat[0] if same else None
    node = value.producer
    if node is None:
        return None
    if node.op.name == "full":
        return np.asarray(node.attributes["value"]).astype(value.type.dtype.numpy)[()]
    if isinstance(node.op.form, IndexMap) and len(node.operands) == 1 and node.op.name != "pad":
        return uniform(node.operands[0])
    return None


def is_number(value: Value, number: Number) -> bool:
    """Whether a value is a constant of this number everywhere; 0.0 is not -0.0, and 1 is True."""
    found = uniform(value)
    if found is None:
        return False
    if value.type.dtype.is_complex:
        return bool(found.imag == 0 and not np.signbit(found.imag) and _same(found.real, number))
    return _same(found, number)


def _same(found: Any, number: Number) -> bool:
    if isinstance(number, float) and np.issubdtype(np.asarray(found).dtype, np.integer):
        return False
    return bool(found == number) and math.copysign(1, float(found)) == math.copysign(1, float(np.real(number)))
