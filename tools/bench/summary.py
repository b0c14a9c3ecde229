"""What the numbers say: medians, ratios to the best peer, shares of the machine's limits, geometric means."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones; nan without values."""
    if not values:
        return math.nan
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def geometric_mean(values: Iterable[float]) -> float:
    """The exponential of the mean logarithm; nan without values."""
    logarithms = [math.log(v) for v in values]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else math.nan


def shortest_time(
    flops: float, peak: str, read: float, written: float, limits: Mapping[str, float], threads: int = 1
) -> float:
    """Seconds below which the machine cannot go: by arithmetic, or by memory at the level that holds the data.

    ``limits`` has flops a second for each ``peak`` and bytes a second for ``l2_read``, ``l2_copy``, ``l3_read``, …,
    all of one core; arithmetic and private caches grow with the threads. The third level and memory are
    taken as measured with one thread, so shares with several can exceed one.
    """
    size = read + written
    level = "l2" if size <= limits["l2_bytes"] * threads else "l3" if size <= limits["l3_bytes"] else "memory"
    kind = "read" if written * 8 < read else "copy"
    bandwidth = limits[f"{level}_{kind}"] * (threads if level == "l2" else 1)
    arithmetic = flops / (limits.get(peak, limits["f32"]) * threads)
    return max(arithmetic, size / bandwidth)


@dataclass(frozen=True)
class Row:
    """One line of the table. ``ratio`` is the best peer's time over tcc's: above 1 tcc is faster."""

    family: str
    name: str
    ranked: bool
    tcc: float
    best: str
    best_seconds: float
    share: float
    times: Mapping[str, float]
    owned: Mapping[str, bool]
    failures: Mapping[str, str]

    @property
    def ratio(self) -> float:
        return self.best_seconds / self.tcc if self.tcc and self.best else math.nan


def row(entry: Mapping[str, Any], limits: Mapping[str, float], threads: int) -> Row:
    """A line from an entry of the report's file."""
    results: Mapping[str, Mapping[str, Any]] = entry["results"]
    times = {p: float(r["seconds"]) for p, r in results.items() if "seconds" in r}
    peers = {p: t for p, t in times.items() if p != "tcc"}
    best = min(peers, key=lambda p: peers[p], default="")
    tcc = times.get("tcc", math.nan)
    shortest = shortest_time(entry["flops"], entry["peak"], entry["read"], entry["written"], limits, threads)
    return Row(
        entry["family"],
        entry["name"],
        bool(entry["ranked"]),
        tcc,
        best,
        peers.get(best, math.nan),
        shortest / tcc,
        times,
        {p: bool(r["owned"]) for p, r in results.items() if "owned" in r},
        {p: str(r["failure"]) for p, r in results.items() if "failure" in r},
    )


def rows(report: Mapping[str, Any]) -> list[Row]:
    """All lines of a report."""
    return [row(e, report["limits"], report["threads"]) for e in report["workloads"]]


def overall(table: Iterable[Row]) -> float:
    """The geometric mean of the ratios of ranked workloads that both tcc and a peer ran."""
    return geometric_mean(r.ratio for r in table if r.ranked and math.isfinite(r.ratio))


def behind(table: Iterable[Row]) -> list[Row]:
    """Ranked workloads where a peer is faster or tcc has no result, the worst first."""
    found = [r for r in table if r.ranked and not r.ratio >= 1]
    return sorted(found, key=lambda r: r.ratio if math.isfinite(r.ratio) else -1)


def duration(seconds: float) -> str:
    """Three digits with a unit."""
    if not math.isfinite(seconds):
        return "–"
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}" if seconds < 100 * scale else f"{seconds / scale:.0f} {unit}"
    return f"{seconds * 1e9:.0f} ns"
