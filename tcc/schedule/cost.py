"""What a program does, as sizes: operations, bytes between core and memory, and the least bytes there can be.

Counted from the loop program itself, so a figure here is what the machine will be asked for. Sums over
loops are closed forms over the entry's symbols: exact for rectangular, blocked and triangular loops,
elsewhere (an `If`, a ``while_``) an upper bound of one run. Where loops run between values computed in
the kernel, or a `Switch` chooses among them, there is no closed form: the operations are then those of the
graph, a buffer counts as touched whole, and the bytes moved are not known.

``operations`` are in additions, by the costs of `tcc.ir.scalar.TABLE`; a fused multiply-add is two, so
that a matrix product has the usual 2·M·N·K. ``moved`` are the bytes of all loads and stores, those the
same for all lanes and copies of a loop once. ``compulsory`` are the distinct bytes touched, each read
and written once: what a cache that holds everything would still have to move (the roofline model's
traffic: Williams, Waterman, Patterson 2009).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from tcc.ir import dim
from tcc.ir.dim import Extremum, FloorDiv, Size
from tcc.ir.dtype import BOOL, DType
from tcc.ir.scalar import COMBINES, TABLE, Apply, Const, Expr, Name
from tcc.loops import walk
from tcc.loops.program import Block, Call, Carry, Copy, Entry, Kernel, Let, Load, Loop, Position, Stmt, Store, Switch

_SAMPLES = (1, 5, 64, 65, 100, 1000, 16384, 16385, 40000)
_TYPICAL = 997
_MOST_TURNS = 256
"""Sums of more terms are not taken: the many small ones, and those of blocks, tell the forms apart."""


@dataclass(frozen=True)
class Cost:
    """What one run of a kernel or a copy does, in additions and bytes."""

    operations: Size = 0
    moved: Size | None = 0
    compulsory: Size = 0


@dataclass(frozen=True)
class Step:
    """A call or copy of an entry, and the cost of one run of it, over the entry's symbols.

    ``dtype`` is the widest one that it computes in, "" when it does not compute.
    """

    statement: Call | Copy
    cost: Cost
    dtype: str = ""


@dataclass
class Costs:
    """The costs of a program's kernels, each counted once."""

    kernels: Mapping[str, Kernel]
    _known: dict[str, _Counts] = field(default_factory=dict[str, "_Counts"])

    def _counts(self, name: str) -> _Counts:
        if name not in self._known:
            self._known[name] = _Counts.of(self.kernels[name])
        return self._known[name]

    def steps(self, entry: Entry) -> list[Step]:
        """The entry's `walk.steps` with their costs, in order."""
        found: list[Step] = []
        for statement, around in _with_loops(entry.body, ()):
            if isinstance(statement, Copy):
                dtype = next(b.dtype for b in entry.buffers if b.name == statement.source.buffer)
                size = 2 * dtype.bytes * statement.count
                cost, computed = Cost(0, size, size), ""
            else:
                counts = self._counts(statement.kernel)
                cost = _call_cost(statement, self.kernels[statement.kernel], counts, entry)
                computed = counts.dtype()
            middle: dict[str, Size] = {}
            for loop in around:
                middle[loop.axis] = dim.substitute(dim.floordiv(loop.lo + loop.hi - 1, 2), middle)
            moved = None if cost.moved is None else dim.substitute(cost.moved, middle)
            operations, least = (dim.substitute(p, middle) for p in (cost.operations, cost.compulsory))
            found.append(Step(statement, Cost(operations, moved, least), computed))
        return found

    def compulsory(self, entry: Entry) -> Size:
        """The least bytes a run of the whole entry moves: its arguments, weights and states, as far as its
        kernels touch them, each read and written at most once."""
        outside = {b.name: b for b in entry.buffers if b.space != "arena"}
        touched: dict[tuple[str, str], Size] = {}
        for statement, around in _with_loops(entry.body, ()):
            turns = dim.product(dim.substitute(x.hi - x.lo, {y.axis: 0 for y in around}) for x in around)
            uses: list[tuple[str, str, Size]]
            if isinstance(statement, Copy):
                uses = [(statement.source.buffer, "read", statement.count)]
                uses.append((statement.target.buffer, "write", statement.count))
            else:
                kernel = self.kernels[statement.kernel]
                counts = self._counts(kernel.name)
                given = dict(zip(kernel.symbols, statement.sizes, strict=True))
                views = dict(zip((p.name for p in kernel.parameters), statement.buffers, strict=True))
                uses = [
                    (views[name].buffer, how, _given(size, kernel, given, views[name].buffer, entry))
                    for how, sizes in (("read", counts.reads), ("write", counts.writes))
                    for name, size in sizes.items()
                ]
            for name, how, size in uses:
                if name in outside:
                    key = name, how
                    inside = dim.substitute(size, {x.axis: 0 for x in around})
                    touched[key] = touched.get(key, 0) + inside * turns
        return _sum(
            dim.minimum(size, outside[name].size) * outside[name].dtype.bytes for (name, _), size in touched.items()
        )


