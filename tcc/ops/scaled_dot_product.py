"""Scaled dot-product attention, one node until it is decomposed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir.dim import Size
from tcc.ir.dtype import BOOL, DType
from tcc.ir.graph import Attributes, Value
from tcc.ir.op import Array, Op, Sample
from tcc.ir.scalar import compute_dtype
from tcc.ir.types import TensorType
from tcc.ops import batching, samples
from tcc.ops.operands import Operand, broadcast_shapes, error, inexact, node, promoted
from tcc.ops.operands import value as as_value

Types = tuple[TensorType, ...]


def _type(types: Types, _attributes: Attributes) -> Types:
    query, key, given, *mask = types
    *batch, length, depth = query.shape
    if len({t.dtype for t in types[:3]}) != 1 or len(mask) > 1:
        why = "expected one dtype, and at most one mask"
        raise UserError(f"attention: {', '.join(map(str, types))}", why=why, fix="convert with astype")
    fits = key.shape == (*batch, key.shape[-2], depth) and given.shape[:-1] == key.shape[:-1]
    if not fits or any(m.shape != (*batch, length, key.shape[-2]) for m in mask):
        raise UserError(
            f"attention: {', '.join(map(str, types))}",
            why="expected query [*b, n, d], key [*b, m, d], value [*b, m, e] and mask [*b, n, m]",
            fix="give equal sizes equal names; np.swapaxes puts heads before the sequence",
        )
    return (query.with_shape((*batch, length, given.shape[-1])),)


def _product(a: Value, b: Value, contract: tuple[int, int]) -> Value:
    """A product over an axis of each (counted from the last), batched over all leading ones."""
    lead = tuple(range(a.type.rank - 2))
    return ops.dot_general(a, b, ((contract[0],), (contract[1],)), (lead, lead))


def _exponentials(query: Value, key: Value, mask: Sequence[Value], causal: bool, scale: float) -> tuple[Value, Value]:
    """For each query the weight of each key before they are divided by their sum, and that sum; 1 for a query
    that sees no key."""
    scores = ops.multiply(_product(query, key, (-1, -1)), scale)
    if causal:
        seen = ops.greater_equal(ops.iota(scores.type.shape, -2), ops.iota(scores.type.shape, -1))
        scores = ops.where(seen, scores, -math.inf)
    for m in mask:
        scores = ops.where(m, scores, -math.inf) if m.type.dtype == BOOL else ops.add(scores, m)
    top = ops.stop_gradient(ops.max(scores, -1, keepdims=True))
    grown = ops.exp(ops.subtract(scores, ops.where(ops.equal(top, -math.inf), 0, top)))
    total = ops.sum(grown, -1, keepdims=True)
    return grown, ops.where(ops.equal(total, 0), 1, total)


def _wide(*values: Value) -> tuple[Value, ...]:
    return tuple(v if v.type.dtype == BOOL else ops.astype(v, compute_dtype(v.type.dtype)) for v in values)


def _expand(*operands: Value, causal: bool, scale: float) -> Value:
    query, key, given, *mask = _wide(*operands)
    grown, total = _exponentials(query, key, mask, causal, scale)
    # Divided after the product: there are fewer results than weights.
    return ops.astype(ops.divide(_product(grown, given, (-1, -2)), total), operands[0].type.dtype)


def _gradient(g: Value, *values: Value, causal: bool, scale: float) -> tuple[Value | None, ...]:
    seed, query, key, given, *mask = _wide(g, *values[:-1])
    grown, total = _exponentials(query, key, mask, causal, scale)
    weights = ops.divide(grown, total)
    to_weights = _product(seed, given, (-1, -1))
    level = ops.sum(ops.multiply(to_weights, weights), -1, keepdims=True)
    to_scores = ops.multiply(weights, ops.subtract(to_weights, level))
    scaled = ops.multiply(to_scores, scale)
    found = [_product(scaled, key, (-1, -2)), _product(scaled, query, (-2, -2)), _product(weights, seed, (-2, -2))]
    found += [to_scores for m in mask if m.type.dtype != BOOL]
    cotangents = [ops.astype(c, v.type.dtype) for c, v in zip(found, values, strict=False)]
    return (*cotangents, *(None for m in mask if m.type.dtype == BOOL))


def _reference(query: Array, key: Array, given: Array, *mask: Array, causal: bool, scale: float) -> Any:
    q, k, v = (a.astype(np.float64) for a in (query, key, given))
    scores = q @ np.swapaxes(k, -1, -2) * scale
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=np.bool_), scores, -np.inf)
    for m in mask:
        scores = np.where(m, scores, -np.inf) if m.dtype == np.bool_ else scores + m
    top = scores.max(-1, keepdims=True, initial=-np.inf)
    grown = np.exp(scores - np.where(np.isneginf(top), 0, top))
    total = grown.sum(-1, keepdims=True)
    return (grown / np.where(total == 0, 1, total) @ v).astype(query.dtype)


def _samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    def arrays(*shape_list: tuple[int, ...]) -> tuple[Array, ...]:
        return tuple(samples.random(dtypes[0], s, rng) for s in shape_list)

    scale = 0.5
    yield Sample(arrays((3, 4), (5, 4), (5, 2)), {"causal": False, "scale": scale}, "one head")
    yield Sample(arrays((2, 4, 3), (2, 4, 3), (2, 4, 3)), {"causal": True, "scale": scale}, "causal")
    mask = samples.random(dtypes[3], (2, 3, 4), rng)
    yield Sample((*arrays((2, 3, 2), (2, 4, 2), (2, 4, 2)), mask), {"causal": False, "scale": scale}, "mask")
    if dtypes[3] == BOOL:
        nothing = np.zeros((2, 2), np.bool_)
        yield Sample((*arrays((2, 3), (2, 3), (2, 3)), nothing), {"causal": False, "scale": scale}, "nothing seen")


def _batch(size: Size, operands: Sequence[Value], batched: Sequence[bool], attributes: Attributes) -> tuple[Value]:
    return (node(ATTENTION, *(batching.led(size, v, b) for v, b in zip(operands, batched, strict=True)), **attributes),)


ATTENTION = Op(
    name="attention",
    doc="softmax(query · keyᵀ · scale) · value over the last two axes. A bool mask lets through, another is added to"
    " the scores; ``causal`` lets query i see keys up to i. A query that sees no key gives zeros.",
    operands=("query: float", "key: float", "value: float", "*mask: bool|float"),
    infer=_type,
    expand=_expand,
    gradient=_gradient,
    batch=_batch,
    reference=_reference,
    samples=_samples,
    tolerance=32.0,
)


def attention(
    query: Operand,
    key: Operand,
    value: Operand,
    mask: Operand | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> Value:
    """Scaled dot-product attention over query [*b, n, d], key [*b, m, d] and value [*b, m, e].

    Leading axes broadcast, also those of the mask [*b, n, m] (bool: True lets through; else added to the
    scores). ``scale`` is 1/√d unless given.
    """
    q, k, v = promoted((query, key, value), inexact)
    if min(q.type.rank, k.type.rank, v.type.rank) < 2:
        raise error("attention: an operand has less than two dimensions", why=f"found {q.type}, {k.type}, {v.type}")
    masks = [] if mask is None else [as_value(mask)]
    batch = broadcast_shapes("attention", [t.type.shape[:-2] for t in (q, k, v, *masks)])
    q, k, v = (ops.broadcast_to(t, (*batch, *t.type.shape[-2:])) for t in (q, k, v))
    if scale is None:
        depth = q.type.shape[-1]
        if not isinstance(depth, int):
            raise error(f"attention: the depth is the size '{depth}'", why="1/√depth is not known", fix="give 'scale'")
        scale = 1 / math.sqrt(depth)
    wide = [ops.broadcast_to(m, (*batch, q.type.shape[-2], k.type.shape[-2])) for m in masks]
    wide = [m if m.type.dtype == BOOL else ops.astype(m, q.type.dtype) for m in wide]
    return node(ATTENTION, q, k, v, *wide, causal=causal, scale=float(scale))
