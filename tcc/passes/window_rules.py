"""Rules on windows that slide over axes, as rows; see `tcc.passes.rules`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import tcc.ops as ops
from tcc.ir import build, dim
from tcc.ir.graph import Value
from tcc.ops import convolving, slicing
from tcc.ops.operands import node
from tcc.passes import winograd
from tcc.passes.rewrite import Match, Rule, uniform


def _laid_out(m: Match) -> Value:
    """The convolution of x with its padding and its spread in memory."""
    x, given = m["x"], m.nodes[0].attributes
    moves = convolving.slides(x.type, m["k"].type, given)
    low = (0, *(s.low for s in moves), 0)
    shape = (x.type.shape[0], *(s.places + s.low + s.high for s in moves), x.type.shape[-1])
    gaps = (0, *(s.spread - 1 for s in moves), 0)
    none = {"padding": ((0, 0),) * len(moves), "lhs_dilation": (1,) * len(moves)}
    return node(convolving.CONVOLUTION, slicing.pad_to(x, low, shape, 0, gaps), m["k"], **{**given, **none})


def _is_padded(m: Match) -> bool:
    """Whether places without elements are under some window, and the result keeps its type without them."""
    given = m.nodes[0].attributes
    moves = convolving.slides(m["x"].type, m["k"].type, given)
    if all((s.low, s.high, s.spread) == (0, 0, 1) for s in moves):
        return False
    if any(not dim.nonnegative(s.places + s.low + s.high) for s in moves):
        return False
    return all(replace(s, size=s.places + s.low + s.high, low=0, high=0, spread=1).count == s.count for s in moves)


def _spread_axis(m: Match) -> int | None:
    """The first spatial axis along which x is spread, and the windows are neither: a transposed convolution's."""
    for axis, move in enumerate(convolving.slides(m["x"].type, m["c"].type, m.nodes[0].attributes)):
        if not isinstance(move.window, int) or not isinstance(move.low, int):
            continue
        if 1 < move.spread <= move.window and move.stride == move.dilation == 1:
            return axis
    return None


def _has_phases(m: Match) -> bool:
    """Whether a kernel without infinities, which times the zeros between elements would be nan, is such a one's."""
    if _spread_axis(m) is None:
        return False
    constant = build.constant_of(m["c"])
    values = uniform(m["c"]) if constant is None else constant.array
    return values is not None and (not m["c"].type.dtype.is_inexact or bool(np.isfinite(values).all()))


def _phases(m: Match) -> Value:
    """Every ``spread``-th result is one convolution of x, with every ``spread``-th element of the kernel."""
    axis, given = _spread_axis(m), m.nodes[0].attributes
    assert axis is not None
    x, kernel = m["x"], m["c"]
    move = convolving.slides(x.type, kernel.type, given)[axis]
    spread, where = move.spread, axis + 1
    turns = dim.ceildiv(move.count, spread)
    phases: list[Value] = []
    for phase in range(spread):
        # The first element of the kernel that lies on one of x in this phase, and on which one.
        first = dim.mod(move.low - phase, spread)
        taps = dim.ceildiv(move.window - first, spread)
        low = dim.floordiv(move.low - phase - first, spread)
        some = slicing.part(kernel, axis, first, taps, spread)
        padding = [*given["padding"]]
        padding[axis] = (low, turns - 1 + taps - move.size - low)
        spreads = [1 if k == axis else n for k, n in enumerate(given["lhs_dilation"])]
        attributes = {**given, "padding": tuple(padding), "lhs_dilation": tuple(spreads)}
        phases.append(node(convolving.CONVOLUTION, x, some, **attributes))
    shape = phases[0].type.shape
    together = ops.reshape(ops.stack(phases, where + 1), (*shape[:where], shape[where] * spread, *shape[where + 1 :]))
    return slicing.part(together, where, 0, move.count)


_NOTHING = {"rhs_dilation": (1, 1), "groups": 1, "strides": (1, 1), "lhs_dilation": (1, 1)}

_PHASES = Rule(
    "convolution(spread x) → its phases",
    ("convolution", "x", "c"),
    _phases,
    "int uint float complex",
    guard=_has_phases,
    tolerance=8,
    samples=(
        ((3, 3, 3, 3), {**_NOTHING, "padding": ((1, 1), (0, 2)), "lhs_dilation": (2, 1)}),
        ((3, 3, 3, 3), {**_NOTHING, "padding": ((2, 0), (1, 1)), "lhs_dilation": (3, 2)}),
        ((4, 4, 4, 4), {**_NOTHING, "padding": ((-1, 3), (2, 1)), "lhs_dilation": (2, 3)}),
    ),
)

# Inside of the sums there is then nothing to ask: they are plain ones, of products with a neighbourhood.
_LAID_OUT = Rule(
    "convolution(x, padded) → convolution(pad(x))",
    ("convolution", "x", "k"),
    _laid_out,
    "int uint float complex",
    guard=_is_padded,
    tolerance=8,
    samples=(
        ((3, 3, 3, 3), {**_NOTHING, "padding": ((1, 1), (0, 2))}),
        ((3, 3, 3, 3), {**_NOTHING, "padding": ((2, -1), (3, 1)), "strides": (2, 1)}),
        ((2, 2, 2, 2), {**_NOTHING, "padding": ((1, 1), (1, 0)), "lhs_dilation": (2, 3)}),
    ),
)


def _tiled(tiling: winograd.Tiling) -> Rule:
    return Rule(
        "convolution(x) → products of tiles",
        ("convolution", "x", "k"),
        tiling.tiled,
        "f32 f64",
        guard=tiling.pays,
        tolerance=16,
        finite=True,
        samples=(
            ((3, 3, 32, 32), {**_NOTHING, "padding": ((1, 1), (0, 2))}),
            ((3, 3, 32, 32), {**_NOTHING, "padding": ((2, 1), (1, 1))}),
        ),
    )


def windows(tolerance: float) -> tuple[Rule, ...]:
    """The rules, of which none adds more than ``tolerance`` to a convolution's error, relative to its largest result.

    With 0 the error is no larger than that of products with each window's elements.
    """
    return (_PHASES, _tiled(winograd.Tiling(tolerance)), _LAID_OUT)
