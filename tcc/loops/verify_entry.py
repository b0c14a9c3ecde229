"""The loop IR's rules on entries: the host side of a function."""

from __future__ import annotations

from tcc.ir import dim
from tcc.ir.dtype import BOOL
from tcc.ir.location import Location
from tcc.loops.program import (
    SPACES,
    Block,
    Buffer,
    Call,
    Copy,
    Entry,
    If,
    Kernel,
    Let,
    Loop,
    Program,
    Serial,
    Stmt,
    Switch,
    View,
)
from tcc.loops.verify_expression import Known, Place, check_expr, check_name, check_size
from tcc.loops.verify_loop import check_carries, check_loop, loop_place

_NONE: frozenset[str] = frozenset()
_ALLOCATED = ("scratch", "register", "worker")


def verify_entry(program: Program, entry: Entry) -> None:
    """Check one entry of a program."""
    place = Place(f"entry '{entry.name}'")
    at = entry.location
    check_name(place, entry.name, at)
    for symbol in entry.symbols:
        place = place.define(symbol, None, _NONE, at).index(symbol)
    offsets = dict(entry.offsets)
    digests = dict(program.weights)
    for buffer in entry.buffers:
        _check_buffer(place, entry, buffer, offsets.get(buffer.name), digests)
        writable = buffer.space in ("arena", "state") or buffer.name in entry.outputs
        place = place.define_buffer(buffer.name, Known(buffer.dtype, "update" if writable else "read"), at)
    spaces = {b.name: b.space for b in entry.buffers}
    named = [*entry.inputs, *entry.outputs]
    if len(set(named)) != len(named) or set(named) != {n for n, s in spaces.items() if s == "argument"}:
        raise place.fail("inputs and outputs", "they are not the argument buffers, each once", at)
    if len(offsets) != len(entry.offsets) or any(spaces.get(n) != "arena" for n in offsets):
        raise place.fail("offsets", "they are not of arena buffers, each once", at)
    check_size(place, entry.workspace, at)
    check_size(place, entry.worker_bytes, at)
    _Host({k.name: k for k in program.kernels}).block(entry.body, place)


def _check_buffer(place: Place, entry: Entry, buffer: Buffer, offset: dim.Size | None, digests: dict[str, str]) -> None:
    what, at = f"buffer '{buffer.name}'", entry.location
    check_size(place, buffer.size, at)
    if buffer.space not in SPACES or buffer.space in _ALLOCATED:
        raise place.fail(what, f"an entry has no buffers in space '{buffer.space}'", at)
    if buffer.space == "weight" and buffer.name not in digests:
        raise place.fail(what, "the program has no weight of that name", at)
    if buffer.space == "arena":
        if offset is None:
            raise place.fail(what, "it is in the arena and has no offset", at)
        check_size(place, offset, at)
        if dim.divide(offset, 64)[1] != 0:
            raise place.fail(f"{what} at {offset}", "offsets are multiples of 64 bytes", at)
        end = offset + buffer.size * buffer.dtype.bytes
        if isinstance(end, int) and isinstance(entry.workspace, int) and end > entry.workspace:
            raise place.fail(f"{what} ends at byte {end}", f"the workspace has {entry.workspace}", at)


class _Host:
    """The rules on statements of an entry."""

    def __init__(self, kernels: dict[str, Kernel]) -> None:
        self.kernels = kernels

    def block(self, block: Block, place: Place) -> Place:
        """Check a block; the place at its end."""
        for statement in block:
            place = self.statement(statement, place)
        return place

    def statement(self, statement: Stmt, place: Place) -> Place:
        """Check a statement; the place after it."""
        match statement:
            case Let(name, value, at):
                place = place.define(name, value.dtype, check_expr(place, value, at), at)
                return place.index(name) if value.dtype.is_integer else place
            case If(condition, body, otherwise, at):
                check_expr(place, condition, at)
                if condition.dtype != BOOL:
                    raise place.fail(f"the condition of if is {condition.dtype}", "a condition is bool", at)
                self.block(body, place)
                self.block(otherwise, place)
            case Switch(index, cases, at):
                check_size(place, index, at)
                if not cases:
                    raise place.fail("a switch without cases", "the last case is the default", at)
                for case in cases:
                    self.block(case, place)
            case Loop():
                check_loop(place, statement)
                plain = statement.lanes * statement.copies == 1 and isinstance(statement.mapping, Serial)
                if not plain or any(c.combine for c in statement.carries):
                    why = "an entry's loops are serial, with one lane and one copy, and combine nothing"
                    raise place.fail(f"the loop over '{statement.axis}'", why, statement.location)
                return check_carries(place, statement, self.block(statement.body, loop_place(place, statement)))
            case Call():
                self.call(statement, place)
            case Copy(source, target, count, at):
                check_size(place, count, at)
                if self.view(source, "read", place, at).dtype != self.view(target, "write", place, at).dtype:
                    raise place.fail("a copy", "the buffers' dtypes differ", at)
            case _:
                raise place.fail(
                    f"a {type(statement).__name__.lower()}", "an entry has none", statement_place(statement)
                )
        return place

    def view(self, view: View, access: str, place: Place, at: Location) -> Known:
        check_size(place, view.offset, at)
        known = place.buffers.get(view.buffer)
        if known is None:
            raise place.fail(f"a view of '{view.buffer}'", "there is no such buffer", at)
        if access != "read" and known.access == "read":
            raise place.fail(f"'{view.buffer}' is written", "inputs and weights are only read", at)
        return known

    def call(self, call: Call, place: Place) -> None:
        what, at = f"the call of '{call.kernel}'", call.location
        kernel = self.kernels.get(call.kernel)
        if kernel is None:
            raise place.fail(what, "there is no such kernel", at)
        if len(call.buffers) != len(kernel.parameters) or len(call.sizes) != len(kernel.symbols):
            raise place.fail(
                f"{what} with {len(call.buffers)} buffers and {len(call.sizes)} sizes",
                f"the kernel takes {len(kernel.parameters)} and {len(kernel.symbols)}",
                at,
            )
        for size in call.sizes:
            check_size(place, size, at)
        written = {v for v, p in zip(call.buffers, kernel.parameters, strict=True) if p.access != "read"}
        for view, parameter in zip(call.buffers, kernel.parameters, strict=True):
            known = self.view(view, parameter.access, place, at)
            if known.dtype != parameter.dtype:
                raise place.fail(
                    f"{what}: '{view.buffer}' is {known.dtype}", f"'{parameter.name}' is {parameter.dtype}", at
                )
            if view in written and sum(v == view for v in call.buffers) > 1:
                raise place.fail(f"{what}: '{view.buffer}' is given twice", "what is written overlaps nothing", at)


def statement_place(statement: Stmt) -> Location:
    """Where a statement comes from; unknown for an alloc."""
    return getattr(statement, "location", Location("<unknown>", 0))
