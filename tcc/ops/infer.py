"""Type rules by name. Each takes the operand types and the attributes, and gives the result types."""

from __future__ import annotations

from collections.abc import Callable

from tcc.errors import UserError
from tcc.ir.dtype import BOOL, C64, C128, F64, DType
from tcc.ir.graph import Attributes
from tcc.ir.op import Infer
from tcc.ir.types import TensorType

Types = tuple[TensorType, ...]


def same(types: Types, _attributes: Attributes) -> Types:
    """All operands have one type, and so has the result."""
    _equal(types)
    return (types[0],)


def predicate(types: Types, _attributes: Attributes) -> Types:
    """All operands have one type; the result is bool of their shape."""
    _equal(types)
    return (types[0].with_dtype(BOOL),)


def real_part(types: Types, _attributes: Attributes) -> Types:
    """The operand's type, with the dtype of its real part."""
    return (types[0].with_dtype(types[0].dtype.real),)


def complex_of(types: Types, _attributes: Attributes) -> Types:
    """The complex dtype whose parts the operands are."""
    _equal(types)
    return (types[0].with_dtype(C128 if types[0].dtype == F64 else C64),)


def selected(types: Types, _attributes: Attributes) -> Types:
    """A bool operand, then two of one type, which is the result's; all of one shape."""
    _equal(types[1:])
    if types[0].shape != types[1].shape:
        raise UserError(f"operands of types {types[0]} and {types[1]} differ in shape")
    return (types[1],)


def converted(types: Types, attributes: Attributes) -> Types:
    """The operand's shape in the attribute ``dtype``."""
    return (types[0].with_dtype(attributes["dtype"]),)


def reduced(dtype: Callable[[DType], DType] = lambda d: d) -> Infer:
    """The shape without the attribute ``axes``."""

    def rule(types: Types, attributes: Attributes) -> Types:
        axes: tuple[int, ...] = attributes["axes"]
        (x,) = types
        if list(axes) != sorted(set(axes)) or not all(0 <= a < x.rank for a in axes):
            raise UserError(f"axes {axes} are not increasing axes of {x}")
        shape = tuple(s for i, s in enumerate(x.shape) if i not in axes)
        return (TensorType(dtype(x.dtype), shape),)

    return rule


def _equal(types: Types) -> None:
    for other in types[1:]:
        if other != types[0]:
            raise UserError(f"operands of types {' and '.join(map(str, types))} differ", why="expected one type")
