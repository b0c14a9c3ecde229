"""Scaled dot-product attention."""
# pyright: basic
# Bodies are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

from tools.bench.workload import TRANSCENDENTAL, Workload, normal


def _plain(xp, q, k, v):
    return xp.attention(q, k, v)


def _causal(xp, q, k, v):
    return xp.attention(q, k, v, causal=True)


def attention(name, heads, queries, keys, d, body=_plain, share=1.0, **more):
    """q [heads, queries, d] over k and v [heads, keys, d]; ``share`` of the scores count."""
    inputs = {"q": normal(heads, queries, d), "k": normal(heads, keys, d), "v": normal(heads, keys, d)}
    flops = share * heads * queries * keys * (4 * d + 4 + TRANSCENDENTAL)
    return Workload(name, body, inputs, flops=flops, **more)


WORKLOADS = (
    attention("attention 12×1024×64", 12, 1024, 1024, 64, quick=True),
    attention("attention 12×1024×64, causal", 12, 1024, 1024, 64, _causal, 0.5),
    attention("attention 12×128×64", 12, 128, 128, 64),
    attention("attention 4×333×40", 4, 333, 333, 40),
    attention("attention 12×1 query×2048×64", 12, 1, 2048, 64),
)
