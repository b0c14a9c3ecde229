"""Sums of products in words by one instruction of x86: pmaddwd, vpdpbusd (VNNI), vdpbf16ps."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from tcc.lowering.lanes import Lanes
from tcc.lowering.mlir import ir, llvm

_PAIRS = {128: "sse2.pmadd.wd", 256: "avx2.pmadd.wd", 512: "avx512.pmaddw.d.512"}


def instruction(op: str, a: Lanes, b: Lanes, c: Lanes) -> Lanes | None:
    """The op on whole vectors; None where there is no such instruction for these."""
    width = 0 if c.length is None else c.length * c.bits
    if op not in c.facts.dots or width not in _PAIRS or width > 8 * c.facts.vector_bytes:
        return None
    if op == "dot_i16":
        # LLVM makes one instruction of it and the addition where the machine has that.
        return c + _called(_PAIRS[width], _as("i16", a), _as("i16", b), like=c)
    if op == "dot_u8i8":
        return _called(f"avx512.vpdpbusd.{width}", c.value, _as("i8", a), _as("i8", b), like=c)
    return _called(f"avx512bf16.dpbf16ps.{width}", c.value, _as("bf16", a), _as("bf16", b), like=c)


def _as(kind: str, words: Lanes) -> ir.Value:
    element = ir.BF16Type.get() if kind == "bf16" else ir.IntegerType.get_signless(int(kind[1:]))
    count = (words.length or 1) * 32 // (16 if kind == "bf16" else int(kind[1:]))
    return llvm.BitcastOp(ir.VectorType.get([count], element), words.value).result


def _called(name: str, *operands: ir.Value, like: Lanes) -> Lanes:
    call = llvm.CallIntrinsicOp(like.value.type, f"llvm.x86.{name}", list(operands), [], [])
    return like.wrap(call.operation.results[0])
