"""Nested arguments and results: dicts, lists, tuples and dataclasses of leaves.

A `Tree` describes the nesting as plain data, so that the manifest of a library can hold it. Leaves
are numbered in order; dicts keep their insertion order.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from tcc.errors import UserError


@dataclass(frozen=True)
class Tree:
    """``kind`` is leaf, none, dict, list, tuple or dataclass.

    ``keys`` are a dict's keys or a dataclass's field names; ``type`` is a dataclass's import path
    (``module:qualname``), ``made`` the class itself where it is at hand; ``index`` is a leaf's number.
    """

    kind: str
    children: tuple[Tree, ...] = ()
    keys: tuple[str, ...] = ()
    type: str = ""
    index: int = -1
    made: type | None = field(default=None, compare=False, repr=False)

    def to_json(self) -> Any:
        """Plain data for a manifest."""
        if self.kind == "leaf":
            return self.index
        entry: dict[str, Any] = {"kind": self.kind, "children": [c.to_json() for c in self.children]}
        if self.keys:
            entry["keys"] = list(self.keys)
        if self.type:
            entry["type"] = self.type
        return entry

    @staticmethod
    def from_json(data: Any) -> Tree:
        """The inverse of `to_json`."""
        if isinstance(data, int):
            return Tree("leaf", index=data)
        children = tuple(Tree.from_json(c) for c in data["children"])
        return Tree(data["kind"], children, tuple(data.get("keys", ())), data.get("type", ""))

    @property
    def leaves(self) -> int:
        """The number of leaves."""
        return 1 if self.kind == "leaf" else sum(c.leaves for c in self.children)

    def paths(self, prefix: str = "") -> list[str]:
        """A dotted name for each leaf, in order: ``p.W``, ``xs.0``."""
        if self.kind == "leaf":
            return [prefix]
        names = self.keys or tuple(map(str, range(len(self.children))))
        return [
            path
            for name, child in zip(names, self.children, strict=True)
            for path in child.paths(f"{prefix}.{name}" if prefix else name)
        ]


def flatten(value: Any, is_leaf: Callable[[Any], bool] = lambda _: False) -> tuple[list[Any], Tree]:
    """The leaves of a nested value in order, and its tree. Anything that is no container is a leaf."""
    leaves: list[Any] = []

    def walk(item: Any) -> Tree:
        if item is None:
            return Tree("none")
        if not is_leaf(item):
            if isinstance(item, dict):
                entries = cast("dict[Any, Any]", item)
                if not all(isinstance(k, str) for k in entries):
                    raise UserError(
                        f"a dict argument has keys that are not strings: {list(entries)[:5]}",
                        why="keys name arguments and results in C",
                        fix="use strings, or a list",
                    )
                return Tree("dict", tuple(walk(v) for v in entries.values()), tuple(entries))
            if isinstance(item, list):
                return Tree("list", tuple(map(walk, cast("list[Any]", item))))
            if isinstance(item, tuple):
                elements = cast("tuple[Any, ...]", item)
                fields: tuple[str, ...] = getattr(elements, "_fields", ())
                path = f"{type(elements).__module__}:{type(elements).__qualname__}" if fields else ""
                return Tree("tuple", tuple(map(walk, elements)), fields, path, made=type(elements) if fields else None)
            if dataclasses.is_dataclass(item) and not isinstance(item, type):
                names = tuple(f.name for f in dataclasses.fields(item))
                path = f"{type(item).__module__}:{type(item).__qualname__}"
                parts = tuple(walk(getattr(item, n)) for n in names)
                return Tree("dataclass", parts, names, path, made=type(item))
        leaves.append(item)
        return Tree("leaf", index=len(leaves) - 1)

    return leaves, walk(value)


def unflatten(tree: Tree, leaves: Sequence[Any]) -> Any:
    """The nested value of a tree with these leaves; a class that cannot be imported becomes a dict."""
    if tree.kind == "leaf":
        return leaves[tree.index]
    if tree.kind == "none":
        return None
    children = [unflatten(c, leaves) for c in tree.children]
    if tree.type:
        made: Any = tree.made if tree.made is not None else _imported(tree.type)
        fields = dict(zip(tree.keys, children, strict=True))
        return fields if made is None else made(**fields)
    if tree.kind == "dict":
        return dict(zip(tree.keys, children, strict=True))
    return children if tree.kind == "list" else tuple(children)


def _imported(path: str) -> Any:
    """The class at ``module:qualname``; None when it cannot be imported."""
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError):
        return None
    return found
