"""Scalar ops compiled into one module a call: loops over arrays, called through ctypes."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tcc.ir.dtype import BOOL, DType
from tcc.loops.facts import Facts
from tcc.lowering.lanes import element_type
from tcc.lowering.mlir import PassManager, arith, func, ir, llvm, memref, scf, vector
from tcc.lowering.scalar import emit
from tcc.targets.llvm import Library, host
from tcc.targets.machine import Machine
from tcc.targets.target import native

PASSES = (
    "canonicalize,cse,convert-vector-to-scf{full-unroll=true target-rank=1},convert-scf-to-cf,"
    "convert-vector-to-llvm,convert-math-to-llvm,finalize-memref-to-llvm,convert-arith-to-llvm,"
    "convert-index-to-llvm,convert-func-to-llvm{use-bare-ptr-memref-call-conv=1},convert-cf-to-llvm,"
    "reconcile-unrealized-casts,canonicalize,cse"
)
CAPACITY = 1 << 40
PLAIN = Facts(vector_bytes=64, registers=32)
FACTS = replace(PLAIN, scale=host().wide, dots=native().facts.dots)
"""Those of this machine, as far as they decide on instructions."""
NO_FMA = Facts(vector_bytes=16, registers=16, fma=False, half=False)
LINUX = "x86_64-unknown-linux-gnu"
TIERS = {
    "x86-64-v2": (Machine(LINUX, "x86-64-v2"), NO_FMA),
    "x86-64-v3": (Machine(LINUX, "x86-64-v3"), PLAIN),
    "x86-64-v4": (Machine(LINUX, "x86-64-v4", wide=True), replace(PLAIN, scale=True)),
    "aarch64": (Machine("aarch64-unknown-linux-gnu"), PLAIN),
}


def runnable_tiers() -> list[Machine]:
    """The tiers with fused multiply-adds that this machine can run."""
    features = host().features.split(",")
    tiers = []
    if "+avx2" in features and "+fma" in features:
        tiers.append(TIERS["x86-64-v3"][0])
    if "+avx512f" in features and "+avx512vl" in features and "+avx512dq" in features and "+avx512bw" in features:
        tiers.append(TIERS["x86-64-v4"][0])
    if host().architecture == "aarch64":
        tiers.append(TIERS["aarch64"][0])
    return tiers


@dataclass(frozen=True)
class Case:
    """One op on operands of given dtypes, with ``lanes`` elements at a time (None: scalars)."""

    op: str
    dtypes: tuple[DType, ...]
    result: DType
    lanes: int | None

    @property
    def symbol(self) -> str:
        return "_".join([self.op, *(d.name for d in self.dtypes), self.result.name, str(self.lanes)])


def llvm_text(cases: Sequence[Case], facts: Facts = FACTS) -> str:
    with ir.Context(), ir.Location.unknown():
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            for case in cases:
                _function(case, facts)
        module.operation.verify()
        PassManager.parse(f"builtin.module({PASSES})").run(module.operation)
        return llvm.translate_module_to_llvmir(module.operation)


def _memory(dtype: DType) -> ir.Type:
    return ir.IntegerType.get_signless(8) if dtype == BOOL else element_type(dtype)


def _function(case: Case, facts: Facts) -> None:
    buffers = [ir.MemRefType.get([CAPACITY], _memory(d)) for d in (*case.dtypes, case.result)]
    index = ir.IndexType.get()
    function = func.FuncOp(case.symbol, ([*buffers, index], []))
    with ir.InsertionPoint(function.add_entry_block()):
        *inputs, output, n = function.arguments
        zero, step = arith.constant(index, 0), arith.constant(index, case.lanes or 1)
        for i in scf.for_(zero, n, step):
            values = [_load(buffer, dtype, i, case.lanes) for buffer, dtype in zip(inputs, case.dtypes, strict=True)]
            result = emit(case.op, values, case.dtypes, case.result, facts)
            if case.result == BOOL:
                result = arith.extui(_shaped(ir.IntegerType.get_signless(8), case.lanes), result)
            if case.lanes is None:
                memref.store(result, output, [i])
            else:
                vector.store(result, output, [i])
            scf.yield_([])
        func.ReturnOp([])


def _shaped(element: ir.Type, lanes: int | None) -> ir.Type:
    return element if lanes is None else ir.VectorType.get([lanes], element)


def _load(buffer: ir.Value, dtype: DType, i: ir.Value, lanes: int | None) -> ir.Value:
    type = _shaped(_memory(dtype), lanes)
    value = memref.load(buffer, [i]) if lanes is None else vector.load(type, buffer, [i])
    if dtype != BOOL:
        return value
    return arith.trunci(_shaped(ir.IntegerType.get_signless(1), lanes), value)


class Compiled:
    """A batch of cases in one module."""

    def __init__(self, cases: Sequence[Case], facts: Facts = FACTS, machine: Machine | None = None) -> None:
        self._library = Library(llvm_text(cases, facts), machine)

    def run(self, case: Case, *operands: np.ndarray) -> np.ndarray:
        """The op on equally long 1-D arrays; they are padded to whole vectors with their first elements."""
        n = len(operands[0])
        padded = -(-n // (case.lanes or 1)) * (case.lanes or 1)
        arrays = [np.resize(x.astype(d.numpy, copy=False), padded) for x, d in zip(operands, case.dtypes, strict=True)]
        output = np.zeros(padded, case.result.numpy)
        function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (len(arrays) + 1), ctypes.c_int64)
        function(self._library.address(case.symbol))(*(a.ctypes.data for a in (*arrays, output)), padded)
        return output[:n]
