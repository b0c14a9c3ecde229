"""One peer and one workload in a process whose instructions are counted: what `steps.c` runs.

Between the markers of the first two pairs an empty function is called, since the interpreter adapts itself to the first
call; between those of the last pair the workload, which has been called before. The answer, one line of JSON, goes to
standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tools.bench.worker import Worker

WARM = 3


def marked(call: Callable[[], Any]) -> None:
    """Calls between two markers."""
    signal.raise_signal(signal.SIGUSR1)
    call()
    signal.raise_signal(signal.SIGUSR1)


def _nothing() -> None:
    return None


def main() -> None:
    """Prepares, checks, warms up, and calls between markers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("workload")
    parser.add_argument("operands")
    parser.add_argument("--processor", type=int)
    options = parser.parse_args()
    if options.processor is not None and hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            os.sched_setaffinity(0, [options.processor])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(options.peer, 1)
    answer = {**worker.hello(), **worker.prepare(options.workload, options.operands)}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
    call = worker.call
    for _ in range(WARM):
        call()
        _nothing()
    marked(_nothing)
    marked(_nothing)
    marked(call)


if __name__ == "__main__":
    main()
