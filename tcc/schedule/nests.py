"""Every form as a nest: each result element as a function of its coordinates.

Half floats are computed as f32 and rounded to their dtype once for each op. A reduction over at most
`UNROLL` elements, known before run time, is no reduction but an expression.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from tcc.ir import dim, forms
from tcc.ir.dim import Size
from tcc.ir.dtype import BOOL, DType
from tcc.ir.forms import Access, Coordinates, Nest, Piece
from tcc.ir.graph import Constant, Node, Value
from tcc.ir.scalar import COMBINES, SCALARS, TABLE, Apply, Const, Expr, Name, Number, apply, compute_dtype
from tcc.ir.types import TensorType

UNROLL = 8


@dataclass(frozen=True, eq=False)
class Item:
    """What the schedule knows of a node: its nest (None for forms that stand alone) and its cost.

    ``cost`` is that of one element in additions, without the operands'. ``fused``: multiply and add
    of the combination are one rounding. ``pieces`` counts an index map's boxes; ``partial``: some of its
    elements are no element of an operand; ``shifted``: neighbours are neighbours in its operand.
    """

    node: Node
    nest: Nest | None
    cost: float = 0.0
    fused: bool = False
    pieces: int = 1
    partial: bool = False
    shifted: bool = False

    @property
    def reduces(self) -> bool:
        return self.nest is not None and bool(self.nest.reduce)


def item_of(node: Node) -> Item:
    """The description of a node by its form."""
    form = node.op.form
    fused = isinstance(form, forms.Contract) or (isinstance(form, forms.Window) and form.kind == "convolution")
    pieces, partial, shifted = 1, False, False
    if form is not None and all(v.type.size == 0 for v in node.results):
        return Item(node, _empty(node)) if not _alone(form) else Item(node, None)
    match form:
        case forms.Elementwise():
            nest = _elementwise(node, form)
        case forms.Reduce():
            nest = _reduce(node, form)
        case forms.IndexMap():
            nest = _index_map(node, form)
            axes = axes_of(node.results[0].type.shape, "q")
            found = pieces_of(node, axes)
            shifted = len(found) == 1 and _is_shift(axes, found[0].coordinates)
            pieces, partial = len(found), any(not dim.nonnegative(c) for p in found for c in p.conditions)
        case forms.Contract():
            nest = _contract(node)
        case forms.Window() | forms.Generic():
            nest = _generic(node, form)
        case _:
            return Item(node, None)
    if nest.combine and _is_short(nest.reduce):
        nest = _unrolled(nest)
    return Item(node, nest, _cost(nest, node), fused and bool(nest.reduce), pieces, partial, shifted)


def _is_shift(axes: Coordinates, read: Coordinates) -> bool:
    """Whether what is read is at fixed distances from the axes."""
    return len(axes) == len(read) and all(isinstance(c - a, int) for a, c in zip(axes, read, strict=True))


def _alone(form: forms.Form) -> bool:
    return isinstance(form, (forms.Scan, forms.Scatter, forms.Control, forms.Opaque, forms.Literal))


def _empty(node: Node) -> Nest:
    """The nest of results without elements: what it computes is never asked for."""
    parts = tuple(Const(v.type.dtype, _zero(v.type.dtype)) for v in node.results)
    return Nest(node.results[0].type.shape, lambda _access, _c, _r: parts)


def _zero(dtype: DType) -> Number:
    return False if dtype == BOOL else 0


def axes_of(shape: Sequence[Size], prefix: str) -> Coordinates:
    """An axis for each extent; 0 where the extent is 1."""
    return tuple(0 if e == 1 else dim.axis(f"{prefix}{k}", e) for k, e in enumerate(shape))


def splat(value: Value) -> Number | None:
    """The number that every element of a literal is; None if it is no literal or its elements differ."""
    if value.producer is None or not isinstance(value.producer.op.form, forms.Literal):
        return None
    constant: Constant = value.producer.attributes["value"]
    array = constant.array
    if array.size == 0 or not _is_uniform(constant):
        return None
    first: Any = array.ravel()[0]
    return first.item() if value.type.dtype.name != "bf16" else float(first)


def _is_uniform(constant: Constant) -> bool:
    """Whether all elements have the same bits. Most weights differ within their first elements."""
    flat = constant.array.reshape(-1)
    head = flat[:64].tobytes()
    first = flat[:1].tobytes()
    return head == first * min(flat.size, 64) and (flat.size <= 64 or flat.tobytes() == first * flat.size)


def pieces_of(node: Node, coordinates: Coordinates) -> tuple[Piece, ...]:
    """The pieces of an index map's node."""
    form = node.op.form
    assert isinstance(form, forms.IndexMap)
    return form.pieces(coordinates, _types(node), node.results[0].type, node.attributes)


