"""What a peer makes of a workload: something to call, and where its results are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tools.bench.workload import Array


@dataclass(frozen=True)
class Prepared:
    """``call()`` computes once; ``results()`` gives the last results as NumPy arrays in NumPy's layout.

    ``owned`` says that the results went into arrays of the caller, so that no memory was asked for. ``kept`` is
    what must live as long: memory that the library reads without owning it.
    """

    call: Callable[[], Any]
    results: Callable[[], Sequence[Array]]
    owned: bool
    kept: object = None


def to_nchw(array: Array, layout: str) -> Array:
    """An image (N, H, W, C) or kernel (H, W, C, O) in the order of peers that compute in NCHW."""
    axes = {"image": (0, 3, 1, 2), "kernel": (3, 2, 0, 1)}.get(layout)
    return array if axes is None else np.ascontiguousarray(np.transpose(array, axes))


def from_nchw(arrays: Sequence[Array], image: bool) -> list[Array]:
    """Results in NumPy's order."""
    return [a.transpose(0, 2, 3, 1) if image and a.ndim == 4 else a for a in arrays]
