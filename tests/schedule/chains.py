"""Functions that are chains of groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tcc import ops

Q, K, V = "f32[h, n, 12]", "f32[h, m, 12]", "f32[h, m, 12]"


def layers(x: Any, a: Any, b: Any) -> Any:
    return ops.matmul(ops.maximum(ops.matmul(x, a), 0), b)


def with_weights(q: Any, k: Any, v: Any) -> Any:
    """The weights are a result too: they are in memory, and the chain reads them there."""
    weights = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 2, 1))))
    return weights, ops.matmul(weights, v)


def windowed(x: Any, a: Any, b: Any) -> Any:
    """Scores up to two columns beyond the row's number count."""
    scores = ops.matmul(x, a)
    rows, columns = (ops.iota(scores.type.shape, axis) for axis in (0, 1))
    return ops.matmul(ops.where(ops.less(columns, ops.add(rows, 3)), ops.tanh(scores), 0), b)


CASES: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "attention": (ops.attention, (Q, K, V)),
    "causal": (lambda q, k, v: ops.attention(q, k, v, causal=True), (Q, K, V)),
    "masked": (ops.attention, (Q, K, V, "bool[n, m]")),
    "grouped": (ops.attention, ("f32[g, 2, n, 12]", "f32[g, 1, m, 12]", "f32[g, 1, m, 12]")),
    "two_batches": (ops.attention, ("f32[g, h, n, 12]", "f32[g, h, m, 12]", "f32[g, h, m, 12]")),
    "half": (ops.attention, ("bf16[n, 12]", "bf16[m, 12]", "bf16[m, 12]")),
    "double": (ops.attention, ("f64[n, 12]", "f64[m, 12]", "f64[m, 12]")),
    "weights": (with_weights, (Q, K, V)),
    "layers": (layers, ("f32[n, 12]", "f32[12, 16]", "f32[16, 5]")),
    "windowed": (windowed, ("f32[n, 12]", "f32[12, m]", "f32[m, 5]")),
    "logits": (lambda x, w: ops.softmax(ops.matmul(x, w)), ("f32[n, 6]", "f32[6, m]")),
}
