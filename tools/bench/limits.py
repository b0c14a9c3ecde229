"""The machine's limits, measured in the same run as the workloads by the kernels of `limits.c`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools.bench.processes import ROOT

_SOURCE = Path(__file__).with_name("limits.c")
_DEFAULT_CACHES = (1 << 20, 32 << 20)


def cache_sizes() -> tuple[int, int]:
    """Bytes of the second and the third level, as the system says."""
    sizes = {2: _DEFAULT_CACHES[0], 3: _DEFAULT_CACHES[1]}
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            level = int((index / "level").read_text())
            text = (index / "size").read_text().strip()
        except (OSError, ValueError):
            continue
        if level in sizes:
            sizes[level] = int(text[:-1]) * {"K": 1 << 10, "M": 1 << 20}[text[-1]]
    return sizes[2], sizes[3]


def build() -> Path:
    """Compiles the kernels; gives the program."""
    program = ROOT / "build" / "bench" / "limits"
    program.parent.mkdir(parents=True, exist_ok=True)
    command = [os.environ.get("CC", "cc"), "-std=gnu11", "-O3", "-march=native", "-ffast-math"]
    subprocess.run([*command, str(_SOURCE), "-o", str(program)], check=True)
    return program


def measured(processors: Sequence[int], seconds: float = 0.3) -> dict[str, float]:
    """Flops a second by kind, bytes a second by level and kind, and the bytes up to which a level counts.

    A copy in memory is the better of plain stores and stores past the caches.
    """
    program = build()
    l2, l3 = cache_sizes()
    sizes = {"l2": l2 // 2, "l3": min(4 * l2, l3 // 4), "memory": max(8 * l3, 256 << 20)}

    def run(kind: str, size: int) -> float:
        def pin() -> None:
            os.sched_setaffinity(0, processors[:1])

        command = [str(program), kind, str(size), str(seconds)]
        preexec = pin if processors and hasattr(os, "sched_setaffinity") else None
        return float(subprocess.check_output(command, text=True, preexec_fn=preexec))

    limits = {kind: run(kind, 1 << 16) for kind in ("f32", "f64", "bf16", "int8")}
    for level, size in sizes.items():
        limits[f"{level}_read"] = run("read", size)
        limits[f"{level}_copy"] = run("copy", size)
    limits["memory_copy"] = max(limits["memory_copy"], run("stream", sizes["memory"]))
    return {**limits, "l2_bytes": float(l2), "l3_bytes": float(l3)}
