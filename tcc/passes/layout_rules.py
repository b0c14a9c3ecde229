"""Rules on ops that only move elements, as rows; see `tcc.passes.rules`."""

from __future__ import annotations

import tcc.ops as ops
from tcc.ir.dim import Size
from tcc.ir.graph import Value
from tcc.ops.operands import node
from tcc.passes.rewrite import Match, Rule


def _is_whole(m: Match) -> bool:
    """Whether the result has the operand's shape."""
    return m["x"].type.shape == m.root.type.shape


def _takes_all(m: Match) -> bool:
    return _is_whole(m) and all(s == 0 for s in m.attribute(0, "start")) and all(s == 1 for s in m.attribute(0, "step"))


def _pads_nothing(m: Match) -> bool:
    return _is_whole(m) and all(s == 0 for s in (*m.attribute(0, "low"), *m.attribute(0, "interior")))


def _slice_of_slice(m: Match) -> Value:
    start: tuple[Size, ...] = tuple(
        inner + step * outer
        for outer, inner, step in zip(
            m.attribute(0, "start"), m.attribute(1, "start"), m.attribute(1, "step"), strict=True
        )
    )
    step = tuple(a * b for a, b in zip(m.attribute(0, "step"), m.attribute(1, "step"), strict=True))
    return node(ops.TABLE["slice"], m["x"], start=start, length=m.attribute(0, "length"), step=step)


def _keeps_free_order(m: Match, side: str) -> bool:
    """Whether a transposed operand's free axes are in increasing order without the transpose."""
    axes: tuple[int, ...] = m.attribute(1, "axes")
    taken = {*m.attribute(0, f"{side}_batch"), *m.attribute(0, f"{side}_contract")}
    free = [a for i, a in enumerate(axes) if i not in taken]
    return free == sorted(free)


def _untransposed(m: Match, side: str) -> Value:
    """The product with an operand's transpose taken into the axes' numbers."""
    axes: tuple[int, ...] = m.attribute(1, "axes")
    attributes = dict(m.nodes[0].attributes)
    for name in (f"{side}_batch", f"{side}_contract"):
        attributes[name] = tuple(axes[i] for i in attributes[name])
    operands = (m["x"], m["y"]) if side == "lhs" else (m["y"], m["x"])
    return node(m.nodes[0].op, *operands, **attributes)


def _exchanges_sides(m: Match) -> bool:
    """Whether a transpose of a product puts the right operand's free axes before the left's."""
    batch = len(m.attribute(1, "lhs_batch"))
    left = m["x"].type.rank - len(m.attribute(1, "lhs_contract"))
    rank = m.root.type.rank
    return m.attribute(0, "axes") == (*range(batch), *range(left, rank), *range(batch, left))


def _exchanged(m: Match) -> Value:
    """The product with its operands in the other order."""
    given = m.nodes[1].attributes
    other = {"lhs": "rhs", "rhs": "lhs"}
    attributes = {name: given[other[name[:3]] + name[3:]] for name in given}
    return node(m.nodes[1].op, m["y"], m["x"], **attributes)


_MATRIX = {"lhs_batch": (), "rhs_batch": (), "lhs_contract": (1,), "rhs_contract": (0,)}
_BATCHED = {"lhs_batch": (0,), "rhs_batch": (0,), "lhs_contract": (2,), "rhs_contract": (2,)}

_MOVES: dict[str, dict[str, object]] = {
    "transpose": {"axes": (1, 0)},
    "reshape": {"shape": (3, 2)},
    "flip": {"axes": (0,)},
    "slice": {"start": (0, 1), "length": (2, 2), "step": (1, 1)},
}
"""Ops that only move elements, with attributes for an operand of shape (2, 3)."""


def _moved_full(name: str, attributes: dict[str, object]) -> Rule:
    return Rule(
        f"{name}(full) → full",
        (name, ("full",)),
        lambda m: ops.full(m.root.type.shape, m.attribute(1, "value"), m.root.type.dtype),
        samples=(((), attributes, {"shape": (2, 3), "value": 1, "dtype": "same"}),),
    )


def _moved_scalar(name: str, attributes: dict[str, object]) -> Rule:
    return Rule(
        f"{name}(broadcast_to(scalar)) → broadcast_to(scalar)",
        (name, ("broadcast_to", "x")),
        lambda m: ops.broadcast_to(m["x"], m.root.type.shape),
        guard=lambda m: m["x"].type.rank == 0,
        samples=(((), attributes, {"shape": (2, 3)}),),
    )


UNIFORM: tuple[Rule, ...] = (
    *(_moved_full(name, attributes) for name, attributes in _MOVES.items()),
    _moved_full("broadcast_to", {"shape": (2, 2, 3)}),
    *(_moved_scalar(name, attributes) for name, attributes in _MOVES.items()),
)

