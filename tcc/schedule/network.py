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


def stages(count: int) -> list[tuple[int, int, int]]:
    """The stages that sort a power of two elements: Batcher's merge exchange (Knuth, volume 3, 5.2.2 M).

    A stage (p, r, d) compares k and k + d for each k with ``k & p == r``, all of them at once.
    """
    found: list[tuple[int, int, int]] = []
    p = count // 2
    while p:
        q, r, d = count // 2, 0, p
        while True:
            found.append((p, r, d))
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    return found


def sorting(count: int) -> list[tuple[int, int]]:
    """Sorts any number of elements: the network of the next power of two without those that would be the greatest."""
    whole = 1 << (count - 1).bit_length()
    return [(k, k + d) for p, r, d in stages(whole) for k in range(count - d) if k & p == r]
