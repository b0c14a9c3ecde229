"""Transformations of functions: gradients and batching. Names, argument order and meaning are JAX's.

Each takes a Python function (or a ``tcc.function``) and gives another. Inside a traced function the
result is inlined; outside it computes on NumPy arrays. A transformed ``tcc.function`` is one too.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from tcc import ops
from tcc.errors import UserError
from tcc.frontends.numpy import scope as scopes
from tcc.frontends.numpy.function import Traceable, plain_name
from tcc.frontends.numpy.operand import as_operand, as_value, here, is_scalar
from tcc.frontends.numpy.public import traced_or_computed
from tcc.frontends.numpy.trace import inline, is_leaf, trace_region
from tcc.frontends.numpy.tracer import Tracer
from tcc.ir import location as locations
from tcc.ir.dim import Size
from tcc.ir.graph import Value
from tcc.ir.types import TensorType
from tcc.passes import differentiate
from tcc.passes.batch import batch
from tcc.tree import Tree, flatten, unflatten

Function = Callable[..., Any]


def grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """The gradient of a function with a scalar result, with respect to the arguments ``argnums``.

    Its result is nested like the argument (a tuple of them for several); with ``has_aux`` ``f``
    returns ``(value, aux)`` and the result is ``(gradient, aux)``.
    """

    def body(*args: Any, **kwargs: Any) -> Any:
        value, gradient = _value_and_grad(f, argnums, has_aux, args, kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return _transformed(f, body, "grad")


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """``(value, gradient)``; see `grad`. With ``has_aux`` it is ``((value, aux), gradient)``."""

    def body(*args: Any, **kwargs: Any) -> Any:
        return _value_and_grad(f, argnums, has_aux, args, kwargs)

    return _transformed(f, body, "value_and_grad")


def _transformed(f: Function, body: Function, prefix: str) -> Function:
    name = f"{prefix}_{f.name if isinstance(f, Traceable) else plain_name(f)}"
    called = functools.update_wrapper(traced_or_computed(body, name), f.python if isinstance(f, Traceable) else f)
    called.__name__ = name
    return cast(Function, f.with_python(called, name)) if isinstance(f, Traceable) else called


def _value_and_grad(
    f: Function, argnums: int | Sequence[int], has_aux: bool, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, Any]:
    positions = _positions(f, argnums, len(args))
    leaves, tree = flatten(tuple(args[i] for i in positions), is_leaf)
    values = [as_value(x) for x in leaves]
    names = [path for child, i in zip(tree.children, positions, strict=True) for path in child.paths(_parameter(f, i))]

    def call(traced: list[Any]) -> Any:
        filled = list(args)
        for position, item in zip(positions, unflatten(tree, traced), strict=True):
            filled[position] = item
        result = f(*filled, **kwargs)
        return _checked_loss(f, result, has_aux)

    region = trace_region(call, [v.type for v in values], f"gradient of {_name(f)}", names)
    pulled = differentiate.value_and_gradient(region.graph, range(len(values)))
    found = inline(pulled, [*values, *region.captures])
    count = len(region.graph.outputs)
    gradients = unflatten(tree, found[count:])
    return unflatten(region.results, found[:count]), gradients[0] if isinstance(argnums, int) else gradients


def _checked_loss(f: Function, result: Any, has_aux: bool) -> Any:
    if has_aux and not (isinstance(result, tuple) and len(cast("tuple[Any, ...]", result)) == 2):
        raise UserError(
            f"'{_name(f)}' must return (value, aux): has_aux is set",
            where=locations.user_line().place(),
            why=f"it returned {type(result).__name__}",
            fix="return two results, or leave has_aux out",
        )
    loss = cast(Any, result[0] if has_aux else result)
    if isinstance(loss, (tuple, list, dict)) or loss is None:
        raise UserError(
            f"'{_name(f)}' returns {type(loss).__name__}, and only a scalar has a gradient",
            where=locations.user_line().place(),
            why="the gradient is the slope of one number",
            fix="return one scalar, or (scalar, other results) with has_aux=True",
        )
    return cast(Any, result)


def _positions(f: Function, argnums: int | Sequence[int], count: int) -> tuple[int, ...]:
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for number in numbers:
        if not -count <= number < count:
            raise UserError(
                f"argnums={argnums}, but '{_name(f)}' is called with {count} positional arguments",
                where=locations.user_line().place(),
                why="argnums counts these from 0",
                fix="pass the argument by position, or name another number",
            )
    return tuple(n % count for n in numbers)


def _name(f: Function) -> str:
    return getattr(f, "__name__", type(f).__name__)


def _parameter(f: Function, position: int) -> str:
    try:
        names = list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        names = []
    return names[position] if position < len(names) else f"argument {position}"


def vjp(f: Function, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """``(f(*primals), pull)``: ``pull(cotangent)`` gives the cotangents of the primals, as a tuple.

    With ``has_aux`` ``f`` returns ``(result, aux)``, and ``aux`` comes third.
    """
    if scopes.current() is None:
        return _vjp_on_arrays(f, primals, has_aux)
    leaves, tree = flatten(primals, is_leaf)
    values = [as_value(x) for x in leaves]
    aux: list[Any] = []

    def call(traced: list[Any]) -> Any:
        return f(*unflatten(tree, traced))

    region = trace_region(call, [v.type for v in values], f"vjp of {_name(f)}")
    results = region.results.children[0] if has_aux else region.results
    split = results.leaves
    outputs = inline(region.graph, [*values, *region.captures])
    if has_aux:
        aux.append(unflatten(region.results.children[1], outputs))
    pulled = differentiate.vjp(region.graph, range(len(values)))
    scope = here("vjp")

    def pull(cotangent: Any) -> Any:
        inner = here("the function that vjp gives")
        given, found = flatten(cotangent, is_leaf)
        if found.paths() != results.paths():
            raise UserError(
                "the cotangent is nested differently from the result",
                where=locations.user_line().place(),
                why=f"it has the parts {found.paths()}, the result {results.paths()}",
                fix="nest it like the result",
            )
        seeds = [_cast(as_operand(g), v.type) for g, v in zip(given, region.graph.outputs, strict=False)]
        seeds += [ops.zeros(v.type.shape, v.type.dtype) for v in region.graph.outputs[split:]]
        known = [inner.import_value(v, scope) for v in (*values, *region.captures)]
        return unflatten(tree, inline(pulled, [*known, *seeds])[len(region.graph.outputs) :])

    return (unflatten(results, outputs[:split]), pull, *aux)


def _cast(item: Any, type: TensorType) -> Value:
    value = item if isinstance(item, Value) else ops.full(type.shape, item, dtype=type.dtype)
    if value.type != type:
        raise UserError(
            f"a cotangent has type {value.type}",
            where=locations.user_line().place(),
            why=f"expected {type}",
            fix="give it the shape and dtype of the result",
        )
    return value


def _vjp_on_arrays(f: Function, primals: tuple[Any, ...], has_aux: bool) -> tuple[Any, ...]:
    def forward(*args: Any) -> Any:
        return f(*args)

    def backward(cotangent: Any, *args: Any) -> Any:
        return vjp(f, *args, has_aux=has_aux)[1](cotangent)

    arrays = [_as_array(p) for p in primals]
    result = traced_or_computed(forward, _name(f))(*arrays)
    pull = traced_or_computed(backward, f"vjp of {_name(f)}")

    def pull_arrays(cotangent: Any) -> Any:
        return pull(_as_array(cotangent), *arrays)

    return (result[0], pull_arrays, result[1]) if has_aux else (result, pull_arrays)


def _as_array(item: Any) -> Any:
    leaves, tree = flatten(item)
    return unflatten(tree, [np.asarray(x) if is_scalar(x) else x for x in leaves])


def vmap(f: Function, in_axes: Any = 0, out_axes: Any = 0) -> Function:
    """``f`` of one example made a function of many: its arguments' ``in_axes`` are mapped over.

    An axis of None is not mapped. The results carry the new axis at ``out_axes``.
    """

    def body(*args: Any, **kwargs: Any) -> Any:
        return _mapped(f, in_axes, out_axes, args, kwargs)

    return _transformed(f, body, "vmap")


def _mapped(f: Function, in_axes: Any, out_axes: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    leaves, tree = flatten(args, is_leaf)
    named, named_tree = flatten(kwargs, is_leaf)
    axes = [*_spread(in_axes, tree, "in_axes"), *([0] * len(named))]
    mapped = [as_value(x) for x, axis in zip([*leaves, *named], axes, strict=True) if axis is not None]
    moved = [_moved(v, axis, 0) for v, axis in zip(mapped, [a for a in axes if a is not None], strict=True)]
    size = _common_size(f, moved)

    def call(traced: list[Any]) -> Any:
        rest = iter(traced)
        filled = [x if axis is None else next(rest) for x, axis in zip([*leaves, *named], axes, strict=True)]
        return f(*unflatten(tree, filled[: len(leaves)]), **unflatten(named_tree, filled[len(leaves) :]))

    types = [TensorType(v.type.dtype, v.type.shape[1:]) for v in moved]
    region = trace_region(call, types, f"vmap of {_name(f)}")
    batched = batch(region.graph, [True] * len(moved) + [False] * len(region.captures), size)
    found = inline(batched, [*moved, *region.captures])
    spread = _spread(out_axes, region.results, "out_axes")
    places = [p for p in spread if p is not None]
    if len(places) < len(spread):
        raise UserError(
            "out_axes=None: the results of vmap are all mapped",
            where=locations.user_line().place(),
            why="each result has the mapped axis",
            fix="say where it is to be: out_axes=0",
        )
    scope = here("vmap")
    return unflatten(region.results, [Tracer(_moved(t.value, 0, p), scope) for t, p in zip(found, places, strict=True)])


def _moved(value: Value, source: int, target: int) -> Value:
    if not -value.type.rank <= source < value.type.rank:
        raise UserError(
            f"vmap over axis {source} of a value of type {value.type}",
            where=locations.user_line().place(),
            why=f"it has {value.type.rank} dimension{'s' if value.type.rank != 1 else ''}",
            fix="name an axis that it has, or None for a value that all share",
        )
    return value if source == target else ops.moveaxis(value, source, target)


def _common_size(f: Function, moved: Sequence[Value]) -> Size:
    sizes = {v.type.shape[0]: None for v in moved}
    if len(sizes) != 1:
        raise UserError(
            f"vmap of '{_name(f)}' maps over {'axes of different sizes' if sizes else 'nothing'}",
            where=locations.user_line().place(),
            why=f"the sizes are {', '.join(map(str, sizes))}" if sizes else "no argument has an axis in in_axes",
            fix="map over axes of one named size; in_axes=None for an argument that all share"
            if sizes
            else "give in_axes an axis for one argument at least",
        )
    return next(iter(sizes))


def _spread(axes: Any, tree: Tree, name: str) -> list[int | None]:
    """An axis for each leaf of a tree, from axes nested as a prefix of it."""
    if axes is None or isinstance(axes, int):
        return [axes] * tree.leaves
    if isinstance(axes, dict):
        parts = [cast("dict[str, Any]", axes).get(k, axes) for k in tree.keys]
    else:
        parts = list(cast("Sequence[Any]", axes))
    if len(parts) != len(tree.children) or any(p is axes for p in parts):
        raise UserError(
            f"{name} is nested differently from the {'arguments' if name == 'in_axes' else 'results'}",
            where=locations.user_line().place(),
            why=f"expected an axis, or {len(tree.children)} of them, got {axes!r}",
            fix="one number is for all of them, a tuple has one for each",
        )
    return [a for part, child in zip(parts, tree.children, strict=True) for a in _spread(part, child, name)]
