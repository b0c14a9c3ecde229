"""The record that describes an op once: meaning, types, gradient, batching, reference, samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tcc.errors import UserError
from tcc.ir import dtype as dt
from tcc.ir.dtype import DType
from tcc.ir.types import TensorType

if TYPE_CHECKING:
    from tcc.ir.forms import Form
    from tcc.ir.graph import Attributes, Value

Array = np.ndarray[Any, np.dtype[Any]]
Infer = Callable[[tuple[TensorType, ...], "Attributes"], tuple[TensorType, ...]]
"""Result types from operand types and attributes. UserError when they do not fit."""

Gradient = Callable[..., Sequence["Value | None"]]
"""``gradient(g, *operands, *results, **attributes)`` → a cotangent for each operand, or None for zero.

``g`` is the result's cotangent, or a tuple of them for an op with several results. Written with the
functions of ``tcc.ops`` on graph values.
"""

Batch = Callable[..., Sequence["Value"]]
"""``batch(size, operands, batched, attributes)`` → the results with a leading axis of ``size``.

``batched[i]`` says whether ``operands[i]`` has that leading axis already.
"""

Expand = Callable[..., Any]
"""``expand(*operands, **attributes)`` → the result values of a composite, through ``tcc.ops``."""


class NotDifferentiable:
    """The type of `NOT_DIFFERENTIABLE`: written in a record whose op has no gradient (zero almost
    everywhere, or an integer result)."""


NOT_DIFFERENTIABLE = NotDifferentiable()


class Derived:
    """The type of `DERIVED`: written in a record whose gradient follows from what the op consists of,
    a composite's expansion or a control op's body."""


DERIVED = Derived()


@dataclass(frozen=True)
class Sample:
    """One call of an op: documentation and test data at once.

    ``gradient`` False: not a point for the numeric gradient check (a kink, an edge value).
    """

    operands: tuple[Array, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    label: str = ""
    gradient: bool = True


Samples = Callable[[tuple[DType, ...], np.random.Generator], Iterable[Sample]]
"""``samples(dtypes, rng)`` → samples whose operands have these dtypes."""


@dataclass(frozen=True)
class Op:
    """An op. A primitive has a ``form``; a composite has ``expand`` and stays one node until
    ``decompose``.

    ``operands`` are written ``name: kinds`` (``x: float|complex``), a variadic last one ``*xs: …``.
    ``reference(*arrays, **attributes)`` is NumPy's answer, an array or a tuple of arrays.
    ``tolerance`` is the accepted error in units in the last place of the result dtype, relative to
    the largest intermediate where the reference sums.
    """

    name: str
    doc: str
    operands: tuple[str, ...]
    infer: Infer
    reference: Callable[..., Any]
    samples: Samples
    gradient: Gradient | NotDifferentiable | Derived
    form: Form | None = None
    expand: Expand | None = None
    batch: Batch | None = None
    tolerance: float = 4.0

    def __post_init__(self) -> None:
        if (self.form is None) == (self.expand is None):
            raise ValueError(f"op '{self.name}' needs a form or an expansion, and not both")

    def __repr__(self) -> str:
        return f"Op({self.name})"

    @property
    def variadic(self) -> bool:
        return bool(self.operands) and self.operands[-1].startswith("*")

    def kinds(self, index: int) -> frozenset[str]:
        """The dtype kinds that operand ``index`` takes."""
        return self._kinds[min(index, len(self.operands) - 1)]

    @cached_property
    def _kinds(self) -> tuple[frozenset[str], ...]:
        return tuple(frozenset(k.strip() for k in x.partition(":")[2].split("|")) for x in self.operands)

    def check_operands(self, types: Sequence[TensorType]) -> None:
        """UserError when the number of operands or a dtype does not fit the record."""
        expected = len(self.operands)
        if len(types) != expected and not (self.variadic and len(types) >= expected - 1):
            raise UserError(f"{self.name} takes {expected} operands, got {len(types)}")
        for index, type in enumerate(types):
            kinds = self.kinds(index)
            if not accepts(kinds, type.dtype):
                name = self.operands[min(index, expected - 1)].partition(":")[0].lstrip("*")
                allowed = " ".join(d.name for d in dt.ALL if accepts(kinds, d))
                raise UserError(
                    f"{self.name}: operand '{name}' has dtype {type.dtype}",
                    why=f"expected one of {allowed}",
                    fix=f"convert it: {name}.astype(…)",
                )


def accepts(kinds: frozenset[str], dtype: DType) -> bool:
    """Whether a set of kinds (``float``, ``any``, or dtype names) takes a dtype."""
    return dtype.kind in kinds or dtype.name in kinds or "any" in kinds
