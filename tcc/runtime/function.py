"""A compiled function as Python sees it: called with arrays, returns arrays.

A call whose arguments have been seen before (same dtypes, shapes and strides) takes a plan from a
dictionary and goes straight to C; anything else is looked at argument by argument first.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from tcc.artifact.expression import evaluate
from tcc.errors import UserError
from tcc.runtime import arguments as checks
from tcc.runtime.arguments import Array
from tcc.runtime.element import numpy_dtype
from tcc.runtime.unrolled import written_out
from tcc.tree import unflatten

if TYPE_CHECKING:
    import inspect

    from tcc.artifact import Function as Signature
    from tcc.runtime.session import Session

_INVALID_ALIGNMENT = 5
_MOST_PLANS = 1024
_layout = attrgetter("__class__", "dtype", "shape", "strides")

# The shapes and dtypes of a call's results.
_Made = Sequence[tuple[tuple[int, ...], np.dtype[Any]]]


class Function:
    """Call it as the Python function it was compiled from.

    Arguments are positional or by name, nested as in the source. Arrays are read in place unless they
    are not contiguous or of another byte order; tensors of other libraries come in by DLPack. ``out``
    takes arrays to write into, nested as the results. Any number of threads may call at once; the
    interpreter's lock is released meanwhile.
    """

    def __init__(self, signature: Signature, session: Session) -> None:
        self.signature = signature
        self.__name__ = self.__qualname__ = signature.name
        self.__doc__ = signature.doc or signature.described()
        self._session = session
        self._plans: dict[Any, tuple[Any, ...]] = {}
        self._closed = False
        self._single = signature.results_tree.kind == "leaf"

    @staticmethod
    def of(
        signature: Signature,
        call: Callable[..., int],
        session: Session,
        state: tuple[ctypes.c_void_p, ...] = (),
    ) -> Function:
        """The function of this signature that calls ``call`` with the pointers ``state`` before its arguments."""
        made = type("Function", (Function,), {})(signature, session)
        type(made).__call__ = written_out(
            len(signature.arguments),
            all(child.kind == "leaf" for child in signature.arguments_tree.children),
            len(signature.symbols),
            len(signature.results),
            made._single,
            call=call,
            state=state,
            plans=made._plans,
            session=session,
            bind=partial(checks.bind, signature),
            unflatten=partial(unflatten, signature.results_tree),
        )
        return made

    @cached_property
    def __signature__(self) -> inspect.Signature:
        return checks.signature(self.signature)

    def __repr__(self) -> str:
        return f"<compiled function {self.signature.described()}>"

    __call__: Callable[..., Any]
    """Each function has its own: see `tcc.runtime.unrolled`."""

    def close(self) -> None:
        """Refuses further calls, since the library or the state is gone."""
        self._closed = True
        self._plans.clear()

    def call_leaves(self, given: Mapping[str, Any]) -> dict[str, Array]:
        """Calls with leaves by their dotted names and returns the results by theirs."""
        names = [t.name for t in self.signature.arguments]
        takes = f"it takes {', '.join(names)}"
        for name in given:
            if name not in names:
                raise UserError(f"{self.__name__}: there is no argument '{name}'", why=takes, fix="name one of these")
        for name in names:
            if name not in given:
                raise UserError(
                    f"{self.__name__}: argument '{name}' is missing", why=takes, fix=f"give it by its name, {name}"
                )
        nested = self(*unflatten(self.signature.arguments_tree, [given[name] for name in names]))
        results: list[Any] = [None] * len(self.signature.results)
        checks.spread(self.signature.results_tree, nested, results, self.__name__)
        return {t.name: array for t, array in zip(self.signature.results, results, strict=True)}

    def _prepare(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """Checked arrays, sizes as C takes them, and the results' shapes and dtypes.

        All but the arrays are kept for calls with arrays just like them.
        """
        if self._closed:
            why = "its code and memory are gone"
            raise UserError(f"{self.__name__}: the library or state has been closed", why=why, fix="load it again")
        function = self.signature
        arrays = [
            checks.as_array(value, tensor, f"{function.name}: argument '{tensor.name}'")
            for value, tensor in zip(checks.bind(function, args, kwargs), function.arguments, strict=True)
        ]
        sizes = checks.solve(function, arrays)
        plan = (
            *(ctypes.c_int64(sizes[s.name]) for s in function.symbols),
            *((tuple(evaluate(e, sizes) for e in t.shape), numpy_dtype(t.dtype)) for t in function.results),
        )
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        self._plans[tuple(part for a in arrays for part in _layout(a))] = plan
        return [*arrays, *plan]

    def _failed(self, status: int, leaves: list[Array], out: Any) -> Any:
        """What a call gives instead whose status was not 0; UserError with the library's message."""
        if status == _INVALID_ALIGNMENT and not all(a.flags.aligned for a in leaves):
            return self(*unflatten(self.signature.arguments_tree, [a.copy() for a in leaves]), out=out)
        return self._session.check(status)

    def _outputs(self, out: Any, made: _Made) -> list[Array]:
        leaves: list[Any] = [out]
        if not self._single:
            leaves = [None] * len(made)
            checks.spread(self.signature.results_tree, out, leaves, f"{self.__name__}: out")
        for number, (array, (shape, dtype)) in enumerate(zip(leaves, made, strict=True)):
            if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
                raise self._unfit(number, array, f"it must be an array {dtype}{list(shape)}")
            if not array.flags.carray:
                raise self._unfit(number, array, "it must be contiguous, aligned and writeable")
        return leaves

    def _unfit(self, number: int, array: Any, why: str) -> UserError:
        name = "out" if self._single else f"out '{self.signature.results[number].name}'"
        is_array = isinstance(array, np.ndarray)
        found = f"an array {array.dtype}{list(array.shape)}" if is_array else f"of type {type(array).__name__}"
        fix = "pass such an array, or leave out away: the results are returned"
        return UserError(f"{self.__name__}: {name} cannot be written to: {why}", why=f"it is {found}", fix=fix)
