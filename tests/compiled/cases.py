"""The op table as calls to compile: op × dtypes × samples, with static and with symbolic sizes."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tcc import ops
from tcc.errors import UserError
from tcc.ir import dim, dtype
from tcc.ir.dtype import DType
from tcc.ir.forms import Elementwise, Generic, IndexMap
from tcc.ir.graph import Function, Graph, Node, Value
from tcc.ir.location import Location
from tcc.ir.op import Op, Sample
from tcc.ir.types import TensorType
from tcc.ops.samples import dtype_cases
from tests.compiled.functions import as_function

Array = np.ndarray[Any, Any]
SEED = 20261120
HERE = Location("op_table.py", 1, "op_table")


@dataclass(frozen=True)
class Case:
    """A compiled function of one op, and the calls to make of it: (operands, expected results)."""

    op: Op
    dtypes: tuple[DType, ...]
    function: Function
    calls: tuple[tuple[tuple[Array, ...], tuple[Array, ...]], ...]

    @property
    def moves_only(self) -> bool:
        return isinstance(self.op.form, (IndexMap, Generic))

    @property
    def sums(self) -> bool:
        return not isinstance(self.op.form, (Elementwise, IndexMap, Generic))


def cases(op: Op, dtypes: tuple[DType, ...]) -> Iterator[Case]:
    """All samples of an op for some dtypes; each shape static, and once more with symbolic sizes."""
    rng = np.random.default_rng([SEED, zlib.crc32(" ".join([op.name, *map(str, dtypes)]).encode())])
    for number, sample in enumerate(op.samples(dtypes, rng)):
        name = "_".join([op.name, *map(str, dtypes), str(number)])
        types = tuple(TensorType(dtype.of(a.dtype), a.shape) for a in sample.operands)
        yield _case(op, dtypes, name, types, sample, [sample.operands])
        symbolic = _symbolic(types)
        if symbolic != types:
            try:
                yield _case(op, dtypes, f"{name}_symbolic", symbolic, sample, _shrunk(sample.operands, symbolic))
            except UserError:
                continue  # an attribute of the sample (a shape, an axis length) fits the static sizes only


def _symbolic(types: Sequence[TensorType]) -> tuple[TensorType, ...]:
    """Equal extents become one symbol; an extent of 1 stays, since a named size never broadcasts."""
    return tuple(TensorType(t.dtype, tuple(s if s == 1 else dim.symbol(f"s{s}") for s in t.shape)) for t in types)


def _shrunk(operands: tuple[Array, ...], types: Sequence[TensorType]) -> list[tuple[Array, ...]]:
    """The operands, and again with every symbol's extent 0, and 1."""
    names = sorted({s.name for t in types for size in t.shape for s in dim.symbols(size)})
    result = [operands]
    for extent, name in itertools.product((0, 1), names):

        def cut(array: Array, type: TensorType, name: str = name, extent: int = extent) -> Array:
            return array[tuple(slice(extent if str(s) == name else None) for s in type.shape)]

        result.append(tuple(map(cut, operands, types)))
    return result


def _case(
    op: Op,
    dtypes: tuple[DType, ...],
    name: str,
    types: Sequence[TensorType],
    sample: Sample,
    calls: Sequence[tuple[Array, ...]],
) -> Case:
    inputs = tuple(Value(t, HERE, name=f"x{i}") for i, t in enumerate(types))
    node = Node(op, inputs, sample.attributes, HERE)
    function = as_function(Graph(name, inputs, node.results), HERE)
    done = [(operands, e) for operands in calls if (e := _expected(op, operands, sample.attributes)) is not None]
    return Case(op, dtypes, function, tuple(done))


def _expected(op: Op, operands: tuple[Array, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...] | None:
    """NumPy's answer; None where NumPy refuses (the maximum of nothing, an index into nothing)."""
    with np.errstate(all="ignore"):
        try:
            answer = op.reference(*operands, **attributes)
        except (ValueError, IndexError):
            return None
    return tuple(map(np.asarray, answer)) if isinstance(answer, (tuple, list)) else (np.asarray(answer),)


def families() -> dict[str, list[tuple[Op, tuple[DType, ...]]]]:
    """The table in batches: ops of one module and first dtype go into one library."""
    found: dict[str, list[tuple[Op, tuple[DType, ...]]]] = {}
    for op in ops.TABLE.values():
        for dtypes in dtype_cases(op):
            kind = "composite" if op.form is None else type(op.form).__name__
            found.setdefault(f"{kind}-{dtypes[0] if dtypes else 'none'}", []).append((op, dtypes))
    return found
