"""The rules of the loop IR (docs/loop-ir.md), checked; an InternalError names the node and the reason."""

from __future__ import annotations

from tcc.ir import dim
from tcc.ir.dtype import BOOL
from tcc.ir.location import UNKNOWN, Location
from tcc.ir.scalar import Expr
from tcc.loops import walk
from tcc.loops.program import (
    Alloc,
    Barrier,
    Block,
    Blocks,
    Buffer,
    Call,
    Check,
    Copy,
    If,
    Kernel,
    Let,
    Loop,
    Parallel,
    Prefetch,
    Program,
    Stmt,
    Store,
    Switch,
    TileOp,
    Warps,
)
from tcc.loops.verify_entry import verify_entry
from tcc.loops.verify_expression import (
    Known,
    Place,
    check_combine,
    check_expr,
    check_name,
    check_size,
    check_uniform,
)
from tcc.loops.verify_loop import check_carries, check_loop, is_split, loop_place
from tcc.loops.verify_threads import check_near, check_tile, threads_of

SCRATCH_BYTES = 16 << 10
KERNEL_SCRATCH_BYTES = 64 << 10
NONE: frozenset[str] = frozenset()


def verify(program: Program) -> None:
    """Check every kernel and entry of a program."""
    for kind, names in (
        ("kernel", [k.name for k in program.kernels]),
        ("entry", [e.name for e in program.entries]),
        ("weight", [name for name, _ in program.weights]),
    ):
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise Place("the program").fail(f"two {kind} names '{twice[0]}'", "a name is defined once", UNKNOWN)
    for kernel in program.kernels:
        verify_kernel(kernel, len(program.messages))
    for entry in program.entries:
        verify_entry(program, entry)


def verify_kernel(kernel: Kernel, messages: int) -> None:
    """Check one kernel, in a program of so many messages."""
    place = Place(f"kernel '{kernel.name}'")
    check_name(place, kernel.name, kernel.location)
    for parameter in kernel.parameters:
        if parameter.access not in ("read", "write", "update"):
            raise place.fail(f"parameter '{parameter.name}'", f"no access '{parameter.access}'", kernel.location)
        place = place.define_buffer(parameter.name, Known(parameter.dtype, parameter.access), kernel.location)
    for symbol in kernel.symbols:
        place = place.define(symbol, None, NONE, kernel.location).index(symbol)
    allocated = [s.buffer for s in walk.statements(kernel.body) if isinstance(s, Alloc) and s.buffer.space == "scratch"]
    total = sum(b.dtype.bytes * b.size for b in allocated if isinstance(b.size, int))
    if total > KERNEL_SCRATCH_BYTES:
        raise place.fail(f"{total} bytes of scratch", f"a kernel has at most {KERNEL_SCRATCH_BYTES}", kernel.location)
    _Statements(kernel, messages).block(kernel.body, place)


