"""Scalars and vectors of MLIR with Python's operators: the language that scalar ops are written in."""
# The bindings are untyped.
# pyright: basic, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tcc.errors import InternalError
from tcc.ir import dtype as dt
from tcc.ir.dtype import BOOL, DType
from tcc.loops.facts import Facts
from tcc.lowering.mlir import arith, ir, math, scf, vector

# Predicates of arith.cmpf (ordered; `ne` and `unordered` are true for nan) and arith.cmpi.
_FLOAT = {"eq": 1, "gt": 2, "ge": 3, "lt": 4, "le": 5, "ne": 13, "unordered": 14}
_SIGNED = {"eq": 0, "ne": 1, "lt": 2, "le": 3, "gt": 4, "ge": 5}
_UNSIGNED = {"eq": 0, "ne": 1, "lt": 6, "le": 7, "gt": 8, "ge": 9}


def element_type(dtype: DType) -> ir.Type:
    """The MLIR type of an element in a register: i1 for bool, signless integers. Not for complex.

    Half floats are their 16 bits: LLVM calls functions to pass them on where it has no such registers.
    """
    if dtype == BOOL:
        return ir.IntegerType.get_signless(1)
    if dtype.is_integer or dtype in (dt.F16, dt.BF16):
        return ir.IntegerType.get_signless(dtype.bits)
    types = {dt.F32: ir.F32Type, dt.F64: ir.F64Type}
    if dtype not in types:
        raise InternalError(f"{dtype} is not held in one register")
    return types[dtype].get()


def half_bits(value: float, dtype: DType) -> int:
    """The bits of a number as a half float."""
    return int(np.array(value).astype(dtype.numpy).view(np.uint16))


