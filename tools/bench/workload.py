"""What a workload is: a NumPy-like body, how its operands are drawn, and what it costs at least."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, Any]
Body = Callable[..., Any]

TRANSCENDENTAL = 20
"""Flops that an exp, log, tanh, erf, sin or cos counts."""

_NAMED = {"bf16": ml_dtypes.bfloat16}


def dtype_of(name: str) -> np.dtype[Any]:
    """NumPy's dtype for ``f4``, ``i8``, … and ``bf16``."""
    return np.dtype(_NAMED.get(name, name))


@dataclass(frozen=True)
class Drawn:
    """An operand drawn from a seeded generator.

    ``layout`` is ``image`` (N, H, W, C), ``kernel`` (H, W, C, O) or ``cell`` (weights of an LSTM or GRU)
    where some peers are handed the operand in an order of their own.
    """

    shape: tuple[int, ...]
    dtype: str = "f4"
    kind: str = "normal"
    low: float = 0.0
    high: float = 1.0
    layout: str = ""

    def array(self, seed: str) -> Array:
        """The same array for the same seed, in every process."""
        rng = np.random.default_rng(zlib.crc32(seed.encode()))
        if self.kind == "normal":
            drawn: Array = rng.standard_normal(self.shape, dtype=np.float32) * (self.high - self.low)
            if self.dtype.startswith("c"):
                drawn = drawn + 1j * rng.standard_normal(self.shape, dtype=np.float32)
            return drawn.astype(dtype_of(self.dtype))
        if self.kind == "integers":
            return rng.integers(int(self.low), int(self.high), self.shape, dtype=np.int64).astype(dtype_of(self.dtype))
        return (self.low + (self.high - self.low) * rng.random(self.shape)).astype(dtype_of(self.dtype))


def normal(*shape: int, dtype: str = "f4", scale: float = 1.0, layout: str = "") -> Drawn:
    """Normally distributed with standard deviation ``scale``."""
    return Drawn(shape, dtype, "normal", 0.0, scale, layout)


def weight(*shape: int, dtype: str = "f4", layout: str = "") -> Drawn:
    """Normal, scaled by the inputs that one output sums over, so that layers keep the variance."""
    return normal(*shape, dtype=dtype, scale=1 / math.sqrt(max(math.prod(shape[:-1]), 1)), layout=layout)


def uniform(*shape: int, low: float = 0.0, high: float = 1.0, dtype: str = "f4") -> Drawn:
    """Uniform between ``low`` and ``high``."""
    return Drawn(shape, dtype, "uniform", low, high)


def integers(*shape: int, high: int, low: int = 0, dtype: str = "i8") -> Drawn:
    """Integers from ``low`` to below ``high``."""
    return Drawn(shape, dtype, "integers", low, high)


@dataclass(frozen=True)
class Workload:
    """One row of the bench.

    ``body(xp, *inputs, **weights)`` computes with the functions of a peer's namespace ``xp`` and returns an
    array or a tuple. ``inputs`` come with every call; ``weights`` are known when the peer prepares itself.
    ``moved`` are the bytes that must be read and written at least (None: every operand and result once);
    ``flops`` what must be computed at ``peak`` (a key of the machine's limits; "" where only memory counts).
    ``tolerance`` is relative to the largest element of the reference, which NumPy computes in f64.
    ``own`` holds bodies for peers that need another spelling, ``without`` the reasons for leaving a peer out.
    ``out(xp, *inputs, out)`` writes into the caller's array, for NumPy and torch. ``specs`` are tcc's types where
    sizes are symbolic. A workload that is not ``ranked`` is reported and stays out of the mean.
    """

    name: str
    body: Body
    inputs: Mapping[str, Drawn]
    weights: Mapping[str, Drawn] = field(default_factory=dict[str, Drawn])
    flops: float = 0.0
    peak: str = "f32"
    moved: tuple[float, float] | None = None
    tolerance: float = 1e-4
    own: Mapping[str, Body] = field(default_factory=dict[str, Body])
    without: Mapping[str, str] = field(default_factory=dict[str, str])
    out: Body | None = None
    specs: Mapping[str, str] = field(default_factory=dict[str, str])
    image_result: bool = False
    quick: bool = False
    ranked: bool = True

    def draw(self) -> tuple[dict[str, Array], dict[str, Array]]:
        """The inputs and the weights."""
        return (
            {name: drawn.array(f"{self.name}/{name}") for name, drawn in self.inputs.items()},
            {name: drawn.array(f"{self.name}/{name}") for name, drawn in self.weights.items()},
        )

    def body_for(self, peer: str) -> Body:
        """The body that the peer is given."""
        return self.own.get(peer, self.body)


def leaves(result: Any) -> list[Any]:
    """The arrays of a result."""
    return list(result) if isinstance(result, (tuple, list)) else [result]


def widened(array: Array) -> Array:
    """Floats as f64 (c128), so that the reference is better than what is judged by it."""
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    if array.dtype.kind == "f" or array.dtype == ml_dtypes.bfloat16:
        return array.astype(np.float64)
    return array


def error(found: Array, reference: Array) -> float:
    """The largest difference, relative to the reference's largest magnitude; infinite for other shapes or nan."""
    if found.shape != reference.shape:
        return math.inf
    if not reference.size:
        return 0.0
    wide, scale = widened(found), float(np.max(np.abs(widened(reference)))) or 1.0
    worst = float(np.max(np.abs(wide - widened(reference))))
    return worst / scale if math.isfinite(worst) else math.inf
