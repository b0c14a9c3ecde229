"""Functions that are chains of groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tcc import ops
from tcc.ir import dim
from tcc.ops import slicing

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


def in_pairs(x: Any, k: Any) -> Any:
    """Two sums of each two rows, their products, and two sums of these again; the last row may have no other."""
    n, width = x.type.shape
    pairs = dim.ceildiv(n, 2)
    room = slicing.pad_to(x, (0, 0), (2 * pairs, width))
    one, other = (slicing.part(room, 0, start, pairs, 2) for start in (0, 1))
    found = ops.matmul(ops.stack([ops.subtract(one, other), ops.add(one, other)]), k)
    a, b = (ops.reshape(slicing.part(found, 0, start, 1), found.type.shape[1:]) for start in (0, 1))
    results = ops.transpose(ops.stack([ops.tanh(ops.add(a, b)), ops.tanh(ops.subtract(a, b))]), (1, 0, 2))
    return slicing.part(ops.reshape(results, (2 * pairs, found.type.shape[-1])), 0, 0, n)


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
    "pairs": (in_pairs, ("f32[n, 12]", "f32[2, 12, 16]")),
    "logits": (lambda x, w: ops.softmax(ops.matmul(x, w)), ("f32[n, 6]", "f32[6, m]")),
}
