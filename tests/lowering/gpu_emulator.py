"""Kernels for a GPU run on this processor: their LLVM code, with the GPU's instructions as calls.

Each thread of a block is a fiber; blocks run one after the other, in any order. What is not modelled:
threads that really run at once, registers, the speed of memory.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import llvmlite.binding as binding
import numpy as np

from tcc.ir import dim
from tcc.loops.facts import Facts
from tcc.loops.program import Blocks, Call, Copy, Entry, Kernel, Loop, Program
from tcc.lowering.module import Options, lower, to_llvm_ir
from tcc.targets.llvm import Library

_INSTRUCTIONS = """
declare i32 @emulator_thread()
declare i32 @emulator_block()
declare void @emulator_barrier()
declare i32 @emulator_down(i32, i32)
declare i32 @emulator_idx(i32, i32)
declare void @emulator_mma(ptr, ptr)
define internal i32 @emulated.read.ptx.sreg.tid.x() { %r = call i32 @emulator_thread() ret i32 %r }
define internal i32 @emulated.read.ptx.sreg.ctaid.x() { %r = call i32 @emulator_block() ret i32 %r }
define internal void @emulated.barrier.cta.sync.aligned.all(i32 %n) { call void @emulator_barrier() ret void }
define internal i32 @emulated.shfl.sync.down.i32(i32 %m, i32 %v, i32 %d, i32 %c) {
  %r = call i32 @emulator_down(i32 %v, i32 %d) ret i32 %r }
define internal i32 @emulated.shfl.sync.idx.i32(i32 %m, i32 %v, i32 %d, i32 %c) {
  %r = call i32 @emulator_idx(i32 %v, i32 %d) ret i32 %r }
define internal { float, float, float, float } @emulated.mma.m16n8k16.row.col.bf16(
    i32 %a0, i32 %a1, i32 %a2, i32 %a3, i32 %b0, i32 %b1, float %c0, float %c1, float %c2, float %c3) {
  %w = alloca [6 x i32] %s = alloca { float, float, float, float }
  store i32 %a0, ptr %w
  %w1 = getelementptr i32, ptr %w, i64 1 store i32 %a1, ptr %w1
  %w2 = getelementptr i32, ptr %w, i64 2 store i32 %a2, ptr %w2
  %w3 = getelementptr i32, ptr %w, i64 3 store i32 %a3, ptr %w3
  %w4 = getelementptr i32, ptr %w, i64 4 store i32 %b0, ptr %w4
  %w5 = getelementptr i32, ptr %w, i64 5 store i32 %b1, ptr %w5
  store float %c0, ptr %s
  %s1 = getelementptr float, ptr %s, i64 1 store float %c1, ptr %s1
  %s2 = getelementptr float, ptr %s, i64 2 store float %c2, ptr %s2
  %s3 = getelementptr float, ptr %s, i64 3 store float %c3, ptr %s3
  call void @emulator_mma(ptr %w, ptr %s)
  %r = load { float, float, float, float }, ptr %s ret { float, float, float, float } %r }
"""


@cache
def _library() -> ctypes.CDLL:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "emulator.so"
        source = Path(__file__).with_name("gpu_emulator.c")
        subprocess.run(["cc", "-O1", "-std=gnu11", "-shared", "-fPIC", "-o", path, source], check=True)
        library = ctypes.CDLL(str(path))
    for name in ("thread", "block", "barrier", "down", "idx", "mma"):
        address = ctypes.cast(getattr(library, f"emulator_{name}"), ctypes.c_void_p).value
        binding.add_symbol(f"emulator_{name}", address)
    return library


def _translated(text: str, program: Program) -> str:
    """The kernels' text for this processor, and for each kernel a function of one array of arguments."""
    text = re.sub(r"^declare [^\n]*@llvm\.nvvm\.[^\n]*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^target triple[^\n]*\n", "", text, flags=re.MULTILINE)
    text = text.replace("@llvm.nvvm.", "@emulated.").replace("ptx_kernel ", "")
    text = text.replace("internal addrspace(3) global", "addrspace(3) global")
    for kernel in program.kernels:
        types = ["ptr addrspace(1)"] * len(kernel.parameters) + ["i64"] * len(kernel.symbols) + ["ptr addrspace(1)"]
        lines = [f"define void @run_{kernel.name}(ptr %p) {{"]
        for n, type in enumerate(types):
            lines += [f"  %a{n} = getelementptr i64, ptr %p, i64 {n}", f"  %v{n} = load {type}, ptr %a{n}"]
        given = ", ".join(f"{type} %v{n}" for n, type in enumerate(types))
        text += "\n".join([*lines, f"  call void @p__{kernel.name}({given})", "  ret void", "}", ""])
    return text + _INSTRUCTIONS


