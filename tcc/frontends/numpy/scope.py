"""Where a traced value belongs: the function being traced, or a region inside it.

A region (the body of a scan, a function that is differentiated) is closed: a value of an enclosing
scope that it uses becomes an input of it, a capture. Python knows nothing of that; the scopes do.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from tcc.errors import UserError
from tcc.ir import location as locations
from tcc.ir.build import graph_input
from tcc.ir.graph import Value
from tcc.ir.location import Location


@dataclass(eq=False)
class Scope:
    """One function or region under trace; ``parent`` is the scope around a region.

    ``captures`` maps a value of the parent to the input that stands for it. ``constants`` are the
    literals made so far, by digest. ``states`` (of the outermost scope) are the state variables
    touched, each with the value read and the value now.
    """

    name: str
    parent: Scope | None = None
    location: Location = locations.UNKNOWN
    captures: dict[Value, Value] = field(default_factory=dict[Value, Value])
    constants: dict[str, Value] = field(default_factory=dict[str, Value])
    states: dict[Any, Any] = field(default_factory=dict[Any, Any])

    @property
    def root(self) -> Scope:
        """The function's own scope."""
        return self if self.parent is None else self.parent.root

    def encloses(self, other: Scope | None) -> bool:
        """Whether ``other`` is this scope or lies in it."""
        while other is not None:
            if other is self:
                return True
            other = other.parent
        return False

    def import_value(self, value: Value, owner: Scope) -> Value:
        """What ``value`` of the enclosing scope ``owner`` is called in this one."""
        if owner is self:
            return value
        if self.parent is None or not owner.encloses(self.parent):
            raise UserError(
                "a traced value is used outside of the function in which it was made",
                where=locations.user_line().place(),
                why=f"it was made at {value.location} while '{owner.name}' was traced",
                fix="return it from the function (for tcc.scan: through the carry or the stacked results)",
            )
        outer = self.parent.import_value(value, owner)
        if outer not in self.captures:
            self.captures[outer] = graph_input(outer.type, outer.name, outer.location)
        return self.captures[outer]


_current: ContextVar[Scope | None] = ContextVar("tcc_scope", default=None)


def current() -> Scope | None:
    """The scope being traced now; None outside of a trace."""
    return _current.get()


@contextmanager
def entered(scope: Scope) -> Generator[Scope]:
    """Within the block, operations on traced values belong to ``scope``."""
    token = _current.set(scope)
    try:
        yield scope
    finally:
        _current.reset(token)


_eager: ContextVar[bool] = ContextVar("tcc_eager", default=False)


@contextmanager
def eager() -> Generator[None]:
    """Within the block, calling a ``tcc.function`` runs its Python body on NumPy values."""
    token = _eager.set(True)
    try:
        yield
    finally:
        _eager.reset(token)


def is_eager() -> bool:
    """Whether the caller is inside `eager`."""
    return _eager.get()
