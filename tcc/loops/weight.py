"""Constants as programs read them: as they are, or laid out anew, which is done when they are written."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from tcc.ir import dtype as dt
from tcc.ir.dtype import U32, DType
from tcc.ir.graph import Constant

Array = np.ndarray[Any, np.dtype[Any]]
Line = tuple[int, int]
"""How many elements follow each other, and how far they are apart."""


def joined(lines: Sequence[Line], count: int = 1) -> tuple[Line, ...]:
    """Lines over the same elements in the same order, as few as there can be: machines may differ in their loops.

    The last one is not joined to others where it is not made of whole words of ``count`` elements.
    """
    found: list[Line] = []
    for number, (extent, stride) in enumerate(lines):
        last = number == len(lines) - 1
        if extent == 1 and (not last or (found and count == 1)):
            continue
        if found and found[-1][1] == extent * stride and (not last or extent % count == 0):
            found[-1] = (found[-1][0] * extent, stride)
        else:
            found.append((extent, stride))
    return tuple(found)


@dataclass(frozen=True)
class Packing:
    """Numbers as words: ``count`` of them as ``dtype``, and the bits of a word that are flipped."""

    count: int
    dtype: DType
    flipped: int = 0

    def of_array(self, numbers: Array) -> Array:
        """The words along the last axis, whose extent is divided by ``count``."""
        words = np.ascontiguousarray(numbers.astype(self.dtype.numpy)).view("<u4")
        return words ^ np.uint32(self.flipped) if self.flipped else words


@dataclass(frozen=True)
class Panels:
    """A weight's elements in panels of ``wide`` columns: axes are ``outer``, panels, steps and a panel's columns.

    What is no column is zero. The elements are those from ``first`` on along ``outer``, ``shared``, whose points are
    the steps, and ``columns``. With ``words`` those that follow each other along the last shared line are packed.

    Its text is part of a digest: equal texts have to mean equal bytes.
    """

    first: int
    outer: tuple[Line, ...]
    shared: tuple[Line, ...]
    columns: Line
    wide: int
    words: Packing | None = None

    def described(self) -> str:
        """What it is, for a reader."""
        return f"panels of {self.wide} columns" + (f", words of {self.words.count}" if self.words else "")

    @property
    def shape(self) -> tuple[int, ...]:
        steps = [n for n, _ in self.shared]
        if self.words is not None:
            steps[-1] = -(-steps[-1] // self.words.count)
        return (*(n for n, _ in self.outer), -(-self.columns[0] // self.wide), math.prod(steps), self.wide)

    def of_array(self, array: Array) -> Iterator[Array]:
        """The panels in order, each made when it is asked for."""
        flat = array.reshape(-1)[self.first :]
        lines = (*self.outer, *self.shared, self.columns)
        steps = [flat.itemsize * n for _, n in lines]
        view = np.lib.stride_tricks.as_strided(flat, [n for n, _ in lines], steps, writeable=False)
        for place in product(*(range(n) for n, _ in self.outer)):
            for start in range(0, self.columns[0], self.wide):
                columns = view[place][..., start : start + self.wide]
                panel = np.zeros((*columns.shape[:-1], self.wide), flat.dtype)
                panel[..., : columns.shape[-1]] = columns
                yield panel if self.words is None else _in_words(panel, self.words)


def _in_words(panel: Array, words: Packing) -> Array:
    """A panel with the numbers along its last axis but one as words, zeros where there are no more of them."""
    rest = [(0, 0)] * (panel.ndim - 2) + [(0, -panel.shape[-2] % words.count), (0, 0)]
    return np.ascontiguousarray(np.moveaxis(words.of_array(np.moveaxis(np.pad(panel, rest), -2, -1)), -1, -2))


@dataclass(frozen=True, eq=False)
class Weight:
    """A constant as it is, or in panels. No more than one of these is made at a time, and nothing is kept."""

    constant: Constant
    panels: Panels | None = None

    @property
    def name(self) -> str:
        """What the user called it."""
        return self.constant.name

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the bytes follow from: the constant's digest and the layout."""
        if self.panels is None:
            return self.constant.digest
        return hashlib.sha256(f"{self.constant.digest} {self.panels!r}".encode()).hexdigest()

    @property
    def dtype(self) -> DType:
        words = None if self.panels is None else self.panels.words
        return dt.of(self.constant.array.dtype) if words is None else U32

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(int, self.constant.array.shape)) if self.panels is None else self.panels.shape

    @property
    def size(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)

    @property
    def layout(self) -> str:
        """What its axes are where they are not those of the source's array."""
        panels = "" if self.panels is None else self.panels.described()
        return ", ".join(filter(None, (self.constant.layout, panels)))

    def pieces(self) -> Iterator[Array]:
        """Its elements, row-major, piece by piece."""
        if self.panels is None:
            return iter((self.constant.array,))
        return self.panels.of_array(self.constant.array)

    @property
    def array(self) -> Array:
        """All of its elements."""
        return np.concatenate([p.reshape(-1) for p in self.pieces()]).reshape(self.shape)