class _Statements:
    """The rules on statements of one kernel."""

    def __init__(self, kernel: Kernel, messages: int) -> None:
        self.kernel = kernel
        self.messages = messages

    def block(self, block: Block, place: Place) -> Place:
        """Check a block; the place at its end."""
        for statement in block:
            place = self.statement(statement, place)
        return place

    def statement(self, statement: Stmt, place: Place) -> Place:
        match statement:
            case Let(name, value, location):
                depends = check_expr(place, value, location)
                place = place.define(name, value.dtype, depends, location)
                return place.index(name) if value.dtype.is_integer else place
            case Store():
                self.store(statement, place)
            case Prefetch(buffer, index, _, location):
                check_size(place, index, location)
                if buffer not in place.buffers:
                    raise place.fail(f"a prefetch of '{buffer}'", "there is no such buffer here", location)
            case Check(condition, message, location):
                self.condition(condition, place, "check", location)
                if not 0 <= message < self.messages:
                    raise place.fail(f"check {message}", f"the program has {self.messages} messages", location)
            case If(condition, body, otherwise, location):
                self.condition(condition, place, "if", location)
                self.block(body, place)
                self.block(otherwise, place)
            case Alloc(buffer):
                return self.alloc(buffer, place)
            case Loop():
                return self.loop(statement, place)
            case TileOp():
                check_tile(statement, place)
            case Barrier(location):
                apart = any(x.lanes > 1 or isinstance(x.mapping, Warps) for x in place.loops)
                if apart or not any(isinstance(x.mapping, Blocks) for x in place.loops):
                    raise place.fail("a barrier", "it is not for all threads of a block", location)
            case Switch(index, cases, location):
                check_uniform(place, index, "a switch", location)
                if not cases:
                    raise place.fail("a switch without cases", "the last case is the default", location)
                for case in cases:
                    self.block(case, place)
            case Call() | Copy():
                raise place.fail(
                    f"a {type(statement).__name__.lower()}", "they are for entries only", statement.location
                )
        return place

    def condition(self, condition: Expr, place: Place, what: str, location: Location) -> None:
        check_expr(place, condition, location)
        if condition.dtype != BOOL:
            raise place.fail(f"the condition of {what} is {condition.dtype}", "a condition is bool", location)

    def alloc(self, buffer: Buffer, place: Place) -> Place:
        what = f"alloc of '{buffer.name}'"
        check_size(place, buffer.size, UNKNOWN)
        if buffer.space not in ("scratch", "shared", "register", "worker"):
            raise place.fail(what, f"space '{buffer.space}' is not made by an alloc", UNKNOWN)
        if buffer.space != "worker" and not isinstance(buffer.size, int):
            raise place.fail(what, f"{buffer.space} memory has a static size, not {buffer.size}", UNKNOWN)
        if isinstance(buffer.size, int) and buffer.space != "worker":
            size = buffer.size * buffer.dtype.bytes
            if buffer.space == "shared" or (buffer.space == "register" and threads_of(place)):
                check_near(place, what, buffer.space, size)
            elif not 0 <= size <= SCRATCH_BYTES:
                raise place.fail(f"{what} takes {size} bytes", f"scratch has at most {SCRATCH_BYTES}", UNKNOWN)
        if any(x.lanes > 1 or x.copies > 1 for x in place.loops):
            raise place.fail(what, "it is inside a loop with lanes or copies", UNKNOWN)
        return place.define_buffer(buffer.name, Known(buffer.dtype, "update", len(place.loops)), UNKNOWN)

    def store(self, store: Store, place: Place) -> None:
        what, at = f"the store to '{store.buffer}[{store.index}]'", store.location
        buffer = place.buffers.get(store.buffer)
        check_expr(place, store.value, at)
        depends = check_size(place, store.index, at)
        if buffer is None:
            raise place.fail(what, "there is no such buffer here", at)
        if buffer.dtype != store.value.dtype:
            raise place.fail(f"{what} of {store.value.dtype}", f"the buffer is {buffer.dtype}", at)
        if buffer.access == "read":
            raise place.fail(what, "the parameter is only read", at)
        if store.combine:
            check_combine(place, store.combine, (buffer.dtype,), at)
            if buffer.access == "write":
                raise place.fail(what, "it combines with what is there, and the parameter is only written", at)
        for position, loop in enumerate(place.loops):
            if position < buffer.depth or not is_split(loop):
                continue
            if loop.axis not in depends:
                raise place.fail(what, f"the loop over '{loop.axis}' is split and the index does not depend on it", at)
            if not store.unique:
                self.shared(store, loop, position == len(place.loops) - 1, place)

    def shared(self, store: Store, loop: Loop, innermost: bool, place: Place) -> None:
        what = f"the shared store to '{store.buffer}[{store.index}]'"
        if isinstance(loop.mapping, (Parallel, Blocks)) or not innermost:
            raise place.fail(what, f"the loop over '{loop.axis}' is split and not the innermost one", store.location)
        inside = dim.symbols(store.index)
        axis = next((dim.of_atom(x) for x in inside if x.name == loop.axis), 0)
        step = dim.substitute(store.index, {loop.axis: axis + 1}) - store.index
        through = [x.name for x in inside if x.name != loop.axis and loop.axis in place.depends[x.name]]
        if not isinstance(step, int) or step == 0 or through:
            why = f"the loop over '{loop.axis}' is split: the index is not c·{loop.axis} + rest"
            raise place.fail(what, why, store.location)

    def loop(self, loop: Loop, place: Place) -> Place:
        check_loop(place, loop)
        if isinstance(loop.mapping, (Parallel, Blocks)) and loop is not self.kernel.body[-1]:
            raise place.fail(
                f"the parallel loop over '{loop.axis}'", "it is not the kernel's last statement", loop.location
            )
        end = self.block(loop.body, loop_place(place, loop))
        return check_carries(place, loop, end)
