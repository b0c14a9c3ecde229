"""The operands of a workload and the results they must give, written once and read by every worker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tools.bench.peers.numpy_arrays import Namespace
from tools.bench.workload import Array, Workload, leaves, widened

Operands = tuple[dict[str, Array], dict[str, Array], list[Array], list[Array]]
_BF16 = np.dtype(ml_dtypes.bfloat16)
LINE = 64
"""Bytes of a cache line."""


def drawn(workload: Workload) -> Operands:
    """Inputs, weights, arrays like the results, and the references: NumPy's results from f64 operands."""
    inputs, weights = workload.draw()
    body, xp = workload.body_for("numpy"), Namespace()
    with np.errstate(all="ignore"):
        found: list[Any] = leaves(
            body(xp, *(widened(a) for a in inputs.values()), **{n: widened(a) for n, a in weights.items()})
        )
    references = [np.asarray(r) for r in found]
    given = _result_dtype([*inputs.values(), *weights.values()])
    results = [np.empty(r.shape, given.get(r.dtype.kind, r.dtype)) for r in references]
    return inputs, weights, results, references


def _result_dtype(operands: Sequence[Array]) -> dict[str, np.dtype[Any]]:
    """What stands for a float, or a complex number, in results computed without widening."""
    kinds: dict[str, np.dtype[Any]] = {}
    for array in operands:
        if array.dtype == _BF16:
            kinds["f"] = _BF16
        elif array.dtype.kind in "fc":
            kinds[array.dtype.kind] = array.dtype
    return kinds


def write(path: Path, operands: Operands) -> None:
    """As one file of arrays; bf16, which such files do not know, as its bits."""
    inputs, weights, results, references = operands
    arrays: dict[str, Array] = {f"i:{n}": a for n, a in inputs.items()}
    arrays |= {f"w:{n}": a for n, a in weights.items()}
    arrays |= {f"r:{i}": np.empty((*r.shape, 0), r.dtype) for i, r in enumerate(results)}
    arrays |= {f"f:{i}": r for i, r in enumerate(references)}
    named = {f"{n}:bf16" if a.dtype == _BF16 else f"{n}:": _plain(a) for n, a in arrays.items()}
    np.savez(path, **named)  # pyright: ignore[reportArgumentType]


def _plain(array: Array) -> Array:
    return array.view(np.uint16) if array.dtype == _BF16 else array


def aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An empty array that begins with a cache line, as those of most libraries and allocators do: NumPy's large ones
    begin 16 bytes after one, so that each access of a whole line is two."""
    size = int(np.prod(shape)) * dtype.itemsize
    room = np.empty(size + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size].view(dtype).reshape(shape)


def read(path: str) -> Operands:
    """What `write` wrote; the arrays like the results are empty ones. All begin with a cache line."""
    parts: dict[str, dict[str, Array]] = {"i": {}, "w": {}, "r": {}, "f": {}}
    with np.load(path) as arrays:
        for key in arrays.files:
            part, name, kind = key.split(":")
            stored: Array = arrays[key]
            array = aligned(stored.shape, stored.dtype)
            array[...] = stored
            parts[part][name] = array.view(_BF16) if kind else array
    results = [aligned(a.shape[:-1], a.dtype) for a in parts["r"].values()]
    return parts["i"], parts["w"], results, list(parts["f"].values())
