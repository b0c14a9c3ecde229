"""Nested arguments: flattening and rebuilding."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, NamedTuple

import pytest

from tcc.errors import UserError
from tcc.tree import Tree, flatten, unflatten


@dataclasses.dataclass
class Point:
    x: Any
    y: Any


class Pair(NamedTuple):
    a: Any
    b: Any


@pytest.mark.parametrize(
    "value",
    [1.0, [1, 2], (1, (2, [3])), {"b": 1, "a": {"c": 2}}, Point(1, [2, 3]), Pair(1, (2,)), None, (), {"x": None}, [[]]],
)
def test_a_nested_value_survives(value: Any) -> None:
    leaves, tree = flatten(value)
    again = Tree.from_json(json.loads(json.dumps(tree.to_json())))
    assert again == tree
    assert unflatten(again, leaves) == value
    assert tree.leaves == len(leaves)


def test_leaves_have_dotted_names() -> None:
    _, tree = flatten({"W": 1, "layers": [Point(1, 2), (3,)]})
    assert tree.paths("p") == ["p.W", "p.layers.0.x", "p.layers.0.y", "p.layers.1.0"]


def test_keys_must_be_strings() -> None:
    with pytest.raises(UserError, match="keys that are not strings"):
        flatten({1: 2})
