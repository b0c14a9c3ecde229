"""A symbolic size in the user's hands: what ``x.shape[0]`` is when it is not a number."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn, Union

import numpy as np

from tcc.errors import UserError
from tcc.ir import dim
from tcc.ir import location as locations
from tcc.ir.dim import Dim, Size

UserSize = Union[int, "TracedSize"]


def wrap_size(size: Size) -> UserSize:
    """An int where the size is known, else a `TracedSize`."""
    return size if isinstance(size, int) else TracedSize(size)


def unwrap_size(size: Any) -> Any:
    """The IR's size of a `TracedSize`; anything else as it is."""
    return size.size if isinstance(size, TracedSize) else size


def _whole(other: Any) -> Size | None:
    if isinstance(other, TracedSize):
        return other.size
    if isinstance(other, bool) or not hasattr(other, "__index__") or hasattr(other, "__array_function__"):
        return None
    return int(other.__index__())


def _quotient(a: Size, b: Size) -> Size:
    """``a // b``; UserError when ``b`` is a number below 1."""
    if isinstance(b, int) and b < 1:
        raise UserError(
            f"the size {a} is divided by {b}",
            where=locations.user_line().place(),
            why="sizes divide by numbers from 1 on",
            fix="divide by a positive number",
        )
    return dim.floordiv(a, b)


class TracedSize:
    """A size that is known only when the compiled function is called.

    Usable in arithmetic, in shapes (``reshape``, ``tcc.zeros``) and as a number beside traced values,
    where it counts as a Python integer does. Comparing gives a bool where the answer is the same for
    all sizes, and an error where it is not.
    """

    __slots__ = ("size",)
    size: Dim

    number: ClassVar[Callable[[Dim], Any]]
    """The size as a traced number; set where traced values are defined, which know this class."""

    def __init__(self, size: Dim) -> None:
        self.size = size

    def __repr__(self) -> str:
        return f"size {self.size}"

    def __str__(self) -> str:
        return str(self.size)

    def __hash__(self) -> int:
        return hash(self.size)

    def _combine(self, other: Any, rule: Callable[[Size, Size], Size], plain: Callable[[Any, Any], Any]) -> Any:
        whole = _whole(other)
        if whole is not None:
            return wrap_size(rule(self.size, whole))
        if isinstance(other, (float, complex)):
            return plain(TracedSize.number(self.size), other)
        return NotImplemented

    def __add__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a + b, operator.add)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a - b, operator.sub)

    def __rsub__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: b - a, lambda a, b: b - a)

    def __mul__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a * b, operator.mul)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        return self._combine(other, _quotient, operator.floordiv)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: dim.floordiv(b, a), lambda a, b: b // a)

    def __mod__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: a - b * _quotient(a, b), operator.mod)

    def __rmod__(self, other: Any) -> Any:
        return self._combine(other, lambda a, b: dim.mod(b, a), lambda a, b: b % a)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __truediv__(self, other: Any) -> Any:
        return TracedSize.number(self.size) / other

    def __rtruediv__(self, other: Any) -> Any:
        return other / TracedSize.number(self.size)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        numbers = [TracedSize.number(x.size) if isinstance(x, TracedSize) else x for x in inputs]
        return getattr(ufunc, method)(*numbers, **keywords)

    def __neg__(self) -> UserSize:
        return wrap_size(-self.size)

    def __pos__(self) -> UserSize:
        return self

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, int) and other >= 0:
            return wrap_size(dim.product([self.size] * other))
        return TracedSize.number(self.size) ** other

    def __rpow__(self, other: Any) -> Any:
        return other ** TracedSize.number(self.size)

    def __eq__(self, other: Any) -> Any:
        whole = _whole(other)
        if whole is None:
            return NotImplemented
        return self._decide(self.size - whole, "==", other)

    def __ne__(self, other: Any) -> Any:
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else not equal

    def __lt__(self, other: Any) -> Any:
        return self._ordered(other, "<", lambda a, b: b - a - 1)

    def __le__(self, other: Any) -> Any:
        return self._ordered(other, "<=", lambda a, b: b - a)

    def __gt__(self, other: Any) -> Any:
        return self._ordered(other, ">", lambda a, b: a - b - 1)

    def __ge__(self, other: Any) -> Any:
        return self._ordered(other, ">=", lambda a, b: a - b)

    def _ordered(self, other: Any, sign: str, difference: Callable[[Size, Size], Size]) -> Any:
        whole = _whole(other)
        if whole is None:
            return NotImplemented
        left = difference(self.size, whole)
        if dim.nonnegative(left):
            return True
        if dim.nonnegative(-left - 1):
            return False
        return self._undecided(f"{self} {sign} {other}")

    def _decide(self, difference: Size, sign: str, other: Any) -> bool:
        if difference == 0:
            return True
        if dim.nonnegative(difference - 1) or dim.nonnegative(-difference - 1):
            return False
        return self._undecided(f"{self} {sign} {other}")

    def _undecided(self, text: str) -> NoReturn:
        raise UserError(
            f"whether {text} depends on the sizes of the call",
            where=locations.user_line().place(),
            why="the function is compiled once for all sizes",
            fix="fix the size in the spec (f32[3, 4]), give it a range (f32[n:1..64]),\n"
            "or use one name for both where they must be equal",
        )

    def __bool__(self) -> bool:
        return not self._decide(self.size, "==", 0)

    def _no_number(self, use: str) -> NoReturn:
        raise UserError(
            f"{use} of the symbolic size '{self}'",
            where=locations.user_line().place(),
            why="its value is known only when the compiled function is called",
            fix="use the size itself: it works in arithmetic, in shapes (x.reshape(n, -1), tcc.zeros((n, 3), 'f32'),\n"
            "tcc.arange(n)), in tcc.scan(…, length=n) and beside traced values; or fix the size in the spec",
        )

    def __int__(self) -> int:
        self._no_number("int()")

    def __float__(self) -> float:
        self._no_number("float()")

    def __index__(self) -> int:
        self._no_number("a Python integer was needed in place")

    def __array__(self, *_args: Any, **_kwargs: Any) -> Any:
        self._no_number("NumPy cannot make an array")
