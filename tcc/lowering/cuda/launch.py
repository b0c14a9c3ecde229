"""Kernels as entry points that the driver launches: a grid of blocks, each of so many threads.

The parameters are the kernel's buffers (addresses in global memory), its symbols in 64 bits and the
address of the status word. Block b of the grid runs iterations b·lanes·copies and on of the loop over
blocks; blocks beyond the last iteration do nothing.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from dataclasses import replace

from tcc.errors import InternalError
from tcc.ir import dim
from tcc.ir.dtype import I64
from tcc.loops.program import Blocks, Kernel, Loop, Program, TileOp
from tcc.loops.walk import statements
from tcc.lowering import statement
from tcc.lowering.cuda.threads import Threads
from tcc.lowering.frame import Context, Frame, Function, Storage
from tcc.lowering.function import Services, kernel_symbol
from tcc.lowering.kernel import where
from tcc.lowering.memory import pointer
from tcc.lowering.mlir import ir, llvm
from tcc.lowering.registers import i64, integer
from tcc.lowering.tile import uniform


def threads(kernel: Kernel) -> int:
    """The threads of a block, as the kernel's loop over blocks says. InternalError where there is none."""
    last = kernel.body[-1] if kernel.body else None
    if not isinstance(last, Loop) or not isinstance(last.mapping, Blocks):
        raise InternalError(f"the kernel '{kernel.name}' does not end in a loop over blocks", why="stage: lowering")
    return last.mapping.threads


def described(program: Program, prefix: str) -> str:
    """How to launch each kernel, as comments at the head of its code."""
    lines = [
        "Launch each kernel with at least so many blocks of so many threads. Parameters are addresses in global",
        "memory and sizes of 64 bits. `status` is the address of 32 bits that are 2147483647 before: what is less",
        "afterwards is 1 + the number of the first message whose check failed.",
    ]
    for kernel in program.kernels:
        loop = kernel.body[-1]
        assert isinstance(loop, Loop)
        grid = dim.ceildiv(loop.hi - loop.lo, loop.lanes * loop.copies)
        given = [f"{p.name}: {p.dtype} {p.access}" for p in kernel.parameters]
        listed = ", ".join([*given, *kernel.symbols, "status"])
        symbol = kernel_symbol(prefix, kernel.name)
        lines += ["", f"{symbol}({listed})", f"    {grid} blocks of {threads(kernel)} threads"]
    if program.messages:
        lines += ["", *(f"message {k}: {message}" for k, message in enumerate(program.messages))]
    return "".join(f"// {line}".rstrip() + "\n" for line in lines) + "\n"


def emit(kernel: Kernel, context: Context) -> None:
    """The kernel's entry point."""
    location = context.locations.of(where(kernel))
    with location:
        symbol = kernel_symbol(context.prefix, kernel.name)
        count = threads(kernel)
        block = _entry_point(symbol, kernel, count, location)
        with ir.InsertionPoint(block):
            *given, status = block.arguments
            nowhere = llvm.ZeroOp(pointer()).result
            services = Services(_generic(status), nowhere, integer(0), nowhere)
            sums = frozenset(s.acc.buffer for s in statements(kernel.body) if isinstance(s, TileOp))
            device = Threads(symbol, count, sums, context.facts)
            function = Function(block, replace(context, device=device), kernel.name, services)
            frame = Frame(function)
            for parameter in kernel.parameters:
                frame.buffers[parameter.name] = Storage(parameter.dtype, _generic(given.pop(0)))
            for name in kernel.symbols:
                frame.names[name] = uniform(I64, (given.pop(0),))
            statement.block(frame, kernel.body)
            llvm.ReturnOp()


def _entry_point(symbol: str, kernel: Kernel, count: int, location: ir.Location) -> ir.Block:
    space = ir.Type.parse("!llvm.ptr<1>")
    types = [*(space for _ in kernel.parameters), *(i64() for _ in kernel.symbols), space]
    unit = ir.UnitAttr.get()
    # Nothing is promised of what a kernel reads and writes: other threads change it at barriers.
    promises = {"read": ("llvm.noalias", "llvm.readonly"), "write": ("llvm.noalias",)}
    attributes = [dict.fromkeys(promises.get(p.access, ()), unit) for p in kernel.parameters]
    attributes += [{} for _ in range(len(types) - len(attributes))]
    listed = ", ".join(str(t).removeprefix("!llvm.") for t in types)
    op = llvm.LLVMFuncOp(
        symbol,
        ir.TypeAttr.get(ir.Type.parse(f"!llvm.func<void ({listed})>")),
        linkage=ir.Attribute.parse("#llvm.linkage<external>"),
        CConv=ir.Attribute.parse("#llvm.cconv<ptx_kernelcc>"),
        arg_attrs=ir.ArrayAttr.get([ir.DictAttr.get(a) for a in attributes]),
        passthrough=ir.Attribute.parse(f'[["nvvm.reqntid", "{count}"]]'),
        no_unwind=True,
        loc=location,
    )
    return op.body.blocks.append(*types, arg_locs=[location] * len(types))


def _generic(address: ir.Value) -> ir.Value:
    """An address in global memory as one that the rest of the lowering takes; LLVM finds its way back."""
    return llvm.AddrSpaceCastOp(pointer(), address).result
