"""Code generation in worker processes: the compiler's way to LLVM."""

from __future__ import annotations

import atexit
import dataclasses
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from tcc import errors
from tcc.errors import InternalError
from tcc.targets.frames import read_frame, write_frame
from tcc.targets.machine import Machine

# Isolated from the user's environment and directory: only tcc and llvmlite are added to the path.
_BOOT = "import sys; sys.path += sys.argv[1:]; from tcc.targets.worker import main; main()"


class Worker:
    """One worker process, started at the first request and again after its death. Not for two threads
    at once."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None

    def request(self, head: dict[str, Any], text: str) -> list[bytes]:
        """The outputs for one request; see `tcc.targets.worker.answer`.

        Raises the error that the worker answers, and InternalError with LLVM's last words when it dies.
        """
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        before = self._size()
        try:
            write_frame(process.stdin, json.dumps(head).encode())
            write_frame(process.stdin, text.encode())
            answer = json.loads(read_frame(process.stdout))
            outputs = [read_frame(process.stdout) for _ in answer.get("outputs", ())]
        except (EOFError, BrokenPipeError):
            status = process.wait()
            self.close()
            raise self._death(status, before) from None
        except BaseException:
            # Interrupted between the frames: what would come next is not the next answer.
            self.close()
            raise
        if "error" in answer:
            error = answer["error"]
            raise getattr(errors, error.pop("kind"))(**error)
        return outputs

    def close(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            _close_pipes(process)

    def forget(self) -> None:
        """In a forked child: the process is the parent's. Its pipes are closed here only."""
        process, self._process = self._process, None
        if process is not None:
            process.returncode = 0  # not ours to wait for
            _close_pipes(process)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _BOOT, *_roots()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                # Nothing buffered that a forked child could send again.
                bufsize=0,
            )
        return self._process

    def _size(self) -> int:
        return os.fstat(self._complaints.fileno()).st_size if self._complaints else 0

    def _death(self, status: int, before: int) -> InternalError:
        said = ""
        if self._complaints is not None:
            self._complaints.seek(max(before, self._size() - 2000))
            said = self._complaints.read().decode(errors="replace").strip()
        how = f"exit status {status}" if status >= 0 else signal.Signals(-status).name
        return InternalError(
            f"the code generator ended unexpectedly ({how})",
            why=said or "it left no message",
            fix="compile again with --dump DIR and report the LLVM text in DIR",
        )


class CodeGenerator:
    """Up to ``workers`` processes, each started when all others are busy. Safe to share by threads,
    and across fork."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self._reset()
        os.register_at_fork(after_in_child=self._after_fork)

    def _reset(self) -> None:
        self._idle = [Worker() for _ in range(self.workers)]
        self._busy: list[Worker] = []
        self._changed = threading.Condition()

    def _after_fork(self) -> None:
        workers = [*self._idle, *self._busy]
        self._reset()
        for worker in workers:
            worker.forget()

    def compile(self, llvm_ir: str, machine: Machine, outputs: Sequence[str] = ("object",)) -> dict[str, bytes]:
        """What is asked for of ``llvm`` (optimised text), ``assembly`` and ``object``.

        InternalError when LLVM refuses the text or dies of it; UserError on an unknown triple.
        """
        head = {"machine": dataclasses.asdict(machine), "outputs": list(outputs)}
        with self._changed:
            while not self._idle:
                self._changed.wait()
            # The last one used is the one most likely to run already.
            worker = self._idle.pop()
            self._busy.append(worker)
        try:
            return dict(zip(outputs, worker.request(head, llvm_ir), strict=True))
        finally:
            with self._changed:
                self._busy.remove(worker)
                self._idle.append(worker)
                self._changed.notify()

    def close(self) -> None:
        """End the idle workers; they start again at need."""
        with self._changed:
            for worker in self._idle:
                worker.close()


SHARED = CodeGenerator(workers=min(4, os.cpu_count() or 1))
"""The compiler's code generator."""

atexit.register(SHARED.close)


def _roots() -> list[str]:
    """The directories that hold tcc and llvmlite."""
    spec = importlib.util.find_spec("llvmlite")
    if spec is None or spec.origin is None:
        raise InternalError("llvmlite is not installed", fix="python -m pip install --force-reinstall tcc")
    return [str(Path(errors.__file__).parents[1]), str(Path(spec.origin).parents[1])]


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
