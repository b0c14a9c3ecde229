"""Sums of products over shared axes: dot_general, and NumPy's products made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Union

import numpy as np

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir.dim import Size
from tcc.ir.dtype import BOOL, I32, DType
from tcc.ir.forms import Contract
from tcc.ir.graph import Attributes, Value
from tcc.ir.op import Array, Op, Sample
from tcc.ir.types import TensorType
from tcc.ops import axes, samples
from tcc.ops.elementwise import NUMBER
from tcc.ops.operands import Operand, broadcast, error, node, promoted

Types = tuple[TensorType, ...]
Axes = tuple[int, ...]


def free(rank: int, *taken: Sequence[int]) -> tuple[int, ...]:
    """The axes of an operand that are neither batch nor contracted."""
    used = {a for t in taken for a in t}
    return tuple(i for i in range(rank) if i not in used)


def _dot_type(types: Types, attributes: Attributes) -> Types:
    lhs, rhs = types
    lb, rb = attributes["lhs_batch"], attributes["rhs_batch"]
    lc, rc = attributes["lhs_contract"], attributes["rhs_contract"]
    if lhs.dtype != rhs.dtype:
        raise UserError(f"dot_general: {lhs} and {rhs} have different dtypes")
    for mine, named in ((lhs, (*lb, *lc)), (rhs, (*rb, *rc))):
        if len(set(named)) != len(named) or not all(0 <= a < mine.rank for a in named):
            raise UserError(f"dot_general: {named} are no distinct axes of {mine}")
    for left, right in ((lb, rb), (lc, rc)):
        if len(left) != len(right):
            raise UserError(f"dot_general: axes {left} pair with {right}")
        for i, j in zip(left, right, strict=True):
            if lhs.shape[i] != rhs.shape[j]:
                raise UserError(
                    f"dot_general: {lhs} and {rhs} do not fit",
                    why=f"axis {i} of the first has size '{lhs.shape[i]}', axis {j} of the second '{rhs.shape[j]}'",
                )
    shape = [lhs.shape[i] for i in (*lb, *free(lhs.rank, lb, lc))]
    return (TensorType(lhs.dtype, (*shape, *(rhs.shape[j] for j in free(rhs.rank, rb, rc)))),)


def _dot_reference(
    lhs: Array,
    rhs: Array,
    lhs_batch: tuple[int, ...],
    rhs_batch: tuple[int, ...],
    lhs_contract: tuple[int, ...],
    rhs_contract: tuple[int, ...],
) -> Any:
    wide = {"f": np.float64, "V": np.float64, "c": np.complex128}.get(lhs.dtype.kind, lhs.dtype)
    letters = iter(range(52))
    left = [next(letters) for _ in range(lhs.ndim)]
    right = [next(letters) for _ in range(rhs.ndim)]
    for i, j in (*zip(lhs_batch, rhs_batch, strict=True), *zip(lhs_contract, rhs_contract, strict=True)):
        right[j] = left[i]
    out = [left[i] for i in (*lhs_batch, *free(lhs.ndim, lhs_batch, lhs_contract))]
    out += [right[j] for j in free(rhs.ndim, rhs_batch, rhs_contract)]
    return np.asarray(np.einsum(lhs.astype(wide), left, rhs.astype(wide), right, out)).astype(lhs.dtype)


def _dot_gradient(
    g: Value,
    lhs: Value,
    rhs: Value,
    _y: Value,
    lhs_batch: Axes,
    rhs_batch: Axes,
    lhs_contract: Axes,
    rhs_contract: Axes,
) -> tuple[Value, Value]:
    split = lhs.type.rank - len(lhs_contract)
    left, right = tuple(range(len(lhs_batch), split)), tuple(range(split, g.type.rank))
    return (
        _dot_cotangent(g, right, rhs, (lhs_batch, lhs_contract), (rhs_batch, rhs_contract)),
        _dot_cotangent(g, left, lhs, (rhs_batch, rhs_contract), (lhs_batch, lhs_contract)),
    )


def _dot_cotangent(g: Value, g_free: Axes, other: Value, mine: tuple[Axes, Axes], others: tuple[Axes, Axes]) -> Value:
    """One operand's cotangent: ``g`` times the other operand, summed over the other's free axes.

    ``mine`` and ``others`` are (batch, contracted) axes; ``g_free`` are the axes of ``g`` that are the
    other's free ones. The product has batch, my free and the other's contracted axes, in that order.
    """
    (batch, contract), (other_batch, other_contract) = mine, others
    other_free = free(other.type.rank, other_batch, other_contract)
    product = dot_general(g, other, (g_free, other_free), (tuple(range(len(batch))), other_batch))
    summed = free(other.type.rank, other_batch, other_free)
    rank = product.type.rank
    order = [*batch, *free(rank, batch, contract), *(contract[other_contract.index(a)] for a in summed)]
    return ops.transpose(product, tuple(order.index(i) for i in range(rank)))


def _batch_dot(_size: Size, operands: Sequence[Value], batched: Sequence[bool], attributes: Attributes) -> tuple[Value]:
    lhs, rhs = operands
    lb, rb, lc, rc = (
        tuple(a + moved for a in attributes[name])
        for name, moved in zip(_ATTRIBUTES, (batched[0], batched[1], batched[0], batched[1]), strict=True)
    )
    if all(batched):
        return (dot_general(lhs, rhs, (lc, rc), ((0, *lb), (0, *rb))),)
    product = dot_general(lhs, rhs, (lc, rc), (lb, rb))
    # The leading axis has become the first free axis of its operand.
    place = len(lb) if batched[0] else len(lb) + len(free(lhs.type.rank, lb, lc))
    return (ops.moveaxis(product, place, 0),)


_ATTRIBUTES = ("lhs_batch", "rhs_batch", "lhs_contract", "rhs_contract")


def _dot_samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    calls: tuple[tuple[tuple[int, ...], tuple[int, ...], tuple[Axes, Axes, Axes, Axes]], ...] = (
        ((3, 4), (4, 5), ((), (), (1,), (0,))),
        ((2, 3, 4), (2, 4, 5), ((0,), (0,), (2,), (1,))),
        ((4, 3), (5, 4), ((), (), (0,), (1,))),
        ((3, 2, 4), (4, 5, 2, 3), ((1,), (2,), (2, 0), (0, 3))),
        ((3,), (4,), ((), (), (), ())),
        ((2, 0), (0, 3), ((), (), (1,), (0,))),
        ((1, 1), (1, 1), ((), (), (1,), (0,))),
    )
    for left, right, named in calls:
        operands = samples.random(dtypes[0], left, rng), samples.random(dtypes[0], right, rng)
        yield Sample(operands, dict(zip(_ATTRIBUTES, named, strict=True)), f"{left} {right}")


DOT_GENERAL = Op(
    name="dot_general",
    doc="Sums of products over the contracted axes, one for each batch position. Result axes: batch, free axes of"
    " the first operand, free axes of the second. Half floats accumulate in f32; integers wrap.",
    operands=(f"lhs: {NUMBER}", f"rhs: {NUMBER}"),
    infer=_dot_type,
    form=Contract(),
    gradient=_dot_gradient,
    batch=_batch_dot,
    reference=_dot_reference,
    samples=_dot_samples,
)


def dot_general(
    lhs: Operand,
    rhs: Operand,
    contract: tuple[Sequence[int], Sequence[int]],
    batch: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> Value:
    """Sums of products, as StableHLO's dot_general; operands promote. Bools multiply as and, add as or.

    ``contract`` and ``batch`` pair axes of the first operand with axes of the second.
    """
    a, b = promoted((lhs, rhs))
    named = (
        *(tuple(axes.one("dot_general", i, v.type.rank) for i in pair) for v, pair in zip((a, b), batch, strict=True)),
        *(
            tuple(axes.one("dot_general", i, v.type.rank) for i in pair)
            for v, pair in zip((a, b), contract, strict=True)
        ),
    )
    attributes = dict(zip(_ATTRIBUTES, named, strict=True))
    if a.type.dtype == BOOL:
        return ops.not_equal(node(DOT_GENERAL, ops.astype(a, I32), ops.astype(b, I32), **attributes), 0)
    return node(DOT_GENERAL, a, b, **attributes)


def matmul(x1: Operand, x2: Operand) -> Value:
    """The matrix product: the last axis of ``x1`` with the last but one of ``x2``; leading axes broadcast.

    A vector counts as a row on the left and as a column on the right, and its axis is left out of the result.
    """
    a, b = promoted((x1, x2))
    if not a.type.rank or not b.type.rank:
        raise error(f"matmul: {a.type} @ {b.type}", why="an operand is a scalar", fix="use multiply")
    inner = b.type.shape[0 if b.type.rank == 1 else -2]
    if a.type.shape[-1] != inner:
        raise error(
            f"matmul: {a.type} @ {b.type} do not fit",
            why=f"the last size of the first is '{a.type.shape[-1]}', that of the second to sum over '{inner}'",
            fix="transpose an operand (x.T), or give both sizes one name in the specs",
        )
    rows = max(b.type.rank - 2, 0)
    if b.type.rank <= 2:
        return dot_general(a, b, ((a.type.rank - 1,), (rows,)))
    if a.type.rank == 1:
        return dot_general(b, a, ((b.type.rank - 2,), (0,)))
    lead = ops.broadcast_shapes("matmul", (a.type.shape[:-2], b.type.shape[:-2]))
    if all(s == 1 for s in b.type.shape[:-2]):
        flat = ops.reshape(b, b.type.shape[-2:])
        wide = ops.broadcast_to(a, (*lead, *a.type.shape[-2:]))
        return dot_general(wide, flat, ((wide.type.rank - 1,), (0,)))
    n = len(lead)
    a, b = (ops.broadcast_to(v, (*lead, *v.type.shape[-2:])) for v in (a, b))
    return dot_general(a, b, ((n + 1,), (n,)), (tuple(range(n)), tuple(range(n))))


def dot(a: Operand, b: Operand) -> Value:
    """NumPy's dot: the last axis of ``a`` with the last but one (or only) of ``b``; scalars multiply."""
    x, y = promoted((a, b))
    if not x.type.rank or not y.type.rank:
        return ops.multiply(x, y)
    return dot_general(x, y, ((x.type.rank - 1,), (max(y.type.rank - 2, 0),)))


