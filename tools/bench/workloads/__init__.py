"""The workloads, one file for each family."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence

from tools.bench.workload import Workload

FAMILIES = (
    "products",
    "elementwise",
    "reductions",
    "normalisation",
    "layout",
    "indexing",
    "networks",
    "convolutions",
    "attention",
    "recurrences",
    "numerics",
)
"""The order of the report; ``tiny`` is for tests only."""


def table(families: Iterable[str] = FAMILIES) -> dict[str, tuple[Workload, ...]]:
    """The workloads by family."""
    return {f: importlib.import_module(f"tools.bench.workloads.{f}").WORKLOADS for f in families}


def by_name(name: str) -> Workload:
    """The workload of that name, of any family."""
    for rows in table((*FAMILIES, "tiny")).values():
        for row in rows:
            if row.name == name:
                return row
    raise KeyError(name)


def chosen(only: Sequence[str], quick: bool) -> list[tuple[str, Workload]]:
    """(family, workload) whose family or name contains one of the words (all, without words)."""
    rows = [(f, w) for f, ws in table((*FAMILIES, "tiny")).items() for w in ws]
    if only:
        return [(f, w) for f, w in rows if f in only or any(word in w.name for word in only if word not in FAMILIES)]
    return [(f, w) for f, w in rows if f != "tiny" and (w.quick or not quick)]
