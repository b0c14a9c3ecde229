"""Machine functions: their declaration in the LLVM dialect, and their frame while they are built."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Collection, Sequence
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
    op = _function(name, arguments, result, location, exported)
    types = [type for type, _ in arguments]
    return op.body.blocks.append(*types, arg_locs=[location] * len(types))


def declaration(name: str, arguments: Arguments) -> None:
    """A function without a result that another module of the library exports."""
    _function(name, arguments, None, ir.Location.current, exported=True)


def declared(op: ir.OpView) -> None:
    """A declaration of a function that goes to another module."""
    llvm.LLVMFuncOp(
        op.sym_name,
        op.function_type,
        linkage=_linkage(True),
        visibility_=_visibility(True),
        arg_attrs=op.arg_attrs,
        no_unwind=True,
        loc=op.location,
    )


def export(body: ir.Block, names: Collection[str]) -> None:
    """Makes hidden symbols of some of a module's internal functions."""
    for op in body.operations:
        if isinstance(op, llvm.LLVMFuncOp) and op.sym_name.value in names:
            op.attributes["linkage"] = _linkage(True)
            op.attributes["visibility_"] = _visibility(True)


def _function(
    name: str, arguments: Arguments, result: ir.Type | None, location: ir.Location, exported: bool
) -> ir.OpView:
    listed = ", ".join(str(type).removeprefix("!llvm.") for type, _ in arguments)
    attributes = [ir.DictAttr.get({n: ir.UnitAttr.get() for n in names}) for _, names in arguments]
    return llvm.LLVMFuncOp(
        name,
        ir.TypeAttr.get(ir.Type.parse(f"!llvm.func<{result or 'void'} ({listed})>")),
        linkage=_linkage(exported),
        visibility_=_visibility(exported),
        arg_attrs=ir.ArrayAttr.get(attributes),
        no_inline=not exported,
        no_unwind=True,
        loc=location,
    )


def _linkage(exported: bool) -> ir.Attribute:
    return ir.Attribute.parse(f"#llvm.linkage<{'external' if exported else 'internal'}>")


def _visibility(exported: bool) -> ir.Attribute:
    return ir.IntegerAttr.get(i64(), int(exported))


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
