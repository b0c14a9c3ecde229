"""The array a traced function sees: it records what NumPy's functions do to it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, cast

import numpy as np

from tcc import ops
from tcc.errors import Unsupported, UserError
from tcc.frontends.numpy import dispatch
from tcc.frontends.numpy.operand import Traced, as_operand, here
from tcc.frontends.numpy.size import TracedSize, UserSize, wrap_size
from tcc.frontends.numpy.update import Updates
from tcc.ir import location as locations
from tcc.ir.dim import Dim
from tcc.ir.graph import Value


class MissingAttributeError(Unsupported, AttributeError):
    """An attribute that traced arrays do not have."""


class Tracer(Traced):
    """A traced array. NumPy's functions, operators, methods and indexing work on it and give more of its kind.

    It has a shape (ints, and sizes known only at the call) and a dtype, but no elements: what needs
    them in Python (``if``, ``int()``, printing an element) is an error that names another way.
    """

    __slots__ = ()
    __array_priority__ = 1000

    # --- NumPy's protocols --------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        return wrap(dispatch.ufunc(ufunc, method, inputs, keywords)[0])

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        return wrap(dispatch.function(function, args, kwargs))

    def __array__(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise dispatch.conversion_error()

    # --- what an array says of itself ---------------------------------------------------------

    @property
    def shape(self) -> tuple[UserSize, ...]:
        """The sizes: ints, or symbolic sizes usable in arithmetic and shapes."""
        return tuple(map(wrap_size, self.value.type.shape))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype."""
        return self.value.type.dtype.numpy

    @property
    def ndim(self) -> int:
        return self.value.type.rank

    @property
    def size(self) -> UserSize:
        """The number of elements."""
        return wrap_size(self.value.type.size)

    @property
    def itemsize(self) -> int:
        return self.value.type.dtype.bytes

    @property
    def nbytes(self) -> UserSize:
        return wrap_size(self.value.type.size * self.value.type.dtype.bytes)

    def __repr__(self) -> str:
        return f"<traced {self.value.type} at {self.value.location}>"

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    # --- what needs elements ------------------------------------------------------------------

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of a scalar")
        size = self.shape[0]
        if isinstance(size, TracedSize):
            self._refuse("len() of", f"the size '{size}' is known only at the call", "use x.shape[0], a symbolic size")
        return size

    def __iter__(self) -> Iterator[Tracer]:
        if not self.ndim:
            raise TypeError("iteration over a scalar")
        size = self.shape[0]
        if isinstance(size, TracedSize):
            self._refuse(
                "a Python loop over",
                f"its leading size '{size}' is known only at the call",
                "tcc.scan runs a step for each element, tcc.fori_loop counts; whole-array operations need no loop",
            )
        return (self[i] for i in range(size))

    def __bool__(self) -> NoReturn:
        self._refuse(
            "the truth (if, while, and, or, not, bool()) of",
            "a branch of Python would be taken once, while tracing",
            "np.where(condition, a, b) chooses by element, & | ~ combine conditions; tcc.cond branches, "
            "tcc.while_loop, tcc.fori_loop and tcc.scan repeat",
        )

    def __int__(self) -> NoReturn:
        self._refuse(
            "int() of", "the value is known only at the call", "x.astype(np.int64) converts inside the function"
        )

    def __float__(self) -> NoReturn:
        self._refuse(
            "float() of", "the value is known only at the call", "x.astype(np.float64) converts inside the function"
        )

    def __complex__(self) -> NoReturn:
        self._refuse(
            "complex() of",
            "the value is known only at the call",
            "x.astype(np.complex128) converts inside the function",
        )

    def __index__(self) -> NoReturn:
        self._refuse(
            "a Python integer was needed in place of",
            "it is known only at the call",
            "to index a NumPy array with it, use tcc.take(table, x, axis=0); to choose, np.where; "
            "to repeat, tcc.fori_loop",
        )

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        self._refuse(
            "assignment to elements of",
            "traced arrays do not change in place",
            "x = x.at[index].set(value) gives the changed array; .add(value) adds",
        )

    def __contains__(self, item: Any) -> NoReturn:
        self._refuse("'in' on", "the elements are known only at the call", "np.any(x == item)")

    def item(self, *_args: Any) -> NoReturn:
        self._refuse("item() of", "the value is known only at the call", "use the traced value itself")

    def tolist(self) -> NoReturn:
        self._refuse("tolist() of", "the values are known only at the call", "use the traced array itself")

    def sort(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        self._refuse("sort() of", "traced arrays do not change in place", "x = np.sort(x)")

    def fill(self, *_args: Any) -> NoReturn:
        self._refuse("fill() of", "traced arrays do not change in place", "x = np.full_like(x, value)")

    def _refuse(self, use: str, why: str, fix: str) -> NoReturn:
        raise UserError(
            f"{use} a traced value, {self.value.type} made at {self.value.location}",
            where=locations.user_line().place(),
            why=why,
            fix=fix,
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"a traced array has no attribute '{name}'")
        near = difflib.get_close_matches(name, [n for n in dir(type(self)) if n[0] != "_"], n=2)
        raise MissingAttributeError(
            f"a traced array has no attribute '{name}'",
            where=locations.user_line().place(),
            why="NumPy's arrays have it, but it is not in the op set"
            if hasattr(np.ndarray, name)
            else "NumPy's arrays have none either",
            fix=f"did you mean {' or '.join(f'.{n}' for n in near)}?"
            if near
            else dispatch.suggestion(name) or "see 'tcc ops' for what there is",
        )

    # --- indexing -----------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Any:
        return wrap(dispatch.located(ops.getitem, as_operand(self), dispatch.index(index)))

    @property
    def at(self) -> Updates:
        """``x.at[index].set(value)`` and ``.add(value)``: the array with elements changed."""
        return Updates(self, wrap)

    # --- operators ----------------------------------------------------------------------------

    def __pow__(self, other: Any) -> Any:
        return wrap(*dispatch.power(self, other))

    def __rpow__(self, other: Any) -> Any:
        return wrap(*dispatch.ufunc(np.power, "__call__", (other, self), {}))

    # --- methods ------------------------------------------------------------------------------

    @property
    def T(self) -> Any:
        """The array with its axes reversed."""
        return np.transpose(cast(Any, self))

    @property
    def mT(self) -> Any:
        """The array with its last two axes exchanged."""
        return np.swapaxes(cast(Any, self), -1, -2)

    @property
    def real(self) -> Any:
        """The real part."""
        return np.real(cast(Any, self))

    @property
    def imag(self) -> Any:
        """The imaginary part."""
        return np.imag(cast(Any, self))

    def astype(self, dtype: Any, *, copy: bool = True) -> Any:  # noqa: ARG002 (traced arrays never change)
        """The elements converted to another dtype."""
        return wrap(dispatch.located(ops.astype, as_operand(self), dispatch.dtype(dtype)))

    def copy(self, *_args: Any) -> Any:
        """The same array: traced arrays never change."""
        return self

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        """The elements in another shape; one size may be -1."""
        if order != "C":
            raise Unsupported(
                f"reshape with order='{order}'",
                where=locations.user_line().place(),
                why="arrays are row-major here",
                fix="transpose before and after: x.T.reshape(shape[::-1]).T is order='F'",
            )
        return np.reshape(cast(Any, self), shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        """The axes permuted; reversed when none are given."""
        given = len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list)))
        order = cast(Any, axes[0] if given else axes or None)
        return np.transpose(cast(Any, self), order)

    def flatten(self, order: str = "C") -> Any:
        """The elements as a vector."""
        return self.reshape(-1, order=order)

    ravel = flatten


