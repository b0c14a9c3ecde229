"""From what a caller writes to a node's operands: constants, promotion (NEP 50) and broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Union, cast

import numpy as np

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir import dtype as dt
from tcc.ir import location as locations
from tcc.ir.dim import Dim, Size
from tcc.ir.dtype import DType
from tcc.ir.graph import Node, Value
from tcc.ir.op import Op
from tcc.ir.scalar import Number

Operand = Union[Value, bool, int, float, complex, "np.ndarray[Any, np.dtype[Any]]", "np.generic[Any]", Dim]
"""What a public function takes for a tensor. Python scalars and sizes are weak: they take the dtype
of the other operands. Lists and tuples of numbers are read as NumPy arrays."""

Promotion = Callable[[DType, Sequence[DType]], DType]
"""The dtype that an op computes in, from the operands' common dtype and the dtypes of those not weak."""


def nodes(op: Op, *operands: Value, **attributes: Any) -> tuple[Value, ...]:
    """The results of a new node. UserError, at the user's line, when the operands do not fit."""
    try:
        op.check_operands([v.type for v in operands])
        return Node(op, operands, attributes).results
    except UserError as error:
        raise error.located(locations.current().place()) from None


def node(op: Op, *operands: Value, **attributes: Any) -> Value:
    """The one result of a new node."""
    (result,) = nodes(op, *operands, **attributes)
    return result


def error(what: str, *, why: str = "", fix: str = "") -> UserError:
    """A `UserError` at the user's line."""
    return UserError(what, where=locations.current().place(), why=why, fix=fix)


def is_weak(operand: object) -> bool:
    """Whether an operand takes the dtype of the others: a Python number or a size."""
    return isinstance(operand, (bool, int, float, complex, Dim)) and not isinstance(operand, np.generic)


def value(operand: Operand, like: DType | None = None) -> Value:
    """An operand as a value; a weak one has dtype ``like`` (None: the default of its Python type)."""
    if isinstance(operand, Value):
        return operand
    if isinstance(operand, Dim):
        extent = ops.extent(operand)
        return extent if like is None else ops.astype(extent, like)
    if is_weak(operand):
        return ops.literal(_weak_array(cast("Number", operand), like))
    try:
        array = np.asarray(operand)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "biufcV" or (array.dtype.kind == "V" and array.dtype.names is not None):
        raise error(
            f"an operand is no tensor: {type(operand).__name__}",
            why="expected a traced value, a number or a NumPy array of numbers",
        )
    return ops.literal(array)


def _weak_array(number: Number, like: DType | None) -> np.ndarray[Any, np.dtype[Any]]:
    kind = dt.default_for(number, like)
    if kind.is_integer and not isinstance(number, (float, complex)):
        limits = np.iinfo(kind.numpy)
        if not limits.min <= number <= limits.max:
            raise error(
                f"the number {number} does not fit {kind}",
                why=f"beside an operand of dtype {kind} a Python integer takes that dtype",
                fix="convert the operand with astype, or write the number as np.int64(…)",
            )
    return np.asarray(number).astype(kind.numpy)


def common_dtype(operands: Sequence[Operand]) -> DType:
    """The dtype that operands promote to: NumPy 2's result_type, Python scalars and sizes weak."""
    return _common(operands, _strong(operands))


def _strong(operands: Sequence[Operand]) -> list[DType]:
    return [value(o).type.dtype for o in operands if not is_weak(o)]


def _common(operands: Sequence[Operand], strong: Sequence[DType]) -> DType:
    like = _promote(strong) if strong else None
    weak = [dt.default_for(0 if isinstance(o, Dim) else cast("Number", o), like) for o in operands if is_weak(o)]
    return _promote([*([like] if like is not None else []), *weak])


def _promote(dtypes: Sequence[DType]) -> DType:
    try:
        return dt.promote(*dtypes)
    except TypeError:
        names = ", ".join(dict.fromkeys(d.name for d in dtypes))
        raise error(f"the dtypes {names} have no common dtype", fix="convert one operand with astype") from None


def unchanged(common: DType, _strong: Sequence[DType] = ()) -> DType:
    """The promotion to the operands' common dtype."""
    return common


def promoted(operands: Sequence[Operand], promotion: Promotion = unchanged) -> tuple[Value, ...]:
    """The operands as values of one dtype: the common one, changed by the op's promotion."""
    given = [o if is_weak(o) else value(o) for o in operands]
    strong = _strong(given)
    target = promotion(_common(given, strong), strong)
    return tuple(ops.astype(value(o, target if is_weak(o) else None), target) for o in given)


def broadcast(name: str, values: Sequence[Value]) -> tuple[Value, ...]:
    """The values broadcast to one shape."""
    shape = broadcast_shapes(name, [v.type.shape for v in values])
    return tuple(ops.broadcast_to(v, shape) for v in values)


def broadcast_shapes(name: str, shapes: Sequence[tuple[Size, ...]]) -> tuple[Size, ...]:
    """NumPy's broadcast of shapes: sizes are equal, or one is literally 1.

    A named size never broadcasts, even if it is 1 at run time: UserError names both sizes.
    """
    rank = max((len(s) for s in shapes), default=0)
    result: list[Size] = []
    for axis in range(-rank, 0):
        found: Size = 1
        for shape in shapes:
            size = shape[axis] if -axis <= len(shape) else 1
            if size == found or size == 1:
                continue
            if found != 1:
                raise _mismatch(name, shapes, axis, found, size)
            found = size
        result.append(found)
    return tuple(result)


def _mismatch(name: str, shapes: Sequence[tuple[Size, ...]], axis: int, a: Size, b: Size) -> UserError:
    symbolic = isinstance(a, Dim) or isinstance(b, Dim)
    return error(
        f"{name}: shapes {' and '.join(show(s) for s in shapes)} do not broadcast",
        why=f"in dimension {axis} the sizes are '{a}' and '{b}'"
        + (": a named size broadcasts with itself and with a literal 1 only" if symbolic else ""),
        fix="use one name for both sizes, or give one a literal size" if symbolic else "",
    )


def show(shape: Sequence[Size]) -> str:
    """A shape as a user writes it."""
    return "[" + ", ".join(map(str, shape)) + "]"


def inexact(common: DType, strong: Sequence[DType] = ()) -> DType:
    """The dtype of a function of reals: of integers the smallest float that holds each, as NumPy finds it."""
    if common.is_inexact:
        return common
    raised = not strong or _promote(strong) != common
    return dt.promote(*map(_float_of, (common,) if raised else strong))


def _float_of(dtype: DType) -> DType:
    return dt.F16 if dtype.bits == 8 else dt.F32 if dtype.bits == 16 else dt.F64


def quotient(common: DType, _strong: Sequence[DType] = ()) -> DType:
    """The dtype of a true division: f64 for integers and bools."""
    return common if common.is_inexact else dt.F64


def no_bool(common: DType, _strong: Sequence[DType] = ()) -> DType:
    """The dtype of integer arithmetic that NumPy does not define on bools: i8 for bool."""
    return dt.I8 if common == dt.BOOL else common
