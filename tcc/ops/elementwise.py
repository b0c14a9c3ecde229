"""Functions of elementwise ops: a record, and the promotion and broadcasting of its operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Union

from tcc.ir.forms import Elementwise
from tcc.ir.graph import Value
from tcc.ir.op import Infer as InferRule
from tcc.ir.op import NotDifferentiable, Op, Samples
from tcc.ir.scalar import Expr, Scalars
from tcc.ops import batching, infer
from tcc.ops.operands import Operand, Promotion, broadcast, node, promoted, unchanged

REAL = "int|uint|float"
NUMBER = "int|uint|float|complex"
ANY = "bool|int|uint|float|complex"


@dataclass(frozen=True)
class Unary:
    """The function of an elementwise op of one operand."""

    op: Op
    promotion: Promotion

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.op.doc)
        object.__setattr__(self, "__name__", self.op.name)

    def __call__(self, x: Operand, /) -> Value:
        return node(self.op, *promoted((x,), self.promotion))


@dataclass(frozen=True)
class Binary:
    """The function of an elementwise op of two operands, which it promotes and broadcasts."""

    op: Op
    promotion: Promotion

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.op.doc)
        object.__setattr__(self, "__name__", self.op.name)

    def __call__(self, x1: Operand, x2: Operand, /) -> Value:
        return node(self.op, *broadcast(self.op.name, promoted((x1, x2), self.promotion)))


UnaryGradient = Callable[[Value, Value, Value], Value]
"""``gradient(g, x, y)`` → the cotangent of ``x``, where ``y`` is the result."""

BinaryGradient = Callable[[Value, Value, Value, Value], Sequence[Union[Value, None]]]
"""``gradient(g, a, b, y)`` → the cotangents of both operands."""


def unary(
    name: str,
    doc: str,
    kinds: str,
    compute: Callable[[Scalars, Expr], Expr],
    gradient: UnaryGradient | NotDifferentiable,
    reference: Callable[..., Any],
    samples: Samples,
    *,
    promotion: Promotion = unchanged,
    infer: InferRule = infer.same,
    tolerance: float = 4.0,
) -> Unary:
    """An elementwise op of one operand and its function."""

    def cotangents(g: Value, x: Value, y: Value) -> tuple[Value]:
        assert not isinstance(gradient, NotDifferentiable)
        return (gradient(g, x, y),)

    record = Op(
        name=name,
        doc=doc,
        operands=(f"x: {kinds}",),
        infer=infer,
        form=Elementwise(compute),
        gradient=gradient if isinstance(gradient, NotDifferentiable) else cotangents,
        batch=batching.elementwise(name),
        reference=reference,
        samples=samples,
        tolerance=tolerance,
    )
    return Unary(record, promotion)


def binary(
    name: str,
    doc: str,
    kinds: str,
    compute: Callable[[Scalars, Expr, Expr], Expr],
    gradient: BinaryGradient | NotDifferentiable,
    reference: Callable[..., Any],
    samples: Samples,
    *,
    promotion: Promotion = unchanged,
    infer: InferRule = infer.same,
    tolerance: float = 4.0,
) -> Binary:
    """An elementwise op of two operands of one type, and its function, which promotes and broadcasts."""
    record = Op(
        name=name,
        doc=doc,
        operands=(f"x1: {kinds}", f"x2: {kinds}"),
        infer=infer,
        form=Elementwise(compute),
        gradient=gradient,
        batch=batching.elementwise(name),
        reference=reference,
        samples=samples,
        tolerance=tolerance,
    )
    return Binary(record, promotion)
