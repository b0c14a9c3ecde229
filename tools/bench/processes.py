"""The parent's side of a worker: it starts, asks, waits with a limit, and ends its own process."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.bench.peers import PACKAGES

ROOT = Path(__file__).resolve().parents[2]
PEERS_PYTHON = ROOT / "build" / "bench" / "venv" / "bin" / "python"
LOGS = ROOT / "build" / "bench" / "logs"


class LostError(Exception):
    """The worker died or took too long."""


def python_of(peer: str) -> str:
    """The interpreter a peer runs in: tcc's own, or that of `make bench-peers` if it is there."""
    return sys.executable if peer == "tcc" or not PEERS_PYTHON.exists() else str(PEERS_PYTHON)


def installed(peers: Sequence[str]) -> list[str]:
    """Those of the peers that can be imported where they would run."""
    wanted = sorted({PACKAGES[p] for p in peers if p in PACKAGES} | {"onnx"})
    code = "import importlib.util as u, json, sys; print(json.dumps([m for m in sys.argv[1:] if u.find_spec(m)]))"
    found = json.loads(subprocess.check_output([python_of("numpy"), "-c", code, *wanted], text=True))
    needs = {p: {PACKAGES.get(p, p)} | ({"onnx"} if p in ("onnxruntime", "openvino") else set[str]()) for p in peers}
    return [p for p in peers if p == "tcc" or needs[p] <= set(found)]


def has_avx512() -> bool:
    """Whether this processor has AVX-512."""
    try:
        return "avx512f" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def environment(threads: int) -> dict[str, str]:
    """So many threads for every library, and OpenBLAS told the processor it runs on.

    In virtual machines OpenBLAS often takes the processor for an older one, at half the speed.
    """
    counts = ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "NUMBA")
    values = {f"{name}_NUM_THREADS": str(threads) for name in counts} | {"TCC_NUM_THREADS": str(threads)}
    values |= {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
    if threads == 1:
        values["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    if has_avx512():
        values["OPENBLAS_CORETYPE"] = "SkylakeX"
    return values


class Process:
    """A worker for one peer.

    It is stopped while it is not asked: some libraries' threads turn for long after a call, and would take the
    processor from the peer whose turn it is.
    """

    def __init__(self, peer: str, threads: int, processors: Sequence[int]) -> None:
        self.peer = peer
        LOGS.mkdir(parents=True, exist_ok=True)
        with (LOGS / f"{peer}.log").open("a") as log:
            self._process = subprocess.Popen(
                [
                    python_of(peer), "-m", "tools.bench.worker", peer,
                    "--threads", str(threads), "--processors", ",".join(map(str, processors)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, **environment(threads)},
            )  # fmt: skip

    def ask(self, limit: float, **command: Any) -> Mapping[str, Any]:
        """The answer to a command; LostError when there is none within ``limit`` seconds."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            self._process.send_signal(signal.SIGCONT)
            stdin.write(json.dumps(command).encode() + b"\n")
            stdin.flush()
            end = time.monotonic() + limit
            line = b""
            while not line.endswith(b"\n"):
                ready, _, _ = select.select([stdout], [], [], max(end - time.monotonic(), 0))
                if not ready:
                    raise LostError(f"no answer within {limit:.0f} s")
                more = os.read(stdout.fileno(), 1 << 16)
                if not more:
                    raise LostError(f"the process ended with status {self._process.wait()}")
                line += more
            self._process.send_signal(signal.SIGSTOP)
        except (BrokenPipeError, LostError) as failure:
            self.end()
            raise LostError(str(failure)) from None
        return json.loads(line)

    def end(self) -> None:
        """Ends the process, which has no children that outlive it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
