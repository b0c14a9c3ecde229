"""Kernels and entries as Python source, for the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tcc.ir import dim
from tcc.ir.dim import Size, Symbol
from tcc.ir.dtype import DType
from tcc.ir.location import UNKNOWN, Location
from tcc.ir.scalar import COMBINES
from tcc.loops import interpret_scalar as scalar
from tcc.loops import walk
from tcc.loops.interpret_expression import Combiner, ExpressionSource
from tcc.loops.interpret_tile import Matrix, multiply
from tcc.loops.program import (
    Alloc,
    Barrier,
    Block,
    Blocks,
    Call,
    Carry,
    Check,
    Copy,
    Entry,
    If,
    Kernel,
    Let,
    Loop,
    Panel,
    Parallel,
    Prefetch,
    Stmt,
    Store,
    Switch,
    TileOp,
    Warps,
)


class Source(ExpressionSource):
    """The source of one kernel or entry."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.globals |= {"scan": _scan, "tree": _tree, "matrix": Matrix, "multiply": multiply}
        self.indices: dict[str, Symbol] = {}
        self.defined: set[str] = set()

    def function(self) -> Callable[[Any, Sequence[Any], Sequence[int]], None]:
        """The compiled function of (run, elements and marks in turn, sizes)."""
        text = "\n".join(["def main(run, memory, sizes):", *self.lines, "    return None"])
        exec(compile(text, f"<interpreted {self.name}>", "exec"), self.globals)
        return self.globals["main"]

    def kernel(self, kernel: Kernel) -> None:
        """Add a kernel's body."""
        self._main([p.name for p in kernel.parameters], kernel.symbols, kernel.body)

    def entry(self, entry: Entry) -> None:
        """Add an entry's body."""
        self._main([b.name for b in entry.buffers], entry.symbols, entry.body)

    def _main(self, buffers: Sequence[str], symbols: Sequence[str], body: Block) -> None:
        self.indices = {s.name: s for size in walk.all_sizes(body) for s in dim.symbols(size)}
        if buffers:
            self.line(", ".join(f"b_{b}, w_{b}" for b in buffers) + ", = memory")
        if symbols:
            self.line(", ".join(f"i_{s}" for s in symbols) + ", = sizes")
            self.defined.update(symbols)
            for symbol in symbols:
                self.in_range(symbol, f"i_{symbol}", f"i_{symbol}", UNKNOWN)
        self.block(body)

    # --- statements ----------------------------------------------------------------------------

    def block(self, block: Block) -> None:
        for statement in block:
            self.statement(statement)

    def nested(self, header: str, block: Block) -> None:
        self.line(header)
        self.depth += 1
        self.block(block)
        self.line("pass")
        self.depth -= 1

    def statement(self, statement: Stmt) -> None:
        match statement:
            case Let():
                name, value = statement.name, statement.value
                self.bind(name, self.expr(value, statement.location), value.dtype)
                if name in self.indices:
                    self.in_range(name, f"i_{name}", f"i_{name}", statement.location)
            case Store():
                self._store(statement)
            case Check():
                condition = self.expr(statement.condition, statement.location)
                self.line(f"if not {condition}: run.failed.add({statement.message})")
            case If():
                self.nested(f"if {self.expr(statement.condition, statement.location)}:", statement.body)
                if statement.otherwise:
                    self.nested("else:", statement.otherwise)
            case Alloc():
                buffer = statement.buffer
                size = self.index(buffer.size, UNKNOWN)
                made = f'run.alloc({self.constant(buffer.dtype.numpy)}, {size}, "{buffer.name}")'
                self.line(f"b_{buffer.name}, w_{buffer.name} = {made}")
            case Loop():
                self._loop(statement)
            case TileOp():
                self._tile(statement)
            case Barrier() | Prefetch():
                pass
            case Switch():
                index = self.fresh()
                self.line(f"{index} = {self.index(statement.index, statement.location)}")
                for number, case in enumerate(statement.cases):
                    last = number == len(statement.cases) - 1
                    word = "if" if number == 0 else "elif"
                    self.nested(f"{word} {'True' if last else f'{index} == {number}'}:", case)
            case Call():
                offsets = self._ints((v.offset for v in statement.buffers), statement.location)
                sizes = self._ints(statement.sizes, statement.location)
                self.line(f"run.call({self.constant(statement)}, {offsets}, {sizes})")
            case Copy():
                sizes = (statement.source.offset, statement.target.offset, statement.count)
                self.line(f"run.copy({self.constant(statement)}, *{self._ints(sizes, statement.location)})")

    def _tile(self, op: TileOp) -> None:
        m, n, k = op.shape
        fail = f"lambda *at: run.bad_access(*at, {self.location(op.location)})"

        def matrix(panel: Panel, rows: int, columns: int) -> str:
            place = self._ints((panel.offset, panel.row, panel.column), op.location)
            return f'matrix("{panel.buffer}", b_{panel.buffer}, w_{panel.buffer}, {place}, {rows}, {columns})'

        parts = (matrix(op.acc, m, n), matrix(op.a, m, k), matrix(op.b, k, n))
        self.line(f"multiply({', '.join(parts)}, {fail})")

    def _ints(self, sizes: Iterable[Size], location: Location) -> str:
        return "(" + "".join(self.index(s, location) + ", " for s in sizes) + ")"

    def bind(self, name: str, value: str, dtype: DType) -> None:
        self.line(f"v_{name} = {value}")
        if name in self.indices and dtype.is_integer:
            self.line(f"i_{name} = int({value})")

    def in_range(self, name: str, first: str, last: str, location: Location) -> None:
        """A line that raises unless first ≤ … ≤ last lies in the range that a symbol claims."""
        symbol = self.indices.get(name)
        self.defined.add(name)
        if symbol is None:
            return
        test = f"{symbol.lower} <= {first}"
        if symbol.upper is not None and all(s.name in self.defined for s in dim.symbols(symbol.upper)):
            test += f" and {last} <= {self.index(symbol.upper, location)}"
        self.line(f'if not ({test}): run.bad_range("{name}", {first}, {last}, {self.location(location)})')

    def _store(self, store: Store) -> None:
        value = self.expr(store.value, store.location)
        index, buffer = self.fresh(), f"b_{store.buffer}"
        known = f" and w_{store.buffer}[{index}]" if store.combine else ""
        self.line(f"{index} = {self.index(store.index, store.location)}")
        bad = self.bad("combine" if store.combine else "store", store.buffer, index, store.location)
        self.line(f"if not (0 <= {index} < len({buffer}){known}): {bad}")
        if store.combine:
            combine = self.combiner(store.combine, (store.value.dtype,))
            value = f"{combine}(({buffer}[{index}],), ({value},))[0]"
        self.line(f"{buffer}[{index}] = {value}; w_{store.buffer}[{index}] = 1")

    # --- loops ---------------------------------------------------------------------------------

    def _loop(self, loop: Loop) -> None:
        here = loop.location
        lo, hi = self.fresh(), self.fresh()
        self.line(f"{lo}, {hi} = {self.index(loop.lo, here)}, {self.index(loop.hi, here)}")
        partials = loop.lanes * loop.copies
        split = [c for c in loop.carries if c.combine and not c.prefix and partials > 1]
        plain = [c for c in loop.carries if c not in split]
        for carry in loop.carries:
            values = [self.expr(e, carry.location) for e in carry.init]
            for name, value, dtype in zip(carry.names, values, carry.dtypes, strict=True):
                self.bind(name, value, dtype)
        parts: list[str] = []
        for carry in split:
            identity = COMBINES[carry.combine].identity(carry.dtypes)
            numbers = tuple(scalar.number(v, d) for v, d in zip(identity, carry.dtypes, strict=True))
            parts.append(self.fresh("p"))
            self.line(f"{parts[-1]} = [{self.constant(numbers)}] * {partials}")
        axis = f"i_{loop.axis}"
        self.line(f"if {lo} < {hi}:")
        self.depth += 1
        self.in_range(loop.axis, lo, f"{hi} - 1", here)
        self.line("pass")
        self.depth -= 1
        if partials > 1 and any(c.prefix for c in loop.carries):
            self._prefix_when_split(loop, lo, hi, plain, split, parts)
        else:
            turned = isinstance(loop.mapping, (Parallel, Blocks, Warps))
            span = f"range({hi} - 1, {lo} - 1, -1)" if turned else f"range({lo}, {hi})"
            self.line(f"for {axis} in {span}:")
            self.depth += 1
            if loop.while_ is not None:
                self.line(f"if not {self.expr(loop.while_, here)}: break")
            self.block(loop.body)
            self._update(loop, lo, plain, split, parts)
            self.line("pass")
            self.depth -= 1
        for carry, part in zip(split, parts, strict=True):
            combine = self.combiner(carry.combine, carry.dtypes)
            made = f"{combine}({_tuple(carry.names)}, tree({combine}, {part}, {loop.lanes}))"
            self._rebind(carry, made)

    def _rebind(self, carry: Carry, value: str) -> None:
        self.line(f"{_tuple(carry.names)} = {value}")
        for name, dtype in zip(carry.names, carry.dtypes, strict=True):
            if name in self.indices and dtype.is_integer:
                self.line(f"i_{name} = int(v_{name})")

    def _update(self, loop: Loop, lo: str, plain: Sequence[Carry], split: Sequence[Carry], parts: list[str]) -> None:
        made: list[tuple[Carry, str]] = []
        for carry in plain:
            new = self._updates(carry)
            if carry.combine:
                new = f"{self.combiner(carry.combine, carry.dtypes)}({_tuple(carry.names)}, {new})"
            made.append((carry, self.fresh()))
            self.line(f"{made[-1][1]} = {new}")
        for carry, part in zip(split, parts, strict=True):
            combine = self.combiner(carry.combine, carry.dtypes)
            slot, new = self.fresh(), self._updates(carry)
            self.line(f"{slot} = (i_{loop.axis} - {lo}) % {loop.lanes * loop.copies}")
            self.line(f"{part}[{slot}] = {combine}({part}[{slot}], {new})")
        for carry, new in made:
            self._rebind(carry, new)

    def _updates(self, carry: Carry) -> str:
        values = [self.expr(e, carry.location) for e in carry.update]
        return "(" + "".join(v + ", " for v in values) + ")"

    def _prefix_when_split(
        self, loop: Loop, lo: str, hi: str, plain: Sequence[Carry], split: Sequence[Carry], parts: list[str]
    ) -> None:
        """Blocks of lanes·copies iterations: first what the updates need, then the scan, then the rest."""
        partials = loop.lanes * loop.copies
        names = {n for c in plain for n in c.names}
        first = next((k for k, s in enumerate(loop.body) if names & walk.used_names((s,))), len(loop.body))
        kept = [v for s in loop.body[:first] for v in self._defined(s)]
        block, saved, before = self.fresh(), self.fresh("s"), self.fresh("s")
        items = [self.fresh("s") for _ in plain]
        axis = f"i_{loop.axis}"
        self.line(f"for {block} in range({lo}, {hi}, {partials}):")
        self.depth += 1
        self.line(" = ".join([saved, *items]) + " = None")
        self.line("; ".join(f"{s} = []" for s in [saved, *items]))
        span = f"range({block}, min({hi}, {block} + {partials}))"
        self.line(f"for {axis} in {span}:")
        self.depth += 1
        self.block(loop.body[:first])
        for carry, item in zip(plain, items, strict=True):
            self.line(f"{item}.append({self._updates(carry)})")
        self.line(f"{saved}.append(({''.join(v + ', ' for v in kept)}))")
        self.depth -= 1
        for carry, item in zip(plain, items, strict=True):
            combine = self.combiner(carry.combine, carry.dtypes)
            identity = COMBINES[carry.combine].identity(carry.dtypes)
            numbers = tuple(scalar.number(v, d) for v, d in zip(identity, carry.dtypes, strict=True))
            missing = f"[{self.constant(numbers)}] * ({partials} - len({item}))"
            self.line(f"{item}, {item}_end = scan({combine}, {_tuple(carry.names)}, {item} + {missing})")
        self.line(f"for {axis} in {span}:")
        self.depth += 1
        self.line(f"{before} = {axis} - {block}")
        if kept:
            self.line(f"({''.join(v + ', ' for v in kept)}) = {saved}[{before}]")
        for carry, item in zip(plain, items, strict=True):
            self._rebind(carry, f"{item}[{before}]")
        self.block(loop.body[first:])
        self._update(loop, lo, (), split, parts)
        self.depth -= 1
        for carry, item in zip(plain, items, strict=True):
            self._rebind(carry, f"{item}_end")
        self.depth -= 1

    def _defined(self, statement: Stmt) -> list[str]:
        match statement:
            case Let():
                names, typed = [statement.name], [statement.value.dtype]
            case Loop():
                names = [n for c in statement.carries for n in c.names]
                typed = [d for c in statement.carries for d in c.dtypes]
            case Alloc():
                return [f"b_{statement.buffer.name}", f"w_{statement.buffer.name}"]
            case _:
                return []
        indexed = [f"i_{n}" for n, d in zip(names, typed, strict=True) if n in self.indices and d.is_integer]
        return [f"v_{n}" for n in names] + indexed