@dataclass(frozen=True)
class Lanes:
    """An MLIR scalar or 1-D vector, the dtype of its elements, and the machine's facts.

    Operations are inserted at the current insertion point with the current location. Python numbers
    on one side of an operator take the dtype of the other. Arithmetic is the machine's: integers
    wrap, shift amounts must be below the width, nothing is contracted.
    """

    value: ir.Value
    dtype: DType
    facts: Facts

    @property
    def length(self) -> int | None:
        """The number of lanes; None for a scalar."""
        type = self.value.type
        return type.shape[0] if isinstance(type, ir.VectorType) else None

    @property
    def bits(self) -> int:
        """Width in a register: 1 for bool."""
        return 1 if self.dtype == BOOL else self.dtype.bits

    def type(self, dtype: DType) -> ir.Type:
        """The MLIR type of as many elements of another dtype."""
        element = element_type(dtype)
        return element if self.length is None else ir.VectorType.get([self.length], element)

    def const(self, value: float, dtype: DType | None = None) -> Lanes:
        """A constant of as many lanes. An integer is taken modulo its width."""
        dtype = dtype or self.dtype
        element, type = element_type(dtype), self.type(dtype)
        if dtype in (dt.F16, dt.BF16):
            value = half_bits(value, dtype)
        if dtype.is_float and dtype.bits > 16:
            attribute = ir.FloatAttr.get(element, float(value))
        else:
            bits = 1 if dtype == BOOL else dtype.bits
            wrapped = int(value) & ((1 << bits) - 1)
            # The bindings take the signed reading.
            attribute = ir.IntegerAttr.get(element, wrapped - (wrapped >> (bits - 1) << bits))
        if self.length is not None:
            attribute = ir.DenseElementsAttr.get_splat(type, attribute)
        return self.wrap(arith.constant(type, attribute), dtype)

    def wrap(self, value: ir.Value, dtype: DType | None = None) -> Lanes:
        return Lanes(value, dtype or self.dtype, self.facts)

    def _other(self, other: Any) -> ir.Value:
        return other.value if isinstance(other, Lanes) else self.const(other).value

    def _binary(self, on_float: Any, on_int: Any, other: Any) -> Lanes:
        return self.wrap((on_float if self.dtype.is_float else on_int)(self.value, self._other(other)))

    def __add__(self, other: Any) -> Lanes:
        return self._binary(arith.addf, arith.addi, other)

    def __radd__(self, other: Any) -> Lanes:
        return self.const(other) + self

    def __sub__(self, other: Any) -> Lanes:
        return self._binary(arith.subf, arith.subi, other)

    def __rsub__(self, other: Any) -> Lanes:
        return self.const(other) - self

    def __mul__(self, other: Any) -> Lanes:
        return self._binary(arith.mulf, arith.muli, other)

    def __rmul__(self, other: Any) -> Lanes:
        return self.const(other) * self

    def __truediv__(self, other: Any) -> Lanes:
        """Division; of integers towards zero, undefined where the machine's is."""
        return self._binary(arith.divf, arith.divsi if self.dtype.kind == "int" else arith.divui, other)

    def __rtruediv__(self, other: Any) -> Lanes:
        return self.const(other) / self

    def __neg__(self) -> Lanes:
        return self.wrap(arith.negf(self.value)) if self.dtype.is_float else 0 - self

    def __and__(self, other: Any) -> Lanes:
        return self.wrap(arith.andi(self.value, self._other(other)))

    def __or__(self, other: Any) -> Lanes:
        return self.wrap(arith.ori(self.value, self._other(other)))

    def __xor__(self, other: Any) -> Lanes:
        return self.wrap(arith.xori(self.value, self._other(other)))

    def __invert__(self) -> Lanes:
        return self ^ -1

    def __lshift__(self, other: Any) -> Lanes:
        return self.wrap(arith.shli(self.value, self._other(other)))

    def __rshift__(self, other: Any) -> Lanes:
        """Arithmetic for signed dtypes, logical for unsigned ones."""
        shift = arith.shrsi if self.dtype.kind == "int" else arith.shrui
        return self.wrap(shift(self.value, self._other(other)))

    def compare(self, predicate: str, other: Any) -> Lanes:
        """``eq ne lt le gt ge`` as bools; ``ne`` alone is true for nan. ``unordered``: either is nan."""
        if self.dtype.is_float:
            return self.wrap(arith.cmpf(_FLOAT[predicate], self.value, self._other(other)), BOOL)
        table = _SIGNED if self.dtype.kind == "int" else _UNSIGNED
        return self.wrap(arith.cmpi(table[predicate], self.value, self._other(other)), BOOL)

    def __lt__(self, other: Any) -> Lanes:
        return self.compare("lt", other)

    def __le__(self, other: Any) -> Lanes:
        return self.compare("le", other)

    def __gt__(self, other: Any) -> Lanes:
        return self.compare("gt", other)

    def __ge__(self, other: Any) -> Lanes:
        return self.compare("ge", other)

    def eq(self, other: Any) -> Lanes:
        return self.compare("eq", other)

    def ne(self, other: Any) -> Lanes:
        return self.compare("ne", other)

    def isnan(self) -> Lanes:
        return self.compare("unordered", self)

    def abs(self) -> Lanes:
        """Magnitude; of the least integer itself."""
        if self.dtype.is_float:
            return self.wrap(math.absf(self.value))
        return (self < 0).select(-self, self) if self.dtype.kind == "int" else self

    def sqrt(self) -> Lanes:
        return self.wrap(math.sqrt(self.value))

    def floor(self) -> Lanes:
        return self.wrap(math.floor(self.value))

    def ceil(self) -> Lanes:
        return self.wrap(math.ceil(self.value))

    def trunc(self) -> Lanes:
        return self.wrap(math.trunc(self.value))

    def rint(self) -> Lanes:
        """The nearest integer, ties to even."""
        return self.wrap(math.roundeven(self.value))

    def copysign(self, sign: Lanes) -> Lanes:
        return self.wrap(math.copysign(self.value, sign.value))

    def fma(self, factor: Any, addend: Any) -> Lanes:
        """self·factor + addend: one rounding where the machine has it, else two."""
        if not self.facts.fma:
            return self * factor + addend
        return self.wrap(math.fma(self.value, self._other(factor), self._other(addend)))

    def select(self, x: Any, y: Any) -> Lanes:
        """``x`` where these bools are true, else ``y``; one of them may be a number."""
        like = x if isinstance(x, Lanes) else y
        return like.wrap(arith.select(self.value, like._other(x), like._other(y)))

    def bitcast(self, dtype: DType) -> Lanes:
        """The same bits as another dtype of equal width."""
        if element_type(dtype) == element_type(self.dtype):
            return self.wrap(self.value, dtype)
        return self.wrap(arith.bitcast(self.type(dtype), self.value), dtype)

    def resize(self, dtype: DType) -> Lanes:
        """An integer or bool in a wider (sign- or zero-extended) or narrower (truncated) integer dtype."""
        bits = 1 if dtype == BOOL else dtype.bits
        if bits == self.bits:
            return self.wrap(self.value, dtype)
        extend = arith.extsi if self.dtype.kind == "int" else arith.extui
        return self.wrap((extend if bits > self.bits else arith.trunci)(self.type(dtype), self.value), dtype)

    def to_float(self, dtype: DType) -> Lanes:
        """An integer or bool in f32 or f64, rounded to nearest."""
        convert = arith.sitofp if self.dtype.kind == "int" else arith.uitofp
        return self.wrap(convert(self.type(dtype), self.value), dtype)

    def to_int(self, dtype: DType) -> Lanes:
        """A float towards zero in an integer dtype; undefined out of its range."""
        convert = arith.fptosi if dtype.kind == "int" else arith.fptoui
        return self.wrap(convert(self.type(dtype), self.value), dtype)

    def widen(self, dtype: DType) -> Lanes:
        """A float in a wider float dtype, by the machine."""
        value = arith.bitcast(self._f16(), self.value) if self.dtype == dt.F16 else self.value
        return self.wrap(arith.extf(self.type(dtype), value), dtype)

    def narrow(self, dtype: DType) -> Lanes:
        """A float in a narrower float dtype, to nearest even, by the machine."""
        if dtype != dt.F16:
            return self.wrap(arith.truncf(self.type(dtype), self.value), dtype)
        return self.wrap(arith.bitcast(self.type(dtype), arith.truncf(self._f16(), self.value)), dtype)

    def _f16(self) -> ir.Type:
        half = ir.F16Type.get()
        return half if self.length is None else ir.VectorType.get([self.length], half)

    def any(self) -> Any:
        """One i1: whether any lane is true."""
        if self.length is None:
            return self.value
        kind = ir.Attribute.parse("#vector.kind<or>")
        return vector.reduction(ir.IntegerType.get_signless(1), kind, self.value)

    def is_constant(self) -> bool:
        """Whether this is a literal, or one in all lanes."""
        value = self.value
        if _maker(value) == "vector.broadcast":
            value = value.owner.operation.operands[0]
        return _maker(value) == "arith.constant"


