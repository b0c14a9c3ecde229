"""What a form says, evaluated by NumPy: each result element by its description, for tiny shapes.

Judges a record's form against its reference, with neither schedule nor code generation between.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tcc.ir import dim, forms
from tcc.ir.dim import Size
from tcc.ir.dtype import BOOL, DType
from tcc.ir.dtype import of as dtypes_of
from tcc.ir.graph import Node
from tcc.ir.scalar import COMBINES, SCALARS, TABLE, Apply, Const, Expr, Name, compute_dtype

Array = np.ndarray[Any, Any]


class OutOfRangeError(Exception):
    """A check of the form failed, or it read outside of an operand."""


def evaluate(expr: Expr, names: Mapping[str, Any]) -> Any:
    """The value of a scalar expression, in its own dtype; names may stand for whole arrays."""
    known: dict[int, Any] = {}

    def walk(e: Expr) -> Any:
        if id(e) not in known:
            known[id(e)] = _value(e, names, walk)
        return known[id(e)]

    return walk(expr)


def _value(e: Expr, names: Mapping[str, Any], walk: Any) -> Any:
    if isinstance(e, Const):
        return np.asarray(e.value).astype(e.dtype.numpy)[()]
    if isinstance(e, Name):
        found = np.asarray(names[e.name])
        assert found.dtype == e.dtype.numpy, (e, found.dtype)
        return found[()]
    assert isinstance(e, Apply), e
    args = [np.asarray(walk(a)) for a in e.args]
    if e.op == "bitcast":
        return args[0].view(e.dtype.numpy)[()]
    if e.op == "complex":
        made = np.empty(np.broadcast_shapes(*(a.shape for a in args)), e.dtype.numpy)
        made.real, made.imag = args
        return made[()]
    result = np.asarray(TABLE[e.op].numpy(*args))
    return result.astype(e.dtype.numpy)[()]


class Concrete:
    """An `Access` over arrays, at coordinates that are numbers."""

    def __init__(self, operands: Sequence[Array]) -> None:
        self.operands = operands

    def read(self, operand: int, coordinates: Sequence[Size], guard: Expr | None = None) -> Expr:
        array = self.operands[operand]
        dtype = _dtype(array)
        if guard is not None and not evaluate(guard, {}):
            return _const(np.zeros((), array.dtype), dtype)
        at = tuple(dim.evaluate(c, {}) for c in coordinates)
        if len(at) != array.ndim or not all(0 <= i < n for i, n in zip(at, array.shape, strict=True)):
            raise OutOfRangeError(f"operand {operand} of shape {array.shape} at {at}")
        return _const(array[at], dtype)

    def index(self, value: Expr, upper: Size) -> Size:
        number = int(evaluate(value, {}))
        assert 0 <= number <= dim.evaluate(upper, {}), f"{number} as an index up to {upper}"
        return number

    def position(self, size: Size, dtype: DType) -> Expr:
        return Const(dtype, dim.evaluate(size, {}))

    def inside(self, conditions: Sequence[Size]) -> Expr | None:
        if all(dim.nonnegative(c) for c in conditions):
            return None
        return Const(BOOL, all(dim.evaluate(c, {}) >= 0 for c in conditions))

    def check(self, condition: Expr, message: str) -> None:
        if not evaluate(condition, {}):
            raise OutOfRangeError(message)


def _dtype(array: Array) -> DType:
    return dtypes_of(array.dtype)


def _const(element: Any, dtype: DType) -> Const:
    number = element.item() if dtype.name != "bf16" else float(element)
    return Const(dtype, number)


def run(node: Node, operands: Sequence[Array]) -> list[Array] | None:
    """The node's results by its form; None for forms that are no description of elements."""
    with np.errstate(all="ignore"):
        match node.op.form:
            case forms.Elementwise() as form:
                return _elementwise(node, form, operands)
            case forms.Reduce() as form:
                return _reduce(node, form, operands)
            case forms.Scan() as form:
                return _scan(node, form, operands)
            case forms.IndexMap() as form:
                return [_index_map(node, form, operands)]
            case forms.Window() | forms.Generic() as form:
                nest = form.nest(
                    tuple(v.type for v in node.operands), tuple(v.type for v in node.results), node.attributes
                )
                return _nest(node, nest, operands)
            case forms.Scatter() as form:
                return [_scatter(node, form, operands)]
            case forms.Contract():
                return [_contract(node, operands)]
            case forms.Literal():
                return [node.attributes["value"].array]
            case _:
                return None


