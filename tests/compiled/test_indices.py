"""Indices that are data: out of range the call fails, and no memory outside of the operands is touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tcc import ops, pipeline, runtime
from tcc.errors import UserError
from tcc.ir import dim
from tcc.ir import dtype as dt
from tcc.ir.graph import Function, Graph, Module, Value
from tcc.ir.location import Location, located
from tcc.ir.types import TensorType
from tests.compiled.functions import as_function
from tests.guarded import guarded

pytestmark = pytest.mark.xdist_group("indices")
"""One worker compiles the library for all of them."""

HERE = Location(__file__, 1)


def functions() -> tuple[Function, ...]:
    n, m, k = dim.symbol("n"), dim.symbol("m"), dim.symbol("k")
    x = Value(TensorType(dt.F32, (n, k)), HERE, name="x")
    row = Value(TensorType(dt.F32, (k,)), HERE, name="row")
    rows = Value(TensorType(dt.F32, (m, k)), HERE, name="rows")
    at = Value(TensorType(dt.I32, (m,)), HERE, name="at")
    with located(HERE):
        return (
            as_function(Graph("rows_at", (x, at), (ops.take(x, at, 0),)), HERE),
            as_function(Graph("third", (x,), (ops.getitem(x, 2),)), HERE),
            as_function(Graph("added", (x, at, rows), (ops.scatter_add(x, at, rows),)), HERE),
            as_function(Graph("replaced", (x, row), (ops.scatter_set(x, 0, row),)), HERE),
        )


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[runtime.Library]:
    path: Path = tmp_path_factory.mktemp("indices") / "indices.so"
    pipeline.compile_to(Module(functions()), path, pipeline.Options())
    with runtime.load(path) as loaded:
        yield loaded


def call(library: runtime.Library, name: str, *arrays: np.ndarray) -> np.ndarray:
    shape = {"rows_at": (len(arrays[1]) if len(arrays) > 1 else 0, arrays[0].shape[1]), "third": arrays[0].shape[1:]}
    out = guarded(np.zeros(shape.get(name, arrays[0].shape), np.float32), writable=True)
    library[name](*map(guarded, arrays), out=out)
    return np.array(out)


X = np.arange(15, dtype=np.float32).reshape(5, 3)
ONES = np.ones((3, 3), np.float32)


def test_indices_in_range(library: runtime.Library) -> None:
    at = np.array([4, -5, -1], np.int32)
    np.testing.assert_array_equal(call(library, "rows_at", X, at), X[at])
    np.testing.assert_array_equal(call(library, "third", X), X[2])
    expected = X.copy()
    np.add.at(expected, at, ONES)
    np.testing.assert_array_equal(call(library, "added", X, at, ONES), expected)
    expected = X.copy()
    expected[0] = 7
    np.testing.assert_array_equal(call(library, "replaced", X, np.full(3, 7, np.float32)), expected)


@pytest.mark.parametrize("wrong", [5, -6, 2**31 - 1, -(2**31)])
def test_indices_out_of_range(library: runtime.Library, wrong: int) -> None:
    at = np.array([0, wrong, 1], np.int32)
    with pytest.raises(UserError, match="index out of range"):
        call(library, "rows_at", X, at)
    with pytest.raises(UserError, match="index out of range"):
        call(library, "added", X, at, ONES)


@pytest.mark.parametrize("rows", [0, 2])
def test_a_size_that_turns_out_too_small(library: runtime.Library, rows: int) -> None:
    with pytest.raises(UserError, match="index out of range"):
        call(library, "third", X[:rows])


def test_an_axis_that_turns_out_empty(library: runtime.Library) -> None:
    empty, at = np.zeros((0, 3), np.float32), np.zeros(3, np.int32)
    with pytest.raises(UserError, match="index out of range"):
        call(library, "rows_at", empty, at)
    with pytest.raises(UserError, match="index out of range"):
        call(library, "added", empty, at, ONES)
    with pytest.raises(UserError, match="index out of range"):
        call(library, "replaced", empty, np.ones(3, np.float32))
