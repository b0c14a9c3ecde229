"""The meaning of `TileOp`: a product of small matrices that lie in buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Fail = Callable[[str, str, int, int], Any]
"""Raises for a bad access: what it was, the buffer, the element, the buffer's size."""


class Matrix:
    """``rows`` × ``columns`` elements of a buffer with its marks, at an offset and two strides."""

    def __init__(self, name: str, array: Array, marks: Any, place: Sequence[int], rows: int, columns: int) -> None:
        offset, row, column = place
        self.name, self.array, self.marks = name, array, marks
        self.index = offset + row * np.arange(rows)[:, None] + column * np.arange(columns)[None, :]

    def read(self, fail: Fail) -> Array:
        """The elements, which all have to be there and written."""
        size = len(self.array)
        for element in self.index.reshape(-1).tolist():
            if not 0 <= element < size or not self.marks[element]:
                fail("tile", self.name, element, size)
        return self.array[self.index]

    def write(self, values: Array) -> None:
        self.array[self.index] = values


def multiply(acc: Matrix, a: Matrix, b: Matrix, fail: Fail) -> None:
    """``acc += a @ b`` in the accumulator's dtype, the products one after the other."""
    total = acc.read(fail)
    left, right = a.read(fail).astype(total.dtype), b.read(fail).astype(total.dtype)
    for k in range(left.shape[1]):
        total = total + left[:, k, None] * right[None, k, :]
    acc.write(total)
