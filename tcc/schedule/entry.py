"""One function as an entry: names, buffers, states, and the arena around its region's statements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import DType
from tcc.ir.graph import Function, Module, Node, Value
from tcc.loops import walk
from tcc.loops.decision import Decision
from tcc.loops.facts import Facts
from tcc.loops.program import Buffer, Call, Copy, Entry, Kernel, Program, Stmt, View
from tcc.loops.weight import Weight
from tcc.schedule import buffers, grid
from tcc.schedule.alike import Kernels
from tcc.schedule.buffers import Lifetime
from tcc.schedule.element import Emitted
from tcc.schedule.region import Region


@dataclass
class Library:
    """What the entries of a program share: kernels, weights by digest, messages.

    ``plain`` are the digests of weights that stay as they are.
    """

    facts: Facts
    kernels: list[Kernel] = field(default_factory=list[Kernel])
    weights: dict[str, str] = field(default_factory=dict[str, str])
    constants: dict[str, Weight] = field(default_factory=dict[str, Weight])
    messages: list[str] = field(default_factory=list[str])
    reserved: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()

    def weight(self, weight: Weight) -> str:
        """The name of a weight, one for each digest."""
        digest = weight.digest
        self.constants[digest] = weight
        if digest not in self.weights:
            count = len(self.weights)
            while f"w{count}" in self.reserved or f"w{count}" in self.weights.values():
                count += 1
            self.weights[digest] = f"w{count}"
        return self.weights[digest]

    def program(self, entries: Iterable[Entry]) -> Program:
        """The whole program, with the weights that it reads."""
        found = tuple(entries)
        read = {b.name for e in found for b in e.buffers if b.space == "weight"}
        weights = tuple((name, digest) for digest, name in self.weights.items() if name in read)
        constants = tuple(self.constants[digest] for _, digest in weights)
        return Program(tuple(self.kernels), found, weights, tuple(self.messages), constants)


def entry(function: Function, module: Module, library: Library) -> Entry:
    """The entry of a function; its kernels and weights go into the library."""
    return _Host(function, module, library).build()


class _Host:
    """The entry under construction; see `tcc.schedule.region.Host`."""

    def __init__(self, function: Function, module: Module, library: Library) -> None:
        self.function = function
        self.library = library
        self.facts = library.facts
        self.messages = library.messages
        self.plain = library.plain
        self.emitted = Kernels()
        self.states = {s.name: s for s in module.states}
        self.ranges = _symbols(function)
        self.symbols: Sequence[str] = tuple(self.ranges)
        self.taken = {*self.symbols, *library.weights.values()}
        self.buffers: dict[str, Buffer] = {}
        self.lifetimes: dict[str, Lifetime] = {}
        self.clock = 0
        self.read: set[str] = set()
        self.worker: Size = 0

    def build(self) -> Entry:
        """The finished entry."""
        function, graph = self.function, self.function.graph
        arguments = len(graph.inputs) - len(function.reads)
        results = len(graph.outputs) - len(function.writes)
        states = {
            name: View(self._named(name, self.states[name].type.dtype, self.states[name].type.size, "state"))
            for name in dict.fromkeys((*function.reads, *function.writes))
        }
        inputs = [
            self._named(_identifier(name), v.type.dtype, v.type.size, "argument")
            for name, v in zip(function.input_names, graph.inputs[:arguments], strict=True)
        ]
        outputs = [
            self._named(_identifier(name), v.type.dtype, v.type.size, "argument")
            for name, v in zip(function.output_names, graph.outputs[:results], strict=True)
        ]
        given = dict(zip(graph.inputs, [*map(View, inputs), *(states[n] for n in function.reads)], strict=True))
        old = dict(zip(function.reads, graph.inputs[arguments:], strict=True))
        over = {results + k: old[n] for k, n in enumerate(function.writes) if n in old}
        targets = [*map(View, outputs), *(None for _ in function.writes)]
        region = Region(self, graph, given, targets, over)
        body = region.run()
        new = [(states[n], region.views[v]) for n, v in zip(function.writes, graph.outputs[results:], strict=True)]
        body += self._write_states(new, [v.type.dtype for v in graph.outputs[results:]], function)
        offsets, workspace = buffers.arena(list(self.lifetimes.values()))
        return Entry(
            function.name,
            tuple(self.symbols),
            tuple(b for b in self.buffers.values() if b.space != "weight" or b.name in self.read),
            tuple(inputs),
            tuple(outputs),
            offsets,
            workspace,
            self.worker,
            tuple(body),
            function.location,
            tuple(_shared_slots(offsets)),
        )

    def _write_states(self, new: Sequence[tuple[View, View]], types: Sequence[DType], function: Function) -> list[Stmt]:
        """Copies of new values into their states; values that are in other states are saved first."""
        saves: list[Stmt] = []
        writes: list[Stmt] = []
        written = {state for state, value in new if state != value}
        self.tick()
        for (state, value), dtype in zip(new, types, strict=True):
            size = self.buffers[state.buffer].size
            if state == value:
                continue
            if value in written:
                saved = self.scratch(dtype, size)
                saves.append(Copy(value, saved, size, function.location))
                value = saved
            self.used(value)
            reason = "a state changes when all its readers are done"
            why = Decision(
                "copy", f"the state {state.buffer}", "written at the end", reason, location=function.location
            )
            writes.append(Copy(value, state, size, function.location, (why,)))
        for stmt in writes:
            assert isinstance(stmt, Copy)
            self.used(stmt.source)
        return saves + writes

    # --- what a region asks -------------------------------------------------------------------------

    def _named(self, wish: str, dtype: DType, size: Size, space: str) -> str:
        """A buffer of this name, or one like it that is free."""
        name, count = wish, 0
        while name in self.taken:
            count += 1
            name = f"{wish}_{count}"
        self.taken.add(name)
        self.buffers[name] = Buffer(name, dtype, size, space)
        return name

    def temporary(self, value: Value) -> View:
        """A new arena buffer for a value, alive from now on."""
        return self.scratch(value.type.dtype, value.type.size)

    def scratch(self, dtype: DType, size: Size, since: int | None = None) -> View:
        """A new arena buffer, alive from now on, or since an earlier statement."""
        name = self._named(f"t{len(self.lifetimes)}", dtype, size, "arena")
        self.lifetimes[name] = Lifetime(self.buffers[name], self.clock if since is None else since, self.clock)
        return View(name)

    def double(self, dtype: DType, size: Size) -> tuple[str, Size]:
        """An arena buffer with two halves, and the distance between them in elements (never 0)."""
        step = (buffers.ALIGNMENT // dtype.bytes) * (1 + dim.floordiv(size * dtype.bytes, buffers.ALIGNMENT))
        return self.scratch(dtype, 2 * step).buffer, step

    def weight(self, weight: Weight) -> View:
        """The buffer of a weight, one for each digest."""
        name = self.library.weight(weight)
        if name not in self.buffers:
            self.taken.add(name)
            self.buffers[name] = Buffer(name, weight.dtype, weight.size, "weight")
        return View(name)

    def tick(self) -> None:
        """The next statement begins."""
        self.clock += 1

    def used(self, view: View) -> None:
        """A view is used by the current statement."""
        self.read.add(view.buffer)
        life = self.lifetimes.get(view.buffer)
        if life is not None:
            life.end = self.clock

    def call(self, node: Node, emitted: Emitted, views: Mapping[str, View]) -> Call:
        """Adds a kernel, and the statement that calls it; its buffers are used now."""
        for parameter in emitted.parameters:
            self.used(views[parameter.name])
        body = emitted.body
        if self.facts.threads:
            grid.check(node, body)
            body = grid.on_blocks(body)
        symbols = walk.free_symbols(body)
        number = len(self.library.kernels)
        name = f"{_identifier(self.function.name)}_{number}_{_identifier(node.op.name)}"
        self.library.kernels.append(Kernel(name, emitted.parameters, symbols, body, node.location))
        self.worker = dim.maximum(self.worker, buffers.worker_bytes(body))
        arguments = tuple(views[p.name] for p in emitted.parameters)
        return Call(name, arguments, tuple(self.ranges[s] for s in symbols), node.location)

    def fresh(self, prefix: str) -> str:
        """A name for a host loop's axis or carry, or for a let of the entry."""
        name, count = prefix, 0
        while name in self.taken:
            count += 1
            name = f"{prefix}_{count}"
        self.taken.add(name)
        return name