def _with_loops(block: Block, around: tuple[Loop, ...]) -> Iterable[tuple[Call | Copy, tuple[Loop, ...]]]:
    for stmt in block:
        if isinstance(stmt, (Call, Copy)):
            yield stmt, around
        inside = (*around, stmt) if isinstance(stmt, Loop) else around
        for inner in walk.blocks_of(stmt):
            yield from _with_loops(inner, inside)


def _call_cost(call: Call, kernel: Kernel, counts: _Counts, entry: Entry) -> Cost:
    given = dict(zip(kernel.symbols, call.sizes, strict=True))
    whole = {b.name: b for b in entry.buffers}
    least: Size = 0
    for parameter, view in zip(kernel.parameters, call.buffers, strict=True):
        for sizes in (counts.reads, counts.writes):
            if parameter.name in sizes:
                size = _given(sizes[parameter.name], kernel, given, view.buffer, entry)
                least = least + dim.minimum(size, whole[view.buffer].size) * parameter.dtype.bytes
    if not _is_closed(counts.operations, kernel.symbols):
        return Cost(call.work, None, least)
    moved = dim.substitute(counts.moved, given) if _is_closed(counts.moved, kernel.symbols) else None
    return Cost(dim.substitute(counts.operations, given), moved, least)


def _given(size: Size, kernel: Kernel, given: Mapping[str, Size], buffer: str, entry: Entry) -> Size:
    """A kernel's count at a call; the whole buffer where there is no closed form."""
    if _is_closed(size, kernel.symbols):
        return dim.substitute(size, given)
    return next(b.size for b in entry.buffers if b.name == buffer)


def _is_closed(size: Size, symbols: Iterable[str]) -> bool:
    """Whether a size depends on nothing but these."""
    return {s.name for s in dim.symbols(size)} <= set(symbols)


def _sum(sizes: Iterable[Size]) -> Size:
    total: Size = 0
    for size in sizes:
        total = total + size
    return total


# --- counting in a kernel ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Turns:
    """A loop around: its axes (two for a loop over blocks and the one inside each), how often it turns in
    all, and how many of these are one instruction."""

    axes: frozenset[str]
    count: Size
    step: int


_Around = tuple[_Turns, ...]


