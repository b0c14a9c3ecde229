"""Rules on windows that slide over axes, as rows; see `tcc.passes.rules`."""

from __future__ import annotations

from dataclasses import replace

from tcc.ir import dim
from tcc.ir.graph import Value
from tcc.ops import convolving, slicing
from tcc.ops.operands import node
from tcc.passes.rewrite import Match, Rule


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


_NOTHING = {"rhs_dilation": (1, 1), "groups": 1, "strides": (1, 1), "lhs_dilation": (1, 1)}

WINDOWS: tuple[Rule, ...] = (
    # Inside of the sums there is then nothing to ask: they are plain ones, of products with a neighbourhood.
    Rule(
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
    ),
)
