"""Groups that are alike, those of a network's layers say: their kernels are emitted once.

Two groups are alike where what they compute, from what the entry has in memory, is the same but for the names of
axes and buffers. All that an emission follows from is in the key, source lines included.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from tcc.ir import dim, forms
from tcc.ir.dim import Size
from tcc.ir.forms import Coordinates
from tcc.ir.graph import Constant, Node, Value
from tcc.loops.decision import Decision
from tcc.schedule.chains.chain import Chain
from tcc.schedule.element import Emitted, Task
from tcc.schedule.group import Group, Root
from tcc.schedule.nests import splat

KINDS = ("row", "chain")
"""Those of groups that are looked for: the others are few, or rarely alike."""


@dataclass(frozen=True)
class _Known:
    """Kernels that were emitted: their names of the values in memory in order, the constants among these, and what
    was decided."""

    kernels: Sequence[Emitted]
    names: Sequence[str]
    constants: Sequence[Constant]
    decisions: Sequence[Decision]


@dataclass
class Kernels:
    """What the groups of one entry became, in which a name of a size or of an axis has one range."""

    known: dict[Hashable, _Known] = field(default_factory=dict[Hashable, _Known])

    def of(self, task: Task, emit: Callable[[Task], list[Emitted]]) -> tuple[list[Emitted], Mapping[Value, str]]:
        """A task's kernels, and their names of the values in memory: its own, or those of a group that is alike."""
        group, stored = task.group, task.stored
        if group.kind not in KINDS:
            return emit(task), stored
        seen = _Seen(task)
        key = seen.key()
        if len(seen.stored) < len(stored):
            return emit(task), stored
        found = self.known.get(key)
        if found is None:
            before = len(group.decisions)
            kernels = emit(task)
            names = [stored[v] for v in seen.stored]
            self.known[key] = _Known(kernels, names, tuple(seen.constants), tuple(group.decisions[before:]))
            return kernels, stored
        group.decisions += found.decisions
        constants = dict(zip(found.constants, seen.constants, strict=True))
        kernels = [
            replace(k, constants=tuple((n, replace(w, constant=constants[w.constant])) for n, w in k.constants))
            for k in found.kernels
        ]
        return kernels, {v: found.names[seen.stored[v]] for v in stored}


class _Seen:
    """A group as it is gone through: nodes, values in memory, constants, axes are numbered as they are met."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.own = {n for g in task.group.parts for n in g.nodes}
        self.nodes: list[Node] = []
        self.numbers: dict[Node, int] = {}
        self.stored: dict[Value, int] = {}
        self.constants: dict[Constant, int] = {}
        self.axes: dict[str, Size] = {}

    def key(self) -> Hashable:
        """What the emission of the group's kernels follows from."""
        group = self.task.group
        parts: tuple[Hashable, ...] = tuple(map(self._group, group.parts))
        if isinstance(group, Chain):
            parts += tuple((tuple(map(self._axis, x.names)), x.scales) for x in group.lines)
            parts += tuple(map(self._value, group.local)), tuple(map(self._root, group.roots))
            parts += group.turned, group.within, group.rows, self._reads(group)
        # The list of nodes grows while it is gone through.
        return group.kind, parts, tuple(self._described(node) for node in self.nodes)

    def _group(self, group: Group) -> Hashable:
        return (
            group.kind,
            tuple((self._axis(a.name), a.extent) for a in group.axes),
            None if group.reduced is None else tuple(map(self._axis, group.reduced)),
            frozenset(map(self._axis, group.unrolled)),
            tuple(map(self._root, group.roots)),
            tuple((self._node(node), self._at(at)) for node, at in group.reductions),
            self._reads(group) if isinstance(self.task.group, Chain) else (),
        )

    def _root(self, root: Root) -> Hashable:
        values = tuple(map(self._in_memory, root.node.results))
        return self._node(root.node), values, self._at(root.coordinates), root.piece

    def _reads(self, group: Group) -> Hashable:
        return tuple(
            (self._value(value), tuple((self._at(at), frozenset(map(self._axis, live))) for at, live in places.items()))
            for value, places in group.reads.items()
        )

    def _axis(self, name: str) -> Size:
        """A name of an axis, or of an index that is read, as the number of it."""
        return self.axes.setdefault(name, dim.symbol(f"@@{len(self.axes)}"))

    def _at(self, coordinates: Coordinates) -> Hashable:
        for c in coordinates:
            for symbol in dim.symbols(c):
                if symbol.name[0] in "@?":
                    self._axis(symbol.name)
        return tuple(dim.substitute(c, self.axes) for c in coordinates)

    def _value(self, value: Value) -> Hashable:
        """A value that is read: a number, what is in memory, or a node's result."""
        number = splat(value)
        if number is not None:
            return value.type, repr(number)
        node = value.producer
        if node is None or (value in self.task.stored and node not in self.own):
            return self._in_memory(value)
        return self._node(node), value.index

    def _in_memory(self, value: Value) -> Hashable:
        """A value that the group reads or stores, with what of its contents matters."""
        if value not in self.task.stored:
            return None
        node = value.producer
        constant: Hashable = None
        if node is not None and isinstance(node.op.form, forms.Literal):
            weight: Constant = node.attributes["value"]
            constant = self.constants.setdefault(weight, len(self.constants)), weight.digest in self.task.plain
        unchanging = value in self.task.unchanging
        return self.stored.setdefault(value, len(self.stored)), value.type, constant, unchanging

    def _node(self, node: Node) -> int:
        if node not in self.numbers:
            self.numbers[node] = len(self.nodes)
            self.nodes.append(node)
        return self.numbers[node]

    def _described(self, node: Node) -> Hashable:
        """What a node is. Its operands are met here, and described after it."""
        attributes = tuple((name, _exact(x)) for name, x in node.attributes.items())
        results = tuple((v.type, v.location, v in self.task.grouping.stored) for v in node.results)
        return id(node.op), attributes, tuple(map(self._value, node.operands)), results, node.location


def _exact(attribute: Any) -> Hashable:
    """An attribute so that only what is the same is equal: zeros of both signs are not, nor 1 and true."""
    if isinstance(attribute, tuple):
        return tuple(map(_exact, cast("tuple[Any, ...]", attribute)))
    if isinstance(attribute, (int, float, complex)):
        return type(attribute).__name__, repr(attribute)
    return attribute
