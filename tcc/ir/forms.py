"""The forms: what is computed, not how to loop. The schedule knows ops only by these.

A form describes each result element as a function of its coordinates. Where one description serves
several forms it is a `Nest`: a space of coordinates, axes reduced over, and a body that reads the
operands at coordinates. Coordinates and extents are `Size`s (canonical integer polynomials), so that
index maps compose and cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Union

from tcc.ir.dim import Size
from tcc.ir.dtype import DType
from tcc.ir.scalar import Expr, Number
from tcc.ir.types import TensorType

Attributes = Mapping[str, Any]
Coordinates = tuple[Size, ...]
Types = tuple[TensorType, ...]


class Access(Protocol):
    """What a nest's body may do; the schedule (and a test interpreter) implement it."""

    def read(self, operand: int, coordinates: Coordinates, guard: Expr | None = None) -> Expr:
        """An operand's element. Where ``guard`` is false memory is not touched and the value is 0."""
        ...

    def index(self, value: Expr, upper: Size) -> Size:
        """An integer expression as a coordinate; the caller promises 0 ≤ value ≤ upper."""
        ...

    def position(self, size: Size, dtype: DType) -> Expr:
        """A coordinate as a value."""
        ...

    def inside(self, conditions: Sequence[Size]) -> Expr | None:
        """Whether all sizes are ≥ 0, as a bool; None when that is known to hold."""
        ...

    def check(self, condition: Expr, message: str) -> None:
        """The call fails with ``message`` (status: index out of range) where the condition is false."""
        ...


Body = Callable[[Access, Coordinates, Coordinates], tuple[Expr, ...]]
"""``body(access, space coordinates, reduced coordinates)`` → the element (a combine's tuple)."""


@dataclass(frozen=True)
class Nest:
    """``result[c] = finish(combine over r of body(c, r))``; without ``reduce`` just ``body(c, ())``.

    ``finish`` turns the combined tuple into the results' elements (one for each result of the op).
    """

    space: tuple[Size, ...]
    body: Body
    reduce: tuple[Size, ...] = ()
    combine: str = ""
    dtypes: tuple[DType, ...] = ()
    finish: Callable[[tuple[Expr, ...]], tuple[Expr, ...]] = lambda parts: parts


@dataclass(frozen=True)
class Elementwise:
    """Each result element from the operands' elements at the same coordinates.

    ``compute(s, *elements, **attributes)`` returns an expression, or one for each result. Operands
    have the result's shape (broadcasting is an op of its own). Half floats arrive as f32 and are
    rounded to their dtype by the schedule, once for each op.
    """

    compute: Callable[..., Expr | tuple[Expr, ...]]


@dataclass(frozen=True)
class Reduce:
    """A combination over the axes in the attribute ``axes`` (a tuple of non-negative ints).

    ``element(s, *elements, position, **attributes)`` gives the combine's tuple (``position`` is the
    index along the one reduced axis, in the last of the combine's dtypes, for argmax, else None);
    ``finish(s, *combined, **attributes)`` the result elements. ``dtypes(types, attributes)`` are the combine's dtypes.
    """

    combine: str
    dtypes: Callable[[Types, Attributes], tuple[DType, ...]]
    element: Callable[..., Expr | tuple[Expr, ...]] | None = None
    finish: Callable[..., Expr | tuple[Expr, ...]] | None = None


@dataclass(frozen=True)
class Scan:
    """The running combination along the attribute ``axis``, inclusive; ``reverse`` runs from the end."""

    combine: str


@dataclass(frozen=True)
class Piece:
    """A box of an index map's result and where its elements come from.

    ``box`` is (start, stop) for each result axis; the boxes of a map's pieces are disjoint and cover
    the result. ``coordinates`` into the operand; where some size in ``conditions`` is negative the
    element is ``fill`` instead.
    """

    operand: int
    box: tuple[tuple[Size, Size], ...]
    coordinates: Coordinates
    conditions: tuple[Size, ...] = ()
    fill: Number = 0


@dataclass(frozen=True)
class IndexMap:
    """Elements moved, none computed: broadcast, transpose, reshape, slice, pad, concat, reverse.

    ``pieces(coordinates, operand types, result type, attributes)`` gives one or more pieces.
    """

    pieces: Callable[[Coordinates, Types, TensorType, Attributes], tuple[Piece, ...]]


@dataclass(frozen=True)
class Contract:
    """A sum of products over shared axes, as StableHLO's dot_general.

    The attributes are ``lhs_batch``, ``rhs_batch``, ``lhs_contract``, ``rhs_contract`` (tuples of
    ints); result axes are batch, lhs free, rhs free. Accumulates in `scalar.compute_dtype`.
    """


@dataclass(frozen=True)
class Window:
    """A combination over a sliding window: convolution and pooling.

    ``nest(operand types, result type, attributes)`` describes it whole; the schedule may recognise
    ``kind`` (``convolution`` or ``pool``) and its standard attributes for a better one.
    """

    kind: str
    nest: Callable[[Types, Types, Attributes], Nest]


@dataclass(frozen=True)
class Generic:
    """Any other result element as a function of coordinates: iota, gather, one-hot, triangles.

    ``nest(operand types, result types, attributes)``; reads may use indices that were read.
    """

    nest: Callable[[Types, Types, Attributes], Nest]


@dataclass(frozen=True)
class Scatter:
    """The first operand's copy, with updates combined into it at positions given by indices.

    For every coordinate of the update space (``space(operand types, attributes)``), ``locate(access,
    coordinates, operand types, attributes)`` gives the result's coordinates and
    ``update(access, coordinates, operand types, attributes)`` the element to combine. ``combine`` is
    ``add``, ``mul``, ``max``, ``min`` or ``set`` (in the order of the update space).
    """

    combine: str
    space: Callable[[Types, Attributes], tuple[Size, ...]]
    locate: Callable[[Access, Coordinates, Types, Attributes], Coordinates]
    update: Callable[[Access, Coordinates, Types, Attributes], Expr]


@dataclass(frozen=True)
class Control:
    """Regions run many times or not at all; ``kind`` is ``scan``, ``while`` or ``cond``.

    For ``scan``: attribute ``body`` is a graph (carries…, consts…, slices of xs…) → (carries…, slices
    of ys…); operands are (carries…, consts…, xs…); attributes ``carries`` and ``consts`` count them,
    ``length`` is a Size and ``reverse`` a bool; results are (final carries…, stacked ys…).

    For ``while``: attributes ``cond``, a graph (carries…, consts…) → one bool, ``body``, a graph
    (carries…, consts…) → (carries…), and ``carries``, their number; operands are (carries…, consts…), results
    the carries when ``cond`` is false. For ``cond``: attribute ``branches`` is a tuple of graphs
    (operands…) → (results…); the first operand, an i64 scalar, numbers the one to run, the last one where
    there is none of that number.
    """

    kind: str


@dataclass(frozen=True)
class Opaque:
    """A hand-written loop program, named: only sort, an FFT stage and panel factorisations."""

    program: str


@dataclass(frozen=True)
class Literal:
    """The attribute ``value`` (a `Constant`); no operands."""


Form = Union[Elementwise, Reduce, Scan, IndexMap, Contract, Window, Generic, Scatter, Control, Opaque, Literal]
