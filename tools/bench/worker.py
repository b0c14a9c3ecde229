"""One peer in a process of its own: commands as JSON lines on standard input, answers on standard output.

``prepare`` reads the operands and the reference, builds the workload and checks its results; ``time`` calls it a
number of times; ``release`` forgets it. Whatever a library prints goes to standard error.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from tools.bench.operands import read
from tools.bench.peers import peer
from tools.bench.peers.prepared import Prepared
from tools.bench.workload import error
from tools.bench.workloads import by_name


class Worker:
    """The state between commands: the peer, and the workload it is prepared for."""

    def __init__(self, name: str, threads: int) -> None:
        self._peer: Any = peer(name, threads)
        self._prepared: Prepared | None = None

    def hello(self) -> dict[str, Any]:
        """The version of the library."""
        return {"version": str(self._peer.version)}

    def prepare(self, workload: str, operands: str) -> dict[str, Any]:
        """Builds and runs a workload, and says how far the results are from the reference."""
        self.release()
        row = by_name(workload)
        inputs, weights, results, references = read(operands)
        begin = time.perf_counter()
        prepared = self._peer.prepare(row, inputs, weights, results)
        prepared.call()
        seconds = time.perf_counter() - begin
        found = [np.asarray(a) for a in prepared.results()]
        if len(found) != len(references):
            raise ValueError(f"{len(found)} results instead of {len(references)}")
        worst = max(error(a, b) for a, b in zip(found, references, strict=True))
        self._prepared = prepared
        return {"seconds": seconds, "error": worst, "owned": prepared.owned}

    @property
    def call(self) -> Callable[[], Any]:
        """Computes the prepared workload once."""
        if self._prepared is None:
            raise ValueError("nothing is prepared")
        return self._prepared.call

    def time(self, calls: int, warm: int) -> dict[str, float]:
        """Seconds for each of so many calls: on the wall's clock, and of all threads on the processor's."""
        call = self.call
        for _ in range(warm):
            call()
        numbers = range(calls)
        processor, wall = time.process_time_ns(), time.perf_counter_ns()
        for _ in numbers:
            call()
        wall, processor = time.perf_counter_ns() - wall, time.process_time_ns() - processor
        return {"wall": wall / calls * 1e-9, "cpu": processor / calls * 1e-9}

    def release(self) -> dict[str, Any]:
        """Forgets the workload, and its memory."""
        self._prepared = None
        gc.collect()
        return {}


def main() -> None:
    """Answers commands until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--processors", default="")
    options = parser.parse_args()
    if options.processors and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(0, [int(p) for p in options.processors.split(",")])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker: Worker | None = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            worker = worker or Worker(options.peer, options.threads)
            answer = getattr(worker, command.pop("do"))(**command)
        except Exception as failure:
            traceback.print_exc()
            answer = {"failure": f"{type(failure).__name__}: {failure}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