def _tuple(names: Iterable[str]) -> str:
    return "(" + "".join(f"v_{n}, " for n in names) + ")"


def _tree(combine: Combiner, parts: list[tuple[Any, ...]], lanes: int) -> tuple[Any, ...]:
    """The partials' combination: first over copies, then over lanes, each by halves."""
    copies = [parts[k : k + lanes] for k in range(0, len(parts), lanes)]
    while len(copies) > 1:
        half = (len(copies) + 1) // 2
        for k in range(len(copies) - half):
            copies[k] = [combine(a, b) for a, b in zip(copies[k], copies[k + half], strict=True)]
        copies = copies[:half]
    row = copies[0]
    while len(row) > 1:
        half = len(row) // 2
        row = [combine(row[k], row[k + half]) for k in range(half)]
    return row[0]


def _scan(
    combine: Combiner, running: tuple[Any, ...], items: list[tuple[Any, ...]]
) -> tuple[list[tuple[Any, ...]], tuple[Any, ...]]:
    """The values before each item of a block, and the one after it: doubling steps within the block."""
    step = 1
    while step < len(items):
        items = [x if k < step else combine(items[k - step], x) for k, x in enumerate(items)]
        step *= 2
    after = [combine(running, x) for x in items]
    return [running, *after[:-1]], after[-1]
