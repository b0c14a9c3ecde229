"""Random entries over a few fixed kernels: `generate(seed)` makes a case, `run(case)` interprets it.

Calls on views, copies, loops with state, branches on sizes and on elements, switches, arena buffers that
share bytes, states and weights.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from tcc.errors import InternalError, UserError
from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import F32, I64
from tcc.ir.scalar import Const, Expr, Name, apply
from tcc.loops.interpret import run_entry
from tcc.loops.program import (
    Block,
    Buffer,
    Call,
    Carry,
    Copy,
    Entry,
    If,
    Let,
    Load,
    Loop,
    Position,
    Program,
    Stmt,
    Switch,
    View,
)
from tcc.loops.text import parse
from tcc.loops.verify import verify

MESSAGES = ("an element is below -1000",)
WEIGHT = "00ff"
KERNELS = parse("""
message 0 "an element is below -1000"
kernel scale(X: f32 read, W: f32 read, Y: f32 write; n)
  for i in 0..n lanes 8 copies 2 parallel 16
    check 0: X[i] >= f32(-1000.0)
    Y[i] = X[i] * W[0] + W[i - 3*(i//3)]
kernel add(A: f32 read, B: f32 read, Y: f32 write; n)
  for i in 0..n lanes 4
    Y[i] = A[i] + B[i]
kernel reverse(X: f32 read, Y: f32 write; n)
  for i in 0..n copies 3
    Y[-i + n - 1] = X[i]
kernel more(X: f32 read, Z: f32 update; n)
  for i in 0..n lanes 16 copies 2
    Z[i] <add>= X[i]
kernel means(X: f32 read, Y: f32 write; n)
  for i in 0..n parallel 4
    alloc t: f32[n] worker
    for j in 0..n lanes 8
      t[j] = X[j] - X[i]
    for j in 0..n lanes 8 copies 2
      reduce s: f32 = f32(0.0) <add> t[j]
    Y[i] = s
kernel count(C: i64 update; k)
  C[0] = C[0] + position[i64](k)
""").kernels
READS = {"scale": 1, "add": 2, "reverse": 1, "means": 1}


@dataclass(frozen=True)
class EntryCase:
    """A program of one entry, its inputs in order, sizes, weights by digest, and the states before."""

    program: Program
    inputs: list[np.ndarray]
    sizes: dict[str, int]
    weights: dict[str, np.ndarray]
    states: dict[str, np.ndarray]


def run(case: EntryCase) -> tuple[int, list[np.ndarray], dict[str, np.ndarray]]:
    """The status, the outputs (none when a check failed) and the states afterwards."""
    states = {name: array.copy() for name, array in case.states.items()}
    try:
        name = case.program.entries[0].name
        return 0, run_entry(case.program, name, case.inputs, case.sizes, case.weights, states), states
    except UserError as error:
        return 1 + MESSAGES.index(error.what), [], states


def generate(seed: int) -> EntryCase:
    """The case of a seed; always the same one."""
    rng = random.Random(seed)
    for _ in range(200):
        maker = _Maker(random.Random(rng.random()))
        case = maker.case(seed)
        try:
            run(case)
        except InternalError as error:
            if "nobody wrote" in error.what or "unwritten" in error.what:
                continue
            raise
        verify(case.program)
        return case
    raise AssertionError(f"no case of seed {seed}")


class _Maker:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.n = dim.symbol("n")
        self.k = dim.symbol("k")
        row = 64 * dim.ceildiv(4 * self.n, 64)
        slots = 3
        self.arena = [Buffer(f"t{i}", F32, self.n, "arena") for i in range(5)]
        self.offsets = {b.name: row * rng.randrange(slots) for b in self.arena}
        self.workspace = row * slots
        self.known = {"x0", "x1", "s"}
        self.counter = 0
        self.symbols: list[Size] = [self.k]

    def fresh(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"

    def case(self, seed: int) -> EntryCase:
        body = [*self.block(self.rng.randrange(3, 8), 0), *self.ending()]
        arguments = [Buffer(x, F32, self.n, "argument") for x in ("x0", "x1")]
        outputs = [Buffer("y0", F32, self.n, "argument"), Buffer("y1", F32, 2 * self.n, "argument")]
        others = [Buffer("w", F32, 3, "weight"), Buffer("s", F32, self.n, "state"), Buffer("c", I64, 1, "state")]
        entry = Entry(
            f"e{seed}",
            ("k", "n"),
            (*arguments, *outputs, *others, *self.arena),
            ("x0", "x1"),
            ("y0", "y1"),
            tuple(self.offsets.items()),
            self.workspace,
            64 * dim.ceildiv(4 * self.n, 64),
            tuple(body),
        )
        numbers = np.random.default_rng(seed)
        n = self.rng.choice((1, 2, 5, 16, 17, 40))
        arrays = [(numbers.integers(-16, 17, n) / 8).astype(np.float32) for _ in range(3)]
        if self.rng.random() < 0.1:
            arrays[0][0] = -2000
        sizes = {"n": n, "k": self.rng.randrange(4)}
        weights = {WEIGHT: np.array([0.5, 1, -1], np.float32)}
        states = {"s": arrays[2], "c": np.array([5])}
        return EntryCase(Program(KERNELS, (entry,), (("w", WEIGHT),), MESSAGES), arrays[:2], sizes, weights, states)

    def source(self) -> str:
        return self.rng.choice(sorted(self.known))

    def wrote(self, name: str) -> None:
        """Forget what shares bytes with a buffer, and know the buffer."""
        if name in self.offsets:
            self.known -= {b for b, at in self.offsets.items() if at == self.offsets[name]}
        self.known.add(name)

    def free(self, sources: list[str]) -> str:
        """A buffer to write that shares no memory with others."""
        taken = {self.offsets[s] for s in sources if s in self.offsets}
        names = [b.name for b in self.arena if self.offsets[b.name] not in taken] + ["y0"]
        return self.rng.choice([x for x in names if x not in sources])

    def ending(self) -> list[Stmt]:
        """All outputs are written."""
        first, second = self.source(), self.source()
        copy = Copy(View(second), View("y1", self.n), self.n)
        return [
            Call("scale", (View(first), View("w"), View("y1")), (self.n,)),
            copy,
            *([] if "y0" in self.known else [Copy(View(first), View("y0"), self.n)]),
        ]

    def block(self, count: int, depth: int) -> list[Stmt]:
        return [s for _ in range(count) for s in self.statement(depth)]

    def statement(self, depth: int) -> list[Stmt]:
        kind = self.rng.random()
        if depth < 2 and kind < 0.12:
            return self.branch(depth)
        if depth < 2 and kind < 0.2:
            return [Switch(self.rng.choice(self.symbols) - 1, self.branches(self.rng.randrange(1, 4), depth))]
        if depth < 2 and kind < 0.35:
            return self.loop(depth)
        if kind < 0.42:
            return [Call("count", (View("c"),), (self.rng.choice(self.symbols),))]
        if kind < 0.52:
            source = self.source()
            self.wrote("s")
            return [] if source == "s" else [Call("more", (View(source), View("s")), (self.n,))]
        if kind < 0.62:
            source = self.source()
            target = self.free([source])
            self.wrote(target)
            return [Copy(View(source), View(target), self.n)]
        kernel = self.rng.choice(sorted(READS))
        sources = [self.source() for _ in range(READS[kernel])]
        target = self.free(sources)
        self.wrote(target)
        views = [View(s) for s in sources] + ([View("w")] if kernel == "scale" else []) + [View(target)]
        return [Call(kernel, tuple(views), (self.n,))]

    def branches(self, count: int, depth: int) -> tuple[Block, ...]:
        before, ends, made = set(self.known), [], []
        symbols = list(self.symbols)
        for _ in range(count):
            self.known, self.symbols = set(before), list(symbols)
            made.append(tuple(self.block(self.rng.randrange(1, 3), depth + 1)))
            ends.append(self.known)
        self.known, self.symbols = set.intersection(*ends), symbols
        return tuple(made)

    def branch(self, depth: int) -> list[Stmt]:
        made: list[Stmt] = []
        condition: Expr
        if self.rng.random() < 0.5:
            condition = Position(I64, self.rng.choice(self.symbols)) > Const(I64, 1)
        else:
            name = self.fresh("v")
            made.append(Let(name, Load(F32, self.source(), self.n - 1)))
            condition = Name(F32, name) > Const(F32, 0.0)
        then, otherwise = self.branches(2, depth)
        return [*made, If(condition, then, otherwise if self.rng.random() < 0.7 else ())]

    def loop(self, depth: int) -> list[Stmt]:
        name, state = self.fresh("i"), self.fresh("r")
        extent = self.rng.choice((self.k, 2, 3, self.k + 1))
        before, symbols = set(self.known), list(self.symbols)
        self.symbols.append(dim.axis(name, extent))
        body = self.block(self.rng.randrange(1, 3), depth + 1)
        self.known, self.symbols = before & self.known, symbols
        running = Name(I64, state)
        carries = (Carry((state,), (I64,), (Const(I64, 1),), (running * 2 + Position(I64, dim.axis(name, extent)),)),)
        after = self.fresh("j")
        made: list[Stmt] = [Loop(name, 0, extent, tuple(body), carries=carries if self.rng.random() < 0.6 else ())]
        if isinstance(made[0], Loop) and made[0].carries:
            made.append(Let(after, apply("min", running, Const(I64, 3))))
            self.symbols.append(dim.symbol(after, 0, 3))
        return made
