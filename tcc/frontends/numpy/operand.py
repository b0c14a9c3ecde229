"""Operands of a traced operation: from what the user wrote to graph values.

Promotion is NumPy 2's. Python scalars go to the ops as they are (they are weak there); a *weak* traced
value (a symbolic size, and what plain arithmetic makes of it) stands for a Python scalar and takes the
dtype beside it in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from tcc import ops
from tcc.errors import UserError
from tcc.frontends.numpy import scope as scopes
from tcc.frontends.numpy.capture import name_of
from tcc.frontends.numpy.scope import Scope
from tcc.frontends.numpy.size import TracedSize, unwrap_size
from tcc.ir import dtype as dt
from tcc.ir import location as locations
from tcc.ir.dim import Dim
from tcc.ir.dtype import DType
from tcc.ir.graph import Constant, Value


class Traced:
    """A graph value, the scope that it was made in, and whether it is weak."""

    __slots__ = ("owner", "value", "weak")
    owner: Scope
    value: Value
    weak: bool

    def __init__(self, value: Value, owner: Scope, weak: bool = False) -> None:
        self.value = value
        self.owner = owner
        self.weak = weak


def here(what: str) -> Scope:
    """The current scope; UserError outside of a trace."""
    scope = scopes.current()
    if scope is None:
        raise UserError(
            f"{what} is used outside of a trace",
            where=locations.user_line().place(),
            why="a traced value stands for an array only while its function is traced",
            fix="return it from the function instead of keeping it",
        )
    return scope


def constant(array: Any, name: str = "") -> Value:
    """A NumPy array as a literal of the current scope: snapshotted, named as the user named it, stored once.

    One whose axes are those of an array already known, in another order (``table.T``), is that one transposed.
    """
    scope = here("a constant")
    plain = np.asarray(array)
    if plain.dtype == object:
        raise UserError(
            "an array of Python objects cannot be compiled",
            where=locations.user_line().place(),
            why="its elements have no dtype in common that a machine knows",
            fix="np.stack joins traced values; other arrays need a numeric dtype",
        )
    order = np.argsort([-step for step in plain.strides], kind="stable")
    if not plain.flags.c_contiguous and plain.transpose(order).flags.c_contiguous:
        turned = scope.constants.get(Constant.of(plain.transpose(order)).digest)
        if turned is not None:
            return ops.transpose(turned, tuple(map(int, np.argsort(order))))
    made = Constant.of(plain, name or (name_of(array) if plain.ndim else ""))
    known = scope.constants.get(made.digest)
    if known is None:
        known = scope.constants[made.digest] = ops.literal(made)
    return known


def is_scalar(item: Any) -> bool:
    """Whether this is a Python scalar, which is weak (NumPy's own scalars are not)."""
    return isinstance(item, (bool, int, float, complex)) and not isinstance(item, np.generic)


def as_operand(item: Any) -> Any:
    """A graph value, a size or a Python scalar from an array-like: traced value, array, number, nested list."""
    if isinstance(item, Traced):
        return here("a traced value").import_value(item.value, item.owner)
    if isinstance(item, TracedSize):
        return item.size
    if isinstance(item, (Value, Dim)) or is_scalar(item):
        return item
    if isinstance(item, (np.ndarray, np.generic)):
        return constant(item)
    if isinstance(item, (list, tuple)):
        return _from_sequence(cast("Sequence[Any]", item))
    if hasattr(item, "__array__") or hasattr(item, "__dlpack__"):
        return constant(np.asarray(item))
    raise UserError(
        f"an array was expected, got {type(item).__name__}: {str(item)[:60]}",
        where=locations.user_line().place(),
        why="operands are arrays, numbers, and lists and tuples of them",
        fix="make an array of it with np.asarray",
    )


def _from_sequence(items: Sequence[Any]) -> Value:
    if holds_traced(items):
        return ops.stack([as_value(x) for x in items])
    return constant(np.asarray(items))


def holds_traced(item: Any) -> bool:
    """Whether a traced value or symbolic size is somewhere in nested lists, tuples and dicts."""
    if isinstance(item, (list, tuple)):
        return any(holds_traced(x) for x in cast("Sequence[Any]", item))
    if isinstance(item, dict):
        return any(holds_traced(x) for x in cast("dict[Any, Any]", item).values())
    return isinstance(item, (Traced, TracedSize))


def as_value(item: Any) -> Value:
    """The same as a graph value; a Python scalar takes NumPy's default dtype."""
    operand = as_operand(item)
    if isinstance(operand, Value):
        return operand
    return ops.extent(operand) if isinstance(operand, Dim) else constant(np.asarray(operand))


def operands(items: Sequence[Any]) -> tuple[list[Any], bool]:
    """Operands that are promoted together, and whether all of them were weak.

    Weak traced values are converted to the dtype that a Python scalar of their kind takes there.
    """
    weak = [isinstance(x, TracedSize) or is_scalar(x) or (isinstance(x, Traced) and x.weak) for x in items]
    converted = [as_operand(x) for x in items]
    if all(weak) or not any(weak):
        return converted, all(weak)
    like = dt.promote(*(x.type.dtype for x, w in zip(converted, weak, strict=True) if not w))
    return [
        ops.astype(x, weak_dtype(x.type.dtype, like)) if w and isinstance(x, Value) else x
        for x, w in zip(converted, weak, strict=True)
    ], False


_EXAMPLES: dict[str, bool | int | float | complex] = {"bool": True, "int": 1, "float": 1.0, "complex": 1j}


def weak_dtype(own: DType, like: DType) -> DType:
    """The dtype of a weak value of dtype ``own`` beside an array of dtype ``like``."""
    return dt.default_for(_EXAMPLES[own.kind], like)


def attribute(item: Any) -> Any:
    """An argument that is no array: sizes become the IR's, in nested tuples and lists too."""
    if isinstance(item, (list, tuple)):
        parts = [attribute(x) for x in cast("Sequence[Any]", item)]
        return tuple(parts) if isinstance(item, tuple) else parts
    if isinstance(item, np.integer):
        return int(item)
    return unwrap_size(item)