@dataclass
class _Counts:
    """What a kernel's body does: the sums, and the distinct elements of each buffer read and written.

    ``widths`` are the bytes of the parameters' elements, ``lets`` the names that stand for sizes.
    """

    operations: Size = 0
    moved: Size = 0
    reads: dict[str, Size] = field(default_factory=dict[str, Size])
    writes: dict[str, Size] = field(default_factory=dict[str, Size])
    names: dict[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    dtypes: set[DType] = field(default_factory=set[DType])
    widths: dict[str, int] = field(default_factory=dict[str, int])
    lets: dict[str, Size] = field(default_factory=dict[str, Size])

    @staticmethod
    def of(kernel: Kernel) -> _Counts:
        """The counts of a kernel, over its symbols."""
        if any(isinstance(stmt, Switch) for stmt in walk.statements(kernel.body)):
            return _Counts._unknown(kernel)
        counts = _Counts(widths={p.name: p.dtype.bytes for p in kernel.parameters})
        counts.block(kernel.body, ())
        parameters = {p.name for p in kernel.parameters}
        for sizes in (counts.reads, counts.writes):
            for name in sizes.keys() - parameters:
                del sizes[name]
        return counts

    @staticmethod
    def _unknown(kernel: Kernel) -> _Counts:
        """The counts of a kernel without a closed form: sizes that are not over its symbols."""
        size: Size = dim.symbol("?")
        reads: dict[str, Size] = {p.name: size for p in kernel.parameters if p.access != "write"}
        writes: dict[str, Size] = {p.name: size for p in kernel.parameters if p.access != "read"}
        parts = walk.all_parts(kernel.body)
        dtypes = {part.dtype for part in parts if isinstance(part, Apply) and operations_of(part)}
        return _Counts(size, size, reads, writes, dtypes=dtypes)

    def dtype(self) -> str:
        """The name of the widest dtype of its arithmetic."""
        widest = sorted(self.dtypes, key=lambda d: (d.is_inexact, d.bytes, d.name))
        return widest[-1].name if widest else ""

    def block(self, block: Block, around: _Around) -> None:
        for stmt in block:
            self.statement(stmt, around)

    def statement(self, stmt: Stmt, around: _Around) -> None:
        times = _times(around)
        match stmt:
            case Loop():
                self.loop(stmt, around)
                return
            case Let():
                self.names[stmt.name] = self.depends(stmt.value)
                if isinstance(stmt.value, Position):
                    self.lets[stmt.name] = dim.substitute(stmt.value.index, self.lets)
            case Store():
                self.touch(self.writes, stmt.buffer, stmt.index, stmt.value.dtype.bytes, around)
                if stmt.combine:
                    self.touch(self.reads, stmt.buffer, stmt.index, stmt.value.dtype.bytes, around)
                    self.operations = self.operations + _combine_cost(stmt.combine, stmt.value) * times
            case _:
                pass
        for expr in walk.expressions_of(stmt):
            self.expression(expr, around, times)
        for inner in walk.blocks_of(stmt):
            self.block(inner, around)

    def loop(self, loop: Loop, around: _Around) -> None:
        lo, hi = (dim.substitute(x, self.lets) for x in (loop.lo, loop.hi))
        inside = _entered(replace(loop, lo=lo, hi=hi), around)
        outer, times = _times(around), _times(inside)
        here = frozenset(a for t in around for a in t.axes)
        self.names[loop.axis] = frozenset((loop.axis,))
        for carry in loop.carries:
            # Within the loop a running value differs from turn to turn; after it there is one for each
            # turn of the loops around.
            self.names.update((name, here | {loop.axis}) for name in carry.names)
        self.block(loop.body, inside)
        for carry in loop.carries:
            self.carry(carry, around, outer, inside, times)
            self.names.update((name, here) for name in carry.names)
        if loop.while_ is not None:
            self.expression(loop.while_, inside, times)

    def carry(self, carry: Carry, around: _Around, outer: Size, inside: _Around, times: Size) -> None:
        for expr in carry.init:
            self.expression(expr, around, outer)
        for expr in carry.update:
            self.expression(expr, inside, times)
        if carry.combine:
            self.operations = self.operations + _combine_cost(carry.combine, carry.init[0]) * times
            self.dtypes.add(carry.dtypes[0])

    def expression(self, expr: Expr, around: _Around, times: Size) -> None:
        cost = 0
        for part in walk.parts(expr):
            if isinstance(part, Apply):
                cost += operations_of(part)
                if operations_of(part):
                    self.dtypes.add(part.dtype)
            elif isinstance(part, Load):
                self.touch(self.reads, part.buffer, part.index, part.dtype.bytes, around)
        if cost:
            self.operations = self.operations + cost * times

    def touch(self, sizes: dict[str, Size], buffer: str, index: Size, width: int, around: _Around) -> None:
        axes = self.axes_of(index)
        varying = [t for t in around if t.axes & axes]
        distinct = dim.product(t.count for t in varying)
        uniform = dim.product(_ceildiv(t.count, t.step) for t in around if not t.axes & axes)
        self.moved = self.moved + width * distinct * uniform
        # A word is several elements.
        elements = width // self.widths.get(buffer, width) * distinct
        sizes[buffer] = _largest([sizes.get(buffer, 0), elements])

    def axes_of(self, index: Size) -> frozenset[str]:
        return frozenset(a for s in dim.symbols(index) for a in self.names.get(s.name, ()))

    def depends(self, expr: Expr) -> frozenset[str]:
        """The axes that an expression depends on."""
        found: set[str] = set()
        for part in walk.parts(expr):
            if isinstance(part, Name):
                found |= self.names.get(part.name, frozenset())
            elif not isinstance(part, (Const, Apply)):
                found |= self.axes_of(getattr(part, "index", 0))
        return frozenset(found)


def operations_of(part: Apply) -> int:
    """What a scalar op counts: its cost in additions, two for a fused multiply-add, nothing for integers
    that only compute addresses, for comparisons, selections and conversions."""
    if part.op == "fma":
        return 2
    free = part.dtype == BOOL or part.op in ("select", "cast", "bitcast", "complex", "real", "imag")
    return 0 if free else max(1, round(TABLE[part.op].cost))


def _combine_cost(combine: str, like: Expr) -> int:
    if combine in TABLE:
        return max(1, round(TABLE[combine].cost))
    return 0 if like.dtype == BOOL else 2 * COMBINES[combine].arity


def _times(around: _Around) -> Size:
    return dim.product(t.count for t in around)


def _ceildiv(size: Size, step: int) -> Size:
    return size if step == 1 else dim.ceildiv(size, step)


def _largest(sizes: list[Size]) -> Size:
    """The largest of sizes, as they are where all symbols have a typical value."""
    distinct = list(dict.fromkeys(sizes))
    return max(distinct, key=lambda s: dim.evaluate(s, {x.name: _TYPICAL for x in dim.symbols(s)})) if distinct else 0


# --- how often loops turn ------------------------------------------------------------------------


def _entered(loop: Loop, around: _Around) -> _Around:
    """The turns around a loop's body."""
    extent = loop.hi - loop.lo
    step = loop.lanes * loop.copies
    axes = {a for t in around for a in t.axes}
    inside = [s.name for s in dim.symbols(extent) if s.name in axes]
    for turns in around:
        if len(inside) == 1 and turns.axes == frozenset(inside):
            total = _summed(extent, inside[0], turns.count)
            if total is not None:
                rest = tuple(t for t in around if t is not turns)
                return *rest, _Turns(turns.axes | {loop.axis}, total, step)
    first = dim.substitute(extent, dict.fromkeys(inside, 0))
    # An extent read from memory is not known before the run: one turn.
    known = {a for t in around for a in t.axes}
    unknown = {s.name: 1 for s in dim.symbols(first) if s.name in known}
    return *around, _Turns(frozenset((loop.axis,)), dim.substitute(first, unknown), step)


def _summed(extent: Size, axis: str, count: Size) -> Size | None:
    """The sum of an extent over an axis from 0 to count - 1; None where no form known here fits.

    A guess (the bound of a blocked range, or Gauss's formula) is kept if it holds at many sizes.
    """
    names = sorted({s.name for s in (*dim.symbols(extent), *dim.symbols(count))} - {axis})
    if isinstance(count, int) and not names:
        return sum(dim.evaluate(extent, {axis: a}) for a in range(count)) if count <= 1 << 16 else None
    last = dim.substitute(extent, {axis: count - 1})
    guesses: list[Size] = [dim.floordiv(count * (dim.substitute(extent, {axis: 0}) + last), 2)]
    _bounds(extent, lambda size: guesses.append(dim.substitute(size, {axis: 0})))
    points = [{n: _SAMPLES[(k + 2 * j) % len(_SAMPLES)] for j, n in enumerate(names)} for k in range(len(_SAMPLES))]
    sums = [(p, _numeric_sum(extent, axis, count, p)) for p in points]
    for guess in guesses:
        if all(total is None or dim.evaluate(guess, point) == total for point, total in sums):
            return guess
    return None


def _numeric_sum(extent: Size, axis: str, count: Size, point: Mapping[str, int]) -> int | None:
    turns = dim.evaluate(count, point)
    return sum(dim.evaluate(extent, {**point, axis: a}) for a in range(turns)) if turns <= _MOST_TURNS else None


def _bounds(size: Size, found: Callable[[Size], object]) -> None:
    """What the minima within a size are taken of."""
    for atom in dim.atoms(size):
        parts: tuple[Size, ...] = ()
        if isinstance(atom, Extremum):
            parts = atom.arguments
            for part in parts:
                found(part)
        elif isinstance(atom, FloorDiv):
            parts = (atom.numerator, atom.denominator)
        for part in parts:
            _bounds(part, found)
