"""A compiled function as Python sees it: called with arrays, returns arrays.

A call whose arguments have been seen before (same dtypes, shapes and strides) takes a plan from a
dictionary and goes straight to C; anything else is looked at argument by argument first.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from tcc.artifact.expression import evaluate
from tcc.errors import UserError
from tcc.runtime import arguments as checks
from tcc.runtime.arguments import Array
from tcc.runtime.element import numpy_dtype
from tcc.tree import unflatten

if TYPE_CHECKING:
    import inspect

    from tcc.artifact import Function as Signature
    from tcc.runtime.session import Session

_pointer = ctypes.c_void_p.from_address
_layout = attrgetter("__class__", "dtype", "shape", "strides")
_HEAD = object.__basicsize__
_INVALID_ALIGNMENT = 5
_MOST_PLANS = 1024

# An array's data pointer follows the object's head in memory, where it is read ten times as fast as
# `array.ctypes.data` gives it. Whether that holds depends on the interpreter: tried once.
_probe = np.zeros(1)
_DIRECT = _pointer(id(_probe) + _HEAD).value == _probe.ctypes.data


def _ask_addresses(arrays: Sequence[Array]) -> list[ctypes.c_void_p]:
    return [ctypes.c_void_p(a.ctypes.data) for a in arrays]


# The size arguments of a call, and the shapes and dtypes of its results.
_Made = tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]
_Plan = tuple[tuple[ctypes.c_int64, ...], _Made]
_empty = np.empty


class Function:
    """Call it as the Python function it was compiled from.

    Arguments are positional or by name, nested as in the source. Arrays are read in place unless they
    are not contiguous or of another byte order; tensors of other libraries come in by DLPack. ``out``
    takes arrays to write into, nested as the results. Any number of threads may call at once; the
    interpreter's lock is released meanwhile.
    """

    def __init__(
        self,
        function: Signature,
        call: Callable[..., int],
        session: Session,
        state: tuple[ctypes.c_void_p, ...] = (),
    ) -> None:
        self.signature = function
        self.__name__ = self.__qualname__ = function.name
        self.__doc__ = function.doc or function.described()
        self._call = call
        self._session = session
        self._state = state
        self._plans: dict[Any, _Plan] = {}
        self._flat = all(child.kind == "leaf" for child in function.arguments_tree.children)
        self._single = function.results_tree.kind == "leaf"

    @cached_property
    def __signature__(self) -> inspect.Signature:
        return checks.signature(self.signature)

    def __repr__(self) -> str:
        return f"<compiled function {self.signature.described()}>"

    def __call__(self, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        leaves: Any = args if self._flat and not kwargs else checks.bind(self.signature, args, kwargs)
        try:
            sizes, made = self._plans[tuple(map(_layout, leaves))]
        except (KeyError, AttributeError, TypeError):
            leaves, sizes, made = self._prepare(leaves)
        results = [_empty(shape, dtype) for shape, dtype in made] if out is None else self._outputs(out, made)
        status = self._call(
            *self._state,
            *([_pointer(id(a) + _HEAD) for a in leaves] if _DIRECT else _ask_addresses(leaves)),
            *sizes,
            *([_pointer(id(a) + _HEAD) for a in results] if _DIRECT else _ask_addresses(results)),
            self._session.context,
        )
        if status:
            if status == _INVALID_ALIGNMENT and not all(a.flags.aligned for a in leaves):
                return self(*unflatten(self.signature.arguments_tree, [a.copy() for a in leaves]), out=out)
            self._session.check(status)
        if out is not None:
            return out
        return results[0] if self._single else unflatten(self.signature.results_tree, results)

    def close(self) -> None:
        """Refuses further calls, since the library or the state is gone."""
        self._plans = {}
        self._call = self._closed

    def _closed(self, *_: Any) -> int:
        why = "its code and memory are gone"
        raise UserError(f"{self.__name__}: the library or state has been closed", why=why, fix="load it again")

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

    def _prepare(self, leaves: Sequence[Any]) -> tuple[list[Array], tuple[ctypes.c_int64, ...], _Made]:
        """Checked arrays and their plan, which is kept for calls with arrays just like them."""
        function = self.signature
        if len(leaves) != len(function.arguments):
            checks.bind(function, leaves, {})
        arrays = [
            checks.as_array(value, tensor, f"{function.name}: argument '{tensor.name}'")
            for value, tensor in zip(leaves, function.arguments, strict=True)
        ]
        sizes = checks.solve(function, arrays)
        plan = (
            tuple(ctypes.c_int64(sizes[s.name]) for s in function.symbols),
            tuple((tuple(evaluate(e, sizes) for e in t.shape), numpy_dtype(t.dtype)) for t in function.results),
        )
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        self._plans[tuple(map(_layout, arrays))] = plan
        return arrays, *plan

    def _outputs(self, out: Any, made: _Made) -> list[Array]:
        if self._single:
            shape, dtype = made[0]
            if type(out) is np.ndarray and out.dtype == dtype and out.shape == shape and out.flags.carray:
                return [out]
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