def _shared_slots(offsets: Sequence[tuple[str, Size]]) -> Iterable[Decision]:
    """Which buffers lie in the same place of the arena."""
    slots: dict[Size, list[str]] = {}
    for name, offset in offsets:
        slots.setdefault(offset, []).append(name)
    for offset, names in slots.items():
        if len(names) > 1:
            choice = f"one slot at byte {offset} of the workspace"
            yield Decision("share memory", ", ".join(names), choice, "they are never alive at the same time")


def _identifier(name: str) -> str:
    plain = re.sub(r"\W", "_", name)
    return plain if plain and not plain[0].isdigit() else f"_{plain}"


def _symbols(function: Function) -> dict[str, Size]:
    """The sizes in the inputs' types by name, in order of appearance."""
    found: dict[str, Size] = {}
    for value in function.graph.inputs:
        for size in value.type.shape:
            for symbol in dim.symbols(size):
                found.setdefault(symbol.name, dim.of_atom(symbol))
    return found


def names_of(module: Module) -> frozenset[str]:
    """The names that users gave: of inputs, outputs, states and sizes."""
    found = {s.name for s in module.states}
    for function in module.functions:
        found |= {_identifier(n) for n in (*function.input_names, *function.output_names)}
        found |= set(_symbols(function))
    return frozenset(found)
