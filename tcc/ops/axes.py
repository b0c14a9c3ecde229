"""Axes and shapes as arguments: normalised, checked, with NumPy's meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Union

import numpy as np

from tcc.ir.dim import Dim, Size
from tcc.ops.operands import error

Axes = Union[int, Sequence[int], None]
Shape = Union[Size, Sequence[Size]]


def one(name: str, axis: int, rank: int) -> int:
    """An axis counted from the front; UserError when there is none of that number."""
    number = integer(name, "axis", axis)
    if not -rank <= number < rank:
        raise error(
            f"{name}: axis {number} is out of range",
            why=f"the operand has {rank} dimension{'s' if rank != 1 else ''}: expected {-rank} ≤ axis < {rank}"
            if rank
            else "the operand is a scalar",
            fix="axis=-1 is the last one, axis=None all of them" if rank else "leave the axis out",
        )
    return number % rank


def several(name: str, axis: Axes, rank: int) -> tuple[int, ...]:
    """Axes counted from the front, in order; None means all. UserError when one is named twice."""
    if axis is None:
        return tuple(range(rank))
    found = [one(name, a, rank) for a in ((axis,) if isinstance(axis, (int, np.integer)) else axis)]
    if len(set(found)) != len(found):
        raise error(
            f"{name}: an axis is named twice in {tuple(found)}",
            why=f"of {rank} axes, -1 is {rank - 1}",
            fix="name each once",
        )
    return tuple(sorted(found))


def integer(name: str, argument: str, value: object) -> int:
    """A static integer argument; UserError when it is none."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    raise error(
        f"{name}: '{argument}' is {type(value).__name__}",
        why="expected an integer known at compile time",
        fix="pass a Python number",
    )


def size(name: str, argument: str, value: object) -> Size:
    """A static integer or a symbolic size; UserError when it is neither."""
    return value if isinstance(value, Dim) else integer(name, argument, value)


def shape(name: str, value: object) -> tuple[Size, ...]:
    """A shape argument: one size or several."""
    if isinstance(value, (int, np.integer, Dim)):
        return (size(name, "shape", value),)
    if isinstance(value, (list, tuple, np.ndarray)):
        return tuple(size(name, "shape", s) for s in value)  # pyright: ignore[reportUnknownVariableType]
    raise error(
        f"{name}: 'shape' is {type(value).__name__}",
        why="expected a size or a tuple of sizes",
        fix="write it as (3, n)",
    )


def without(sizes: Sequence[Size], axes: Sequence[int]) -> tuple[Size, ...]:
    """The sizes of the axes that are not named."""
    return tuple(s for i, s in enumerate(sizes) if i not in axes)


def with_ones(sizes: Sequence[Size], axes: Sequence[int]) -> tuple[Size, ...]:
    """The sizes with those of the named axes replaced by 1 (NumPy's keepdims)."""
    return tuple(1 if i in axes else s for i, s in enumerate(sizes))
