"""Machine functions: their declaration in the LLVM dialect, and their frame while they are built."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tcc.lowering.memory import pointer
from tcc.lowering.mlir import ir, llvm
from tcc.lowering.registers import i64

Arguments = Sequence[tuple[ir.Type, Sequence[str]]]
"""The type of each parameter, and the names of its attributes (``llvm.noalias``)."""


@dataclass(frozen=True)
class Services:
    """What every function of a call gets: the status word's address, the worker's workspace and the bytes
    of one worker's, the caller's parallel-for (or null)."""

    status: ir.Value
    worker: ir.Value
    worker_bytes: ir.Value
    parallel: ir.Value

    def values(self) -> list[ir.Value]:
        return [self.status, self.worker, self.worker_bytes, self.parallel]


def service_types() -> list[ir.Type]:
    """The types of `Services`."""
    return [pointer(), pointer(), i64(), pointer()]


def kernel_symbol(prefix: str, kernel: str) -> str:
    """The machine function of a kernel."""
    return f"{prefix}__{kernel}"


def declare(
    name: str, arguments: Arguments, result: ir.Type | None, location: ir.Location, exported: bool = False
) -> ir.Block:
    """A function's entry block. Not inlined, so that each line of a program stays where it is called.

    Exported ones are hidden symbols, others internal.
    """
    listed = ", ".join(str(type).removeprefix("!llvm.") for type, _ in arguments)
    type = ir.Type.parse(f"!llvm.func<{result or 'void'} ({listed})>")
    attributes = [ir.DictAttr.get({n: ir.UnitAttr.get() for n in names}) for _, names in arguments]
    op = llvm.LLVMFuncOp(
        name,
        ir.TypeAttr.get(type),
        linkage=ir.Attribute.parse(f"#llvm.linkage<{'external' if exported else 'internal'}>"),
        visibility_=ir.IntegerAttr.get(i64(), int(exported)),
        arg_attrs=ir.ArrayAttr.get(attributes),
        no_inline=not exported,
        no_unwind=True,
        loc=location,
    )
    types = [type for type, _ in arguments]
    return op.body.blocks.append(*types, arg_locs=[location] * len(types))


def call(name: str, operands: Sequence[ir.Value]) -> None:
    """Calls a function of this module that returns nothing."""
    llvm.CallOp(None, list(operands), [], [], callee=name)


def call_address(address: ir.Value, operands: Sequence[ir.Value]) -> None:
    """Calls a function that returns nothing through its address."""
    llvm.CallOp(None, [address, *operands], [], [])


def words(base: ir.Value, number: int) -> ir.Value:
    """The address of the ``number``-th of eight-byte words."""
    return llvm.GEPOp(pointer(), base, [], [number], i64(), 0).result


def load_word(base: ir.Value, number: int, type: ir.Type) -> ir.Value:
    """One of a row of eight-byte words, as a pointer or an integer."""
    return llvm.LoadOp(type, words(base, number)).result


def store_word(base: ir.Value, number: int, value: ir.Value) -> None:
    """Sets one of a row of eight-byte words."""
    llvm.StoreOp(value, words(base, number))
