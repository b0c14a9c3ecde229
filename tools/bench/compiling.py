"""How long tcc compiles: each workload from the Python function to the library on disk."""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import tcc
from tcc import pipeline
from tcc.pipeline import Options, Stages
from tcc.targets import tiers
from tcc.targets.cache import Cache
from tools.bench.operands import drawn
from tools.bench.peers import compiled as peer
from tools.bench.workload import Workload
from tools.bench.workloads import by_name

KERNEL = 0.150
"""Seconds in which a kernel should be there."""
SLOWEST = 12
"""Rows of the table."""
_STAGES = {"schedule": "schedule", "lower": "lower", "generate code": "LLVM", "link": "link"}


def measured(workloads: Sequence[Workload], repetitions: int = 3) -> Iterator[dict[str, Any]]:
    """For each workload the fastest compilation's seconds: all of them, and those of each stage.

    The processes that generate code are there, and so is the C part of the library, which each prefix compiles once;
    the cache has no kernel. Weights are those of the workload.
    """
    with tempfile.TemporaryDirectory() as folder:
        begun, used = Path(folder) / "begun", Path(folder) / "used"
        _compiled(by_name("tiny add"), begun, Path(folder))
        for workload in workloads:
            found: list[dict[str, float]] = []
            for _ in range(repetitions):
                shutil.copytree(begun, used)
                found.append(_compiled(workload, used, Path(folder)))
                shutil.rmtree(used)
            yield {"name": workload.name, **min(found, key=lambda times: times["seconds"])}


def _compiled(workload: Workload, cache: Path, folder: Path) -> dict[str, float]:
    inputs, weights, *_ = drawn(workload)
    stages = Stages(Options(prefix="bench", cache=Cache(cache)))
    start = time.perf_counter()
    function: Any = peer.traceable(workload, inputs, weights)
    traced = tcc.trace([function])
    made = pipeline.scheduled(traced.module, tiers.choose("native"), stages)
    pipeline.write(made, folder / "bench.so", stages)
    seconds = time.perf_counter() - start
    named = {name: stages.times.get(stage, 0.0) for stage, name in _STAGES.items()}
    return {"seconds": seconds, "graph": seconds - sum(named.values()), **named}


def document(entries: Sequence[Mapping[str, Any]]) -> str:
    """What was measured, as JSON."""
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    return json.dumps({"date": date, "workloads": list(entries)}, indent=1)


def section(found: Mapping[str, Any]) -> str:
    """What was measured, as a section of the page: how many kernels are there in time, and those that are not."""
    entries: list[Mapping[str, Any]] = sorted(found["workloads"], key=lambda e: -e["seconds"])
    within = sum(e["seconds"] <= KERNEL for e in entries)
    columns = ("graph", *_STAGES.values())
    lines = [f"| the slowest | ms | {' | '.join(columns)} |", "|---|---|" + "---|" * len(columns)]
    for e in entries[:SLOWEST]:
        lines.append(f"| {e['name']} | " + " | ".join(f"{1e3 * e[k]:.0f}" for k in ("seconds", *columns)) + " |")
    middle = 1e3 * statistics.median(e["seconds"] for e in entries)
    return (
        "## Compile time\n\n"
        f"Measured on {found['date']}, from the Python function to the library on disk, the fastest of three; nothing\n"
        f"of it is cached but the library's C part. The median is {middle:.0f} ms; {within} of {len(entries)} workloads"
        f" take no more than {1e3 * KERNEL:.0f} ms.\nMachine code is made beside the lowering: the stages are what it"
        " waits for, `graph` tracing,\nthe passes and what is left.\n\n" + "\n".join(lines)
    )
