"""The limits of the machine at hand, measured: the peak of fused multiply-adds, and the speed of copying.

Measured in the same run as what is compared with them, since a shared machine is not equally fast all
the time.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from tcc.errors import UserError
from tcc.runtime.bench import Limits

_COPIED = 64 << 20
_TURNS = 200_000
_ROUNDS = 9


def measured_limits(threads: int = 1) -> Limits:
    """The limits of so many threads. UserError without a C compiler."""
    source = resources.files("tcc.targets").joinpath("limits.c").read_text()
    with tempfile.TemporaryDirectory(prefix="tcc-limits-") as folder:
        file = Path(folder) / "limits.so"
        _build(source, file)
        library = ctypes.CDLL(str(file))
    buffers = [(np.ones(_COPIED, np.uint8), np.zeros(_COPIED, np.uint8)) for _ in range(threads)]
    for name, arguments in (
        ("peak_f32", [ctypes.c_int64]),
        ("peak_f64", [ctypes.c_int64]),
        ("copy", [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]),
    ):
        function: Any = getattr(library, name)
        function.restype, function.argtypes = ctypes.c_double, arguments
    with ThreadPoolExecutor(threads) as pool:

        def best(run: Callable[[int], float]) -> float:
            return max(sum(pool.map(run, range(threads))) for _ in range(_ROUNDS))

        def copied(worker: int) -> float:
            source, target = buffers[worker]
            return library.copy(target.ctypes.data, source.ctypes.data, _COPIED)

        f32 = best(lambda _: library.peak_f32(_TURNS))
        return Limits({"f32": f32, "f64": best(lambda _: library.peak_f64(_TURNS))}, best(copied))


def _build(source: str, file: Path) -> None:
    command = ["cc", "-std=gnu11", "-O3", "-march=native", "-ffp-contract=fast", "-w", "-fPIC", "-shared", "-x", "c"]
    _run([*command, "-", "-o", str(file)], source)


def _run(command: Sequence[str], text: str) -> None:
    try:
        subprocess.run(command, input=text, text=True, capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", "") or str(error)
        raise UserError(
            "the machine's limits cannot be measured", why=why.strip(), fix="install a C compiler as `cc`"
        ) from None
