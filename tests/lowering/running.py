"""Loop programs compiled into this process, and their interpretation on the same data."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tcc.ir import dim
from tcc.loops.facts import Facts
from tcc.loops.program import Entry, Program
from tcc.lowering.module import Options, lower, to_llvm_ir
from tcc.targets.llvm import Library
from tcc.targets.machine import Machine as Target
from tcc.targets.target import native

_HERE = native().facts
# Masked accesses wider than the machine's registers are what LLVM goes wrong on, and what is never asked of it.
FACTS = Facts(vector_bytes=_HERE.vector_bytes, registers=_HERE.registers)

BODY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int32)
RUN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, BODY, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int32)


class Parallel(ctypes.Structure):
    """The caller's parallel-for."""

    _fields_ = [("run", RUN), ("pool", ctypes.c_void_p), ("max_workers", ctypes.c_int32)]


def backwards(pool: Any, body: Any, argument: int, count: int, grain: int, workers: int) -> None:
    """Runs pieces of one grain in reverse order, on different workers' memory."""
    starts = list(range(0, count, grain))
    for number, start in reversed(list(enumerate(starts))):
        body(argument, start, min(count, start + grain), number % workers)


class Machine:
    """The entries of one program as machine code."""

    def __init__(
        self,
        program: Program,
        weights: Mapping[str, np.ndarray] | None = None,
        facts: Facts = FACTS,
        target: Target | None = None,
    ) -> None:
        self.program = program
        offsets: dict[str, int] = {}
        block = bytearray()
        for digest, array in (weights or {}).items():
            block += bytes(-len(block) % 64)
            offsets[digest] = len(block)
            block += array.tobytes()
        self._weights = np.frombuffer(bytes(block) + bytes(64), np.uint8)
        self.text = to_llvm_ir(lower(program, Options("p", facts, weights=offsets)))
        self._library = Library(self.text, target)

    def entry(self, name: str) -> Entry:
        return next(e for e in self.program.entries if e.name == name)

    def run(
        self,
        name: str,
        inputs: Sequence[np.ndarray],
        sizes: Mapping[str, int],
        outputs: Sequence[np.ndarray] | None = None,
        states: Sequence[np.ndarray] = (),
        workers: int = 0,
    ) -> tuple[int, list[np.ndarray]]:
        """The status and the outputs (filled with garbage before) of an entry; ``workers`` run its loops."""
        entry = self.entry(name)
        buffers = {b.name: b for b in entry.buffers}
        if outputs is None:
            outputs = [
                np.frombuffer(
                    b"\xa5" * (max(1, dim.evaluate(buffers[o].size, sizes)) * buffers[o].dtype.bytes), np.uint8
                )
                .copy()
                .view(buffers[o].dtype.numpy)[: dim.evaluate(buffers[o].size, sizes)]
                for o in entry.outputs
            ]
        arrays = [np.ascontiguousarray(a) for a in inputs]
        pointers = [a.ctypes.data for a in (*arrays, *outputs, *states)]
        space = dim.evaluate(entry.workspace, sizes) + max(1, workers) * dim.evaluate(entry.worker_bytes, sizes)
        memory = np.full(space + 64, 0x5A, np.uint8)
        start = -memory.ctypes.data % 64
        function = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 5)(self._library.address(f"p__{name}__run"))
        parallel = Parallel(RUN(backwards), None, workers) if workers else None
        status = function(
            ctypes.cast((ctypes.c_void_p * max(1, len(pointers)))(*pointers), ctypes.c_void_p),
            ctypes.cast(
                (ctypes.c_int64 * max(1, len(entry.symbols)))(*(sizes[s] for s in entry.symbols)), ctypes.c_void_p
            ),
            self._weights.ctypes.data,
            memory.ctypes.data + start,
            ctypes.addressof(parallel) if parallel is not None else None,
        )
        return status, list(outputs)
