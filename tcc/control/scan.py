"""A step repeated over an axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from tcc import ops
from tcc.control.carry import in_eager, settled
from tcc.errors import UserError
from tcc.frontends.numpy.eager import seen
from tcc.frontends.numpy.operand import Traced, as_value, here
from tcc.frontends.numpy.public import traced_or_computed
from tcc.frontends.numpy.size import unwrap_size
from tcc.frontends.numpy.trace import Region, is_leaf, trace_region
from tcc.frontends.numpy.tracer import Tracer
from tcc.ir import location as locations
from tcc.ir.dim import Size
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.types import TensorType
from tcc.tree import Tree, flatten, unflatten

Step = Callable[[Any, Any], Any]


def scan(step: Step, init: Any, xs: Any = None, length: Any = None, reverse: bool = False) -> tuple[Any, Any]:
    """Repeats ``carry, y = step(carry, x)`` over the leading axis of ``xs``: ``(carry, ys)``.

    ``init``, ``xs``, the carry and ``y`` may be nested. Without ``xs`` (then ``x`` is None) ``length``
    gives the number of steps. ``reverse`` goes from the last element to the first; ``ys`` keep the
    order of ``xs``. UserError when the carry changes its type.
    """
    if in_eager():
        return seen(_scan_arrays(step, seen(init), xs, length, reverse))
    return traced_or_computed(_scan, "scan")(step, init, xs, length, reverse)


def _scan(step: Step, init: Any, xs: Any, length: Any, reverse: bool) -> tuple[Any, Any]:
    return scanned(step, init, xs, length, reverse)


def scanned(
    step: Step, init: Any, xs: Any, length: Any, reverse: bool, what: str = "scan", weak_xs: bool = False
) -> tuple[Any, Any]:
    """`scan` within a trace; ``weak_xs``: the slices of xs stand for Python scalars."""
    starts, carry_tree = flatten(init, is_leaf)
    stacks, xs_tree = flatten(xs, is_leaf)
    sequences = [as_value(x) for x in stacks]
    count = _length([v.type.shape[0] if v.type.rank else None for v in sequences], unwrap_size(length))
    slices = [TensorType(v.type.dtype, v.type.shape[1:]) for v in sequences]
    names = [*carry_tree.paths("carry"), *([""] * len(slices))]

    def call(traced: list[Any]) -> Any:
        carry = unflatten(carry_tree, traced[: len(starts)])
        result: Any = step(carry, unflatten(xs_tree, traced[len(starts) :]))
        if not isinstance(result, tuple) or len(cast("tuple[Any, ...]", result)) != 2:
            raise _wrong_step(
                f"it returned {'a traced array' if isinstance(result, Traced) else type(result).__name__}"
            )
        return cast("tuple[Any, Any]", result)

    def trace(carries: list[Value], weak: list[bool]) -> Region:
        types = [*(v.type for v in carries), *slices]
        region = trace_region(call, types, f"the step of {what}", names, [*weak, *([weak_xs] * len(slices))])
        carried = region.results.children[0]
        if carried.paths() != carry_tree.paths():
            raise _wrong_step(f"the carry it returned has the parts {carried.paths()}, init has {carry_tree.paths()}")
        return region

    carries, region = settled(starts, trace, what, carry_tree)
    results = _scan_node(region, carries, sequences, count, reverse)
    final = unflatten(carry_tree, results[: len(carries)])
    return final, unflatten(region.results.children[1], results)


def _wrong_step(why: str) -> UserError:
    return UserError(
        "scan: the step must return (carry, y)",
        where=locations.user_line().place(),
        why=why,
        fix="return carry, None where there is nothing to stack; the carry is nested like init",
    )


def _scan_node(
    region: Region, carries: list[Value], sequences: list[Value], length: Size, reverse: bool
) -> list[Tracer]:
    inputs = region.graph.inputs
    first, last = len(carries), len(carries) + len(sequences)
    body = Graph("step", (*inputs[:first], *inputs[last:], *inputs[first:last]), region.graph.outputs)
    attributes = {
        "body": body,
        "carries": first,
        "consts": len(region.captures),
        "length": length,
        "reverse": reverse,
    }
    node = Node(ops.TABLE["scan"], [*carries, *region.captures, *sequences], attributes)
    scope = here("scan")
    return [Tracer(v, scope) for v in node.results]


def _length(sizes: Sequence[Size | None], length: Any) -> Size:
    given: list[Size | None] = [*sizes, *([length] if length is not None else [])]
    found = list(dict.fromkeys(given))
    if len(found) == 1 and found[0] is not None:
        return found[0]
    if None in found:
        why = "a part of xs is a scalar"
    elif found:
        why = f"the leading sizes of xs and length are {', '.join(map(str, found))}"
    else:
        why = "xs and length are None"
    raise UserError(
        "scan: the number of steps is not one",
        where=locations.user_line().place(),
        why=why,
        fix="give arrays of one leading size, or a length",
    )


def _scan_arrays(step: Step, init: Any, xs: Any, length: Any, reverse: bool) -> tuple[Any, Any]:
    """The same on NumPy values, step by step in Python."""
    stacks, xs_tree = flatten(xs)
    arrays = [seen(np.asarray(x)) for x in stacks]
    count = int(cast(Any, _length([a.shape[0] if a.ndim else None for a in arrays], length)))
    if count == 0:
        return _no_steps(step, init, arrays, xs_tree)
    carry, rows, tree = init, list[list[Any]](), Tree("none")
    for index in reversed(range(count)) if reverse else range(count):
        carry, y = seen(step(carry, unflatten(xs_tree, [a[index] for a in arrays])))
        leaves, tree = flatten(y)
        rows.append(leaves)
    ordered = rows[::-1] if reverse else rows
    return carry, unflatten(tree, [np.stack([np.asarray(x) for x in column]) for column in zip(*ordered, strict=True)])


def _no_steps(step: Step, init: Any, stacks: Sequence[Any], xs_tree: Tree) -> tuple[Any, Any]:
    """``init``, and ``ys`` without elements, of the types that one step on zeros has."""
    with np.errstate(all="ignore"):
        carry, y = step(init, unflatten(xs_tree, [seen(np.zeros(a.shape[1:], a.dtype)) for a in stacks]))
    starts, tree = flatten(init)
    kept = [np.asarray(s, np.asarray(c).dtype) for s, c in zip(starts, flatten(carry)[0], strict=True)]
    rows, ys_tree = flatten(y)
    return unflatten(tree, kept), unflatten(ys_tree, [np.zeros((0, *np.shape(r)), np.asarray(r).dtype) for r in rows])
