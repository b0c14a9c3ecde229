"""What the schedule decided, as data: for people, and for tools that show it. Nothing reads it to compile."""

from __future__ import annotations

from dataclasses import dataclass

from tcc.ir.location import UNKNOWN, Location


@dataclass(frozen=True)
class Alternative:
    """One of the possibilities, and what it would have cost, in the unit that the decision names."""

    name: str
    cost: float


@dataclass(frozen=True)
class Decision:
    """One choice: ``kind`` (fuse, inline, store, lanes, tile, threads, row, in place, pack,
    prefetch, share memory), what it is about, what was chosen, and why.

    ``alternatives`` are compared by cost where the choice is one of costs, in ``unit``.
    """

    kind: str
    subject: str
    choice: str
    reason: str
    alternatives: tuple[Alternative, ...] = ()
    unit: str = ""
    location: Location = UNKNOWN
