"""Branches on a value: one of several functions is run, the others are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tcc import ops
from tcc.control.carry import in_eager, is_weak, with_captures
from tcc.errors import UserError
from tcc.frontends.numpy.eager import seen
from tcc.frontends.numpy.operand import as_value, here
from tcc.frontends.numpy.public import traced_or_computed
from tcc.frontends.numpy.trace import Region, is_leaf, trace_region
from tcc.frontends.numpy.tracer import Tracer
from tcc.ir import location as locations
from tcc.ir.dtype import BOOL, I64, DType
from tcc.ir.graph import Value
from tcc.tree import flatten, unflatten

Branch = Callable[..., Any]


def cond(pred: Any, on_true: Branch, on_false: Branch, *operands: Any) -> Any:
    """``on_true(*operands)`` where the scalar ``pred`` holds, else ``on_false(*operands)``.

    Both are traced, one is run; they return results of equal nesting, shapes and dtypes (UserError
    names the part that differs). Its gradient is that of the branch taken.
    """
    if in_eager():
        return seen((on_true if bool(pred) else on_false)(*seen(operands)))
    return traced_or_computed(_cond, "cond")(pred, on_true, on_false, operands)


def switch(index: Any, branches: Sequence[Branch], *operands: Any) -> Any:
    """``branches[index](*operands)``, the integer scalar ``index`` clamped to those there are; see `cond`."""
    if not branches:
        raise UserError(
            "switch: there are no branches",
            where=locations.user_line().place(),
            why="one of them gives the result",
            fix="pass a list of functions",
        )
    if in_eager():
        return seen(branches[min(max(int(index), 0), len(branches) - 1)](*seen(operands)))
    return traced_or_computed(_switch, "switch")(index, tuple(branches), operands)


def _cond(pred: Any, on_true: Branch, on_false: Branch, operands: tuple[Any, ...]) -> Any:
    value = as_value(pred)
    if value.type.rank:
        raise UserError(
            f"cond: the condition is {value.type}",
            where=locations.user_line().place(),
            why="expected a scalar",
            fix="np.where(condition, a, b) chooses by element",
        )
    number = ops.astype(value if value.type.dtype == BOOL else ops.astype(value, BOOL), I64)
    return _chosen("cond", number, (on_false, on_true), ("on_false", "on_true"), operands)


def _switch(index: Any, branches: tuple[Branch, ...], operands: tuple[Any, ...]) -> Any:
    value = as_value(index)
    if value.type.rank or not value.type.dtype.is_integer:
        raise UserError(
            f"switch: the index is {value.type}",
            where=locations.user_line().place(),
            why="expected an integer scalar",
            fix="reduce it to one, or convert it: index.astype(np.int64)",
        )
    limit = np.iinfo(value.type.dtype.numpy).max
    number = ops.astype(ops.clip(value, 0, min(len(branches) - 1, limit)), I64)
    return _chosen("switch", number, branches, [f"branch {k}" for k in range(len(branches))], operands)


def _chosen(
    what: str, number: Value, branches: Sequence[Branch], names: Sequence[str], operands: tuple[Any, ...]
) -> Any:
    leaves, tree = flatten(operands, is_leaf)
    values, weak = [as_value(x) for x in leaves], [is_weak(x) for x in leaves]

    def traced(branch: Branch, name: str, dtypes: Sequence[DType | None]) -> tuple[Region, list[bool]]:
        """The branch as a region, and which results stand for Python scalars; these get ``dtypes``."""
        flags: list[bool] = []

        def call(items: list[Any]) -> Any:
            found, results = flatten(branch(*unflatten(tree, items)), is_leaf)
            flags[:] = [is_weak(x) for x in found]
            wanted = dtypes if len(dtypes) == len(found) else [None] * len(found)
            kept = [x if d is None else _converted(x, d) for x, d in zip(found, wanted, strict=True)]
            return unflatten(results, kept)

        return trace_region(call, [v.type for v in values], f"{name} of {what}", tree.paths("operands"), weak), flags

    regions = [traced(b, n, ()) for b, n in zip(branches, names, strict=True)]
    common = _common([r for r, _ in regions], [f for _, f in regions], what, names)
    if any(common):
        regions = [traced(b, n, common) for b, n in zip(branches, names, strict=True)]
    _check([r for r, _ in regions], what, names)
    graphs, captures = with_captures([r for r, _ in regions])
    for k, graph in enumerate(graphs):
        graphs[k] = type(graph)(names[k].replace(" ", ""), graph.inputs, graph.outputs)
    scope = here(what)
    results = ops.cond(number, graphs, [*values, *captures])
    return unflatten(regions[0][0].results, [Tracer(v, scope) for v in results])


def _converted(item: Any, dtype: DType) -> Any:
    value = as_value(item)
    return Tracer(ops.astype(value, dtype), here("a branch"))


def _common(
    regions: Sequence[Region], weak: Sequence[Sequence[bool]], what: str, names: Sequence[str]
) -> list[DType | None]:
    """The dtype that each result is to be converted to where some branches give a Python scalar for it."""
    first = regions[0].results.paths()
    for region, name in zip(regions, names, strict=True):
        if region.results.paths() != first:
            raise UserError(
                f"{what}: the branches return different things",
                where=locations.user_line().place(),
                why=f"{names[0]} returns the parts {first}, {name} {region.results.paths()}",
                fix="nest the results of all branches alike",
            )
    dtypes: list[DType | None] = []
    for k in range(len(first)):
        given = {r.graph.outputs[k].type.dtype for r in regions}
        strong = {r.graph.outputs[k].type.dtype for r, w in zip(regions, weak, strict=True) if not w[k]}
        dtypes.append(next(iter(strong)) if len(given) > 1 and len(strong) == 1 else None)
    return dtypes


def _check(regions: Sequence[Region], what: str, names: Sequence[str]) -> None:
    for k, path in enumerate(regions[0].results.paths("result")):
        first = regions[0].graph.outputs[k]
        for region, name in zip(regions[1:], names[1:], strict=True):
            other = region.graph.outputs[k]
            if other.type != first.type:
                raise UserError(
                    f"{what}: '{path}' is {first.type} in {names[0]} and {other.type} in {name}",
                    where=other.location.place(),
                    why="all branches return the same shapes and dtypes",
                    fix="convert one of them with astype"
                    if other.type.shape == first.type.shape
                    else "bring them to one shape: np.broadcast_to, np.pad",
                )
