"""Cache misses of one call of what tcc compiles, in cachegrind's model of this machine's caches.

The simulator knows no AVX-512, so that the library is compiled for x86-64-v3; and no prefetching, so that a miss
says what a prefetcher has to fetch in time. It models two levels at once: it runs with the second and with the third.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tcc
from tools.bench.operands import Operands
from tools.bench.peers.compiled import traceable  # pyright: ignore[reportUnknownVariableType]
from tools.bench.processes import ROOT
from tools.bench.workload import Workload

LEVEL = "x86-64-v3"

_SOURCE = Path(__file__).with_name("misses.c")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_DEFAULT = {1: (32 << 10, 8, 64), 2: (1 << 20, 8, 64), 3: (32 << 20, 16, 64)}
_SIMULATOR = "valgrind"


def caches() -> dict[int, tuple[int, int, int]]:
    """Bytes, ways and bytes of a line of the levels that hold data, as the system says."""
    found = dict(_DEFAULT)
    for index in _CACHES.glob("index*"):
        try:
            if (index / "type").read_text().strip() == "Instruction":
                continue
            size = (index / "size").read_text().strip()
            found[int((index / "level").read_text())] = (
                int(size[:-1]) * {"K": 1 << 10, "M": 1 << 20}[size[-1]],
                int((index / "ways_of_associativity").read_text()),
                int((index / "coherency_line_size").read_text()),
            )
        except (OSError, ValueError, KeyError):
            continue
    return found


def available() -> bool:
    """Whether the simulator is installed."""
    return shutil.which(_SIMULATOR) is not None


def missed(workload: Workload, operands: Operands) -> dict[str, Any]:
    """Instructions, loads and stores of a call after a first one, and lines missing in each level of the caches."""
    inputs, weights, results, _ = operands
    if workload.specs:
        raise ValueError("its sizes are given at run time")
    with tempfile.TemporaryDirectory(prefix="misses-") as name:
        folder = Path(name)
        library = folder / "bench.so"
        tcc.compile([traceable(workload, inputs, weights)], target=LEVEL, prefix="bench").save(library)
        arguments: list[str] = []
        for number, array in enumerate(inputs.values()):
            path = folder / f"input{number}"
            path.write_bytes(array.tobytes())
            arguments.append(str(path))
        arguments += [str(r.nbytes) for r in results]
        program = _built()
        found = {level: _call(program, library, arguments, level) for level in (2, 3)}
    low, high = found[2], found[3]
    return {
        "level": LEVEL,
        "instructions": low["Ir"],
        "loads": low["Dr"],
        "stores": low["Dw"],
        "l1": low["D1mr"] + low["D1mw"],
        "l2": low["DLmr"] + low["DLmw"],
        "l3": high["DLmr"] + high["DLmw"],
    }


def _built() -> Path:
    program = ROOT / "build" / "bench" / "misses"
    program.parent.mkdir(parents=True, exist_ok=True)
    command = [os.environ.get("CC", "cc"), "-std=gnu11", "-O2", str(_SOURCE), "-o", str(program), "-ldl"]
    subprocess.run(command, check=True)
    return program


def _call(program: Path, library: Path, arguments: Sequence[str], level: int) -> dict[str, int]:
    once, twice = (_simulated([str(program), str(library), "bench_run", str(n), *arguments], level) for n in (1, 2))
    return {event: twice[event] - once[event] for event in once}


def _simulated(command: Sequence[str], level: int) -> dict[str, int]:
    sizes = caches()
    last = ",".join(map(str, sizes[level]))
    with tempfile.TemporaryDirectory(prefix="misses-") as folder:
        output = Path(folder) / "cachegrind.out"
        options = ["--tool=cachegrind", "--cache-sim=yes", f"--cachegrind-out-file={output}"]
        options += [f"--{name}={','.join(map(str, sizes[1]))}" for name in ("I1", "D1")] + [f"--LL={last}"]
        run = subprocess.run(
            [_SIMULATOR, *options, *command],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "TCC_NUM_THREADS": "1"},
        )
        if run.returncode:
            raise ValueError(f"status {run.returncode}: {run.stderr.strip()[-200:]}")
        return summary(output.read_text())


def summary(text: str) -> dict[str, int]:
    """The totals by event of a file of cachegrind's."""
    lines: Mapping[str, str] = dict(
        line.split(": ", 1) for line in text.splitlines() if line.startswith(("events: ", "summary: "))
    )
    return dict(zip(lines["events"].split(), map(int, lines["summary"].split()), strict=True))
