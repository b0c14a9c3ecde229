"""The meaning of the loop IR: a kernel or an entry run element by element on NumPy scalars.

The oracle that emitted code is compared with, bit by bit where no transcendental function is in the
way: reductions are combined in exactly the order that docs/loop-ir.md gives. Every access is checked
against its buffer's size, and memory that nobody wrote may not be read. The tree is turned into Python
source once (one statement for each scalar operation), so that a few thousand elements take
milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tcc.errors import InternalError, UserError
from tcc.ir import dim
from tcc.loops.interpret_source import Source
from tcc.loops.program import Buffer, Call, Copy, Entry, Kernel, Program, View

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class Memory:
    """A buffer's elements, and for each whether it has been written.

    ``start`` is its byte offset in the workspace, if it lives there.
    """

    name: str
    array: Array
    written: bytearray
    start: int = -1

    @property
    def stop(self) -> int:
        return self.start + self.array.nbytes

    @staticmethod
    def of(name: str, array: Array) -> Memory:
        """A buffer whose elements are all known, over the caller's array."""
        return Memory(name, array, bytearray(b"\1") * array.size)

    def from_element(self, offset: int) -> tuple[Array, memoryview]:
        """The elements from an offset on, and their marks."""
        return self.array[offset:], memoryview(self.written)[offset:]


