"""Rare and long code in a function of its own, one for all its uses in a module."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Callable, Sequence

from tcc.ir.dtype import DType
from tcc.lowering.function import declare
from tcc.lowering.lanes import Lanes
from tcc.lowering.mlir import ir, llvm


def outlined(
    name: str, arguments: Sequence[Lanes], results: Sequence[DType], build: Callable[..., Sequence[Lanes]]
) -> list[Lanes]:
    """``build(*arguments)``, called. The results have as many lanes as the first argument.

    The function is internal and not inlined. Its name gets the arguments' types appended; the same name
    has to stand for the same code.
    """
    first = arguments[0]
    # A vector of one lane is another type than a scalar.
    lanes = [] if first.length is None else [str(first.length)]
    symbol = "_".join([name, *(str(a.dtype) for a in arguments), *lanes])
    types = [first.type(dtype) for dtype in results]
    struct = ir.Type.parse(f"!llvm.struct<({', '.join(str(t) for t in types)})>")
    body = module_body()
    if not any(_is(op, symbol) for op in body.operations):
        location = ir.Location.file("<unknown>", 0, 0)
        with location, ir.InsertionPoint.at_block_begin(body):
            block = declare(symbol, [(a.value.type, ()) for a in arguments], struct, location)
            with ir.InsertionPoint(block):
                inner = [a.wrap(value) for a, value in zip(arguments, block.arguments, strict=True)]
                value = llvm.UndefOp(struct).result
                for i, result in enumerate(build(*inner)):
                    value = llvm.InsertValueOp(value, result.value, [i]).result
                llvm.ReturnOp(arg=value)
    called = llvm.CallOp(struct, [a.value for a in arguments], [], [], callee=symbol).results[0]
    return [
        first.wrap(llvm.ExtractValueOp(type, called, [i]).result, dtype)
        for i, (type, dtype) in enumerate(zip(types, results, strict=True))
    ]


def module_body() -> ir.Block:
    """The body of the module that code is being inserted into."""
    op = ir.InsertionPoint.current.block.owner.operation
    while op.name != "builtin.module":
        op = op.parent.operation
    return op.regions[0].blocks[0]


def _is(op: ir.OpView, symbol: str) -> bool:
    attributes = op.operation.attributes
    return "sym_name" in attributes and str(attributes["sym_name"]) == f'"{symbol}"'
