"""From a call of a NumPy function on traced values to a call of the op's function on graph values.

The call is bound to NumPy's signature, arrays become graph values, sizes the IR's sizes; what the op
does not take is refused by name. All errors point at the user's line.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NoReturn, cast

import numpy as np

from tcc import ops
from tcc.errors import TccError, Unsupported, UserError
from tcc.frontends.numpy import table
from tcc.frontends.numpy.operand import Traced, as_operand, as_value, attribute, is_scalar, operands
from tcc.frontends.numpy.size import TracedSize
from tcc.ir import dtype as dt
from tcc.ir import location as locations
from tcc.ir.dim import Dim
from tcc.ir.dtype import DType
from tcc.ir.graph import Value
from tcc.ir.location import is_user_file

_ARRAYS = """
    a b x y x1 x2 arr array condition m v ary A B values indices fill_value a_min a_max min max start stop object
"""
ARRAYS = frozenset(_ARRAYS.split())
"""The parameters of NumPy's functions that are arrays; the others are sizes, axes, dtypes and flags."""

SEQUENCES = frozenset(("arrays", "tup", "condlist", "choicelist"))
"""The parameters that are sequences of arrays."""


def located(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls an op's function; its errors point at the user's line."""
    try:
        return function(*args, **kwargs)
    except TccError as error:
        raise error.located(locations.user_line().place()) from None


def ufunc(function: np.ufunc, method: str, inputs: Sequence[Any], keywords: Mapping[str, Any]) -> tuple[Any, bool]:
    """The graph value(s) of a ufunc's call, and whether they are weak (all operands were Python scalars)."""
    name = _ufunc_name(function)
    if method != "__call__":
        name = f"{name}.{method}"
    if method == "at":
        _refuse_at(name)
    kept = _ufunc_keywords(name, keywords)
    if method != "__call__":
        row = table.METHODS.get((function, method))
        if row is None:
            raise unsupported(name)
        if method != "outer" and len(inputs) == 1:
            kept.setdefault("axis", 0)
        arrays = inputs if method == "outer" else inputs[:1]
        return located(row, *map(as_value, arrays), *map(attribute, inputs[len(arrays) :]), **kept), False
    row = table.UFUNCS.get(function)
    if row is None:
        raise unsupported(name)
    converted, weak = located(operands, inputs)
    if "dtype" in kept:
        target = dtype(kept["dtype"])
        converted = [located(ops.astype, as_value(x), target) for x in converted]
    return located(row, *_as_numpy_casts(function, converted)), weak


def _ufunc_name(function: np.ufunc) -> str:
    name = cast(str, function.__name__)
    return f"np.{name}" if getattr(np, name, None) is function else f"scipy.special.{name}"


def _as_numpy_casts(function: np.ufunc, converted: list[Any]) -> list[Any]:
    """The operands in the dtypes that NumPy's own loop for them takes; NumPy is asked."""
    given = tuple(map(_as_numpy_dtype, converted))
    if function.signature is not None or dt.BF16.numpy in given:
        return converted
    try:
        loop = function.resolve_dtypes((*given, *[None] * function.nout))
    except TypeError:
        names = " and ".join(x.type.dtype.name if isinstance(x, Value) else type(x).__name__ for x in converted)
        raise UserError(
            f"{_ufunc_name(function)} of {names} is not defined",
            where=locations.user_line().place(),
            why="NumPy refuses it too",
            fix="convert an operand with astype",
        ) from None
    return [
        located(ops.astype, x, dt.of(target)) if isinstance(x, Value) and x.type.dtype.numpy != target else x
        for x, target in zip(converted, loop, strict=False)
    ]


def _as_numpy_dtype(operand: Any) -> Any:
    """The dtype of an operand, or the Python type of a scalar that is weak."""
    if isinstance(operand, Value):
        return operand.type.dtype.numpy
    if isinstance(operand, bool):
        return np.dtype(np.bool_)
    return int if isinstance(operand, (int, Dim)) else float if isinstance(operand, float) else complex


def _ufunc_keywords(name: str, keywords: Mapping[str, Any]) -> dict[str, Any]:
    if any(o is not None for o in keywords.get("out") or ()):
        raise UserError(
            f"{name} cannot write into an array (out=, or += on a NumPy array)",
            where=locations.user_line().place(),
            why="the result is traced, and NumPy arrays are constants of the compiled function",
            fix="x = x + y instead of x += y; a variable that lives between calls is a tcc.state",
        )
    if keywords.get("where", True) is not True:
        raise Unsupported(
            f"{name} with where=",
            where=locations.user_line().place(),
            why="NumPy leaves the other elements as they happen to be in memory",
            fix="np.where(condition, result, otherwise)",
        )
    defaults = {"casting": "same_kind", "order": "K", "subok": True, "initial": np._NoValue, "signature": None}  # pyright: ignore
    kept = {k: v for k, v in keywords.items() if k not in ("out", "where") and v is not None}
    kept = {k: v for k, v in kept.items() if not (k in defaults and v is defaults[k])}
    for keyword in kept:
        if keyword not in ("dtype", "axis", "keepdims"):
            raise Unsupported(
                f"{name} with {keyword}=",
                where=locations.user_line().place(),
                why="of a ufunc's keywords there are dtype, axis and keepdims",
                fix="leave the argument out",
            )
    return kept


def _refuse_at(name: str) -> NoReturn:
    raise UserError(
        f"{name} changes an array in place",
        where=locations.user_line().place(),
        why="traced arrays do not change, and NumPy arrays are constants of the compiled function",
        fix="x = x.at[index].add(value) gives the changed array; tcc.zeros makes a traced one",
    )


def function(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The graph value(s) of a call of one of NumPy's functions."""
    row = table.FUNCTIONS.get(function)
    name = _public_name(function)
    if row is None:
        raise unsupported(name)
    try:
        bound = _signature(function).bind(*args, **kwargs).arguments
    except TypeError as error:
        raise UserError(
            f"{name}: {error}",
            where=locations.user_line().place(),
            why=f"its signature is {name}{_signature(function)}",
            fix="call it as NumPy's documentation says",
        ) from None
    return located(_call, name, row, _signature(function), bound)


def _call(name: str, row: Callable[..., Any], signature: inspect.Signature, bound: Mapping[str, Any]) -> Any:
    accepted = _signature(row).parameters
    positional: list[Any] = []
    named: dict[str, Any] = {}
    together = [k for k in bound if k in ARRAYS] if row in table.WEAK else []
    promoted = dict(zip(together, operands([bound[k] for k in together])[0], strict=True))
    for key, item in bound.items():
        parameter = signature.parameters[key]
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += [_argument(key, x) for x in cast("Sequence[Any]", item)]
        elif parameter.kind is parameter.VAR_KEYWORD:
            named.update({k: attribute(x) for k, x in item.items()})
        elif key in accepted:
            named[key] = promoted[key] if key in promoted else _argument(key, item)
        elif not _is_default(item, parameter.default):
            _refuse_keyword(name, key)
    if positional:
        return row(*positional, **named)
    return row(**named)


def _argument(key: str, item: Any) -> Any:
    if key == "dtype":
        return None if item is None else dtype(item)
    if key in SEQUENCES and isinstance(item, (list, tuple)):
        return [as_operand(x) for x in cast("Sequence[Any]", item)]
    if key in ARRAYS and item is not None:
        return as_operand(item)
    return as_operand(item) if isinstance(item, Traced) else attribute(item)


def _is_default(item: Any, default: Any) -> bool:
    return item is default or (isinstance(item, (bool, int, str, type(None))) and item == default)


def _refuse_keyword(name: str, key: str) -> NoReturn:
    fixes = {
        "out": "assign the result instead",
        "where": "np.where(condition, x, neutral) before the call",
        "like": "",
    }
    raise Unsupported(
        f"{name} with {key}=",
        where=locations.user_line().place(),
        why="the op takes no such argument",
        fix=fixes.get(key) or "leave the argument out",
    )


@cache
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


def _public_name(function: Callable[..., Any]) -> str:
    module = getattr(function, "__module__", None) or "numpy"
    return f"{module.replace('numpy', 'np', 1)}.{function.__name__}"


def unsupported(name: str) -> Unsupported:
    """The error for a function that no op stands for, with near names."""
    near = suggestion(name)
    return Unsupported(
        f"{name} on traced values",
        where=locations.user_line().place(),
        why="it is not in the op set",
        fix=near or "see 'tcc ops' for what there is",
    )


def suggestion(name: str) -> str:
    """Near names among what there is, as a hint; "" when there are none."""
    stem = name.rpartition(".")[2]
    exact = [n for n in table.NAMES if n.rpartition(".")[2] == stem]
    near = exact or difflib.get_close_matches(name, table.NAMES, n=3, cutoff=0.75)
    return f"did you mean {' or '.join(near)}?" if near else ""


def conversion_error() -> UserError:
    """The error for a traced value that was made a NumPy array; names the library function that did it."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    called = ""
    while frame is not None and not is_user_file(frame.f_code.co_filename, frame.f_code.co_name):
        if not frame.f_globals.get("__name__", "").startswith("tcc."):
            called = f"{frame.f_globals.get('__name__', '').partition('._')[0]}.{frame.f_code.co_name}"
        frame = frame.f_back
    return UserError(
        (called or "NumPy") + " needs the elements of a traced value",
        where=locations.user_line().place(),
        why="they are known only when the compiled function is called",
        fix=(called and _instead_of(called))
        or "np.stack joins traced values into an array, tcc.take(table, x, axis=0) indexes a NumPy array;\n"
        "methods of NumPy arrays: np.dot(a, x) instead of a.dot(x)",
    )


def _instead_of(called: str) -> str:
    """What to call instead of a function that took a traced value for an array; "" when nothing is near.

    NumPy asks only some of a function's arguments whether they are arrays of another kind.
    """
    near = suggestion(called)
    name = called.rpartition(".")[2]
    if f"np.{name}" in near and hasattr(ops, name):
        return f"tcc.{name} takes NumPy arrays and traced values in every argument"
    return near


def dtype(item: Any) -> DType:
    """The dtype argument of a NumPy function or method; UserError at the user's line when it has no equivalent.

    NumPy's reading of a name goes first, so that eager and compiled agree: ``i8`` is int64 here. It is
    int8 in specs, and tcc's own functions refuse it.
    """
    if isinstance(item, str):
        with contextlib.suppress(TypeError):
            item = np.dtype(item)
    return located(dt.of, item)


def index(item: Any) -> Any:
    """An indexing expression with graph values and the IR's sizes in it."""
    if isinstance(item, tuple):
        return tuple(map(index, cast("tuple[Any, ...]", item)))
    if isinstance(item, slice):
        return slice(_bound(item.start), _bound(item.stop), _bound(item.step))
    if isinstance(item, TracedSize):
        return item.size
    if item is None or item is Ellipsis or (isinstance(item, (int, np.integer)) and not isinstance(item, bool)):
        return int(item) if isinstance(item, np.integer) else item
    return as_operand(item)


def _bound(item: Any) -> Any:
    if isinstance(item, Traced):
        raise UserError(
            "a slice bound is a traced value",
            where=locations.user_line().place(),
            why="the size of the result would depend on data",
            fix="np.take(x, start + np.arange(length), axis=0) takes a window of fixed length",
        )
    return attribute(item)


def power(base: Traced, exponent: Any) -> tuple[Any, bool]:
    """``base ** exponent`` as NumPy's operator, with its short ways for the exponents 2, 0.5, 0, 1 and -1."""
    kind = base.value.type.dtype
    if is_scalar(exponent) and not isinstance(exponent, bool):
        if exponent == 0 and kind.is_inexact:
            return located(ops.ones_like, as_operand(base)), base.weak
        if kind.is_inexact and exponent in _POWERS:
            return ufunc(_POWERS[exponent], "__call__", (base,), {})
        if exponent == 2 and kind.is_integer:
            return ufunc(np.square, "__call__", (base,), {})
        if isinstance(exponent, int) and exponent < 0 and not kind.is_inexact:
            raise UserError(
                "integers to negative integer powers are not allowed",
                where=locations.user_line().place(),
                why="NumPy refuses it too: the result is no integer",
                fix=f"x.astype(np.float64) ** {exponent}",
            )
    return ufunc(np.power, "__call__", (base, exponent), {})


_POWERS: dict[Any, np.ufunc] = {2: np.square, 0.5: np.sqrt, 1: np.positive, -1: np.reciprocal}