def _maker(value: ir.Value) -> str:
    """The name of the operation that gives a value; empty for an argument of a block."""
    owner = value.owner
    return "" if isinstance(owner, ir.Block) else owner.operation.name


def replaced_if(condition: Any, body: Callable[[], Sequence[Lanes]], values: Sequence[Lanes]) -> list[Lanes]:
    """``body()`` where the one condition holds, which costs nothing where it does not; else ``values``."""
    op = scf.IfOp(condition, [v.value.type for v in values], has_else=True)
    with ir.InsertionPoint(op.then_block):
        scf.YieldOp([v.value for v in body()])
    with ir.InsertionPoint(op.else_block):
        scf.YieldOp([v.value for v in values])
    return [v.wrap(r) for v, r in zip(values, op.results, strict=True)]


def while_any(
    condition: Callable[..., Lanes], body: Callable[..., Sequence[Lanes]], state: Sequence[Lanes]
) -> list[Lanes]:
    """Repeats ``state = body(*state)`` while ``condition(*state)`` holds in any lane.

    The body has to leave the lanes for which the condition does not hold as they are.
    """
    types = [s.value.type for s in state]
    op = scf.WhileOp(types, [s.value for s in state])
    locations = [op.operation.location] * len(types)
    before = op.before.blocks.append(*types, arg_locs=locations)
    after = op.after.blocks.append(*types, arg_locs=locations)

    def arguments(block: ir.Block) -> list[Lanes]:
        return [s.wrap(a) for s, a in zip(state, block.arguments, strict=True)]

    with ir.InsertionPoint(before):
        scf.ConditionOp(condition(*arguments(before)).any(), list(before.arguments))
    with ir.InsertionPoint(after):
        scf.YieldOp([s.value for s in body(*arguments(after))])
    return [s.wrap(r) for s, r in zip(state, op.results, strict=True)]
