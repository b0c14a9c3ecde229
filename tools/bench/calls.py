"""What a call of a tiny compiled function costs from C, beside a plain C function."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import tcc
from tools.bench.processes import ROOT

_SOURCE = Path(__file__).with_name("calls.c")


@tcc.function(a="f32[8]", b="f32[8]")
def run(a: object, b: object) -> object:
    """The sum of two arrays of 8 floats."""
    return a + b  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType]


def from_c() -> dict[str, float]:
    """Nanoseconds a call, of the library's function (``tcc``) and of a plain one (``c``)."""
    folder = ROOT / "build" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    library, program = folder / "tiny.so", folder / "calls"
    tcc.compile([run], prefix="tiny").save(library)
    command = [os.environ.get("CC", "cc"), "-O2", f"-I{folder}", str(_SOURCE), str(library), "-Wl,-rpath,$ORIGIN"]
    subprocess.run([*command, "-o", str(program)], check=True)
    compiled, plain = subprocess.check_output([str(program)], text=True).split()
    return {"tcc": float(compiled), "c": float(plain)}