def _shape(sizes: Sequence[Size]) -> tuple[int, ...]:
    return tuple(dim.evaluate(s, {}) for s in sizes)


def _elements(operands: Sequence[Array]) -> tuple[list[Expr], dict[str, Array]]:
    """Names for whole operands, in the dtype that they are computed in."""
    wide = [a.astype(compute_dtype(_dtype(a)).numpy) for a in operands]
    return [Name(_dtype(a), f"x{i}") for i, a in enumerate(wide)], {f"x{i}": a for i, a in enumerate(wide)}


def _tuple(parts: Any) -> tuple[Expr, ...]:
    return parts if isinstance(parts, tuple) else (parts,)


def _finished(node: Node, parts: Sequence[Any]) -> list[Array]:
    return [
        np.array(np.broadcast_to(p, _shape(v.type.shape)).astype(v.type.dtype.numpy))
        for p, v in zip(parts, node.results, strict=True)
    ]


def _elementwise(node: Node, form: forms.Elementwise, operands: Sequence[Array]) -> list[Array]:
    names, values = _elements(operands)
    made = _tuple(form.compute(SCALARS, *names, **node.attributes))
    return _finished(node, [evaluate(e, values) for e in made])


def _combined(name: str, dtypes: Sequence[DType], total: Sequence[Any], new: Sequence[Any]) -> list[Any]:
    left = tuple(Name(d, f"a{i}") for i, d in enumerate(dtypes))
    right = tuple(Name(d, f"b{i}") for i, d in enumerate(dtypes))
    values = {f"a{i}": t for i, t in enumerate(total)} | {f"b{i}": n for i, n in enumerate(new)}
    return [evaluate(e, values) for e in COMBINES[name].apply(left, right)]


def _identity(name: str, dtypes: tuple[DType, ...], shape: tuple[int, ...]) -> list[Any]:
    neutral = COMBINES[name].identity(dtypes)
    return [np.full(shape, n, d.numpy) for n, d in zip(neutral, dtypes, strict=True)]


def _reduce(node: Node, form: forms.Reduce, operands: Sequence[Array]) -> list[Array]:
    axes = node.attributes["axes"]
    dtypes = form.dtypes(tuple(v.type for v in node.operands), node.attributes)
    shape = _shape(node.results[0].type.shape)
    total = _identity(form.combine, dtypes, shape)
    for place in itertools.product(*(range(operands[0].shape[a]) for a in axes)):
        parts = [np.asarray(a[tuple(_at(i, axes, place) for i in range(a.ndim))]) for a in operands]
        names, values = _elements(parts)
        position = Const(dtypes[-1], place[0]) if len(axes) == 1 and len(dtypes) > 1 else None
        made = (
            tuple(names)
            if form.element is None
            else _tuple(form.element(SCALARS, *names, position=position, **node.attributes))
        )
        new = [np.broadcast_to(evaluate(e, values), shape) for e in made]
        total = _combined(form.combine, dtypes, total, new)
    if form.finish is None:
        return _finished(node, total[: len(node.results)])
    names = [Name(d, f"t{i}") for i, d in enumerate(dtypes)]
    made = _tuple(form.finish(SCALARS, *names, **node.attributes))
    return _finished(node, [evaluate(e, {f"t{i}": t for i, t in enumerate(total)}) for e in made])


def _at(axis: int, axes: Sequence[int], place: Sequence[int]) -> Any:
    return place[list(axes).index(axis)] if axis in axes else slice(None)


def _scan(node: Node, form: forms.Scan, operands: Sequence[Array]) -> list[Array]:
    (x,) = operands
    axis, reverse = node.attributes["axis"], node.attributes["reverse"]
    dtype = compute_dtype(_dtype(x))
    lines = np.moveaxis(x, axis, 0).astype(dtype.numpy)
    result = np.empty_like(lines)
    total = _identity(form.combine, (dtype,), lines.shape[1:])
    for i in reversed(range(len(lines))) if reverse else range(len(lines)):
        total = _combined(form.combine, (dtype,), total, [lines[i]])
        result[i] = total[0]
    return _finished(node, [np.moveaxis(result, 0, axis)])