LAYOUT: tuple[Rule, ...] = (
    *UNIFORM,
    Rule(
        "transpose(transpose(x)) → transpose(x)",
        ("transpose", ("transpose", "x")),
        lambda m: ops.transpose(m["x"], tuple(m.attribute(1, "axes")[a] for a in m.attribute(0, "axes"))),
        samples=(
            ((2, 3, 4), {"axes": (1, 2, 0)}, {"axes": (1, 2, 0)}),
            ((2, 3, 4), {"axes": (2, 0, 1)}, {"axes": (1, 2, 0)}),
        ),
    ),
    Rule(
        "transpose(x, the same order) → x",
        ("transpose", "x"),
        lambda m: m["x"],
        guard=lambda m: list(m.attribute(0, "axes")) == sorted(m.attribute(0, "axes")),
        samples=(((2, 3), {"axes": (0, 1)}),),
    ),
    Rule(
        "reshape(reshape(x)) → reshape(x)",
        ("reshape", ("reshape", "x")),
        lambda m: ops.reshape(m["x"], m.root.type.shape),
        samples=(((2, 6), {"shape": (3, 4)}, {"shape": (12,)}), ((2, 6), {"shape": (2, 6)}, {"shape": (4, 3)})),
    ),
    Rule(
        "reshape(x, its shape) → x",
        ("reshape", "x"),
        lambda m: m["x"],
        guard=_is_whole,
        samples=(((2, 6), {"shape": (2, 6)}),),
    ),
    Rule(
        "broadcast_to(broadcast_to(x)) → broadcast_to(x)",
        ("broadcast_to", ("broadcast_to", "x")),
        lambda m: ops.broadcast_to(m["x"], m.root.type.shape),
        samples=(((3, 1), {"shape": (2, 3, 4)}, {"shape": (1, 3, 1)}),),
    ),
    Rule(
        "broadcast_to(x, its shape) → x",
        ("broadcast_to", "x"),
        lambda m: m["x"],
        guard=_is_whole,
        samples=(((2, 3), {"shape": (2, 3)}),),
    ),
    Rule(
        "flip(flip(x)) → x",
        ("flip", ("flip", "x")),
        lambda m: m["x"],
        guard=lambda m: m.attribute(0, "axes") == m.attribute(1, "axes"),
        samples=(((2, 3), {"axes": (0,)}, {"axes": (0,)}), ((2, 3), {"axes": (0, 1)}, {"axes": (0, 1)})),
    ),
    Rule(
        "slice(x, all) → x",
        ("slice", "x"),
        lambda m: m["x"],
        guard=_takes_all,
        samples=(((2, 3), {"start": (0, 0), "length": (2, 3), "step": (1, 1)}),),
    ),
    Rule(
        "slice(slice(x)) → slice(x)",
        ("slice", ("slice", "x")),
        _slice_of_slice,
        samples=(
            (
                (9, 7),
                {"start": (1, 2), "length": (2, 2), "step": (1, -2)},
                {"start": (8, 1), "length": (4, 3), "step": (-2, 2)},
            ),
        ),
    ),
    Rule(
        "pad(x, nothing) → x",
        ("pad", "x"),
        lambda m: m["x"],
        guard=_pads_nothing,
        samples=(((2, 3), {"low": (0, 0), "interior": (0, 0), "shape": (2, 3), "fill": 0}),),
    ),
    Rule(
        "transpose(x · y) → y · x",
        ("transpose", ("dot_general", "x", "y")),
        _exchanged,
        "int uint float complex",
        guard=_exchanges_sides,
        tolerance=8,
        samples=(
            ((3, 3), {"axes": (1, 0)}, _MATRIX),
            ((2, 4, 4), {"axes": (0, 2, 1)}, _BATCHED),
        ),
    ),
    Rule(
        "transpose(x) · y → x · y",
        ("dot_general", ("transpose", "x"), "y"),
        lambda m: _untransposed(m, "lhs"),
        "int uint float complex",
        guard=lambda m: _keeps_free_order(m, "lhs"),
        tolerance=8,
        samples=(
            ((3, 3), _MATRIX, {"axes": (1, 0)}),
            ((2, 4, 4), _BATCHED, {"axes": (0, 2, 1)}),
        ),
    ),
    Rule(
        "x · transpose(y) → x · y",
        ("dot_general", "y", ("transpose", "x")),
        lambda m: _untransposed(m, "rhs"),
        "int uint float complex",
        guard=lambda m: _keeps_free_order(m, "rhs"),
        tolerance=8,
        samples=(
            ((3, 3), _MATRIX, {"axes": (1, 0)}),
            ((2, 4, 4), _BATCHED, {"axes": (0, 2, 1)}),
        ),
    ),
)
