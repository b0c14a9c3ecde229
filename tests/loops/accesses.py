"""Random values and accesses for random loop-IR kernels; see programs.py."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import ALL, BF16, BOOL, F16, F32, F64, I8, I16, I32, I64, U8, U32, DType
from tcc.ir.scalar import Const, Expr, Name, apply
from tcc.loops.program import Let, Load, Parameter, Position, Stmt

DTYPES = (F32, F32, F32, F32, F32, F64, F64, I32, I32, I64, I64, U32, BOOL, BOOL, *ALL)
SMOOTH = ("exp", "tanh", "sin", "cos", "expm1", "log1p", "erf", "arctan")


@dataclass
class Scope:
    """What a random expression at some place may use: axes with their extents, and values by name."""

    axes: list[tuple[Size, Size]] = field(default_factory=list)
    values: list[Name] = field(default_factory=list)
    buffers: list[tuple[str, DType, Size, list[Size]]] = field(default_factory=list)

    def inner(self) -> Scope:
        return Scope(list(self.axes), list(self.values), list(self.buffers))


class Accesses:
    """Makes parameters, indices and expressions, and remembers what the kernel needs."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.parameters: dict[str, Parameter] = {}
        self.sizes: dict[str, Size] = {}
        self.counter = 0
        self.symbols: dict[str, int] = {}
        self.indices: dict[str, Size] = {}

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def fresh(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"

    def parameter(self, dtype: DType, access: str, size: Size) -> str:
        name = self.fresh({"read": "X", "write": "Y", "update": "Z"}[access])
        self.parameters[name] = Parameter(name, dtype, access)
        self.sizes[name] = size
        return name

    # --- indices ---------------------------------------------------------------------------------

    def layout(self, axes: list[tuple[Size, Size]], plain: float = 0.6) -> tuple[Size, Size]:
        """An injective index over axes, and the size of the buffer it fits: permuted, strided, reversed."""
        axes = list(axes)
        if self.chance(0.25):
            self.rng.shuffle(axes)
        index: Size = 0
        total: Size = 1
        for axis, extent in reversed(axes):
            step = 1 if self.chance(plain) else self.rng.choice((1, 2, 3))
            coordinate = axis if self.chance(0.8) else extent - 1 - axis
            index = index + coordinate * step * total
            total = total * (extent * step + (0 if self.chance(0.7) else 1))
        shift = 0 if self.chance(0.7) else self.rng.randrange(1, 4)
        return index + shift, total + shift

    def load(self, scope: Scope, dtype: DType) -> Expr:
        """A load from a new input, or from a buffer in scope."""
        known = [b for b in scope.buffers if b[1] == dtype]
        if known and self.chance(0.7):
            name, _, index, others = self.rng.choice(known)
            return Load(dtype, name, self.rng.choice([index, *others]))
        axes = [a for a in scope.axes if self.chance(0.75)]
        if len(axes) >= 2 and self.chance(0.12):
            (a, e), (b, f), *rest = axes
            axes = [*rest, (a + b, e + f)]
        elif axes and self.chance(0.12):
            (a, e), *rest = axes
            c = self.rng.choice((2, 3, 4))
            parts = [(dim.floordiv(a, c), dim.floordiv(e, c) + 1), (dim.mod(a, c), c)]
            axes = [*rest, *(parts if self.chance(0.6) else parts[:1])]
        guard: Expr | None = None
        if axes and self.chance(0.12):
            (a, e), *rest = axes
            shift = self.rng.choice((-2, -1, 1, 2))
            here = Position(I64, a + shift)
            guard = (here >= Const(I64, 0)) & (here < Position(I64, e))
            name = self.parameter(dtype, "read", dim.product([e, *(x for _, x in rest)]))
            index: Size = 0
            for axis, extent in [(a + shift, e), *rest]:
                index = index * extent + axis
            return Load(dtype, name, index, guard)
        if self.chance(0.06):
            guard = self.condition(scope, 1)
        index, size = self.layout(axes)
        if dtype == U32 and self.chance(0.5):
            part = self.rng.choice((U8, I8, I16, F16, BF16))
            count = dtype.bytes // part.bytes
            name = self.parameter(part, "read", count * size + count - 1)
            return Load(dtype, name, count * index + self.rng.choice((0, 0, *range(count))), guard, word=True)
        return Load(dtype, self.parameter(dtype, "read", size), index, guard)

    def gather(self, scope: Scope) -> tuple[list[Stmt], tuple[Size, Size]]:
        """Lets that read an index from memory and make it safe, and the index as an axis."""
        extent: Size = self.rng.choice((1, 4, 7)) if self.chance(0.5) else self.symbol() + 1
        name = self.fresh("j")
        raw = self.load(Scope(scope.axes), I64)
        top = Position(I64, extent - 1)
        safe = apply("min", apply("max", raw, Const(I64, 0)), top)
        return [Let(name, safe)], (dim.symbol(name, 0, extent - 1), extent)

    def symbol(self, values: Sequence[int] = (0, 1, 1, 2, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 20)) -> Size:
        if self.symbols and self.chance(0.5):
            name = self.rng.choice(list(self.symbols))
        else:
            name = self.fresh("n")
            self.symbols[name] = self.rng.choice(values)
        return dim.symbol(name)

    def extent(self, long: bool = False) -> Size:
        """The extent of an axis: constant or symbolic; ``long``: more than one step of most loops."""
        kind = self.rng.random()
        if long and self.chance(0.4):
            values = (48, 63, 64, 65, 100, 128, 200, 257)
            return self.rng.choice(values) if kind < 0.4 else self.symbol(values)
        if kind < 0.35:
            return self.rng.choice((1, 2, 3, 4, 5, 7, 8, 12, 16, 19, 33))
        n = self.symbol()
        if kind < 0.85:
            return n
        return self.rng.choice([lambda: 2 * n + 1, lambda: dim.ceildiv(n, 2), lambda: dim.minimum(n, self.symbol())])()

    # --- expressions -----------------------------------------------------------------------------

    def condition(self, scope: Scope, depth: int) -> Expr:
        dtype = self.rng.choice((F32, I32, I64))
        a, b = self.value(scope, dtype, depth - 1), self.value(scope, dtype, depth - 1)
        if dtype == F32 and self.chance(0.1):
            return apply(self.rng.choice(("isnan", "isinf", "isfinite")), a)
        test = apply(self.rng.choice(("lt", "le", "gt", "ge", "eq", "ne")), a, b)
        return (
            test if self.chance(0.8) else apply(self.rng.choice(("and", "or", "xor")), test, self.value(scope, BOOL, 0))
        )

    def value(self, scope: Scope, dtype: DType, depth: int) -> Expr:
        """A random expression of a dtype, exact in every step."""
        if depth <= 0 or self.chance(0.15):
            return self.leaf(scope, dtype)
        if self.chance(0.1):
            return apply(
                "select",
                self.condition(scope, 1),
                self.value(scope, dtype, depth - 1),
                self.value(scope, dtype, depth - 1),
            )
        if self.chance(0.1) and not dtype.is_complex:
            return self.cast(scope, dtype, depth)
        return self._operation(dtype, lambda: self.value(scope, dtype, depth - 1))

    def leaf(self, scope: Scope, dtype: DType) -> Expr:
        names = [v for v in scope.values if v.dtype == dtype]
        if names and self.chance(0.6):
            return self.rng.choice(names)
        if self.chance(0.15):
            return self.constant(dtype)
        if dtype.is_integer and scope.axes and self.chance(0.2):
            return Position(dtype, self.rng.choice(scope.axes)[0] * self.rng.choice((1, 3, -2)) + 1)
        return self.load(scope, dtype)

    def constant(self, dtype: DType) -> Const:
        if dtype == BOOL:
            return Const(dtype, self.chance(0.5))
        if dtype.is_complex:
            return Const(dtype, complex(self.rng.randrange(-4, 5), self.rng.randrange(-4, 5)))
        if dtype.is_float:
            return Const(dtype, self.rng.choice((0.0, 1.0, -1.5, 0.25, 3.0, 0.1)))
        return Const(dtype, self.rng.randrange(0 if dtype.kind == "uint" else -6, 7))

    def cast(self, scope: Scope, dtype: DType, depth: int) -> Expr:
        source = self.rng.choice([d for d in ALL if d != dtype and not d.is_complex])
        value = self.value(scope, source, depth - 1)
        if source.is_float and dtype.is_integer:
            small = (value > Const(source, -1.0 if dtype.kind == "uint" else -100.0)) & (value < Const(source, 100.0))
            value = apply("select", small, value, Const(source, 0.0))
        if source == F64 and dtype in (F16, BF16):
            value = apply("cast", value, dtype=F32)
        return apply("cast", value, dtype=dtype)

    def _operation(self, dtype: DType, more: Callable[[], Expr]) -> Expr:
        pick = self.rng.choice
        if dtype == BOOL:
            return (
                apply("not", more())
                if self.chance(0.2)
                else apply(pick(("and", "or", "xor", "max", "eq")), more(), more())
            )
        if dtype.is_complex:
            return apply("conj", more()) if self.chance(0.2) else apply(pick(("add", "sub", "mul")), more(), more())
        if dtype.is_float:
            if self.chance(0.25):
                return apply(pick(("neg", "abs", "floor", "ceil", "trunc", "rint")), more())
            if self.chance(0.1):
                return more() / (apply("abs", more()) + 1.0)
            if self.chance(0.08):
                return apply("sqrt", apply("abs", more()))
            if self.chance(0.06):
                # Not by zero: the sign of a zero is free, and would show.
                return apply(pick(("floordiv", "mod", "rem")), more(), apply("abs", more()) + 0.75)
            if self.chance(0.08) and dtype in (F32, F64):
                return apply("fma", more(), more(), more())
            return apply(pick(("add", "sub", "mul", "max", "min")), more(), more())
        if self.chance(0.15):
            return apply(pick(("neg", "abs", "not", "sign")), more())
        if self.chance(0.1):
            mask = Const(dtype, dtype.bits - 1)
            return apply(pick(("shl", "shr")), more(), apply("and", more(), mask))
        if self.chance(0.15):
            return apply(pick(("floordiv", "mod", "rem")), more(), more())
        return apply(pick(("add", "sub", "mul", "max", "min", "and", "or", "xor")), more(), more())


def data(rng: np.random.Generator, dtype: DType, size: int, special: bool) -> np.ndarray:
    """Random contents of an input: small exact numbers, with nan and infinities on request."""
    if dtype == BOOL:
        return rng.integers(0, 2, size).astype(bool)
    if dtype.is_complex:
        return ((rng.integers(-16, 17, size) + 1j * rng.integers(-16, 17, size)) / 8).astype(dtype.numpy)
    if dtype.is_float:
        values = rng.integers(-32, 33, size) / 8
        if special and size:
            places = rng.random(size) < 0.1
            values[places] = rng.choice([np.nan, np.inf, -np.inf, 0.0], places.sum())
        return values.astype(dtype.numpy)
    low = 0 if dtype.kind == "uint" else -6
    values = rng.integers(low, 7, size).astype(dtype.numpy)
    if special and size:
        info = np.iinfo(dtype.numpy)
        places = rng.random(size) < 0.1
        values[places] = rng.choice(np.array([info.min, info.max, 0], dtype.numpy), places.sum())
    return values