def _index_map(node: Node, form: forms.IndexMap, operands: Sequence[Array]) -> Array:
    type = node.results[0].type
    shape = _shape(type.shape)
    types = tuple(v.type for v in node.operands)
    result = np.empty(shape, type.dtype.numpy)
    seen = np.zeros(shape, np.int64)
    axes = tuple(0 if e == 1 else dim.axis(f"i{k}", e) for k, e in enumerate(type.shape))
    for piece in form.pieces(axes, types, type, node.attributes):
        box = [range(*_shape(b)) for b in piece.box]
        for place in itertools.product(*box):
            where: dict[str, int] = {f"i{k}": p for k, p in enumerate(place)}
            seen[place] += 1
            if any(dim.evaluate(c, where) < 0 for c in piece.conditions):
                result[place] = piece.fill
                continue
            at = tuple(dim.evaluate(c, where) for c in piece.coordinates)
            source = operands[piece.operand]
            if not all(0 <= i < n for i, n in zip(at, source.shape, strict=True)):
                raise OutOfRangeError(f"operand {piece.operand} of shape {source.shape} at {at}")
            result[place] = source[at]
    assert (seen == 1).all(), "the pieces' boxes must cover the result, each place once"
    return result


def _nest(node: Node, nest: forms.Nest, operands: Sequence[Array]) -> list[Array]:
    access = Concrete(operands)
    space = _shape(nest.space)
    results = [np.empty(_shape(v.type.shape), v.type.dtype.numpy) for v in node.results]
    assert all(r.shape == space for r in results)
    for place in itertools.product(*map(range, space)):
        if not nest.combine:
            parts = nest.body(access, place, ())
        else:
            total = _identity(nest.combine, nest.dtypes, ())
            for inner in itertools.product(*map(range, _shape(nest.reduce))):
                new = [evaluate(e, {}) for e in nest.body(access, place, inner)]
                new = [np.asarray(n).astype(d.numpy) for n, d in zip(new, nest.dtypes, strict=True)]
                total = _combined(nest.combine, nest.dtypes, total, new)
            parts = tuple(_const(np.asarray(t), d) for t, d in zip(total, nest.dtypes, strict=True))
        for result, part in zip(results, nest.finish(parts), strict=True):
            result[place] = evaluate(part, {})
    return results


def _scatter(node: Node, form: forms.Scatter, operands: Sequence[Array]) -> Array:
    access = Concrete(operands)
    types = tuple(v.type for v in node.operands)
    dtype = types[0].dtype
    result = operands[0].copy()
    for place in itertools.product(*map(range, _shape(form.space(types, node.attributes)))):
        new = evaluate(form.update(access, place, types, node.attributes), {})
        at = _shape(form.locate(access, place, types, node.attributes))
        if form.combine == "set":
            result[at] = new
        else:
            result[at] = _combined(form.combine, (dtype,), [result[at]], [new])[0]
    return result


def _contract(node: Node, operands: Sequence[Array]) -> Array:
    """The sum of products as `Contract` words it: result axes are batch, lhs free, rhs free."""
    lhs, rhs = operands
    a = node.attributes
    result = node.results[0].type
    wide = compute_dtype(result.dtype).numpy
    total = np.zeros(_shape(result.shape), wide)
    shared = [range(lhs.shape[i]) for i in a["lhs_contract"]]
    left_free = [i for i in range(lhs.ndim) if i not in (*a["lhs_batch"], *a["lhs_contract"])]
    right_free = [i for i in range(rhs.ndim) if i not in (*a["rhs_batch"], *a["rhs_contract"])]
    for place in itertools.product(*map(range, total.shape)):
        n, m = len(a["lhs_batch"]), len(left_free)
        left = dict(zip((*a["lhs_batch"], *left_free), place[: n + m], strict=True))
        right = dict(zip((*a["rhs_batch"], *right_free), (*place[:n], *place[n + m :]), strict=True))
        for inner in itertools.product(*shared):
            left.update(zip(a["lhs_contract"], inner, strict=True))
            right.update(zip(a["rhs_contract"], inner, strict=True))
            x = lhs[tuple(left[i] for i in range(lhs.ndim))].astype(wide)
            y = rhs[tuple(right[i] for i in range(rhs.ndim))].astype(wide)
            total[place] += x * y
    return total.astype(result.dtype.numpy)
