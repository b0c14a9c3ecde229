"""Samples: documentation and test data at once. Generators by kind of op, and the dtypes to try."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tcc.ir import dtype as dt
from tcc.ir.dtype import DType
from tcc.ir.op import Array, Op, Sample, Samples, accepts

Rng = np.random.Generator
EDGES: tuple[float, ...] = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0)


def dtype_cases(op: Op) -> list[tuple[DType, ...]]:
    """The dtypes of operands to try an op on.

    Operands whose kinds are written alike have one dtype; a variadic one counts twice. Where kinds
    differ, each takes all its dtypes while the others keep a usual one (f32, i32).
    """
    kinds = [op.kinds(i) for i in range(len(op.operands) + op.variadic)]
    groups = list(dict.fromkeys(kinds))
    choices = [[d for d in dt.ALL if accepts(g, d)] for g in groups]
    usual = [next((d for d in (dt.F32, dt.I32) if d in c), c[0]) for c in choices]
    picks = dict.fromkeys(
        tuple(d if i == changed else u for i, u in enumerate(usual)) for changed, c in enumerate(choices) for d in c
    )
    return [tuple(pick[groups.index(k)] for k in kinds) for pick in picks] or [()]


def random(dtype: DType, shape: tuple[int, ...], rng: Rng, low: float = -2.0, high: float = 2.0) -> Array:
    """Random elements of a dtype between two numbers (any integers in that range, any bools)."""
    if dtype == dt.BOOL:
        found: Any = rng.integers(0, 2, shape)
    elif dtype.is_integer:
        limits = np.iinfo(dtype.numpy)
        found = rng.integers(max(int(np.ceil(low)), limits.min), min(int(high), limits.max), shape, endpoint=True)
    elif dtype.is_complex:
        found = rng.uniform(low, high, shape) + 1j * rng.uniform(low, high, shape)
    else:
        found = rng.uniform(low, high, shape)
    return np.asarray(found).astype(dtype.numpy)


def distinct(dtype: DType, shape: tuple[int, ...], rng: Rng) -> Array:
    """Random elements that are all different (where the dtype has enough of them): no ties."""
    count = int(np.prod(shape))
    if dtype == dt.BOOL:
        return random(dtype, shape, rng)
    base = rng.permutation(count) - (0 if dtype.kind == "uint" else count // 2)
    return (base * (0.25 if dtype.is_inexact else 1)).reshape(shape).astype(dtype.numpy)


def edges_of(dtype: DType, edges: Sequence[float] = EDGES) -> Array:
    """The edge values of a dtype: extremes of integers, both bools, the given floats."""
    if dtype == dt.BOOL:
        return np.array([False, True])
    if dtype.is_integer:
        limits = np.iinfo(dtype.numpy)
        picked = [limits.min, limits.max, 0, 1, limits.max - 1] + ([-1] if dtype.kind == "int" else [])
        return np.array(picked, dtype.numpy)
    if dtype.is_complex:
        return np.array([0, 1, -1, 1j, -1j, 3 - 4j], dtype.numpy)
    with np.errstate(over="ignore"):
        return np.array(edges, np.float64).astype(dtype.numpy)


def elementwise(
    *ranges: tuple[float, float],
    edges: Sequence[float] = EDGES,
    edge_kinds: str = "bool int uint float complex",
    attributes: Mapping[str, Any] | None = None,
) -> Samples:
    """Random values in each operand's range, every combination of edge values, empty and scalar."""

    def generate(dtypes: tuple[DType, ...], rng: Rng) -> Iterator[Sample]:
        limits = [ranges[min(i, len(ranges) - 1)] if ranges else (-2.0, 2.0) for i in range(len(dtypes))]
        options = dict(attributes or {})

        def values(shape: tuple[int, ...]) -> tuple[Array, ...]:
            return tuple(random(d, shape, rng, *r) for d, r in zip(dtypes, limits, strict=True))

        yield Sample(values((3, 5)), options, "random")
        yield Sample(values(()), options, "scalar")
        yield Sample(values((1,)), options, "one element")
        yield Sample(values((0, 3)), options, "empty", gradient=False)
        yield Sample(values((37,)), options, "odd length", gradient=False)
        if all(d.kind in edge_kinds for d in dtypes):
            grid = np.meshgrid(*(edges_of(d, edges) for d in dtypes), indexing="ij")
            flat = tuple(np.array(g.reshape(-1)) for g in grid)
            yield Sample(flat, options, "edges", gradient=False)

    return generate


def shapes(
    *calls: tuple[tuple[tuple[int, ...], ...], Mapping[str, Any]],
    make: Callable[[DType, tuple[int, ...], Rng], Array] = random,
    gradient: bool = True,
) -> Samples:
    """Random operands of the given shapes with the given attributes, one sample a call."""

    def generate(dtypes: tuple[DType, ...], rng: Rng) -> Iterator[Sample]:
        for operand_shapes, attributes in calls:
            wanted = [*dtypes, *dtypes[-1:] * len(operand_shapes)][: len(operand_shapes)]
            arrays = tuple(make(d, s, rng) for d, s in zip(wanted, operand_shapes, strict=True))
            label = " ".join(str(list(s)) for s in operand_shapes)
            yield Sample(arrays, attributes, label, gradient)

    return generate
