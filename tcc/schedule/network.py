"""Sorting networks on a few elements: pairs of places, the first of which is to get the lesser."""

from __future__ import annotations


def merging(count: int) -> list[tuple[int, int]]:
    """Sorts a bitonic sequence of a power of two elements."""
    pairs: list[tuple[int, int]] = []
    step = count // 2
    while step:
        pairs += [(k, k + step) for k in range(count) if not k & step]
        step //= 2
    return pairs


def sorting(count: int) -> list[tuple[int, int]]:
    """Sorts a power of two elements: Batcher's merge exchange (Knuth, volume 3, 5.2.2 M)."""
    pairs: list[tuple[int, int]] = []
    p = count // 2
    while p:
        q, r, d = count // 2, 0, p
        while True:
            pairs += [(k, k + d) for k in range(count - d) if k & p == r]
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    return pairs
