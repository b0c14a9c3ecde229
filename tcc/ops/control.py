"""Control flow: scan, a body run once for each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tcc.errors import UserError
from tcc.ir import dim, interpret
from tcc.ir.dim import Size
from tcc.ir.dtype import F64, DType
from tcc.ir.forms import Control
from tcc.ir.graph import Attributes, Graph, Value
from tcc.ir.location import Location
from tcc.ir.op import DERIVED, Op, Sample
from tcc.ir.types import TensorType
from tcc.ops.arithmetic import add, multiply
from tcc.ops.operands import nodes

Types = tuple[TensorType, ...]


def _scan_type(types: Types, attributes: Attributes) -> Types:
    body: Graph = attributes["body"]
    carries, consts, length = attributes["carries"], attributes["consts"], attributes["length"]
    steps = types[carries + consts :]
    for type in steps:
        if not type.rank or type.shape[0] != length:
            raise UserError(f"scan: {type} has no leading axis of the length '{length}'")
    given = (*types[: carries + consts], *(t.with_shape(t.shape[1:]) for t in steps))
    wanted = tuple(v.type for v in body.inputs)
    if given != wanted:
        raise UserError(
            "scan: the body takes " + ", ".join(map(str, wanted)), why="it is given " + ", ".join(map(str, given))
        )
    made = tuple(v.type for v in body.outputs)
    for index, (before, after) in enumerate(zip(types[:carries], made, strict=False)):
        if before != after:
            raise UserError(
                f"scan: carry {index} is {before} before a step and {after} after it",
                why="a carry keeps its shape and dtype",
                fix="convert the first value, or what the step returns, with astype",
            )
    return (*made[:carries], *(t.with_shape((length, *t.shape)) for t in made[carries:]))


def _scan_reference(*operands: Any, **attributes: Any) -> Any:
    """The body by the interpreter, with the sizes that the operands' shapes give."""
    body: Graph = attributes["body"]
    carries, consts = attributes["carries"], attributes["consts"]
    state, fixed, xs = operands[:carries], operands[carries : carries + consts], operands[carries + consts :]
    outputs: list[Sequence[Any]] = []
    steps = range(attributes["length"])
    for step in reversed(steps) if attributes["reverse"] else steps:
        results = interpret.run_graph(body, [*state, *fixed, *(np.asarray(x[step]) for x in xs)])
        state = tuple(results[:carries])
        outputs.append(results[carries:])
    if attributes["reverse"]:
        outputs.reverse()
    if not outputs:
        rows = [tuple(dim.evaluate(s, {}) for s in v.type.shape) for v in body.outputs[carries:]]
        made = [v.type.dtype.numpy for v in body.outputs[carries:]]
        return (*state, *(np.empty((0, *row), dtype) for row, dtype in zip(rows, made, strict=True)))
    return (*state, *(np.stack(column) for column in zip(*outputs, strict=True)))


def _scan_samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    here = Location(__file__, 1)
    state, factor, x = (Value(TensorType(F64, (3,)), here, name=n) for n in ("state", "factor", "x"))
    new = add(multiply(state, factor), x)
    body = Graph("step", (state, factor, x), (new, multiply(new, x)))
    del dtypes
    for length, reverse in ((4, False), (5, True), (1, False), (0, False)):
        arrays = rng.uniform(-1, 1, 3), rng.uniform(-1, 1, 3), rng.uniform(-1, 1, (length, 3))
        attributes = {"body": body, "carries": 1, "consts": 1, "length": length, "reverse": reverse}
        yield Sample(arrays, attributes, f"{length} steps")


SCAN = Op(
    name="scan",
    doc="A body run ``length`` times: it takes the carries, the constants and one slice of each x, and gives the next"
    " carries and one slice of each y. The results are the last carries, and the ys stacked. Its gradient and its"
    " batching are made from those of the body.",
    operands=("*operands: any",),
    infer=_scan_type,
    form=Control("scan"),
    gradient=DERIVED,
    reference=_scan_reference,
    samples=_scan_samples,
)


def scan(
    body: Graph,
    carries: Sequence[Value],
    consts: Sequence[Value],
    xs: Sequence[Value],
    length: Size,
    reverse: bool = False,
) -> tuple[Value, ...]:
    """The final carries, then the stacked ys, of a body graph; see the record."""
    return nodes(
        SCAN,
        *carries,
        *consts,
        *xs,
        body=body,
        carries=len(carries),
        consts=len(consts),
        length=length,
        reverse=reverse,
    )