@dataclass
class Run:
    """What the generated source calls back: errors, allocation, calls, and the failed checks."""

    where: str
    locations: list[Any]
    kernels: Mapping[str, tuple[Kernel, Compiled]] = field(default_factory=dict[str, tuple[Kernel, "Compiled"]])
    memories: Mapping[str, Memory] = field(default_factory=dict[str, Memory])
    failed: set[int] = field(default_factory=set[int])

    def bad_access(self, kind: str, buffer: str, index: int, size: int, location: int) -> Any:
        """Raise for an access outside of a buffer or to an element that was never written."""
        place = self.locations[location]
        what = (
            f"{kind} of '{buffer}' at element {index} of {size}"
            if not 0 <= index < size
            else f"{kind} of '{buffer}' at element {index}, which nobody wrote"
        )
        raise InternalError(
            f"{what} in {self.where}", where=place.place(), why=f"the loop IR's statement is at {place}"
        )

    def word(self, buffer: str, array: Array, written: Any, index: int, location: int) -> Any:
        """The word that begins at an element."""
        count = 4 // array.itemsize
        for k in range(index, index + count):
            if not 0 <= k < array.size or not written[k]:
                self.bad_access("load", buffer, k, array.size, location)
        return array[index : index + count].view(np.uint32)[0]

    def bad_division(self, location: int) -> Any:
        """Raise for an index that divides by zero or by a negative number."""
        place = self.locations[location]
        raise InternalError(f"an index divides by a number below 1 in {self.where}", where=place.place())

    def bad_range(self, name: str, first: int, last: int, location: int) -> None:
        """Raise for an index name whose values leave the range that simplification relied on."""
        values = str(first) if first == last else f"{first}..{last}"
        place = self.locations[location]
        raise InternalError(f"'{name}' is {values} in {self.where}, out of its range", where=place.place())

    def alloc(self, dtype: np.dtype[Any], size: int, name: str) -> tuple[Array, bytearray]:
        """A fresh buffer of which nothing is written."""
        if size < 0:
            raise InternalError(f"buffer '{name}' of {self.where} has {size} elements")
        return np.zeros(size, dtype), bytearray(size)

    def call(self, call: Call, offsets: Sequence[int], sizes: Sequence[int]) -> None:
        """Run a kernel on views; a write to arena memory makes what shared its bytes unknown."""
        kernel, compiled = self.kernels[call.kernel]
        views: list[tuple[Array, Any]] = []
        for parameter, view, offset in zip(kernel.parameters, call.buffers, offsets, strict=True):
            memory = self.memories[view.buffer]
            self._within(memory, offset, 0, f"call of '{call.kernel}'")
            if parameter.access != "read":
                self._claim(memory)
                self._alone(call, view, offset, offsets)
            views.append(memory.from_element(offset))
        self.failed |= compiled(views, sizes)

    def copy(self, copy: Copy, source: int, target: int, count: int) -> None:
        """Copy elements between views."""
        read, write = self.memories[copy.source.buffer], self.memories[copy.target.buffer]
        self._within(read, source, count, "copy")
        self._within(write, target, count, "copy")
        if not all(read.written[source : source + count]):
            raise InternalError(f"{self.where} copies elements of '{read.name}' that nobody wrote")
        if read is write and abs(source - target) < count:
            raise InternalError(f"{self.where} copies '{read.name}' onto itself")
        self._claim(write)
        write.array[target : target + count] = read.array[source : source + count]
        write.written[target : target + count] = bytearray(b"\1") * count

    def _within(self, memory: Memory, offset: int, count: int, what: str) -> None:
        if not 0 <= offset <= offset + count <= memory.array.size:
            raise InternalError(
                f"{what} in {self.where} starts at element {offset} of '{memory.name}'",
                why=f"it has {memory.array.size} elements, and {count} are wanted",
            )

    def _claim(self, written: Memory) -> None:
        for other in self.memories.values():
            if other is not written and _shared(other, written):
                size = other.array.itemsize
                start, stop = (x - other.start for x in (written.start, written.stop))
                first, last = max(0, start // size), min(other.array.size, -(-stop // size))
                other.written[first:last] = bytes(last - first)

    def _alone(self, call: Call, view: View, offset: int, offsets: Sequence[int]) -> None:
        mine = self.memories[view.buffer]
        for other, at in zip(call.buffers, offsets, strict=True):
            same = other is not view and other.buffer == view.buffer and at == offset
            if same or (other.buffer != view.buffer and _shared(self.memories[other.buffer], mine)):
                raise InternalError(
                    f"call of '{call.kernel}' in {self.where}: '{view.buffer}' and '{other.buffer}' share memory",
                    where=call.location.place(),
                    why="a kernel's parameter that is written overlaps no other",
                )


def _shared(a: Memory, b: Memory) -> bool:
    return min(a.start, b.start) >= 0 and a.start < b.stop and b.start < a.stop


Compiled = Callable[[Sequence[tuple[Array, Any]], Sequence[int]], set[int]]


def compile_kernel(kernel: Kernel) -> Compiled:
    """The kernel as a Python function of (elements, marks) pairs and sizes, returning failed checks."""
    source = Source(kernel.name)
    source.kernel(kernel)
    function = source.function()

    def run(views: Sequence[tuple[Array, Any]], sizes: Sequence[int]) -> set[int]:
        state = Run(f"kernel '{kernel.name}'", source.locations)
        with np.errstate(all="ignore"):
            function(state, [x for pair in views for x in pair], sizes)
        return state.failed

    return run


def run_kernel(kernel: Kernel, buffers: Mapping[str, Array], sizes: Mapping[str, int]) -> int:
    """Run a kernel in place on 1-D arrays by parameter name; ``sizes`` by symbol name.

    Returns the status as the compiled library does: 0, or 1 + the lowest message number of the checks
    that failed. InternalError on an access out of bounds or of unwritten memory.
    """
    views: list[tuple[Array, Any]] = []
    for parameter in kernel.parameters:
        array = buffers[parameter.name]
        if array.ndim != 1 or array.dtype != parameter.dtype.numpy:
            raise InternalError(
                f"kernel '{kernel.name}' takes '{parameter.name}' as a 1-D array of {parameter.dtype}",
                why=f"got {array.dtype} of rank {array.ndim}",
            )
        memory = Memory.of(parameter.name, array)
        views.append((memory.array, memory.written))
    return _status(compile_kernel(kernel)(views, [sizes[s] for s in kernel.symbols]))


def _status(failed: set[int]) -> int:
    return 1 + min(failed) if failed else 0


def run_entry(
    program: Program,
    name: str,
    inputs: Sequence[Array],
    sizes: Mapping[str, int],
    weights: Mapping[str, Array] | None = None,
    states: Mapping[str, Array] | None = None,
) -> list[Array]:
    """Run an entry; returns its outputs, flat, in the order of `Entry.outputs`.

    ``inputs`` in the order of `Entry.inputs`, ``weights`` by digest, ``states`` by buffer name
    (changed in place); arrays of any shape whose elements in C order are the buffer's. UserError with
    the message of the failed check of the lowest number.
    """
    entry = next((e for e in program.entries if e.name == name), None)
    if entry is None:
        raise InternalError(f"the program has no entry '{name}'")
    memories = _memories(program, entry, inputs, sizes, weights or {}, states or {})
    kernels = {k.name: (k, compile_kernel(k)) for k in program.kernels}
    source = Source(entry.name)
    source.entry(entry)
    run = Run(f"entry '{entry.name}'", source.locations, kernels, memories)
    pairs = [x for b in entry.buffers for x in (memories[b.name].array, memories[b.name].written)]
    with np.errstate(all="ignore"):
        source.function()(run, pairs, [sizes[s] for s in entry.symbols])
    status = _status(run.failed)
    if status:
        raise UserError(program.messages[status - 1])
    results: list[Array] = []
    for output in entry.outputs:
        memory = memories[output]
        if not all(memory.written):
            raise InternalError(f"entry '{name}' leaves elements of output '{output}' unwritten")
        results.append(memory.array)
    return results


def _memories(
    program: Program,
    entry: Entry,
    inputs: Sequence[Array],
    sizes: Mapping[str, int],
    weights: Mapping[str, Array],
    states: Mapping[str, Array],
) -> dict[str, Memory]:
    given = dict(zip(entry.inputs, inputs, strict=True))
    digests = dict(program.weights)
    offsets = {name: dim.evaluate(offset, sizes) for name, offset in entry.offsets}
    arena = np.full(dim.evaluate(entry.workspace, sizes), 0xCB, np.uint8)
    memories: dict[str, Memory] = {}
    for buffer in entry.buffers:
        size = dim.evaluate(buffer.size, sizes)
        if buffer.space == "arena":
            memories[buffer.name] = _in_arena(entry, buffer, arena, offsets, size)
            continue
        if buffer.space == "weight":
            array = weights[digests[buffer.name]].reshape(-1)
        elif buffer.space == "state":
            array = states[buffer.name].reshape(-1)
        elif buffer.name in given:
            array = np.array(given[buffer.name], copy=True).reshape(-1)
        else:
            memories[buffer.name] = Memory(buffer.name, np.zeros(size, buffer.dtype.numpy), bytearray(size))
            continue
        if array.size != size or array.dtype != buffer.dtype.numpy:
            raise InternalError(
                f"buffer '{buffer.name}' of entry '{entry.name}' is {buffer.dtype} × {size}",
                why=f"got {array.dtype} × {array.size}",
            )
        memories[buffer.name] = Memory.of(buffer.name, array)
    return memories


def _in_arena(entry: Entry, buffer: Buffer, arena: Array, offsets: Mapping[str, int], size: int) -> Memory:
    start = offsets[buffer.name]
    stop = start + size * buffer.dtype.bytes
    if not 0 <= start <= stop <= arena.size or start % 64:
        raise InternalError(
            f"arena buffer '{buffer.name}' of entry '{entry.name}' is at bytes {start}..{stop}",
            why=f"the workspace has {arena.size} bytes, and offsets are multiples of 64",
        )
    array = arena[start:stop].view(buffer.dtype.numpy)
    return Memory(buffer.name, array, bytearray(size), start)
