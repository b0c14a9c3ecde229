"""The sorting networks, and the integers that elements are sorted as."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tcc.ir import dim
from tcc.ir import dtype as dtypes
from tcc.ir.scalar import Name
from tcc.schedule.sorting import keys, network


@pytest.mark.parametrize("count", [2, 3, 4, 7, 8, 11, 13, 16])
def test_the_network_sorts_every_sequence_of_two_values(count: int) -> None:
    """Then it sorts all sequences: Knuth's 0-1 principle (volume 3, 5.3.4, theorem Z)."""
    rows = np.array(list(product((0, 1), repeat=count)))
    for low, high in network.sorting(count):
        rows[:, [low, high]] = np.sort(rows[:, [low, high]], axis=1)
    assert (np.diff(rows, axis=1) >= 0).all()


@pytest.mark.parametrize("count", [2, 4, 8, 16])
def test_merging_sorts_what_rises_and_falls(count: int) -> None:
    falling = [[*np.roll([1] * ones + [0] * (count - ones), turn)] for ones in range(count) for turn in range(count)]
    rows = np.array(falling)
    for low, high in network.merging(count):
        rows[:, [low, high]] = np.sort(rows[:, [low, high]], axis=1)
    assert (np.diff(rows, axis=1) >= 0).all()


@pytest.mark.parametrize("most", [4, 8, 16])
def test_groups_of_a_pass_are_disjoint_and_sort_rows_of_any_length(most: int) -> None:
    rng = np.random.default_rng(most)
    for length in (*range(2, 70), 99, 100, 127, 128, 129, 200, 255, 256, 257, 511, 1024):
        rows = np.concatenate([rng.integers(0, high, (20, length)) for high in (3, length)])
        for groups in network.grouped(length, most):
            assert len(groups.members) <= most
            seen: list[int] = []
            for block, i in product(range(groups.blocks), range(groups.count)):
                at = [groups.span * block + offset + sign * i for offset, sign in groups.members]
                seen += at
                for a, b in groups.pairs:
                    rows[:, [at[a], at[b]]] = np.sort(rows[:, [at[a], at[b]]], axis=1)
            assert len(seen) == len(set(seen))
            assert all(0 <= place < length for place in seen)
        assert (np.diff(rows, axis=1) >= 0).all(), length


@pytest.mark.parametrize("dtype", ["f16", "f32", "f64", "bf16", "i8", "i64", "u16", "u32", "u64", "bool"])
def test_keys_are_signed_integers_and_come_back(dtype: str) -> None:
    element = Name(dtypes.parse(dtype), "x")
    key = keys.to_key(element, signed_zero=True)
    assert key.dtype == keys.key_dtype(element.dtype)
    assert key.dtype.kind == "int"
    assert keys.from_key(key, element.dtype).dtype == element.dtype


@pytest.mark.parametrize(("dtype", "length", "parts"), [("f32", 1000, 1), ("u16", 9, 1), ("f64", 9, 2), ("u32", 9, 2)])
def test_keys_and_positions_are_one_integer_where_both_have_room(dtype: str, length: int, parts: int) -> None:
    assert len(keys.Entries.of(dtypes.parse(dtype), True, length).dtypes) == parts


def test_a_row_of_unknown_length_may_have_more_positions() -> None:
    assert len(keys.Entries.of(dtypes.F32, True, dim.symbol("n")).dtypes) == 2
