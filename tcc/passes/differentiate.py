"""Reverse-mode differentiation of graphs.

Cotangents flow from outputs to inputs by the ops' gradient rules; None is a symbolic zero, so that
nothing is computed for what does not matter. A composite whose record says so is differentiated
through its expansion. How a scan is gone through backwards is in `tcc.passes.scan_gradient`,
how branches are in `tcc.passes.branch_gradient`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import tcc.ops as ops
from tcc.errors import InternalError, Unsupported, UserError
from tcc.ir import build
from tcc.ir import location as locations
from tcc.ir.forms import Control
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.op import Derived, NotDifferentiable
from tcc.passes import branch_gradient, scan_gradient
from tcc.passes.decompose import expansion


def vjp(graph: Graph, wrt: Sequence[int]) -> Graph:
    """``(inputs…, a cotangent for each output) → (outputs…, cotangents of the inputs numbered wrt)``.

    Cotangents have the types of what they belong to. The outputs' values come along, because a scan
    keeps what its gradient needs. UserError when an input of ``wrt`` is no float or complex.
    """
    _check_inexact(graph, wrt)
    start = build.copy(graph)
    seeds = [build.graph_input(v.type, f"d_{i}", v.location) for i, v in enumerate(start.outputs)]
    targets = [start.inputs[i] for i in wrt]
    outputs, found = backward(start.outputs, seeds, targets)
    made = [_materialised(g, v) for g, v in zip(found, targets, strict=True)]
    return Graph(graph.name, (*start.inputs, *seeds), (*outputs, *made))


def value_and_gradient(graph: Graph, wrt: Sequence[int]) -> Graph:
    """``inputs → (outputs…, the gradient of output 0 with respect to the inputs numbered wrt)``.

    UserError when output 0 is not a float scalar.
    """
    result = graph.outputs[0]
    if result.type.shape or not result.type.dtype.is_float:
        raise UserError(
            "only a scalar of a float dtype has a gradient",
            where=result.location.place(),
            why=f"the function returns {result.type}",
            fix="reduce the result to a scalar, with np.sum or np.mean",
        )
    _check_inexact(graph, wrt)
    start = build.copy(graph)
    targets = [start.inputs[i] for i in wrt]
    with locations.located(result.location):
        seeds = [ops.ones((), result.type.dtype), *[None] * (len(start.outputs) - 1)]
        outputs, found = backward(start.outputs, seeds, targets)
        made = [_materialised(g, v) for g, v in zip(found, targets, strict=True)]
    return Graph(graph.name, start.inputs, (*outputs, *made))


def _check_inexact(graph: Graph, wrt: Sequence[int]) -> None:
    for index in wrt:
        value = graph.inputs[index]
        if not value.type.dtype.is_inexact:
            raise UserError(
                f"the gradient with respect to '{value.name or index}' is not defined",
                where=value.location.place(),
                why=f"it has dtype {value.type.dtype}; expected a float or complex dtype",
                fix="convert the argument to a float dtype",
            )


@dataclass
class _Tape:
    """The cotangents found so far, and the scans to be replaced by ones that keep residuals."""

    cotangents: dict[Value, Value] = field(default_factory=dict[Value, Value])
    scans: list[scan_gradient.Extended] = field(default_factory=list[scan_gradient.Extended])

    def add(self, value: Value, cotangent: Value, node: Node) -> None:
        if cotangent.type != value.type:
            raise InternalError(f"the gradient of {node.op.name} gives {cotangent.type} for {value.type}")
        found = self.cotangents.get(value)
        self.cotangents[value] = cotangent if found is None else ops.add(found, cotangent)


def backward(
    outputs: Sequence[Value], seeds: Sequence[Value | None], wrt: Sequence[Value]
) -> tuple[list[Value], list[Value | None]]:
    """The outputs again, and the cotangents of ``wrt`` given those of the outputs; None is zero.

    The outputs are the same values unless a scan had to be replaced by one that keeps residuals.
    """
    nodes = list(build.between(outputs, set(wrt)))
    active = depending(nodes, wrt)
    tape = _Tape()
    for output, seed in zip(outputs, seeds, strict=True):
        if seed is not None and output in active:
            found = tape.cotangents.get(output)
            tape.cotangents[output] = seed if found is None else ops.add(found, seed)
    for node in reversed(nodes):
        if any(v in tape.cotangents for v in node.results):
            with locations.located(node.location):
                _node(node, active, tape)
    mapping = scan_gradient.replaced(tape.scans)
    made = [tape.cotangents.get(v) for v in wrt]
    everything = build.rebuild([*outputs, *(g for g in made if g is not None)], mapping)
    rest = iter(everything[len(outputs) :])
    return everything[: len(outputs)], [None if g is None else next(rest) for g in made]


def depending(nodes: Sequence[Node], sources: Sequence[Value]) -> set[Value]:
    """The float and complex values that depend on ``sources`` through such values; these included."""
    active = {v for v in sources if v.type.dtype.is_inexact}
    for node in nodes:
        if any(v in active for v in node.operands):
            active.update(v for v in node.results if v.type.dtype.is_inexact)
    return active


def _node(node: Node, active: set[Value], tape: _Tape) -> None:
    given = [tape.cotangents.get(v) for v in node.results]
    if isinstance(node.op.form, Control):
        found = _control(node, node.op.form.kind, given, [v in active for v in node.operands], tape)
    elif isinstance(node.op.gradient, NotDifferentiable):
        return
    elif isinstance(node.op.gradient, Derived):
        _, found = backward(expansion(node), given, list(dict.fromkeys(node.operands)))
        found = _once(node.operands, found)
    else:
        present = [_materialised(g, v) for g, v in zip(given, node.results, strict=True)]
        seeds = present[0] if len(present) == 1 else tuple(present)
        found = node.op.gradient(seeds, *node.operands, *node.results, **node.attributes)
    for operand, cotangent in zip(node.operands, found, strict=True):
        if cotangent is not None and operand in active:
            tape.add(operand, cotangent, node)


def _control(
    node: Node, kind: str, given: Sequence[Value | None], active: Sequence[bool], tape: _Tape
) -> list[Value | None]:
    if kind == "cond":
        return branch_gradient.transpose(node, given, active, backward)
    if kind != "scan":
        raise Unsupported(
            "while_loop has no reverse-mode gradient",
            where=node.location.place(),
            why="it is not known how many steps' values to keep",
            fix="write the loop with tcc.scan, or with tcc.fori_loop and bounds that are numbers or sizes",
        )
    extended, found = scan_gradient.transpose(node, given, active, backward)
    tape.scans.append(extended)
    return found


def _once(operands: Sequence[Value], found: Sequence[Value | None]) -> list[Value | None]:
    """Cotangents of distinct operands, given to each one's first place."""
    rest = iter(found)
    return [None if v in operands[:i] else next(rest) for i, v in enumerate(operands)]


def _materialised(cotangent: Value | None, value: Value) -> Value:
    return cotangent if cotangent is not None else ops.zeros(value.type.shape, value.type.dtype)
