"""Sorting networks: pairs of places, the first of which is to get the lesser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


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
    if count < 2:
        return []
    whole = 1 << (count - 1).bit_length()
    return [(k, k + d) for p, r, d in stages(whole) for k in range(count - d) if k & p == r]


@dataclass(frozen=True)
class Groups:
    """Groups of a few places each, in any order; ``pairs`` are of a group's members by number.

    There is one for each ``block < blocks`` and each ``i < count``. A member (offset, sign) of it is the
    place ``span·block + offset + sign·i``.
    """

    blocks: int
    span: int
    count: int
    members: tuple[tuple[int, int], ...]
    pairs: tuple[tuple[int, int], ...]


def grouped(length: int, most: int) -> list[Groups]:
    """Sorts any number of elements in passes over groups of at most ``most`` (a power of two), held at once.

    Runs of ``most`` are sorted and merged in twos, by as many stages of Batcher's bitonic network (AFIPS 1968)
    in a pass as a group has room for. A merge compares each first half with the second half turned round, so
    that all runs ascend, and partners after the end, which would be the greatest, are left out.
    """
    return [g for g in _passes(length, most) if g.pairs and g.blocks and g.count]


def _passes(length: int, most: int) -> Iterator[Groups]:
    whole, rest = divmod(length, most)
    yield _group(whole, most, 1, [(k, 1) for k in range(most)], sorting(most))
    yield _group(1, 0, 1, [(most * whole + k, 1) for k in range(rest)], sorting(rest))
    size = 2 * most
    while size < 2 * length:
        levels, room = size.bit_length() - 1, most.bit_length() - 1
        passes = -(-levels // room)
        step = size
        for n in range(passes):
            members = 1 << (levels * (n + 1) // passes - levels * n // passes)
            yield from _first_pass(length, step, members) if n == 0 else _later_pass(length, step, members)
            step //= members
        size *= 2


def _first_pass(length: int, size: int, count: int) -> Iterator[Groups]:
    """The first stages of a merge: groups of ``count`` members, those of the second half turned round."""
    step, half = size // count, count // 2
    whole, rest = divmod(length, size)
    turned = [(a, count - 1 - a) for a in range(half)]
    halves = [(o + a, o + b) for o in (0, half) for a, b in merging(half)]
    first = [(step * k, 1) for k in range(half)]
    second = [(step * k + step - 1, -1) for k in range(half, count)]
    yield _group(whole, size, step, first + second, turned + halves)
    # In a last part the members that are there are one more from some i on.
    there, more = divmod(rest - size // 2, step)
    for low, high, present in ((0, step - more, there), (step - more, step, there + 1)):
        if rest > size // 2 and present:
            members = [(size * whole + o + s * low, s) for o, s in (first + second)[: half + present]]
            yield _group(1, 0, high - low, members, turned + halves)


def _later_pass(length: int, size: int, count: int) -> Iterator[Groups]:
    """Stages that compare within every ``size`` elements: groups of ``count`` members."""
    step = size // count
    whole, rest = divmod(length, size)
    yield _group(whole, size, step, [(step * k, 1) for k in range(count)], merging(count))
    there, more = divmod(rest, step)
    for low, high, present in ((0, more, there + 1), (more, step, there)):
        members = [(size * whole + step * k + low, 1) for k in range(present)]
        yield _group(1, 0, high - low, members, merging(count))


def _group(blocks: int, span: int, count: int, members: list[tuple[int, int]], pairs: list[tuple[int, int]]) -> Groups:
    """The groups without pairs of which a member is not there, and without members in no pair."""
    kept = [pair for pair in pairs if max(pair) < len(members)]
    used = sorted({k for pair in kept for k in pair})
    number = {k: n for n, k in enumerate(used)}
    renamed = tuple((number[a], number[b]) for a, b in kept)
    return Groups(blocks, span, count, tuple(members[k] for k in used), renamed)
