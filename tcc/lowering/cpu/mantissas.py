"""Exponents and mantissas of floats by instructions of AVX-512 (vgetexp, vgetmant)."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from tcc.lowering.lanes import Lanes
from tcc.lowering.mlir import arith, ir, llvm

_ROUND_AS_SET = 4
_POSITIVE_FROM_ONE = 4


def parts(x: Lanes) -> tuple[Lanes, Lanes] | None:
    """For \\|x\\| = 2^e·m with 1 <= m < 2 the exponent e, as a float, and m.

    The exponent of 0 is -inf and that of infinity inf, where m is 1; both are nan for nan. None where there are no
    such instructions for these vectors.
    """
    width = 0 if x.length is None else x.length * x.bits
    if not x.facts.scale or width not in (128, 256, 512):
        return None
    immediate = ir.IntegerType.get_signless(32)
    whole = ir.IntegerType.get_signless(max(8, x.length or 0))
    every = arith.constant(whole, ir.IntegerAttr.get(whole, -1))
    rounding = [arith.constant(immediate, ir.IntegerAttr.get(immediate, _ROUND_AS_SET))] if width == 512 else []
    kind = arith.constant(immediate, ir.IntegerAttr.get(immediate, _POSITIVE_FROM_ONE))
    suffix = f"{'ps' if x.bits == 32 else 'pd'}.{width}"

    def call(name: str, *operands: ir.Value) -> Lanes:
        name = f"llvm.x86.avx512.mask.{name}.{suffix}"
        given = [*operands, x.value, every, *rounding]
        return x.wrap(llvm.CallIntrinsicOp(x.value.type, name, given, [], []).operation.results[0])

    return call("getexp", x.value), call("getmant", x.value, kind)
