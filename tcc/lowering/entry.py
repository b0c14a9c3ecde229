"""The host side of a function: ``p__f__run`` with the C signature that the library's glue calls."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tcc.errors import InternalError
from tcc.ir.dtype import I64
from tcc.loops import walk
from tcc.loops.program import Buffer, Call, Copy, Entry, Kernel
from tcc.lowering import index, memory, statement
from tcc.lowering.frame import Context, Frame, Function, Profile, Storage
from tcc.lowering.function import Services, declare, load_word
from tcc.lowering.memory import pointer
from tcc.lowering.mlir import arith, ir, llvm
from tcc.lowering.registers import i64, integer
from tcc.lowering.tile import uniform

NO_FAILURE = (1 << 31) - 1
"""What the status word holds while no check has failed."""


def emit(entry: Entry, kernels: Mapping[str, Kernel], weights: Mapping[str, int], context: Context) -> None:
    """``int32_t p__f__run(void *const *arguments, const int64_t *sizes, const uint8_t *weights, uint8_t *workspace,
    const p__parallel *parallel)``.

    ``arguments``: inputs, outputs, states; ``weights``: byte offset of each weight buffer by name. Returns 0,
    or 1 + the number of the failed check's message.

    An entry with steps has a twin, ``p__f__profile``, that takes a ``p__profiler`` besides and tells it
    when each step begins and ends: the kernels are the same, and a call that is not measured runs code
    that knows nothing of it.
    """
    _define(entry, kernels, weights, context, ())
    steps = walk.steps(entry)
    if steps:
        _define(entry, kernels, weights, context, steps)


def _define(
    entry: Entry,
    kernels: Mapping[str, Kernel],
    weights: Mapping[str, int],
    context: Context,
    steps: Sequence[Call | Copy],
) -> None:
    """The function, or its profiled twin where there are steps to profile."""
    location = context.locations.of(entry.location)
    with location:
        i32 = ir.IntegerType.get_signless(32)
        name = f"{context.prefix}__{entry.name}__{'profile' if steps else 'run'}"
        block = declare(name, [(pointer(), ())] * (6 if steps else 5), i32, location, exported=True)
        with ir.InsertionPoint(block):
            arguments, sizes, constants, workspace, parallel, *profiler = block.arguments
            names = {s: uniform(I64, (load_word(sizes, n, i64()),)) for n, s in enumerate(entry.symbols)}
            status = llvm.AllocaOp(pointer(), integer(1), i32, alignment=4).result
            llvm.StoreOp(integer(NO_FAILURE, i32), status)
            function = Function(
                block,
                context,
                entry.name,
                Services(status, workspace, integer(0), parallel),
                kernels=kernels,
                profile=Profile(profiler[0], steps) if steps else None,
            )
            frame = Frame(function, names)
            worker = _after(workspace, index.evaluate(frame, entry.workspace, {}))
            each = index.evaluate(frame, entry.worker_bytes, {})
            function.services = Services(status, worker, each, parallel)
            for buffer in entry.buffers:
                place = _address(frame, entry, buffer, arguments, constants, workspace, weights)
                frame.buffers[buffer.name] = Storage(buffer.dtype, place)
            statement.block(frame, entry.body)
            result = llvm.LoadOp(i32, status).result
            failed = arith.cmpi(1, result, integer(NO_FAILURE, i32))
            llvm.ReturnOp(arg=arith.select(failed, result, integer(0, i32)))


def _after(base: ir.Value, distance: ir.Value) -> ir.Value:
    return memory.offset(base, distance, ir.IntegerType.get_signless(8))


def _address(
    frame: Frame,
    entry: Entry,
    buffer: Buffer,
    arguments: ir.Value,
    constants: ir.Value,
    workspace: ir.Value,
    weights: Mapping[str, int],
) -> ir.Value:
    states = [b.name for b in entry.buffers if b.space == "state"]
    order = [*entry.inputs, *entry.outputs, *states]
    offsets = dict(entry.offsets)
    if buffer.name in order:
        return load_word(arguments, order.index(buffer.name), pointer())
    if buffer.space == "weight" and buffer.name in weights:
        return _after(constants, integer(weights[buffer.name]))
    if buffer.space == "arena" and buffer.name in offsets:
        return _after(workspace, index.evaluate(frame, offsets[buffer.name], {}))
    raise InternalError(f"the buffer '{buffer.name}' of function '{entry.name}' has no place", why="stage: lowering")
