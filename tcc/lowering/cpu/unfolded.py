"""Masks that LLVM must not fold to constants.

LLVM 22 miscompiles a masked store for AVX-512 when the mask is a constant with one lane and the value
is truncated from wider integers: it stores the whole wide element, over the memory that follows.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from tcc.ir.dtype import DType
from tcc.lowering.memory import pointer
from tcc.lowering.mlir import arith, ir, llvm
from tcc.lowering.registers import broadcast, integer, lanes_of


def _name(prefix: str) -> str:
    return f"{prefix}__true"


def define(prefix: str) -> None:
    """A byte 1 in memory, of which LLVM must assume that it may be anything."""
    byte = ir.IntegerType.get_signless(8)
    llvm.GlobalOp(
        ir.TypeAttr.get(byte),
        _name(prefix),
        ir.Attribute.parse("#llvm.linkage<internal>"),
        externally_initialized=True,
        value=ir.IntegerAttr.get(byte, 1),
        alignment=1,
        visibility_=ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 0),
    )


def mask(prefix: str, given: ir.Value, dtype: DType) -> ir.Value:
    """The mask of a store of a dtype, with the byte in it where the value may be a truncated one."""
    if dtype.is_complex or dtype.name in ("f32", "f64") or dtype.bits == 64:
        return given
    address = llvm.AddressOfOp(pointer(), _name(prefix)).result
    one = arith.cmpi(
        1, llvm.LoadOp(ir.IntegerType.get_signless(8), address).result, integer(0, ir.IntegerType.get_signless(8))
    )
    return arith.andi(given, broadcast(one, lanes_of(given)))
