"""Kernels of several groups: one outermost loop that is shared among workers, and each group's loops inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.forms import Coordinates
from tcc.ir.graph import Value
from tcc.loops import walk
from tcc.loops.program import Alloc, Block, Buffer, If, Loop, Parallel, Parameter, Serial, Stmt, Switch
from tcc.loops.weight import Weight
from tcc.schedule import kernels
from tcc.schedule.block import BlockBuilder
from tcc.schedule.element import Emitted, Local, Task
from tcc.schedule.group import Group

NEAR = 4 << 10
"""Bytes of a local buffer up to which it lies on the stack."""


class Joint(BlockBuilder):
    """A kernel under construction whose parts are groups' loops.

    ``local`` are the values of which only a part is stored, in ``rooms`` that each worker has for itself;
    ``most`` the greatest values of sizes that are known in the kernel only, and ``values`` all of them, where they are
    few.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(task.taken)
        self.task = task
        self.at = task.node.location
        self.stored = dict(task.stored)
        self.local: dict[Value, Local] = {}
        self.rooms: dict[str, Buffer] = {}
        self.most: dict[str, Size] = {}
        self.values: dict[str, Sequence[int]] = {}
        self._parameters: dict[str, Parameter] = {}
        self._constants: list[tuple[str, Weight]] = []

    def room(self, value: Value, local: Local) -> None:
        """Room for a part of a value."""
        name = self.fresh("t")
        self.stored[value] = name
        self.local[value] = local
        near = isinstance(local.size, int) and local.size * value.type.dtype.bytes <= NEAR
        self.rooms[name] = Buffer(name, value.type.dtype, local.size, "scratch" if near else "worker")

    def part(self, group: Group) -> Block:
        """A group's loops, for the places that its roots and reductions have."""
        task = self.task
        inside = Task(
            group,
            task.grouping,
            self.stored,
            task.facts,
            task.messages,
            tuple(self.taken),
            task.plain,
            inside=True,
            local=self.local,
            values=self.values,
        )
        (emitted,) = kernels.emit(inside)
        body = _roomy(_serial(emitted.body), self.most)
        self.taken |= walk.defined_names(body)
        self.taken |= {s.buffer.name for s in walk.statements(body) if isinstance(s, Alloc)}
        self._constants += emitted.constants
        self.taken |= {p.name for p in emitted.parameters}
        for p in emitted.parameters:
            known = self._parameters.get(p.name, p)
            self._parameters[p.name] = p if known.access == p.access else replace(p, access="update")
        return body

    def allocate(self) -> None:
        """The rooms, at this place."""
        for room in self.rooms.values():
            self.add(Alloc(room))

    def joined(self) -> Emitted:
        """The finished kernel."""
        parameters = tuple(sorted(self._parameters.values(), key=lambda p: p.access != "read"))
        return Emitted(self.block(), parameters, constants=tuple(self._constants))


def placed(coordinates: Coordinates, places: Mapping[str, Size]) -> Coordinates:
    """The coordinates with some axes at given places."""
    return tuple(dim.substitute(c, places) for c in coordinates)


def _serial(body: Block) -> Block:
    """The loops of a kernel as part of another one, which is shared among workers as a whole."""
    last = body[-1]
    if isinstance(last, Loop) and isinstance(last.mapping, Parallel):
        return (*body[:-1], replace(last, mapping=Serial()))
    return body


def _roomy(body: Block, most: Mapping[str, Size]) -> Block:
    """A block with room for the most that sizes known in the kernel only can be: a workspace is asked for before."""

    def statement(stmt: Stmt) -> Stmt:
        match stmt:
            case Alloc():
                return Alloc(replace(stmt.buffer, size=dim.substitute(stmt.buffer.size, most)))
            case Loop():
                return replace(stmt, body=_roomy(stmt.body, most))
            case Switch():
                return replace(stmt, cases=tuple(_roomy(c, most) for c in stmt.cases))
            case If():
                return replace(stmt, body=_roomy(stmt.body, most), otherwise=_roomy(stmt.otherwise, most))
            case _:
                return stmt

    return tuple(map(statement, body))
