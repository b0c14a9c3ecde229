"""The code-generation worker: ``python -m tcc.targets.worker`` turns LLVM text into machine code.

LLVM answers some mistakes by ending its process, so it runs in this one and not in the user's.
Standard input and output carry frames (`tcc.targets.frames`). A request is a JSON frame and a frame of
LLVM text; the answer is a JSON frame and one frame for each output.
Imports neither MLIR nor NumPy, to start fast. Ends when its input does or its parent is gone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from tcc.errors import TccError
from tcc.targets import llvm
from tcc.targets.frames import read_frame, write_frame
from tcc.targets.machine import Machine


def answer(request: Mapping[str, Any], text: str) -> tuple[dict[str, Any], list[bytes]]:
    """The JSON part and the outputs for one request.

    A request is ``{"machine": {…}, "outputs": ["llvm", "assembly", "object"]}``. An error comes back as
    ``{"error": {kind, what, why, fix}}``.
    """
    try:
        machine, outputs = Machine(**request["machine"]), list(request["outputs"])
        made = llvm.compile_outputs(text, machine, outputs)
        return {"outputs": outputs}, [made[name] for name in outputs]
    except TccError as error:
        kind, what, why, fix = type(error).__name__, error.what, error.why, error.fix
    except Exception as error:  # every mistake has to become an answer: the reader waits for one
        kind, what, why, fix = "InternalError", "code generation failed", f"{type(error).__name__}: {error}", ""
    return {"error": {"kind": kind, "what": what, "why": why, "fix": fix}}, []


def main() -> None:
    """Serve requests until the input ends."""
    # An interrupt goes to the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    requests = sys.stdin.buffer
    # What LLVM prints must not get between the frames.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            request = json.loads(read_frame(requests))
            text = read_frame(requests).decode()
        except EOFError:
            return
        head, outputs = answer(request, text)
        for frame in (json.dumps(head).encode(), *outputs):
            write_frame(answers, frame)
        answers.flush()


def _end_with_parent(parent: int) -> None:
    # A process forked from the parent may hold the other end of the pipe open after it has gone.
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    main()
