"""Control flow: a body repeated while a condition holds, and one of several branches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tcc.errors import UserError
from tcc.ir import interpret
from tcc.ir.dtype import BOOL, F64, I64, DType
from tcc.ir.forms import Control
from tcc.ir.graph import Attributes, Graph, Value
from tcc.ir.location import Location
from tcc.ir.op import DERIVED, Op, Sample
from tcc.ir.types import TensorType
from tcc.ops.arithmetic import add, multiply
from tcc.ops.comparison import less
from tcc.ops.operands import nodes

Types = tuple[TensorType, ...]


def _names(types: Sequence[TensorType]) -> str:
    return ", ".join(map(str, types)) or "nothing"


def _takes(region: Graph, what: str, given: Types) -> None:
    wanted = tuple(v.type for v in region.inputs)
    if given != wanted:
        raise UserError(f"{what} takes {_names(wanted)}", why=f"it is given {_names(given)}")


def _gives(region: Graph, what: str, wanted: Types) -> None:
    made = tuple(v.type for v in region.outputs)
    if made != wanted:
        raise UserError(f"{what} gives {_names(made)}", why=f"expected {_names(wanted)}")


def _while_type(types: Types, attributes: Attributes) -> Types:
    carries: int = attributes["carries"]
    _takes(attributes["cond"], "while_loop: the condition", types)
    _takes(attributes["body"], "while_loop: the body", types)
    _gives(attributes["cond"], "while_loop: the condition", (TensorType(BOOL, ()),))
    _gives(attributes["body"], "while_loop: the body", types[:carries])
    return types[:carries]


def _while_reference(*operands: Any, cond: Graph, body: Graph, carries: int) -> Any:
    """The regions by the interpreter, with the sizes that the operands' shapes give."""
    state, consts = list(operands[:carries]), operands[carries:]
    while interpret.run_graph(cond, [*state, *consts])[0]:
        state = interpret.run_graph(body, [*state, *consts])
    return tuple(state)


def _while_samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    here = Location(__file__, 1)
    state, count, limit = (
        Value(t, here, name=n)
        for t, n in ((TensorType(F64, (3,)), "state"), (TensorType(I64, ()), "count"), (TensorType(I64, ()), "limit"))
    )
    cond = Graph("cond", (state, count, limit), (less(count, limit),))
    body = Graph("body", (state, count, limit), (add(multiply(state, 0.5), 1.0), add(count, 1)))
    del dtypes
    for limit_value in (5, 1, 0):
        arrays = rng.uniform(-1, 1, 3), np.asarray(0), np.asarray(limit_value)
        yield Sample(arrays, {"cond": cond, "body": body, "carries": 2}, f"{limit_value} steps", gradient=False)


WHILE_LOOP = Op(
    name="while_loop",
    doc="The carries after ``body`` has been run as often as ``cond`` holds before it. Both regions take the carries"
    " and the constants; ``cond`` gives one bool, ``body`` the next carries. Reverse-mode gradients are not defined:"
    " how many steps' values to keep is not known.",
    operands=("*operands: any",),
    infer=_while_type,
    form=Control("while"),
    gradient=DERIVED,
    reference=_while_reference,
    samples=_while_samples,
)


def while_loop(cond: Graph, body: Graph, carries: Sequence[Value], consts: Sequence[Value]) -> tuple[Value, ...]:
    """The last carries; see the record."""
    return nodes(WHILE_LOOP, *carries, *consts, cond=cond, body=body, carries=len(carries))


def _cond_type(types: Types, attributes: Attributes) -> Types:
    branches: tuple[Graph, ...] = attributes["branches"]
    if not types or types[0] != TensorType(I64, ()) or not branches:
        raise UserError("cond: expected an i64 scalar that numbers a branch, and branches")
    results = tuple(v.type for v in branches[0].outputs)
    for number, branch in enumerate(branches):
        _takes(branch, f"cond: branch {number}", types[1:])
        _gives(branch, f"cond: branch {number}", results)
    return results


def _cond_reference(index: Any, *operands: Any, branches: tuple[Graph, ...]) -> Any:
    """The branch by the interpreter, with the sizes that the operands' shapes give."""
    return tuple(interpret.run_graph(chosen(branches, int(index)), operands))


def chosen(branches: Sequence[Graph], index: int) -> Graph:
    """The branch of a number."""
    return branches[index if 0 <= index < len(branches) else len(branches) - 1]


def _cond_samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    here = Location(__file__, 1)

    def branch(name: str, factor: float) -> Graph:
        x, y = (Value(TensorType(F64, (3,)), here, name=n) for n in ("x", "y"))
        return Graph(name, (x, y), (multiply(add(x, y), factor), y))

    branches = tuple(branch(f"branch{k}", k - 0.5) for k in range(3))
    del dtypes
    for index in (0, 1, 2):
        arrays = np.asarray(index), rng.uniform(-1, 1, 3), rng.uniform(-1, 1, 3)
        yield Sample(arrays, {"branches": branches}, f"branch {index}")


COND = Op(
    name="cond",
    doc="One of several branches, run on the operands: the one that ``index`` numbers, the last one where there is"
    " none of that number. Its gradient and its batching are made from those of the branches.",
    operands=("index: i64", "*operands: any"),
    infer=_cond_type,
    form=Control("cond"),
    gradient=DERIVED,
    reference=_cond_reference,
    samples=_cond_samples,
)


def cond(index: Value, branches: Sequence[Graph], operands: Sequence[Value]) -> tuple[Value, ...]:
    """The results of the branch that is taken; see the record."""
    return nodes(COND, index, *operands, branches=tuple(branches))
