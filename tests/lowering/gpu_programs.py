"""Functions that are run and assembled for GPUs: builders over graph values, with the types of their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tcc import ops
from tcc.targets import target as targets

FACTS = targets.get("sm_90").facts

Build = Callable[..., Any]

CASES: dict[str, tuple[Build, tuple[str, ...]]] = {
    "chain": (lambda x: ops.multiply(ops.exp(x), ops.tanh(x)), ("f32[n]",)),
    "half chain": (lambda x: ops.multiply(ops.exp(x), ops.tanh(x)), ("f16[n]",)),
    "softmax": (ops.softmax, ("f32[m, n]",)),
    "softmax of short rows": (ops.softmax, ("f32[m, 700]",)),
    "layer norm": (ops.layer_norm, ("f32[m, n]",)),
    "sum": (lambda x: ops.sum(x), ("f32[n]",)),
    "sum over rows": (lambda x: ops.sum(x, 0), ("f64[m, n]",)),
    "argmax": (lambda x: ops.argmax(x, 1), ("f64[m, n]",)),
    "transpose": (ops.transpose, ("f32[m, n]",)),
    "cumsum of bytes": (lambda x: ops.cumsum(x, 1), ("u8[m, n]",)),
    "gather": (lambda x, i: ops.take(x, i, 1, "wrap"), ("f32[m, n]", "i64[k]")),
    "cumsum": (lambda x: ops.cumsum(x, 0), ("f32[m, n]",)),
    "rare range": (ops.sin, ("f32[n]",)),
    "product of f32": (ops.matmul, ("f32[m, 5]", "f32[5, n]")),
    "product": (ops.matmul, ("bf16[m, k]", "bf16[k, p]")),
    "product in a layer": (
        lambda a, b, c: ops.maximum(ops.add(ops.matmul(ops.transpose(a), b), c), 0),
        ("bf16[40, m]", "bf16[40, 130]", "bf16[130]"),
    ),
    "batches of products": (ops.matmul, ("bf16[3, m, k]", "bf16[3, k, 12]")),
}
SIZES = {"m": 5, "n": 1500, "k": 33, "p": 140}