class Emulator:
    """The kernels of one program; ``seed`` fixes the order in which threads and blocks run."""

    def __init__(self, program: Program, facts: Facts, seed: int = 0) -> None:
        self.program, self.seed = program, seed
        text = to_llvm_ir(lower(program, Options("p", facts, "nvptx64-nvidia-cuda")))
        self._emulator = _library()
        self._library = Library(_translated(text, program))

    def launch(self, kernel: Kernel, buffers: Sequence[np.ndarray], sizes: Sequence[int]) -> int:
        """Runs the kernel's grid; the status."""
        loop = kernel.body[-1]
        assert isinstance(loop, Loop)
        assert isinstance(loop.mapping, Blocks)
        values = dict(zip(kernel.symbols, sizes, strict=True))
        extent = dim.evaluate(loop.hi - loop.lo, values)
        grid = -(-extent // (loop.lanes * loop.copies))
        status = np.full(1, 2**31 - 1, np.int32)
        words = [*(b.ctypes.data for b in buffers), *sizes, status.ctypes.data]
        arguments = (ctypes.c_uint64 * len(words))(*words)
        run = ctypes.c_void_p(self._library.address(f"run_{kernel.name}"))
        rng = np.random.default_rng(self.seed)
        # One block more than is needed, which has to do nothing.
        for block in rng.permutation(grid + 1).tolist():
            stuck = self._emulator.emulator_run(
                run, arguments, loop.mapping.threads, block, ctypes.c_uint64(int(rng.integers(1 << 62)))
            )
            assert not stuck, f"the threads of block {block} of {kernel.name} wait for each other"
        return 0 if status[0] == 2**31 - 1 else int(status[0])

    def run(self, name: str, inputs: Sequence[np.ndarray], sizes: Mapping[str, int]) -> list[Any]:
        """The outputs of an entry without states, weights and control flow."""
        entry: Entry = next(e for e in self.program.entries if e.name == name)
        given = dict(zip(entry.inputs, inputs, strict=True))
        memory: dict[str, np.ndarray] = {}
        for buffer in entry.buffers:
            size = dim.evaluate(buffer.size, sizes)
            fresh = np.frombuffer(b"\xa5" * (size * buffer.dtype.bytes), np.uint8).copy().view(buffer.dtype.numpy)
            memory[buffer.name] = given[buffer.name].reshape(-1).copy() if buffer.name in given else fresh
        kernels = {k.name: k for k in self.program.kernels}
        for step in entry.body:
            if isinstance(step, Call):
                views = [memory[v.buffer][dim.evaluate(v.offset, sizes) :] for v in step.buffers]
                assert self.launch(kernels[step.kernel], views, [dim.evaluate(s, sizes) for s in step.sizes]) == 0
            else:
                assert isinstance(step, Copy)
                count = dim.evaluate(step.count, sizes)
                at, to = dim.evaluate(step.source.offset, sizes), dim.evaluate(step.target.offset, sizes)
                memory[step.target.buffer][to : to + count] = memory[step.source.buffer][at : at + count]
        return [memory[o] for o in entry.outputs]
