"""What ``@tcc.function`` makes of a Python function, as far as tracing goes."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from tcc.errors import Place, UserError
from tcc.frontends.numpy.operand import Traced
from tcc.frontends.numpy.signature import Signature, bind, definition, from_call, from_specs, type_of
from tcc.frontends.numpy.trace import TracedFunction, trace
from tcc.ir import dim
from tcc.ir import location as locations
from tcc.ir.dim import Size
from tcc.ir.types import TensorType

Self = TypeVar("Self", bound="Traceable")


def plain_name(python: Callable[..., Any]) -> str:
    """The function's name, if it has one that is an identifier (a lambda has not)."""
    name = getattr(python, "__name__", "")
    return name if name.isidentifier() and name.isascii() else "function"


class Traceable:
    """A Python function with the types of its arguments (``specs``), or with types to come from each call.

    UserError, at ``where``, when the specs do not fit the function.
    """

    def __init__(self, python: Callable[..., Any], specs: Mapping[str, Any], where: Place | None = None) -> None:
        self.python = python
        self.name = plain_name(python)
        self.where = where if where is not None else definition(python).place()
        typed = bool(specs) or not inspect.signature(python).parameters
        self.signature = from_specs(python, specs, self.where) if typed else None
        functools.update_wrapper(cast(Any, self), python)

    def __repr__(self) -> str:
        if self.signature is None:
            return f"<tcc.function {self.name}>"
        pairs = zip(self.signature.input_names, self.signature.types, strict=True)
        return f"<tcc.function {self.name}({', '.join(f'{n}: {t}' for n, t in pairs)})>"

    def with_python(self: Self, python: Callable[..., Any], name: str) -> Self:
        """Another function of the same arguments, defined at the user's line."""
        made = self.renamed(name)
        made.python = python
        made.where = locations.user_line().place()
        return made

    def renamed(self: Self, name: str) -> Self:
        """The same function under another name."""
        made = copy.copy(self)
        made.name = name
        return made

    def bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Signature, list[Any]]:
        """The signature that a call goes to (its static arguments filled in), and the call's leaves."""
        if self.signature is None:
            return from_call(self.python, args, kwargs)
        given = bind(self.python, args, kwargs)
        static = tuple((name, given[name]) for name, _ in self.signature.static)
        for name, value in static:
            if isinstance(value, Traced):
                raise UserError(
                    f"argument '{name}' of '{self.name}' is a traced value",
                    where=locations.user_line().place(),
                    why="it has no spec, so it stays a Python value",
                    fix=f'give it a spec: @tcc.function({name}="{value.value.type}")',
                )
        leaves = [leaf for a in self.signature.arguments for leaf in a.leaves(given[a.name])]
        return replace(self.signature, static=static) if static else self.signature, leaves

    def trace(self, signature: Signature | None = None) -> TracedFunction:
        """Runs the Python body on traced values of the signature (default: the specs')."""
        signature = signature if signature is not None else self.signature
        if signature is None:
            raise UserError(
                f"the types of the arguments of '{self.name}' are not known",
                where=self.where,
                why="it is compiled before it is called, and @tcc.function names none",
                fix='declare them: @tcc.function(x="f32[batch, 784]")',
            )
        return trace(self.python, signature, self.name)

    def inline(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Runs the Python body inside the current trace, on arguments that fit the specs."""
        if self.signature is not None:
            signature, leaves = self.bound(args, kwargs)
            sizes: dict[str, Size] = {}
            for name, expected, leaf in zip(signature.input_names, signature.types, leaves, strict=True):
                self._fit(name, expected, type_of(leaf), sizes)
        return self.python(*args, **kwargs)

    def _fit(self, name: str, expected: TensorType, found: TensorType, sizes: dict[str, Size]) -> None:
        fits = found.dtype == expected.dtype and found.rank == expected.rank
        for size, actual in zip(expected.shape, found.shape, strict=False):
            symbols = dim.symbols(size)
            if len(symbols) == 1 and size == dim.of_atom(symbols[0]):
                sizes.setdefault(symbols[0].name, actual)
            known = all(s.name in sizes for s in symbols)
            fits = fits and (not known or dim.substitute(size, sizes) == actual)
        if not fits:
            bound = ", ".join(f"{k}={v}" for k, v in sizes.items())
            raise UserError(
                f"argument '{name}' of '{self.name}' has type {found}",
                where=locations.user_line().place(),
                why=f"expected {expected}" + (f" with {bound}" if bound else ""),
                fix="pass a value of the spec's type, or change the spec",
            )
