"""Variables that live between calls: plain values in Python, the state of an instance in a library."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from tcc import ops
from tcc.errors import UserError
from tcc.frontends.numpy import scope as scopes
from tcc.frontends.numpy.capture import name_of
from tcc.frontends.numpy.eager import seen
from tcc.frontends.numpy.operand import as_operand, is_scalar
from tcc.frontends.numpy.scope import Scope
from tcc.frontends.numpy.tracer import Tracer
from tcc.ir import dtype as dt
from tcc.ir import graph
from tcc.ir import location as locations
from tcc.ir.build import graph_input
from tcc.ir.graph import Constant, Value
from tcc.ir.types import TensorType


@dataclass
class Slot:
    """A state in a function under trace: its name, the value that it has on entry, and its value now."""

    name: str
    entry: Value
    now: Value

    @property
    def written(self) -> bool:
        return self.now is not self.entry


class StateVariable:
    """A tensor of fixed shape and dtype that lives between calls; read and set as ``.value``.

    In Python it holds a NumPy array. In a library every instance has one of its own, which begins as
    the array that this variable was made with.
    """

    def __init__(self, init: Any, name: str | None = None) -> None:
        if name is not None and not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise UserError(
                f"'{name}' cannot be a name in C",
                where=locations.user_line().place(),
                why="the library's interface names the state",
                fix="use letters, digits and underscores, beginning with a letter",
            )
        self._name = name
        self._initial = Constant.of(init, name or "")
        self._value: np.ndarray[Any, Any] = self._initial.array
        self.type = TensorType(dt.of(self._value.dtype), tuple(map(int, self._value.shape)))

    def __repr__(self) -> str:
        return f"tcc.state({self.type}{f', {self._name}' if self._name else ''})"

    @property
    def value(self) -> Any:
        """The array; inside a traced function, what it is at this point."""
        scope = scopes.current()
        if scope is None:
            return seen(self._value)
        return Tracer(scope.import_value(self._slot(scope.root).now, scope.root), scope)

    @value.setter
    def value(self, new: Any) -> None:
        scope = scopes.current()
        if scope is None:
            self._value = Constant.of(self._checked(new)).array
        elif scope.parent is not None:
            raise UserError(
                f"the state '{self._slot(scope.root).name}' is set inside '{scope.name}'",
                where=locations.user_line().place(),
                why="a function that is scanned, mapped or differentiated may not change state",
                fix="carry the value through it, and set the state from the result",
            )
        else:
            slot = self._slot(scope)
            slot.now = self._checked_value(as_operand(new))

    def _checked(self, new: Any) -> np.ndarray[Any, Any]:
        array = np.asarray(new, self.type.dtype.numpy) if is_scalar(new) else np.asarray(new)
        found = TensorType(dt.of(array.dtype), tuple(map(int, array.shape)))
        if found != self.type:
            raise self._mismatch(found)
        return array

    def _checked_value(self, new: Any) -> Value:
        if not isinstance(new, Value):
            new = ops.full(self.type.shape, new, dtype=self.type.dtype)
        if new.type != self.type:
            raise self._mismatch(new.type)
        return new

    def _mismatch(self, found: TensorType) -> UserError:
        return UserError(
            f"the state{f' {self._name!r}' if self._name else ''} is set to a value of another type",
            where=locations.user_line().place(),
            why=f"it was made as {self.type}, the new value is {found}",
            fix="convert the value with astype"
            if found.shape == self.type.shape
            else "make the state of the shape that it is to have: tcc.state(np.zeros(shape))",
        )

    def _slot(self, root: Scope) -> Slot:
        slot = root.states.get(self)
        if slot is None:
            name = self._unique(root)
            entry = graph_input(self.type, name)
            slot = root.states[self] = Slot(name, entry, entry)
        return slot

    def _unique(self, root: Scope) -> str:
        if self._name is None:
            found = name_of(self).replace(".", "_")
            self._name = found if re.fullmatch(r"[A-Za-z_]\w*", found, re.ASCII) else "state"
        taken = {slot.name for slot in root.states.values()}
        if self._name not in taken:
            return self._name
        return next(f"{self._name}{i}" for i in range(1, len(taken) + 2) if f"{self._name}{i}" not in taken)

    def declaration(self, name: str) -> graph.State:
        """The module's declaration of it under this name."""
        return graph.State(name, self.type, self._initial)
