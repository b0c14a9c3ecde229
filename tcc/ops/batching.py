"""How ops go through vmap: by a leading axis. Most records take one of these general rules.

A rule names its op, and finds it in the table when it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tcc.ops as ops
from tcc.ir.dim import Size
from tcc.ir.graph import Attributes, Value
from tcc.ir.op import Batch
from tcc.ops.operands import nodes

Change = Callable[[Size, Attributes, Sequence[Value]], dict[str, Any]]
"""``change(size, attributes, batched operands)`` → the attributes one dimension up."""


def led(size: Size, operand: Value, batched: bool) -> Value:
    """The operand with the leading axis, repeated along it if it had none."""
    return operand if batched else ops.broadcast_to(operand, (size, *operand.type.shape))


def leading(name: str, change: Change | None = None) -> Batch:
    """Every operand gets the leading axis, and the attributes are changed to fit."""

    def rule(
        size: Size, operands: Sequence[Value], batched: Sequence[bool], attributes: Attributes
    ) -> tuple[Value, ...]:
        values = [led(size, v, b) for v, b in zip(operands, batched, strict=True)]
        changed = dict(attributes) if change is None else change(size, attributes, values)
        return nodes(ops.TABLE[name], *values, **changed)

    return rule


def elementwise(name: str) -> Batch:
    """The op on operands that all have the leading axis."""
    return leading(name)


def shifted(*names: str) -> Change:
    """The attributes named hold axes (an int or a tuple): each counts one further."""

    def change(_size: Size, attributes: Attributes, _values: Sequence[Value]) -> dict[str, Any]:
        moved = dict(attributes)
        for name in names:
            axes = moved[name]
            moved[name] = axes + 1 if isinstance(axes, int) else tuple(a + 1 for a in axes)
        return moved

    return change


def along(name: str, attribute: str = "axis") -> Batch:
    """An op that works along the axes in an attribute: reductions, cumulative ops, sorting."""
    return leading(name, shifted(attribute))


def prefixed(**first: Any) -> Change:
    """The attributes named are tuples with an entry an axis: they get a first entry.

    An entry that is `SIZE` stands for the size of the leading axis.
    """

    def change(size: Size, attributes: Attributes, _values: Sequence[Value]) -> dict[str, Any]:
        return {
            **attributes,
            **{n: (size if e is SIZE else e, *attributes[n]) for n, e in first.items()},
        }

    return change


class _SizeMark:
    """The type of `SIZE`."""


SIZE = _SizeMark()
