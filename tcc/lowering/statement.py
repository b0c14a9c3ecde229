"""Statements of the loop IR: each emitted once for all copies and lanes around it."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tcc.errors import InternalError, Unsupported
from tcc.ir import dim
from tcc.ir.dtype import BOOL
from tcc.loops.program import (
    Alloc,
    Apart,
    Barrier,
    Block,
    Blocks,
    Buffer,
    Call,
    Check,
    Copy,
    If,
    Let,
    Loop,
    Parallel,
    Prefetch,
    Stmt,
    Store,
    Switch,
    TileOp,
    Warps,
)
from tcc.lowering import access, apart, host, index, loop, memory, parallel
from tcc.lowering.carried import narrow_mask
from tcc.lowering.device import Device
from tcc.lowering.expression import evaluate
from tcc.lowering.frame import Frame, Storage
from tcc.lowering.mlir import arith, ir, llvm, scf
from tcc.lowering.registers import any_of, both, compare, integer, invert
from tcc.lowering.tile import Tile


def emit(frame: Frame, statement: Stmt) -> None:
    """One statement; what it binds stays bound in the frame."""
    frame.memo = {}
    if isinstance(statement, Alloc):
        _alloc(frame, statement.buffer)
        return
    with frame.at(statement.location):
        match statement:
            case Let(name, value):
                frame.names[name] = evaluate(frame, value)
            case Store():
                access.store(frame, statement, evaluate(frame, statement.value))
            case Prefetch():
                access.prefetch(frame, statement)
            case Check(condition, message):
                _check(frame, evaluate(frame, condition), message)
            case If(condition, body, otherwise):
                _if(frame, evaluate(frame, condition), body, otherwise)
            case Loop(mapping=Parallel()) if frame.function.span is None:
                _on_processor(frame, "a loop shared by workers")
                parallel.emit(frame, statement, emit)
            case Loop(mapping=Blocks()) if frame.function.span is None:
                _device(frame, "a loop over blocks of threads").spread(frame, statement, emit)
            case Loop(mapping=Apart()) if frame.function.shared.device is None:
                apart.emit(frame, statement, emit)
            case Loop(mapping=Warps()):
                _device(frame, "a loop over warps").spread(frame, statement, emit)
            case Loop():
                loop.emit(frame, statement, emit)
            case TileOp():
                _device(frame, "a product of tiles").tile(frame, statement)
            case Barrier():
                _device(frame, "a barrier").barrier()
            case Switch():
                _switch(frame, statement)
            case Call():
                host.call(frame, statement)
            case Copy():
                host.copy(frame, statement)


def _device(frame: Frame, what: str) -> Device:
    device = frame.function.shared.device
    if device is None:
        raise Unsupported(f"{what} on a processor without threads of its own", fix="compile for a GPU, as sm_90")
    return device


def _on_processor(frame: Frame, what: str) -> None:
    if frame.function.shared.device is not None:
        raise Unsupported(f"{what} on a GPU", why=f"the kernel '{frame.function.name}' is scheduled for processors")


def block(frame: Frame, statements: Block) -> None:
    """The statements of a block, in a scope of their own."""
    with frame.scope():
        for statement in statements:
            emit(frame, statement)


def _check(frame: Frame, condition: Tile, message: int) -> None:
    violations = []
    for at in frame.grid(condition.axes):
        live = access.mask_at(frame, condition.varies, at)
        wrong = invert(condition.at(at)[0])
        violations.append(wrong if live is None else both(live, wrong))
    op = scf.IfOp(any_of(violations))
    with ir.InsertionPoint(op.then_block):
        i32 = ir.IntegerType.get_signless(32)
        # The lowest message wins, whatever the order of the workers.
        llvm.AtomicRMWOp(
            llvm.AtomicBinOp.min,
            frame.function.services.status,
            integer(message + 1, i32),
            llvm.AtomicOrdering.monotonic,
        )
        scf.YieldOp([])


def _branch(condition: ir.Value, then: Callable[[], None], otherwise: Callable[[], None]) -> None:
    op = scf.IfOp(condition, has_else=True)
    for target, emit_side in ((op.then_block, then), (op.else_block, otherwise)):
        with ir.InsertionPoint(target):
            emit_side()
            scf.YieldOp([])


def _if(frame: Frame, condition: Tile, body: Block, otherwise: Block) -> None:
    if not condition.varies:
        _branch(condition.parts[()][0], lambda: block(frame, body), lambda: block(frame, otherwise))
        return
    with _masked(frame, condition, body):
        block(frame, body)
    if otherwise:
        parts = [(invert(condition.at(at)[0]),) for at in frame.grid(condition.axes)]
        with _masked(frame, frame.tile(BOOL, condition.axes, parts), otherwise):
            block(frame, otherwise)


@contextmanager
def _masked(frame: Frame, condition: Tile, body: Block) -> Iterator[None]:
    """Within the block only iterations live for which the condition holds; loops are not entered for none."""
    with frame.scope():
        narrow_mask(frame, condition, inhabited=False)
        assert frame.mask is not None
        tile = frame.mask.tile
        if not any(isinstance(s, (Loop, Switch, If)) for s in body):
            yield
            return
        op = scf.IfOp(any_of([tile.at(at)[0] for at in frame.grid(tile.axes)]))
        with ir.InsertionPoint(op.then_block):
            yield
            scf.YieldOp([])


def _switch(frame: Frame, statement: Switch) -> None:
    size, cases = frame.resolve(statement.index), statement.cases
    if index.varies(frame, size):
        raise InternalError(
            "a switch differs between iterations that run side by side", where=statement.location.place()
        )
    number = index.evaluate(frame, size, {})
    last = len(cases) - 1
    if last == 0:
        block(frame, cases[0])
    elif last == 1:
        _branch(compare("eq", number, integer(0)), lambda: block(frame, cases[0]), lambda: block(frame, cases[1]))
    else:
        # One operation: of nested branches MLIR's passes and LLVM's cost the square of their number. It
        # becomes a switch on 32 bits, so what is beyond the last case is the last before it is cut.
        case = arith.index_cast(ir.IndexType.get(), arith.minui(number, integer(last)))
        op = scf.IndexSwitchOp([], case, range(last))
        for place, body in zip((*op.case_blocks, op.default_block), cases, strict=True):
            with ir.InsertionPoint(place):
                block(frame, body)
                scf.YieldOp([])


def _alloc(frame: Frame, buffer: Buffer) -> None:
    """Memory for the rest of the block, on the stack or in the worker's workspace.

    InternalError for a size that is not constant on the stack, or inside a loop with lanes or copies.
    """
    if frame.around:
        raise InternalError(f"the buffer '{buffer.name}' is made inside a loop with lanes or copies")
    size = frame.resolve(buffer.size)
    device = frame.function.shared.device
    if device is not None:
        frame.buffers[buffer.name] = device.allocate(frame, buffer, size)
        return
    if buffer.space == "worker":
        start = index.evaluate(frame, frame.worker_used, {})
        address = memory.offset(frame.function.services.worker, start, ir.IntegerType.get_signless(8))
        frame.worker_used = frame.worker_used + 64 * dim.ceildiv(size * buffer.dtype.bytes, 64)
    elif isinstance(size, int):
        address = frame.function.alloca(memory.cell_type(buffer.dtype), max(1, size))
    else:
        raise InternalError(f"the stack buffer '{buffer.name}' has the size {size}, which is not constant")
    frame.buffers[buffer.name] = Storage(buffer.dtype, address)
