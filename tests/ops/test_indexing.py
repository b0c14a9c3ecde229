"""Indexing is NumPy's: values, shapes and the place of axes; sizes may be known only at run time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcc import ops
from tcc.errors import Unsupported, UserError
from tcc.ir import dim
from tcc.ir import dtype as dt
from tcc.ir.graph import Value, reachable
from tcc.ir.types import TensorType
from tcc.ops.indexing import slice_range
from tests.ops.evaluated import HERE, one

BOUNDS = st.none() | st.integers(-7, 7)
SLICES = st.builds(slice, BOUNDS, BOUNDS, st.none() | st.integers(-3, 3).filter(bool))


@st.composite
def keys(draw: st.DrawFn) -> tuple[tuple[int, ...], Any]:
    """A shape and a key for it, of all that a key may hold."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    used = draw(st.integers(0, len(shape)))
    lead = draw(st.booleans())
    index_shape = draw(st.sampled_from([(), (2,), (3, 2)]))
    parts: list[Any] = []
    for size in shape[:used] if lead else shape[len(shape) - used :]:
        kind = draw(st.sampled_from("sssia"))
        if kind == "s":
            parts.append(draw(SLICES))
        elif kind == "i":
            parts.append(draw(st.integers(-size, size - 1)))
        else:
            flat = draw(st.lists(st.integers(-size, size - 1), min_size=6, max_size=6))
            count = int(np.prod(index_shape))
            parts.append(np.array(flat[:count]).reshape(index_shape))
    if not lead:
        parts.insert(0, Ellipsis)
    for _ in range(draw(st.integers(0, 2))):
        parts.insert(draw(st.integers(0, len(parts))), None)
    return shape, tuple(parts)


@settings(max_examples=400, deadline=None)
@given(keys(), st.booleans(), st.booleans())
def test_getitem(case: tuple[tuple[int, ...], Any], symbolic: bool, traced: bool) -> None:
    shape, key = case
    x = np.arange(np.prod(shape)).reshape(shape).astype(np.float32)
    arrays = [k for k in key if isinstance(k, np.ndarray)] if traced else []

    def call(value: Value, *indices: Value) -> Value:
        given = iter(indices)
        full = tuple(next(given) if traced and isinstance(k, np.ndarray) else k for k in key)
        return ops.getitem(value, full)

    plain = tuple(int(k) if isinstance(k, np.ndarray) and not k.ndim else k for k in key)
    np.testing.assert_array_equal(one(call, x, *arrays, symbolic=symbolic and not traced), x[plain])


@settings(max_examples=400, deadline=None)
@given(SLICES)
def test_slices_of_a_size_known_at_run_time(key: slice) -> None:
    n = dim.symbol("n")
    taken = slice_range(key, n)
    for size in range(8):
        start, length = (dim.evaluate(v, {"n": size}) for v in (taken.start, taken.length))
        assert [start + taken.step * i for i in range(length)] == list(range(size))[key], (key, size)


def test_lengths_that_are_equal_look_equal() -> None:
    n = dim.symbol("n")
    length = [slice_range(s, n).length for s in (slice(1, -1), slice(2, None), slice(None, -2))]
    assert length[0] == length[1] == length[2]
    half = n // 2
    assert slice_range(slice(1, None, 2), 2 * half).length == slice_range(slice(0, None, 2), 2 * half).length == half
    assert slice_range(slice(None), n).length == n
    assert slice_range(slice(None, None, -1), n).length == n


@settings(max_examples=200, deadline=None)
@given(keys(), st.booleans())
def test_scatter(case: tuple[tuple[int, ...], Any], add: bool) -> None:
    shape, key = case
    x = np.arange(np.prod(shape)).reshape(shape).astype(np.float64)
    updates = np.asarray(np.random.default_rng(1).integers(1, 9, x[key].shape).astype(np.float64))
    expected = x.copy()
    if add:
        np.add.at(expected, key, updates)
    else:
        expected[key] = updates
    function = ops.scatter_add if add else ops.scatter_set
    np.testing.assert_array_equal(one(lambda v, u: function(v, key, u), x, updates), expected)


def _value(type: TensorType) -> Value:
    return Value(type, HERE, name="x")


X = _value(TensorType(dt.F32, (dim.symbol("n"), 3)))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ((0, 3), "index 3 is out of range for axis 1"),
        ((0, 0, 0), "3 indices"),
        (([0, 5],), None),
        ((slice(None), [0, 5]), "index 5 is out of range for axis 1"),
        ((Ellipsis, Ellipsis), "more than one ellipsis"),
        (slice(None, None, 0), "step 0"),
        ("a", "an index is str"),
        (1.5, "an index is float"),
        (np.array([0.5]), "dtype f64"),
        (slice(dim.symbol("n") - dim.symbol("m"), None), "may be negative or not"),
    ],
)
def test_wrong_keys(key: Any, message: str | None) -> None:
    if message is None:
        assert ops.getitem(X, key).type.shape == (2, 3)  # the size is known only at run time
        return
    with pytest.raises(UserError, match=message):
        ops.getitem(X, key)


def test_an_index_into_a_size_known_at_run_time_is_checked_there() -> None:
    assert [n.op.name for n in _nodes(ops.getitem(X, 2))] == ["index"]
    assert [n.op.name for n in _nodes(ops.getitem(X, (slice(None), 2)))] == ["slice", "reshape"]


def _nodes(value: Value) -> list[Any]:

    return list(reachable([value]))


def test_a_bool_array_is_taken_when_known() -> None:
    x = np.arange(12.0).reshape(3, 4)
    mask = x % 2 == 0
    np.testing.assert_array_equal(one(lambda v: ops.getitem(v, mask), x), x[mask])
    with pytest.raises(Unsupported, match="where"):
        ops.getitem(X, ops.greater(X, 0))


@pytest.mark.parametrize("axis", [None, 0, 1, -1])
@pytest.mark.parametrize("mode", ["raise", "wrap", "clip"])
def test_take(axis: int | None, mode: str) -> None:
    x = np.arange(12.0).reshape(3, 4)
    at = np.array([[0, 2], [1, -1]]) if mode == "raise" else np.array([[0, 9], [5, -7]])
    found = one(lambda v, i: ops.take(v, i, axis, mode), x, at)
    np.testing.assert_array_equal(found, np.take(x, at, axis, mode=mode))


def test_take_along_axis() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_array_equal(one(ops.take_along_axis, x, np.argsort(x)), np.sort(x))
    top = np.argmax(x, 1)[:, None]
    np.testing.assert_array_equal(one(lambda v, i: ops.take_along_axis(v, i, 1), x, top), np.take_along_axis(x, top, 1))


def test_an_index_out_of_range_fails_when_run() -> None:
    with pytest.raises(IndexError):
        one(lambda v, i: ops.getitem(v, i), np.zeros(3), np.array([3]))
