"""Instructions and cache misses of workloads: what tells why one library is faster than another."""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tools.bench import misses, operands, steps, summary
from tools.bench.workload import Workload

BEST = "best"
"""In a list of peers: the one that was fastest in the report."""

MOST = 8_000_000
"""Stops after which a call's count is cut off: some minutes."""


def candidates(report: Mapping[str, Any]) -> dict[str, str]:
    """The workloads in which tcc is behind, and the best peer of each."""
    return {r.name: r.best for r in summary.behind(summary.rows(report)) if r.best}


def best_peers(report: Mapping[str, Any]) -> dict[str, str]:
    """The best peer of every workload of a report."""
    return {r.name: r.best for r in summary.rows(report)}


def counts(
    workloads: Iterable[tuple[Workload, Sequence[str]]],
    most: int = MOST,
    processor: int | None = None,
    listings: Path | None = None,
) -> Iterable[dict[str, Any]]:
    """An entry for each workload, with the counts of each of its peers, as they are found.

    ``listings`` is a folder for the instructions that were executed, with how often each was.
    """
    for workload, peers in workloads:
        made = operands.drawn(workload)
        read = sum(a.nbytes for part in made[:2] for a in part.values())
        entry: dict[str, Any] = {
            "name": workload.name,
            "flops": workload.flops,
            "moved": sum(workload.moved) if workload.moved else read + sum(r.nbytes for r in made[2]),
            "peers": {},
        }
        with tempfile.TemporaryDirectory(prefix="counts-") as folder:
            path = Path(folder) / "operands.npz"
            operands.write(path, made)
            for peer in peers:
                try:
                    found = steps.counted(peer, workload, path, most, processor)
                except ValueError as failure:
                    entry["peers"][peer] = {"failure": str(failure)[-300:]}
                    continue
                entry["peers"][peer] = found.as_json()
                if listings is not None:
                    listings.mkdir(parents=True, exist_ok=True)
                    stem = re.sub(r"\W+", "_", workload.name, flags=re.ASCII)
                    (listings / f"{stem}.{peer}.txt").write_text(found.listing)
        if "tcc" in peers:
            entry["misses"] = _missed(workload, made)
        yield entry


def _missed(workload: Workload, made: operands.Operands) -> dict[str, Any]:
    if not misses.available():
        return {"failure": "valgrind is not installed"}
    try:
        return misses.missed(workload, made)
    except ValueError as failure:
        return {"failure": str(failure)[-300:]}


def document(entries: Sequence[Mapping[str, Any]]) -> str:
    """The file of counts."""
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return json.dumps({"date": date, "workloads": entries}, indent=1, ensure_ascii=False)


def table(document: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """The counts as a table, a line for each peer, named by ``names`` where it has a shorter name."""
    columns = ["workload", "", "own", "with Python", "flops/i", "wasted", "B/i", *steps.KINDS, "L1", "L2", "L3"]
    lines = [f"| {' | '.join(columns)} |", "|---|---|" + "---|" * (len(columns) - 2)]
    for entry in document["workloads"]:
        for peer, found in entry["peers"].items():
            missed: Mapping[str, Any] = entry.get("misses", {}) if peer == "tcc" else {}
            lines.append(f"| {' | '.join(_cells(entry, names.get(peer, peer), found, missed))} |")
    return "\n".join(lines)


def whole(entry: Mapping[str, Any], found: Mapping[str, Any]) -> float:
    """What to multiply counts by for those of a whole call; nan if a count was cut and nothing tells how much is left.

    The multiply-adds that were executed tell it where a workload consists of them.
    """
    if found["state"] != "cut":
        return 1.0
    return entry["flops"] / found["flops"] if found["flops"] and entry["flops"] else math.nan


def _cells(entry: Mapping[str, Any], peer: str, found: Mapping[str, Any], missed: Mapping[str, Any]) -> Iterable[str]:
    yield entry["name"]
    yield peer
    if "failure" in found:
        yield " ".join(str(found["failure"]).split())[:60].replace("|", "/")
        yield from [""] * (7 + len(steps.KINDS))
        return
    scale = whole(entry, found)
    about = "~" if found["state"] != "whole" and math.isfinite(scale) else ""
    own = found["own"] * scale
    yield about + _short(own)
    yield about + _short(found["overall"] * scale)
    yield f"{entry['flops'] / own:.1f}" if entry["flops"] and math.isfinite(own) else "–"
    yield (
        f"{max(found['flops'] / entry['flops'] - 1, 0):.0%}"
        if found["flops"] and entry["flops"] and found["state"] != "cut"
        else "–"
    )
    yield f"{entry['moved'] / own:.1f}" if math.isfinite(own) else "–"
    for kind in steps.KINDS:
        yield f"{found['kinds'][kind] / found['own']:.0%}" if found["kinds"] and found["own"] else "–"
    for level in ("l1", "l2", "l3"):
        yield _short(missed[level]) if level in missed else ""


def _short(number: float) -> str:
    if not math.isfinite(number):
        return "–"
    for unit, scale in ((" M", 1e6), (" k", 1e3)):
        if abs(number) >= scale:
            return f"{number / scale:.3g}{unit}" if number < 100 * scale else f"{number / scale:.0f}{unit}"
    return f"{number:.0f}"
