"""Public functions of `tcc.ops` as functions of NumPy arrays, with static or with symbolic sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tcc.ir import dim, interpret, verify
from tcc.ir import dtype as dt
from tcc.ir.graph import Graph, Value
from tcc.ir.location import Location, located
from tcc.ir.types import TensorType

Array = np.ndarray[Any, Any]
HERE = Location(__file__, 1)


def evaluated(function: Callable[..., Any], *arrays: Any, symbolic: bool = False) -> list[Array]:
    """The results of ``function`` of values of the arrays' types, run by the interpreter.

    ``symbolic``: each extent is a size named by its number, so that equal extents share a name; one of 1
    stays, because a named size never broadcasts.
    """
    inputs = [_input(np.asarray(a), i, symbolic) for i, a in enumerate(arrays)]
    with located(HERE):
        made = function(*inputs)
    outputs: Sequence[Value] = [made] if isinstance(made, Value) else list(made)
    graph = Graph("function", tuple(inputs), tuple(outputs))
    verify.verify_graph(graph)
    return interpret.run_graph(graph, [np.asarray(a) for a in arrays])


def _input(array: Array, index: int, symbolic: bool) -> Value:
    shape = tuple(dim.symbol(f"s{s}") if symbolic and s > 1 else s for s in array.shape)
    return Value(TensorType(dt.of(array.dtype), shape), HERE, name=f"x{index}")


def one(function: Callable[..., Any], *arrays: Any, symbolic: bool = False) -> Array:
    (result,) = evaluated(function, *arrays, symbolic=symbolic)
    return result