def piece_element(access: Access, piece: Piece, type: TensorType, inside: Sequence[Size] = ()) -> Expr:
    """The element of one piece; memory is not touched where ``inside`` does not hold."""
    guard = access.inside((*inside, *piece.conditions))
    value = access.read(piece.operand, piece.coordinates, guard)
    if guard is None or not piece.conditions or _is_zero(piece.fill):
        return value
    condition = access.inside(piece.conditions)
    return value if condition is None else apply("select", condition, value, Const(type.dtype, piece.fill))


def _is_zero(number: Number) -> bool:
    return number == 0 and not (isinstance(number, float) and np.signbit(number))


def _types(node: Node) -> tuple[TensorType, ...]:
    return tuple(v.type for v in node.operands)


def computed(element: Expr) -> Expr:
    """An element in the dtype it is computed in."""
    return SCALARS.cast(element, compute_dtype(element.dtype))


def _tuple(value: Expr | tuple[Expr, ...]) -> tuple[Expr, ...]:
    return value if isinstance(value, tuple) else (value,)


def _rounded(parts: tuple[Expr, ...], dtypes: Sequence[DType]) -> tuple[Expr, ...]:
    return tuple(SCALARS.cast(_raw_bits(e), d) for e, d in zip(parts, dtypes, strict=True))


def _raw_bits(expr: Expr) -> Expr:
    """A bit cast of a half float sees the float itself, not its f32 value."""
    if isinstance(expr, Apply) and expr.op == "bitcast":
        (inner,) = expr.args
        if isinstance(inner, Apply) and inner.op == "cast" and inner.dtype.bits != expr.dtype.bits:
            return replace(expr, args=inner.args)
    return expr


def _result_dtypes(node: Node) -> tuple[DType, ...]:
    return tuple(v.type.dtype for v in node.results)


def _elementwise(node: Node, form: forms.Elementwise) -> Nest:
    def body(access: Access, c: Coordinates, _: Coordinates) -> tuple[Expr, ...]:
        elements = [computed(access.read(k, c)) for k in range(len(node.operands))]
        return _rounded(_tuple(form.compute(SCALARS, *elements, **node.attributes)), _result_dtypes(node))

    return Nest(node.results[0].type.shape, body)


def _reduce(node: Node, form: forms.Reduce) -> Nest:
    axes: tuple[int, ...] = tuple(node.attributes["axes"])
    shape = node.operands[0].type.shape
    space = node.results[0].type.shape
    dtypes = form.dtypes(_types(node), node.attributes)
    kept = len(space) == len(shape)

    def body(access: Access, c: Coordinates, r: Coordinates) -> tuple[Expr, ...]:
        outer = iter(c)
        at: list[Size] = []
        for k in range(len(shape)):
            if k in axes:
                at.append(r[axes.index(k)])
                if kept:
                    next(outer)
            else:
                at.append(next(outer))
        elements = [computed(access.read(k, tuple(at))) for k in range(len(node.operands))]
        if form.element is None:
            return _rounded(tuple(elements), dtypes)
        position = access.position(r[0], dtypes[-1]) if len(axes) == 1 and len(dtypes) > 1 else None
        return _rounded(_tuple(form.element(SCALARS, *elements, position=position, **node.attributes)), dtypes)

    def finish(parts: tuple[Expr, ...]) -> tuple[Expr, ...]:
        done = parts if form.finish is None else _tuple(form.finish(SCALARS, *parts, **node.attributes))
        return _rounded(done[: len(node.results)], _result_dtypes(node))

    return Nest(space, body, tuple(shape[a] for a in axes), form.combine, dtypes, finish)


def _index_map(node: Node, form: forms.IndexMap) -> Nest:
    type = node.results[0].type

    def body(access: Access, c: Coordinates, _: Coordinates) -> tuple[Expr, ...]:
        pieces = form.pieces(c, _types(node), type, node.attributes)
        if len(pieces) == 1:
            return (piece_element(access, pieces[0], type),)
        result: Expr | None = None
        for piece in reversed(pieces):
            within = [s for x, (start, stop) in zip(c, piece.box, strict=True) for s in (x - start, stop - 1 - x)]
            value = piece_element(access, piece, type, within)
            here = access.inside(within)
            result = value if result is None or here is None else apply("select", here, value, result)
        assert result is not None
        return (result,)

    return Nest(type.shape, body)