def vdot(a: Operand, b: Operand) -> Value:
    """The sum of products of all elements, the first operand conjugated."""
    x, y = promoted((a, b))
    return dot_general(ops.conj(ops.reshape(x, -1)), ops.reshape(y, -1), ((0,), (0,)))


def inner(a: Operand, b: Operand) -> Value:
    """Sums of products over the last axes of both; scalars multiply."""
    x, y = promoted((a, b))
    if not x.type.rank or not y.type.rank:
        return ops.multiply(x, y)
    return dot_general(x, y, ((x.type.rank - 1,), (y.type.rank - 1,)))


def outer(a: Operand, b: Operand) -> Value:
    """The product of every element of ``a`` with every element of ``b``, both flattened."""
    x, y = promoted((a, b))
    return ops.multiply(ops.reshape(x, (-1, 1)), ops.reshape(y, (1, -1)))


def tensordot(a: Operand, b: Operand, axes: Union[int, Sequence[Any]] = 2) -> Value:
    """Sums of products over ``axes``: a number of trailing axes of a and leading ones of b, or a pair of lists."""
    x, y = promoted((a, b))
    if isinstance(axes, (int, np.integer)):
        n = int(axes)
        return dot_general(x, y, (tuple(range(x.type.rank - n, x.type.rank)), tuple(range(n))))
    left, right = axes
    return dot_general(x, y, (_listed(left), _listed(right)))


def _listed(axes: Any) -> tuple[int, ...]:
    return (int(axes),) if isinstance(axes, (int, np.integer)) else tuple(axes)


def vecdot(x1: Operand, x2: Operand, axis: int = -1) -> Value:
    """Sums of products along an axis of both, the first conjugated; the other axes broadcast."""
    a, b = broadcast("vecdot", promoted((x1, x2)))
    return ops.sum(ops.multiply(ops.conj(a), b), axis, dtype=a.type.dtype)
