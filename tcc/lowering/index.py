"""Sizes as 64-bit index arithmetic, and how an index moves along the lanes."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Container
from functools import lru_cache
from typing import Any

from tcc.ir import dim
from tcc.ir.dim import Dim, Extremum, FloorDiv, Size, Symbol
from tcc.ir.dtype import BOOL, I32, I64, DType
from tcc.lowering.frame import Frame
from tcc.lowering.lanes import element_type
from tcc.lowering.mlir import arith, ir
from tcc.lowering.registers import (
    add,
    alike,
    broadcast,
    compare,
    constant,
    i64,
    integer,
    lanes_of,
    multiply,
    narrow,
    select,
    splat,
    steps,
    subtract,
    to_index,
)
from tcc.lowering.tile import LANES, Coordinate, Tile


def varies(frame: Frame, size: Size) -> frozenset[str]:
    """The axes with copies, and the lanes, that a (resolved) size depends on."""
    found: set[str] = set()
    for symbol in dim.symbols(size):
        axis = frame.axes.get(symbol.name)
        if axis is None:
            found |= frame.lookup(symbol.name).varies
        else:
            found |= {symbol.name} if axis.copies > 1 else set()
            found |= {LANES} if axis.lanes > 1 else set()
    return frozenset(found)


@lru_cache(1 << 14)
def linear(size: Size, name: str) -> tuple[Size | None, Size]:
    """``(stride, rest)`` with ``size == stride·name + rest``; stride None when it is not linear."""
    stride: Size = 0
    rest: Size = 0
    for monomial, coefficient in size.terms if isinstance(size, Dim) else (((), size),):
        factor: Size = coefficient
        power_of_name = 0
        for atom, power in monomial:
            if isinstance(atom, Symbol) and atom.name == name:
                power_of_name = power
                continue
            if any(s.name == name for s in dim.symbols(atom)):
                return None, 0
            factor = factor * dim.product([dim.of_atom(atom)] * power)
        if power_of_name > 1:
            return None, 0
        if power_of_name:
            stride = stride + factor
        else:
            rest = rest + factor
    return stride, rest


def part(size: Size, names: Container[str]) -> Size:
    """The terms of a size that some names are in."""
    terms = size.terms if isinstance(size, Dim) else ()
    found: Size = 0
    for monomial, coefficient in terms:
        if any(s.name in names for atom, _ in monomial for s in dim.symbols(atom)):
            found = found + coefficient * dim.product([dim.of_atom(a) for a, power in monomial for _ in range(power)])
    return found


def lane_stride(frame: Frame, size: Size) -> Size | None:
    """How far a (resolved) index moves from lane to lane; None when not by a fixed distance."""
    found: Size = 0
    for symbol in dim.symbols(size):
        axis = frame.axes.get(symbol.name)
        if axis is None:
            if frame.lookup(symbol.name).vector:
                return None
        elif axis.lanes > 1:
            stride, _ = linear(size, symbol.name)
            if stride is None or LANES in varies(frame, stride):
                return None
            found = stride
    return found


def shifted(frame: Frame, size: Size, coordinate: Coordinate) -> Size:
    """A (resolved) size in which each axis stands for copy 0 of its loop, for the given copies."""
    places = [(s.name, frame.axes.get(s.name)) for s in dim.symbols(size)]
    starts = {n: a.start for n, a in places if a is not None and a.start is not None and a.lanes == 1}
    if starts:
        size = dim.substitute(size, {n: start + coordinate.get(n, 0) for n, start in starts.items()})
        coordinate = {n: copy for n, copy in coordinate.items() if n not in starts}
    for name, copy in coordinate.items():
        if copy == 0:
            continue
        distance = copy * frame.axes[name].lanes
        stride, _ = linear(size, name)
        if stride is not None:
            size = size + stride * distance
        else:
            size = dim.substitute(size, {name: dim.symbol(name) + distance})
    return size


def evaluate(frame: Frame, size: Size, coordinate: Coordinate, first_lane: bool = False) -> ir.Value:
    """A (resolved) size at a coordinate: a scalar, or a vector when it varies over the lanes.

    ``first_lane``: its value in lane 0, a scalar when no let in it is a vector.
    """
    moved = shifted(frame, size, {a: n for a, n in coordinate.items() if a in frame.axes})
    return _Emission(frame, coordinate, first_lane).size(moved)


def tile(frame: Frame, size: Size) -> Tile:
    """A size as a value of 64 bits."""
    from_axes = varies(frame, size)
    axes = frame.ordered(from_axes)
    return frame.tile(I64, axes, ((evaluate(frame, size, at),) for at in frame.grid(axes)))


def position(frame: Frame, size: Size, dtype: DType) -> Tile:
    """A size as an integer of a dtype (modulo its width); along the lanes in that width throughout."""
    size = frame.resolve(size)
    axes = frame.ordered(varies(frame, size))
    stride = lane_stride(frame, size)
    parts: list[tuple[ir.Value, ...]] = []
    for at in frame.grid(axes):
        if stride is None or stride == 0:
            parts.append((narrow(evaluate(frame, size, at), dtype),))
            continue
        first = broadcast(narrow(evaluate(frame, size, at, first_lane=True), dtype), frame.width)
        parts.append((add(first, _steps(frame, stride, at, dtype)),))
    return frame.tile(dtype, axes, parts)


def _steps(frame: Frame, stride: Size, at: Coordinate, dtype: DType) -> ir.Value:
    type = element_type(dtype)
    if isinstance(stride, int) and abs(stride) * frame.width < 1 << (dtype.bits - 1):
        return steps(frame.width, stride, type)
    factor = integer(stride) if isinstance(stride, int) else evaluate(frame, stride, at)
    narrowed = broadcast(narrow(factor, dtype), frame.width)
    return arith.muli(narrowed, narrow(steps(frame.width), dtype))


def nonnegative(frame: Frame, size: Size) -> Tile:
    """Whether a (resolved) size is at least 0.

    Where it moves by a constant along the lanes, the lanes in which it is are the first or the last
    ones: their number is clamped as a scalar, and compared in 32 bits instead of 64.
    """
    axes = frame.ordered(varies(frame, size))
    stride = lane_stride(frame, size)
    parts: list[tuple[ir.Value, ...]] = []
    for at in frame.grid(axes):
        if not isinstance(stride, int) or stride == 0:
            moved = shifted(frame, size, {a: n for a, n in at.items() if a in frame.axes})
            if isinstance(moved, int):
                parts.append(constant(BOOL, moved >= 0))
            else:
                parts.append((compare("ge", evaluate(frame, size, at), integer(0)),))
            continue
        # size = first + stride·lane. Rising: lane ≥ -(first // stride); falling: lane < first // -stride + 1.
        rising = stride > 0
        first = evaluate(frame, size, at, first_lane=True)
        whole = _divided(first, abs(stride))
        bound = subtract(integer(0), whole) if rising else add(whole, integer(1))
        bound = arith.minsi(arith.maxsi(bound, integer(0)), integer(frame.width))
        lanes = steps(frame.width, 1, element_type(I32))
        parts.append((compare("ge" if rising else "lt", lanes, broadcast(narrow(bound, I32), frame.width)),))
    return frame.tile(BOOL, axes, parts)


def _divided(value: ir.Value, divisor: int) -> ir.Value:
    """A scalar divided by a positive constant, rounded down."""
    if divisor & (divisor - 1) == 0:
        return arith.shrsi(value, integer(divisor.bit_length() - 1))
    quotient = arith.divsi(value, integer(divisor))
    below = compare("lt", subtract(value, multiply(quotient, integer(divisor))), integer(0))
    return select(below, (subtract(quotient, integer(1)),), (quotient,))[0]


def lane_offsets(frame: Frame, stride: Size, at: Coordinate) -> ir.Value:
    """The vector ``lane·stride`` in 64 bits."""
    return _steps(frame, stride, at, I64)


class _Emission:
    """Emits the polynomial of one index, outer loops' terms first so that they can move out of inner ones."""

    def __init__(self, frame: Frame, coordinate: Coordinate, first_lane: bool) -> None:
        self.frame = frame
        self.coordinate = coordinate
        self.first_lane = first_lane
        self.depth = {name: n + 1 for n, name in enumerate(frame.axes)}

    def size(self, size: Size) -> ir.Value:
        if isinstance(size, int):
            return integer(size)
        total: ir.Value | None = None
        for monomial, coefficient in sorted(size.terms, key=lambda term: self._order(*term)):
            factor: ir.Value | None = None
            for atom, power in monomial:
                value = self._atom(atom)
                for _ in range(power):
                    factor = value if factor is None else multiply(factor, value)
            if factor is None:
                factor = integer(coefficient)
            elif coefficient == -1 and total is not None:
                total = subtract(total, factor)
                continue
            elif coefficient != 1:
                factor = multiply(factor, integer(coefficient))
            total = factor if total is None else add(total, factor)
        assert total is not None
        return total

    def _order(self, monomial: Any, coefficient: int) -> tuple[bool, int, bool]:
        depths = [self.depth.get(s.name, 0) for atom, _ in monomial for s in dim.symbols(atom)]
        lets = any(s.name not in self.depth for atom, _ in monomial for s in dim.symbols(atom))
        return (not monomial, max(depths, default=0) + lets, coefficient < 0)

    def _atom(self, atom: dim.Atom) -> ir.Value:
        if isinstance(atom, Symbol):
            return self._symbol(atom.name)
        if isinstance(atom, FloorDiv):
            return self._floordiv(atom.numerator, atom.denominator)
        return self._extremum(atom)

    def _symbol(self, name: str) -> ir.Value:
        axis = self.frame.axes.get(name)
        if axis is None:
            bound = self.frame.lookup(name)
            return to_index(bound.at(self.coordinate)[0], bound.dtype)
        if axis.lanes == 1 or self.first_lane:
            return axis.base
        return add(axis.base, steps(axis.width))

    def _floordiv(self, numerator: Size, denominator: Size) -> ir.Value:
        if isinstance(denominator, int) and denominator > 0 and denominator & (denominator - 1) == 0:
            value = self.size(numerator)
            return arith.shrsi(value, splat(denominator.bit_length() - 1, lanes_of(value), i64()))
        a, b = self.size(numerator), self.size(denominator)
        if lanes_of(b) or not dim.positive(denominator):
            # An empty space has no indices, but its sizes are still computed, and dead lanes hold
            # anything: division by 0 gives 0.
            empty = compare("le", b, integer(0))
            safe = select(empty, (integer(1),), (b,))[0]
            return select(empty, (integer(0),), (self._quotient(numerator, a, safe),))[0]
        return self._quotient(numerator, a, b)

    def _quotient(self, numerator: Size, a: ir.Value, b: ir.Value) -> ir.Value:
        a, b = alike(a, b)
        if dim.nonnegative(numerator):
            return arith.divui(a, b)
        quotient = arith.divsi(a, b)
        rest = subtract(a, multiply(quotient, b))
        below = compare("lt", rest, integer(0))
        return select(below, (subtract(quotient, integer(1)),), (quotient,))[0]

    def _extremum(self, atom: Extremum) -> ir.Value:
        pick = arith.minsi if atom.kind == "min" else arith.maxsi
        result = self.size(atom.arguments[0])
        for argument in atom.arguments[1:]:
            result = pick(*alike(result, self.size(argument)))
        return result
