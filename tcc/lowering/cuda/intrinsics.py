"""The GPU's own instructions: who a thread is, barriers, shuffles, shared memory.

By their LLVM names, which LLVM 22 and 24 have in common.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Sequence

from tcc.lowering.memory import pointer
from tcc.lowering.mlir import arith, ir, llvm
from tcc.lowering.outline import module_body
from tcc.lowering.registers import i64, integer

ALL = -1
"""The mask of all threads of a warp."""
CLAMP = 31


def i32() -> ir.Type:
    """The type that special registers and shuffles have."""
    return ir.IntegerType.get_signless(32)


def intrinsic(result: ir.Type, name: str, operands: Sequence[ir.Value]) -> ir.Value:
    """The result of ``llvm.nvvm.{name}``."""
    op = llvm.CallIntrinsicOp(result, f"llvm.nvvm.{name}", list(operands), [], [])
    return op.operation.results[0]


def _register(name: str) -> ir.Value:
    return arith.extui(i64(), intrinsic(i32(), f"read.ptx.sreg.{name}", []))


def thread() -> ir.Value:
    """The number of the thread in its block."""
    return _register("tid.x")


def block() -> ir.Value:
    """The number of the block in the grid."""
    return _register("ctaid.x")


def barrier() -> None:
    """Waits for all threads of the block."""
    llvm.CallIntrinsicOp(None, "llvm.nvvm.barrier.cta.sync.aligned.all", [integer(0, i32())], [], [])


def _integral(type: ir.Type) -> ir.Type:
    """The integers as wide as a type."""
    if isinstance(type, ir.IntegerType):
        return type
    return i64() if isinstance(type, ir.F64Type) else i32()


def word(type: ir.Type) -> ir.Type:
    """The integers of 32 or 64 bits that hold a type's bits."""
    return i64() if _integral(type).width > 32 else i32()


def bits(value: ir.Value, type: ir.Type) -> ir.Value:
    """The bits of a scalar in an integer type at least as wide."""
    integral = _integral(value.type)
    whole = value if value.type == integral else arith.bitcast(integral, value)
    return whole if integral == type else arith.extui(type, whole)


def from_bits(value: ir.Value, type: ir.Type) -> ir.Value:
    """The scalar of a type whose bits are the low ones of an integer, at least as wide."""
    integral = _integral(type)
    narrow = value if value.type == integral else arith.trunci(integral, value)
    return narrow if integral == type else arith.bitcast(type, narrow)


def shuffle(kind: str, value: ir.Value, lane: ir.Value | int) -> ir.Value:
    """What another thread of the warp has: ``down`` by a distance, or ``idx``, the thread of that number."""
    whole = bits(value, word(value.type))
    if whole.type == i64():
        low = arith.trunci(i32(), whole)
        high = arith.trunci(i32(), arith.shrui(whole, integer(32)))
        low, high = (arith.extui(i64(), shuffle(kind, half, lane)) for half in (low, high))
        return from_bits(arith.ori(low, arith.shli(high, integer(32))), value.type)
    source = integer(lane, i32()) if isinstance(lane, int) else lane
    operands = [integer(ALL, i32()), whole, source, integer(CLAMP, i32())]
    return from_bits(intrinsic(i32(), f"shfl.sync.{kind}.i32", operands), value.type)


def shared(name: str, bytes: int) -> ir.Value:
    """The address of memory that the threads of a block share; one place for each name."""
    space = ir.Type.parse("!llvm.ptr<3>")
    body = module_body()
    if not any(_names(op, name) for op in body.operations):
        with ir.InsertionPoint.at_block_begin(body):
            llvm.GlobalOp(
                ir.TypeAttr.get(ir.Type.parse(f"!llvm.array<{bytes} x i8>")),
                name,
                ir.Attribute.parse("#llvm.linkage<internal>"),
                alignment=16,
                addr_space=ir.IntegerAttr.get(i32(), 3),
                visibility_=ir.IntegerAttr.get(i64(), 0),
            )
    return llvm.AddrSpaceCastOp(pointer(), llvm.AddressOfOp(space, name).result).result


def _names(op: ir.OpView, symbol: str) -> bool:
    attributes = op.operation.attributes
    return "sym_name" in attributes and str(attributes["sym_name"]) == f'"{symbol}"'