def _contract(node: Node) -> Nest:
    lhs, rhs = _types(node)
    batches = tuple(zip(node.attributes["lhs_batch"], node.attributes["rhs_batch"], strict=True))
    shared = tuple(zip(node.attributes["lhs_contract"], node.attributes["rhs_contract"], strict=True))
    result = node.results[0].type
    accumulator = compute_dtype(result.dtype)
    lhs_free = [k for k in range(lhs.rank) if k not in {a for a, _ in (*batches, *shared)}]
    rhs_free = [k for k in range(rhs.rank) if k not in {b for _, b in (*batches, *shared)}]

    def body(access: Access, c: Coordinates, r: Coordinates) -> tuple[Expr, ...]:
        left: list[Size] = [0] * lhs.rank
        right: list[Size] = [0] * rhs.rank
        for x, (a, b) in zip(c, batches, strict=False):
            left[a], right[b] = x, x
        for x, (a, b) in zip(r, shared, strict=True):
            left[a], right[b] = x, x
        free = c[len(batches) :]
        for x, a in zip(free, lhs_free, strict=False):
            left[a] = x
        for x, b in zip(free[len(lhs_free) :], rhs_free, strict=True):
            right[b] = x
        x = SCALARS.cast(access.read(0, tuple(left)), accumulator)
        y = SCALARS.cast(access.read(1, tuple(right)), accumulator)
        return (apply("and" if accumulator == BOOL else "mul", x, y),)

    combine = "or" if accumulator == BOOL else "add"
    return Nest(
        result.shape,
        body,
        tuple(lhs.shape[a] for a, _ in shared),
        combine,
        (accumulator,),
        lambda parts: _rounded(parts, (result.dtype,)),
    )


def _generic(node: Node, form: forms.Window | forms.Generic) -> Nest:
    nest = form.nest(_types(node), tuple(v.type for v in node.results), node.attributes)

    def body(access: Access, c: Coordinates, r: Coordinates) -> tuple[Expr, ...]:
        return _rounded(nest.body(access, c, r), nest.dtypes or _result_dtypes(node))

    def finish(parts: tuple[Expr, ...]) -> tuple[Expr, ...]:
        return _rounded(nest.finish(parts), _result_dtypes(node))

    if not nest.reduce:
        return replace(nest, body=lambda a, c, r: finish(nest.body(a, c, r)), finish=lambda parts: parts)
    return replace(nest, body=body, finish=finish)


def _is_short(extents: Sequence[Size]) -> bool:
    total = dim.product(extents)
    return isinstance(total, int) and 0 < total <= UNROLL


def _unrolled(nest: Nest) -> Nest:
    combine = COMBINES[nest.combine]
    following = combine.later or combine.apply
    points = list(product(*(range(e) for e in nest.reduce if isinstance(e, int))))

    def body(access: Access, c: Coordinates, _: Coordinates) -> tuple[Expr, ...]:
        total = nest.body(access, c, points[0])
        for point in points[1:]:
            total = following(total, nest.body(access, c, point))
        return nest.finish(total)

    return Nest(nest.space, body)


class Placeholders:
    """An access that answers with placeholders, to see what a body reads and computes.

    ``seen(operand, coordinates)`` is told of each read. Indices that are read become symbols whose
    names begin with ``?`` and the access's own ``label``.
    """

    def __init__(self, node: Node, seen: Callable[[Value, Coordinates], None] | None = None, label: str = "") -> None:
        self.node = node
        self.seen = seen
        self.label = label
        self.count = 0

    def read(self, operand: int, coordinates: Coordinates, guard: Expr | None = None) -> Expr:  # noqa: ARG002
        value = self.node.operands[operand]
        if self.seen is not None:
            self.seen(value, coordinates)
        return Name(value.type.dtype, "?")

    def index(self, value: Expr, upper: Size) -> Size:  # noqa: ARG002
        self.count += 1
        return dim.symbol(f"?{self.label}_{self.count}", 0, upper)

    def position(self, size: Size, dtype: DType) -> Expr:  # noqa: ARG002
        return Name(dtype, "?")

    def inside(self, conditions: Sequence[Size]) -> Expr | None:
        return None if all(dim.nonnegative(c) for c in conditions) else Name(BOOL, "?")

    def check(self, condition: Expr, message: str) -> None:
        """Nothing: it is checked when the kernel is made."""


def _cost(nest: Nest, node: Node) -> float:
    c, r = axes_of(nest.space, "q"), axes_of(nest.reduce, "r")
    seen: set[int] = set()
    keep: list[Expr] = []
    total = 0.0
    stack = list(nest.body(Placeholders(node), c, r))
    while stack:
        expr = stack.pop()
        if id(expr) in seen:
            continue
        seen.add(id(expr))
        keep.append(expr)
        if isinstance(expr, Apply):
            total += 0.5 if expr.op in ("cast", "bitcast") else TABLE[expr.op].cost
            stack.extend(expr.args)
    return total
