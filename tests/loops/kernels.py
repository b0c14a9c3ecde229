"""The bodies of random loop-IR kernels; see programs.py."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import BOOL, C64, F32, F64, I32, I64, U8, DType
from tcc.ir.scalar import COMBINES, Const, Expr, Name, apply
from tcc.loops.program import (
    Alloc,
    Apart,
    Block,
    Buffer,
    Carry,
    Check,
    If,
    Let,
    Load,
    Loop,
    Mapping,
    Parallel,
    Position,
    Prefetch,
    Serial,
    Stmt,
    Store,
    Switch,
)
from tests.loops.accesses import DTYPES, SMOOTH, Accesses, Scope
from tests.loops.renaming import renamed

MESSAGES = tuple(f"check {k}" for k in range(4))


@dataclass(frozen=True)
class Around:
    """What the loops around allow: their axes for stores, whether lanes are free, whether any is split."""

    axes: tuple[tuple[Size, Size], ...] = ()
    lanes: bool = False
    split: bool = False
    depth: int = 0


class Maker(Accesses):
    """Makes statements. ``exact`` becomes False when a transcendental function is used."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self.exact = True
        self.worker_bytes: Size = 0

    def kernel_body(self) -> Block:
        scope, around = Scope(), Around()
        block: list[Stmt] = []
        if self.chance(0.25):
            block += self.lets(scope, 1)
        if self.chance(0.2):
            block += self.reduction(scope, around)
        if self.chance(0.1):
            block += self.filled(scope)
        if self.chance(0.15):
            block += self.tile(scope, around, parallel=self.chance(0.3))
            return tuple(block)
        block += self.nest(scope, around, parallel=self.chance(0.3))
        if self.chance(0.25) and not (isinstance(block[-1], Loop) and isinstance(block[-1].mapping, Parallel)):
            block += self.nest(scope, around, parallel=self.chance(0.3))
        return renamed(tuple(block), self.rng)

    # --- pieces ------------------------------------------------------------------------------------

    def dtype(self) -> DType:
        return self.rng.choice(DTYPES)

    def split(self, around: Around) -> tuple[int, int]:
        """Lanes and copies of a loop, as allowed."""
        lanes = self.rng.choice((2, 4, 4, 8, 16)) if not around.lanes and self.chance(0.55) else 1
        copies = self.rng.choice((2, 2, 3, 4)) if self.chance(0.35) else 1
        return lanes, copies

    def lets(self, scope: Scope, count: int, depth: int = 2) -> list[Stmt]:
        made: list[Stmt] = []
        for _ in range(count):
            value = self.value(scope, self.dtype(), depth)
            name = self.fresh("v")
            made.append(Let(name, value))
            scope.values.append(Name(value.dtype, name))
        return made

    def store(self, scope: Scope, around: Around, value: Expr | None = None) -> list[Stmt]:
        """A unique store of a value to an output of its own, or an update in place."""
        value = value if value is not None else self.value(scope, self.dtype(), 3)
        if value.dtype in (F32, F64) and self.chance(0.06):
            self.exact = False
            value = apply(self.rng.choice(SMOOTH), apply("min", apply("abs", value), Const(value.dtype, 8.0)))
        index, size = self.layout(list(around.axes), 0.8)
        if self.chance(0.2):
            name = self.parameter(value.dtype, "update", size)
            combine = ""
            if self.chance(0.6) and not value.dtype.is_complex:
                combine = self.combine_for(value.dtype)
            elif self.chance(0.5):
                value = self.merged(value, Load(value.dtype, name, index))
            return [Store(name, index, value, combine)]
        name = self.parameter(value.dtype, "write", size)
        stored = Store(name, index, value, nontemporal=int(self.chance(0.05)))
        hint = Prefetch(name, index + self.rng.randrange(-64, 64), write=self.chance(0.5))
        return [hint, stored] if self.chance(0.1) else [stored]

    def merged(self, a: Expr, b: Expr) -> Expr:
        return apply("xor" if a.dtype == BOOL else "add", a, b)

    def combine_for(self, dtype: DType) -> str:
        if dtype == BOOL:
            return self.rng.choice(("and", "or", "xor", "max", "min"))
        if dtype.is_complex:
            return "add"
        names = ("add", "add", "max", "min", "mul") + (() if dtype.is_float else ("and", "or", "xor"))
        return self.rng.choice(names)

    def loop(self, extent: Size, lower: int = 0) -> tuple[str, Size]:
        name = self.fresh("i")
        return name, dim.symbol(name, lower, extent - 1)

    def into(
        self, scope: Scope, around: Around, axis: Size, extent: Size, lanes: int, copies: int, parallel: bool = False
    ) -> tuple[Scope, Around]:
        """The scope and the surroundings inside a loop."""
        inner = scope.inner()
        inner.axes.append((axis, extent))
        split = around.split or parallel or lanes * copies > 1
        return inner, Around((*around.axes, (axis, extent)), around.lanes or lanes > 1, split, around.depth + 1)

    # --- statements --------------------------------------------------------------------------------

    def nest(self, scope: Scope, around: Around, parallel: bool = False) -> list[Stmt]:
        """A loop over a new axis, whose body computes and stores."""
        extent = self.extent(long=around.depth == 0)
        lower: Size = 0
        if self.chance(0.2):
            serial = [a for a, e in around.axes if e == extent]
            lower = 1 if self.chance(0.5) or around.split or not serial else self.rng.choice(serial)
        name, axis = self.loop(extent, lower if isinstance(lower, int) else 0)
        lanes, copies = self.split(around)
        unrolled = isinstance(extent, int) and extent <= 8 and lower == 0 and not parallel and self.chance(0.3)
        inner, within = self.into(scope, around, axis, extent, lanes, copies, parallel)
        if parallel and self.chance(0.3):
            body = self.with_scratch(inner, within) if lanes * copies == 1 else self.body(inner, within)
        else:
            body = self.body(inner, within)
        mapping: Mapping = Parallel(self.rng.choice((1, 3, 64))) if parallel else Serial()
        if not parallel and not around.split and self.chance(0.3):
            mapping = Apart()
        return [Loop(name, lower, extent, tuple(body), lanes, copies, mapping, unrolled=unrolled)]

    def filled(self, scope: Scope) -> list[Stmt]:
        """A scratch buffer that is filled once and may be read by all that follows, also in parallel."""
        dtype, extent = self.rng.choice((F32, F64, I32, U8)), self.rng.choice((1, 5, 16, 33))
        row = Buffer(self.fresh("t"), dtype, extent, "scratch")
        name, axis = self.loop(extent)
        lanes, copies = self.split(Around())
        inner, _ = self.into(scope, Around(), axis, extent, lanes, copies)
        store = Store(row.name, axis, self.value(inner, dtype, 2))
        scope.buffers.append((row.name, dtype, self.rng.randrange(extent), [0, extent - 1]))
        return [Alloc(row), Loop(name, 0, extent, (store,), lanes, copies)]

    def tile(self, scope: Scope, around: Around, parallel: bool) -> list[Stmt]:
        """A product in a register tile: lanes on one axis, copies on others, the sum inside."""
        m, n, k = self.extent(), self.extent(), self.extent()
        names = [self.loop(e) for e in (m, n, k)]
        (i_name, i), (j_name, j), (l_name, l) = names
        dtype = self.rng.choice((F32, F32, F64, I32, C64))
        inner = scope.inner()
        inner.axes += [(i, m), (j, n)]
        within = Around(((i, m), (j, n)), True, True, 2)
        left = Load(dtype, self.parameter(dtype, "read", m * k), self.rng.choice((i * k + l, l * m + i)))
        right = Load(dtype, self.parameter(dtype, "read", k * n), self.rng.choice((l * n + j, j * k + l)))
        accumulator = self.fresh("r")
        zero = Const(dtype, 0 if dtype.is_integer else 0.0)
        carry: Carry
        if dtype.is_float and self.chance(0.5):
            total = Name(dtype, accumulator)
            carry = Carry((accumulator,), (dtype,), (zero,), (apply("fma", left, right, total),))
        else:
            carry = Carry((accumulator,), (dtype,), (zero,), (left * right,), "add")
        sum_copies = self.rng.choice((1, 1, 2)) if carry.combine else 1
        inner.values.append(Name(dtype, accumulator))
        value = Name(dtype, accumulator) if self.chance(0.5) else self.value(inner, dtype, 2)
        body: list[Stmt] = [Loop(l_name, 0, k, (), 1, sum_copies, Serial(), (carry,))]
        body += self.store(inner, within, value)
        lanes = self.rng.choice((4, 8, 16))
        rows, columns = self.rng.choice((1, 2, 3, 6)), self.rng.choice((1, 1, 2, 3))
        swapped = self.chance(0.25)
        across = Loop(j_name, 0, n, tuple(body), 1 if swapped else lanes, columns)
        mapping = Parallel(self.rng.choice((1, 2))) if parallel else Serial()
        return [Loop(i_name, 0, m, (across,), lanes if swapped else 1, rows, mapping)]

    def body(self, scope: Scope, around: Around) -> list[Stmt]:
        """Statements inside at least one loop, with a store among them."""
        block: list[Stmt] = self.lets(scope, self.rng.choice((0, 0, 1, 2)))
        if self.chance(0.15):
            lets, axis = self.gather(scope)
            block += lets
            scope.axes.append(axis)
        if self.chance(0.08):
            block.append(Check(self.condition(scope, 1), self.rng.randrange(len(MESSAGES))))
        deeper = around.depth < 3
        kind = self.rng.random()
        if deeper and kind < 0.3:
            block += self.reduction(scope, around)
            block += self.store(scope, around)
        elif deeper and kind < 0.42:
            block += self.nest(scope, around)
        elif deeper and kind < 0.53:
            block += self.prefix(scope, around)
        elif deeper and kind < 0.6:
            block += self.state(scope, around)
        elif deeper and kind < 0.68 and not around.split:
            block += self.with_scratch(scope, around)
        elif deeper and kind < 0.74 and not around.split:
            block += self.scatter(scope, around)
        elif kind < 0.8:
            block += self.branch(scope, around)
        else:
            block += self.store(scope, around)
        if self.chance(0.2):
            block += self.store(scope, around)
        return block

    def branch(self, scope: Scope, around: Around) -> list[Stmt]:
        """An if, or a switch on something uniform."""

        def some() -> Block:
            inner = scope.inner()
            made = self.lets(inner, self.rng.choice((0, 1)))
            if around.depth < 3 and self.chance(0.25):
                made += self.reduction(inner, around)
            if around.depth < 3 and self.chance(0.15):
                made += self.state(inner, around) if self.chance(0.5) else self.nest(inner, around)
            if self.chance(0.1):
                made.append(Check(self.condition(inner, 1), self.rng.randrange(len(MESSAGES))))
            return tuple(made + self.store(inner, around))

        if self.chance(0.2):
            return [Switch(self.symbol() - 1, tuple(some() for _ in range(self.rng.randrange(1, 4))))]
        condition = self.condition(scope, 2)
        return [If(condition, some(), some() if self.chance(0.5) else ())]

    def carry(self, scope: Scope, inside: Scope, combine: str, dtype: DType, prefix: bool = False) -> Carry:
        """A carry whose update is computed from what the body sees."""
        if COMBINES[combine].arity == 2:
            start = COMBINES[combine].identity((dtype, I64))
            where = Position(I64, inside.axes[-1][0])
            names = (self.fresh("r"), self.fresh("r"))
            init = (Const(dtype, start[0]), Const(I64, start[1]))
            return Carry(names, (dtype, I64), init, (self.value(inside, dtype, 2), where), combine)
        init = self.constant(dtype) if self.chance(0.6) else self.value(scope, dtype, 1)
        return Carry((self.fresh("r"),), (dtype,), (init,), (self.value(inside, dtype, 2),), combine, prefix)

    def reduction(self, scope: Scope, around: Around) -> list[Stmt]:
        """A loop that reduces; its results are in scope afterwards."""
        extent = self.extent(long=around.depth <= 1)
        lower = self.rng.choice((1, 2)) if self.chance(0.1) else 0
        name, axis = self.loop(extent, lower)
        lanes, copies = self.split(around)
        inner, within = self.into(scope, around, axis, extent, lanes, copies)
        body = self.lets(inner, self.rng.choice((0, 0, 1)))
        if around.depth < 2 and self.chance(0.15):
            body += self.reduction(inner, within)
        carries: list[Carry] = []
        for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
            dtype = self.dtype()
            arg = not dtype.is_complex and dtype != BOOL and self.chance(0.2)
            combine = self.rng.choice(("argmax", "argmin", "argmax_among")) if arg else self.combine_for(dtype)
            carries.append(self.carry(scope, inner, combine, dtype))
        if self.chance(0.1):
            body += self.store(inner, within)
        for c in carries:
            scope.values += [Name(d, n) for n, d in zip(c.names, c.dtypes, strict=True)]
        unrolled = isinstance(extent, int) and extent <= 8 and self.chance(0.3)
        return [Loop(name, lower, extent, tuple(body), lanes, copies, Serial(), tuple(carries), unrolled=unrolled)]

    def prefix(self, scope: Scope, around: Around) -> list[Stmt]:
        """A loop with a running value that it stores."""
        extent = self.extent(long=around.depth <= 1)
        name, axis = self.loop(extent)
        lanes, copies = self.split(around)
        inner, within = self.into(scope, around, axis, extent, lanes, copies)
        dtype = self.rng.choice((F32, F32, F64, I32, I64, BOOL))
        body = self.lets(inner, self.rng.choice((0, 1, 2)))
        combine = self.combine_for(dtype)
        carry = self.carry(scope, inner, combine, dtype, prefix=True)
        others = [self.carry(scope, inner, self.combine_for(I32), I32)] if self.chance(0.2) else []
        running = Name(dtype, carry.names[0])
        inner.values.append(running)
        after = COMBINES[combine].apply((running,), carry.update)[0] if self.chance(0.7) else running
        body += self.lets(inner, self.rng.choice((0, 1)))
        body += self.store(inner, within, after)
        for c in (carry, *others):
            scope.values += [Name(d, n) for n, d in zip(c.names, c.dtypes, strict=True)]
        made: list[Stmt] = [Loop(name, 0, extent, tuple(body), lanes, copies, Serial(), (carry, *others))]
        return made + (self.store(scope, around) if self.chance(0.4) else [])

    def state(self, scope: Scope, around: Around) -> list[Stmt]:
        """A sequential loop with one or two states, which may end early."""
        extent = self.extent()
        name, axis = self.loop(extent)
        inner, within = self.into(scope, around, axis, extent, 1, 1)
        dtypes = [self.rng.choice((F32, F64, I32, I64)) for _ in range(self.rng.choice((1, 2)))]
        names = [self.fresh("s") for _ in dtypes]
        inits = [self.value(scope, d, 1) for d in dtypes]
        inner.values += [Name(d, n) for d, n in zip(dtypes, names, strict=True)]
        while_: Expr | None = None
        if self.chance(0.5):
            test = Name(dtypes[0], names[0]) < Const(dtypes[0], self.rng.randrange(-2, 12))
            while_ = test if self.chance(0.7) else test & self.value(Scope(scope.axes, scope.values), BOOL, 0)
        body = self.lets(inner, self.rng.choice((0, 1)))
        if self.chance(0.5):
            body += self.store(inner, within)
        updates = [self.value(inner, d, 2) for d in dtypes]
        carries = tuple(Carry((n,), (d,), (i,), (u,)) for n, d, i, u in zip(names, dtypes, inits, updates, strict=True))
        if self.chance(0.2):
            carry = self.carry(scope, inner, "add", I32)
            carries = (*carries, carry)
        for c in carries:
            scope.values += [Name(d, n) for n, d in zip(c.names, c.dtypes, strict=True)]
        made: list[Stmt] = [Loop(name, 0, extent, tuple(body), carries=carries, while_=while_)]
        return made + self.store(scope, around)

    def with_scratch(self, scope: Scope, around: Around) -> list[Stmt]:
        """Two passes with a row between them: computed and stored, then read."""
        dtype = self.rng.choice((F32, F32, F64, I32, BOOL))
        space = self.rng.choice(("scratch", "scratch", "worker"))
        extent = self.rng.choice((1, 3, 8, 13, 20)) if space == "scratch" or self.chance(0.5) else self.symbol()
        row = Buffer(self.fresh("t"), dtype, extent, space)
        if space == "worker":
            self.worker_bytes = self.worker_bytes + 64 * dim.ceildiv(extent * dtype.bytes, 64)
        block: list[Stmt] = [Alloc(row)]
        name, axis = self.loop(extent)
        lanes, copies = self.split(around)
        inner, _ = self.into(scope, around, axis, extent, lanes, copies)
        value = self.value(inner, dtype, 2)
        index = axis if self.chance(0.8) else extent - 1 - axis
        carries: tuple[Carry, ...] = ()
        if self.chance(0.5):
            carries = (self.carry(scope, inner, "add", F32),)
        block.append(Loop(name, 0, extent, (Store(row.name, index, value),), lanes, copies, Serial(), carries))
        for c in carries:
            scope.values += [Name(d, n) for n, d in zip(c.names, c.dtypes, strict=True)]
        name, axis = self.loop(extent)
        lanes, copies = self.split(around)
        inner, within = self.into(scope, around, axis, extent, lanes, copies)
        inner.buffers.append((row.name, dtype, axis, [extent - 1 - axis]))
        value = self.merged(Load(dtype, row.name, axis), self.value(inner, dtype, 2))
        block.append(Loop(name, 0, extent, tuple(self.store(inner, within, value)), lanes, copies))
        return block

    def scatter(self, scope: Scope, around: Around) -> list[Stmt]:
        """A shared store at indices from memory; rows of it may be split."""
        extent = self.extent()
        name, axis = self.loop(extent)
        inner, _ = self.into(scope, around, axis, extent, 1, 1)
        lets, (index, count) = self.gather(inner)
        dtype = self.rng.choice((F32, F32, F64, I32, I64))
        combine = self.rng.choice(("add", "add", "max", "mul", ""))
        if self.chance(0.5):
            width = self.extent()
            column_name, column = self.loop(width)
            lanes, copies = self.split(around)
            deeper, _ = self.into(inner, around, column, width, lanes, copies)
            target = self.parameter(dtype, "update", count * width)
            store = Store(target, index * width + column, self.value(deeper, dtype, 2), combine, unique=False)
            body: list[Stmt] = [*lets, Loop(column_name, 0, width, (store,), lanes, copies)]
        else:
            target = self.parameter(dtype, "update", count)
            body = [*lets, Store(target, index, self.value(inner, dtype, 2), combine, unique=False)]
        return [Loop(name, 0, extent, tuple(body))]
