"""Random graphs over symbolic sizes, for comparing the schedule with the graph's interpreter."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st

import tcc.ops as ops
from tcc.ir import dim
from tcc.ir.graph import Value

UNARY = ("negative", "abs", "exp", "tanh", "sin", "floor", "square", "arctan", "sign")
BINARY = ("add", "subtract", "multiply", "maximum", "minimum", "less", "fmax")
REDUCE = ("sum", "max", "mean", "prod", "argmax", "any", "var")


def real(x: Value) -> Value:
    return x if x.type.dtype.name == "f64" else ops.astype(x, "float64")


def bounded(x: Value) -> Value:
    """Keeps numbers small, so that a chain of ops does not overflow."""
    return ops.tanh(real(x))


@st.composite
def builders(draw: st.DrawFn, most: int = 12) -> Any:
    """A function from input values to some outputs, as a list of choices played back."""
    steps = draw(
        st.lists(st.tuples(st.integers(0, 22), *(st.integers(0, 10**6) for _ in range(4))), min_size=4, max_size=most)
    )
    outputs = draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=3))

    def build(*inputs: Value) -> list[Value]:
        pool = list(inputs)
        for step in steps:
            made = _play(pool, *step)
            if made is not None:
                pool.append(made)
        made = pool[len(inputs) :] or pool
        return [made[-1 - k % len(made)] for k in outputs]

    return build


def _play(pool: list[Value], kind: int, a: int, b: int, c: int, d: int) -> Value | None:
    x, y = pool[a % len(pool)], pool[b % len(pool)]
    rank = x.type.rank
    axis = c % rank if rank else 0
    match kind:
        case 0 | 1:
            return getattr(ops, UNARY[c % len(UNARY)])(bounded(x))
        case 2 | 3:
            y = _fitting(pool, x, b)
            return getattr(ops, BINARY[c % len(BINARY)])(bounded(x), bounded(y))
        case 4 if rank:
            name = REDUCE[d % len(REDUCE)]
            if name == "any":
                return ops.any(ops.less(bounded(x), 0.0), axis=axis)
            if name in ("max", "argmax") and dim.bounds(x.type.shape[axis])[0] == 0:
                return ops.sum(bounded(x), axis=axis)
            return getattr(ops, name)(bounded(x), axis=axis)
        case 5 if rank:
            reduced = ops.sum(bounded(x), axis=axis, keepdims=True)
            return ops.subtract(bounded(x), reduced)
        case 6 if rank > 1:
            return ops.transpose(x)
        case 7 if rank:
            return ops.concatenate([bounded(x), bounded(x)], axis=axis)
        case 8 if rank:
            return ops.pad(bounded(x), [(d % 2, c % 3)] + [(0, 0)] * (rank - 1), constant_values=0.5)
        case 9 if rank:
            return ops.cumsum(bounded(x), axis=axis)
        case 10 if rank == 2 and y.type.rank == 2:
            return ops.matmul(bounded(x), ops.transpose(bounded(x)))
        case 11 if rank:
            return ops.flip(x, axis=axis) if d % 2 else ops.sort(bounded(x), axis=axis)
        case 12 if rank:
            return ops.reshape(x, (-1,)) if d % 2 else ops.exp(ops.subtract(bounded(x), ops.sum(bounded(x))))
        case 13 if rank:
            order = ops.argsort(bounded(x), axis=axis)
            return ops.take_along_axis(x, order, axis=axis)
        case 14 if rank:
            index = ops.argsort(ops.sum(bounded(x), axis=tuple(k for k in range(rank) if k != axis)))
            return ops.take(x, index, axis=axis)
        case 15 if rank:
            vectors = [v for v in pool if v.type.rank == 1 and v.type.shape[0] == x.type.shape[axis]]
            index = ops.argsort(bounded(vectors[b % len(vectors)])) if vectors else ops.arange(x.type.shape[axis])
            turned = ops.moveaxis(bounded(x), axis, 0)
            return ops.scatter_add(turned, ops.minimum(index, 1), ops.multiply(turned, 0.5)) if d % 2 else turned
        case 16:
            return ops.where(ops.less(bounded(x), 0.1), bounded(x), -1.0)
        case 17 if rank:
            e = ops.exp(
                ops.subtract(
                    bounded(x),
                    ops.max(ops.pad(bounded(x), [(int(k == axis), 0) for k in range(rank)]), axis=axis, keepdims=True),
                )
            )
            return ops.divide(e, ops.add(ops.sum(e, axis=axis, keepdims=True), 1.0))
        case 18 if rank:
            return ops.stack([bounded(x), ops.negative(bounded(x))], axis=axis)
        case 19 if rank:
            step = 1 + d % 3
            return ops.getitem(x, (slice(None),) * axis + (slice(None, None, -step if c % 2 else step),))
        case 20 if rank == 2:
            vectors = [v for v in pool if v.type.rank == 1 and v.type.shape[0] == x.type.shape[1]]
            return ops.matmul(bounded(x), bounded(vectors[b % len(vectors)])) if vectors else None
        case 21:
            narrow = ops.astype(bounded(x), ("float32", "int8", "bool", "int64", "float16")[d % 5])
            return ops.add(real(narrow), 0.25)
        case 22 if rank == 2:
            return ops.tril(x) if d % 2 else ops.reshape(ops.var(bounded(x), axis=None), (1, 1))
        case _:
            return None
    return None


def _fitting(pool: list[Value], x: Value, choice: int) -> Value:
    """A value that broadcasts with x."""
    fits = [v for v in pool if v.type.rank <= x.type.rank and x.type.shape[x.type.rank - v.type.rank :] == v.type.shape]
    return fits[choice % len(fits)]
