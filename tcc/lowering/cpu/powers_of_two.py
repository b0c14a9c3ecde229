"""Floats times powers of two by one instruction of AVX-512 (vscalef)."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from tcc.lowering.lanes import Lanes
from tcc.lowering.mlir import arith, ir, llvm

_ROUND_AS_SET = 4


def scaled(y: Lanes, n: Lanes) -> Lanes | None:
    """``y·2^n`` with one rounding, for whole ``n``; None where there is no such instruction for these vectors."""
    width = 0 if y.length is None else y.length * y.bits
    if not y.facts.scale or width not in (128, 256, 512):
        return None
    whole = ir.IntegerType.get_signless(max(8, y.length or 0))
    every = arith.constant(whole, ir.IntegerAttr.get(whole, -1))
    operands = [y.value, n.value, y.value, every]
    if width == 512:
        i32 = ir.IntegerType.get_signless(32)
        operands.append(arith.constant(i32, ir.IntegerAttr.get(i32, _ROUND_AS_SET)))
    name = f"llvm.x86.avx512.mask.scalef.{'ps' if y.bits == 32 else 'pd'}.{width}"
    return y.wrap(llvm.CallIntrinsicOp(y.value.type, name, operands, [], []).operation.results[0])
