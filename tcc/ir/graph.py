"""The graph: values, nodes, functions, modules. Immutable; passes build new ones.

A graph is given by its inputs and outputs; its nodes are what the outputs reach, in a deterministic
order (operands first). There are no effects: state is an input and an output bound by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from mmap import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

from tcc.ir import location as locations
from tcc.ir.location import Location
from tcc.ir.types import TensorType
from tcc.tree import Tree

if TYPE_CHECKING:
    from tcc.ir.op import Op

Attributes = Mapping[str, Any]
"""Op attributes by name: int, float, bool, str, Size, DType, None, `Constant`, `Graph`, tuples of these."""


@dataclass(frozen=True, eq=False)
class Value:
    """One tensor in a graph: an input (``producer`` None) or a node's result. Compared by identity."""

    type: TensorType
    location: Location
    producer: Node | None = None
    index: int = 0
    name: str = ""

    def __repr__(self) -> str:
        return f"Value({self.name or (self.producer.op.name if self.producer else '?')}: {self.type})"


class Node:
    """An op applied to operands. Its results are made with it; compared by identity."""

    __slots__ = ("attributes", "location", "op", "operands", "results")

    def __init__(
        self, op: Op, operands: Sequence[Value], attributes: Attributes | None = None, location: Location | None = None
    ) -> None:
        self.op = op
        self.operands = tuple(operands)
        self.attributes: Attributes = dict(attributes or {})
        self.location = location if location is not None else locations.current()
        types = op.infer(tuple(v.type for v in self.operands), self.attributes)
        self.results: tuple[Value, ...] = tuple(
            Value(type, self.location, self, index) for index, type in enumerate(types)
        )

    def __repr__(self) -> str:
        return f"Node({self.op.name}, {self.location})"


@dataclass(frozen=True, eq=False)
class Constant:
    """A read-only array in a graph, equal to others of the same bytes, dtype and shape.

    ``name`` is what the user called it, if known; ``type`` is its static type. ``layout`` says what its
    elements are where the compiler has made them of what the user wrote.
    """

    array: np.ndarray[Any, np.dtype[Any]]
    name: str = ""
    layout: str = ""

    @staticmethod
    def of(array: Any, name: str = "") -> Constant:
        """A snapshot: later changes to ``array`` are not seen. Always contiguous, native order.

        An array that nobody can write to (a file mapped for reading, say) is taken as it is: weights of
        any size then need no memory of their own.
        """
        plain = np.asarray(array)
        if plain.flags.c_contiguous and plain.dtype.isnative and _is_frozen(plain):
            return Constant(plain, name)
        copy = np.array(plain, dtype=plain.dtype.newbyteorder("="), order="C", copy=True)
        copy.flags.writeable = False
        return Constant(copy, name)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of dtype, shape and bytes."""
        digest = hashlib.sha256(f"{self.array.dtype.name}{self.array.shape}".encode())
        digest.update(np.atleast_1d(self.array).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and (self is other or self.digest == other.digest)

    def __hash__(self) -> int:
        return hash(self.digest)


def _is_frozen(array: np.ndarray[Any, Any]) -> bool:
    """Whether the array and whatever owns its memory are marked read-only."""
    owner: Any = array
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            return False
        owner = owner.base  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return owner is None or (isinstance(owner, (bytes, mmap)) and memoryview(owner).readonly)


@dataclass(frozen=True, eq=False)
class Graph:
    """Values from inputs to outputs. A region of control flow is a graph too; nothing is captured."""

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """What the outputs reach, operands before users, in a deterministic order."""
        return tuple(reachable(self.outputs))

    def users(self) -> dict[Value, list[Node]]:
        """The nodes that read each value, in order; outputs of the graph are not counted."""
        found: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for operand in dict.fromkeys(node.operands):
                found.setdefault(operand, []).append(node)
        return found


def reachable(outputs: Sequence[Value]) -> Iterator[Node]:
    """The nodes that values depend on, each once, operands first."""
    done: set[Node] = set()
    for output in outputs:
        stack: list[tuple[Node, int]] = [(output.producer, 0)] if output.producer is not None else []
        while stack:
            node, position = stack.pop()
            if node in done:
                continue
            pending = next(
                (
                    (i, v.producer)
                    for i, v in enumerate(node.operands[position:], position)
                    if v.producer is not None and v.producer not in done
                ),
                None,
            )
            if pending is None:
                done.add(node)
                yield node
            else:
                stack.append((node, pending[0]))
                stack.append((pending[1], 0))


@dataclass(frozen=True)
class Function:
    """A compiled function's body and the signature a user sees.

    The graph's inputs are the leaves of ``arguments`` (a tree of leaf indices in signature order)
    followed by the values of ``reads`` (states by name); its outputs are the leaves of ``results``
    followed by the new values of ``writes``. ``input_names`` and ``output_names`` name the leaves
    (``p.W``, ``x``, ``out.0``); they are valid C identifiers after replacing dots.
    """

    graph: Graph
    parameters: tuple[str, ...]
    arguments: Tree
    results: Tree
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    doc: str = ""
    location: Location = locations.UNKNOWN

    @property
    def name(self) -> str:
        return self.graph.name


@dataclass(frozen=True)
class State:
    """A named tensor that lives between calls; ``initial`` is its value in a new instance."""

    name: str
    type: TensorType
    initial: Constant


@dataclass(frozen=True)
class Module:
    """What one library is made of. Weights are the `Constant` attributes of the graphs."""

    functions: tuple[Function, ...]
    states: tuple[State, ...] = field(default=())
