"""Arrays inside ``tcc.eager()``: NumPy's own, with the one thing more that traced arrays have, ``x.at``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from tcc.frontends.numpy import scope as scopes
from tcc.tree import flatten, unflatten

Array = np.ndarray[Any, np.dtype[Any]]


class EagerArray(Array):
    """A NumPy array with ``at``; what NumPy makes of it is one too."""

    @property
    def at(self) -> ArrayUpdates:
        """``x.at[index].set(value)`` and ``.add(value)``: a copy with elements changed."""
        return ArrayUpdates(self)

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return seen(super().__array_function__(func, types, args, kwargs))


class ArrayUpdates:
    """``x.at`` of an array: indexed, it gives the elements to change."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def __getitem__(self, index: Any) -> ArrayElements:
        return ArrayElements(self._array, index)


class ArrayElements:
    """``x.at[index]`` of an array."""

    def __init__(self, array: Array, index: Any) -> None:
        self._array = array
        self._index = index

    def set(self, value: Any) -> Array:
        """A copy with ``value`` in these elements."""
        changed = cast(Any, self._array).copy()
        changed[self._index] = value
        return changed

    def add(self, value: Any) -> Array:
        """A copy with ``value`` added to these elements, as often as each is named."""
        changed = cast(Any, self._array).copy()
        np.add.at(changed, self._index, value)
        return changed


def seen(item: Any) -> Any:
    """The arrays in nested values as a body inside ``tcc.eager()`` sees them; elsewhere the values as they are."""
    return _replaced(item, lambda x: x.view(EagerArray)) if scopes.is_eager() else item


def plain(item: Any) -> Any:
    """The arrays in nested values as NumPy's own."""
    return _replaced(item, lambda x: x.view(np.ndarray) if isinstance(x, EagerArray) else x)


def _replaced(item: Any, change: Callable[[Array], Any]) -> Any:
    if isinstance(item, np.ndarray):
        return change(cast(Array, item))
    if not isinstance(item, (dict, list, tuple)) and not hasattr(item, "__dataclass_fields__"):
        return item
    leaves, tree = flatten(item)
    return unflatten(tree, [change(cast(Array, x)) if isinstance(x, np.ndarray) else x for x in leaves])