_METHODS = """
    all any argmax argmin argsort clip conj conjugate cumprod cumsum dot max mean min prod repeat round squeeze std sum
    swapaxes take var
"""
"""Methods that are the NumPy function of their name on the array."""


def _method(name: str) -> Callable[..., Any]:
    function = getattr(np, name)

    def method(self: Tracer, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = f"The same as ``np.{name}`` of the array."
    return method


_OPERATORS: dict[str, np.ufunc] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.true_divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "divmod": np.divmod,
    "matmul": np.matmul,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "neg": np.negative,
    "pos": np.positive,
    "abs": np.absolute,
    "invert": np.invert,
}
_REFLECTED = """
    add sub mul truediv floordiv mod divmod matmul and or xor lshift rshift
"""


def _operator(ufunc: np.ufunc, reflected: bool = False) -> Callable[..., Any]:
    def one(self: Tracer) -> Any:
        return wrap(*dispatch.ufunc(ufunc, "__call__", (self,), {}))

    def two(self: Tracer, other: Any) -> Any:
        return wrap(*dispatch.ufunc(ufunc, "__call__", (other, self) if reflected else (self, other), {}))

    return one if ufunc.nin == 1 else two


for _name in _METHODS.split():
    setattr(Tracer, _name, _method(_name))
for _name, _ufunc in _OPERATORS.items():
    setattr(Tracer, f"__{_name}__", _operator(_ufunc))
    if _name in _REFLECTED.split():
        setattr(Tracer, f"__r{_name}__", _operator(_ufunc, reflected=True))


def wrap(result: Any, weak: bool = False) -> Any:
    """Values in nested results as traced arrays of the current scope; sizes as the user sees them."""
    if isinstance(result, Value):
        return Tracer(result, here("a traced value"), weak)
    if isinstance(result, Dim):
        return wrap_size(result)
    if isinstance(result, (tuple, list)):
        parts = [wrap(r, weak) for r in cast("list[Any]", result)]
        return parts if isinstance(result, list) else tuple(parts)
    return result


def _size_as_number(size: Dim) -> Any:
    return Tracer(ops.extent(size), here("a symbolic size"), weak=True)


TracedSize.number = _size_as_number
