"""What a function takes: types by parameter, nested like the arguments, from specs or from a call."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tcc.errors import Place, UserError
from tcc.frontends.numpy.operand import Traced
from tcc.ir import dim, types
from tcc.ir import dtype as dt
from tcc.ir.dim import Dim, Size, Symbol
from tcc.ir.location import UNKNOWN, Location
from tcc.ir.types import TensorType
from tcc.tree import Tree, flatten, unflatten


@dataclass(frozen=True)
class Argument:
    """A traced parameter: the tree of its leaves (numbered from 0) and their types."""

    name: str
    tree: Tree
    types: tuple[TensorType, ...]

    def leaves(self, value: Any) -> list[Any]:
        """The leaves of a value given for it; UserError when it is nested differently."""
        if self.tree.kind == "leaf":
            return [value]
        leaves, tree = flatten(value)
        if _outline(tree) != _outline(self.tree):
            raise UserError(
                f"argument '{self.name}' is nested differently from its spec",
                why=f"expected {_shown(self.tree)}, got {_shown(tree)}",
                fix="nest it as in the spec",
            )
        if self.tree.kind == "dict" and tree.keys != self.tree.keys:
            return _reordered(self.tree, value)
        return leaves

    @property
    def paths(self) -> list[str]:
        """A dotted name for each leaf."""
        return self.tree.paths(self.name)


def leaf_names(paths: Sequence[str], taken: Sequence[str] = ()) -> tuple[str, ...]:
    """Dotted names of letters, digits and ``_`` for leaves, as near to their paths as can be.

    They are distinct, and from ``taken``, also where dots are spelled ``_`` as in C.
    """
    spelled = {name.replace(".", "_") for name in taken}
    names: list[str] = []
    for path in paths:
        name = re.sub(r"[^0-9A-Za-z_.]", "_", path)
        while name.replace(".", "_") in spelled:
            name += "_"
        spelled.add(name.replace(".", "_"))
        names.append(name)
    return tuple(names)


@dataclass(frozen=True)
class Signature:
    """The traced arguments in the order of the Python signature, and the static ones by name."""

    arguments: tuple[Argument, ...]
    static: tuple[tuple[str, Any], ...] = ()

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(a.name for a in self.arguments)

    @property
    def types(self) -> tuple[TensorType, ...]:
        return tuple(t for a in self.arguments for t in a.types)

    @property
    def input_names(self) -> tuple[str, ...]:
        """A name for each leaf, as `leaf_names` makes them."""
        return leaf_names([p for a in self.arguments for p in a.paths])

    @property
    def tree(self) -> Tree:
        """All arguments as one tuple, keyed by parameter."""
        children: list[Tree] = []
        for argument in self.arguments:
            children.append(shifted(argument.tree, sum(c.leaves for c in children)))
        return Tree("tuple", tuple(children), self.parameters)

    def call(self, python: Callable[..., Any], leaves: Sequence[Any]) -> Any:
        """Calls the Python function on leaves."""
        values = [unflatten(child, leaves) for child in self.tree.children]
        given = {**dict(zip(self.parameters, values, strict=True)), **dict(self.static)}
        positional: list[Any] = []
        keyword: dict[str, Any] = {}
        for name, parameter in inspect.signature(python).parameters.items():
            if name in given and parameter.kind is parameter.KEYWORD_ONLY:
                keyword[name] = given[name]
            elif parameter.kind is parameter.VAR_POSITIONAL:
                positional += [given[n] for n in given if n.startswith(f"{name}_")]
            elif name in given:
                positional.append(given[name])
        return python(*positional, **keyword)


def shifted(tree: Tree, by: int) -> Tree:
    """The tree with its leaves numbered from ``by``."""
    if tree.kind == "leaf":
        return Tree("leaf", index=tree.index + by)
    return replace(tree, children=tuple(shifted(c, by) for c in tree.children))


def _outline(tree: Tree) -> Any:
    children = [_outline(c) for c in tree.children]
    kind = "dict" if tree.kind == "dataclass" else tree.kind
    return (kind, dict(zip(tree.keys, children, strict=True))) if tree.keys else (kind, children)


def _shown(tree: Tree) -> str:
    if tree.kind == "leaf":
        return "an array"
    if tree.kind == "none":
        return "None"
    parts = [_shown(c) for c in tree.children]
    if tree.keys:
        parts = [f"{k}: {p}" for k, p in zip(tree.keys, parts, strict=True)]
    opening, closing = {"list": "[]", "tuple": "()"}.get(tree.kind, "{}")
    return f"{opening}{', '.join(parts)}{closing}"


def _reordered(tree: Tree, value: Any) -> list[Any]:
    """Leaves in the tree's order, whatever the order of a dict's keys."""
    if tree.kind == "leaf":
        return [value]
    if tree.kind == "none":
        return []
    if tree.kind == "dict":
        parts = [value[k] for k in tree.keys]
    elif tree.kind == "dataclass":
        parts = [getattr(value, k) for k in tree.keys]
    else:
        parts = list(value)
    return [leaf for child, part in zip(tree.children, parts, strict=True) for leaf in _reordered(child, part)]


# --- from specs ----------------------------------------------------------------------------------


def from_specs(python: Callable[..., Any], specs: Mapping[str, Any], where: Place | None) -> Signature:
    """The signature that specs such as ``x="f32[batch, 784]"`` spell; sizes of one name are one size.

    Parameters without a spec stay what their default is. UserError, at the decorator's line, for a
    spec that is missing, unknown or no type, and for a size that cannot be found from the shapes.
    """
    parameters = inspect.signature(python).parameters
    for name in specs:
        if name not in parameters:
            near = difflib.get_close_matches(name, parameters, n=1)
            raise UserError(
                f"'{python.__name__}' has no parameter '{name}'",
                where=where,
                why=f"its parameters are {', '.join(parameters) or 'none'}",
                fix=f"did you mean {near[0]}?" if near else "name parameters of the function",
            )
    symbols: dict[str, Size] = {}
    arguments: list[Argument] = []
    static: list[tuple[str, Any]] = []
    for name, parameter in parameters.items():
        if name in specs:
            arguments.append(_argument(name, specs[name], symbols, where))
        elif parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise UserError(
                f"'{python.__name__}' takes *{name}, which a spec cannot describe",
                where=where,
                why="the number of arguments is fixed when the function is compiled",
                fix="take a tuple or a dict: xs=('f32[n]', 'f32[n]')",
            )
        elif parameter.default is not parameter.empty:
            static.append((name, parameter.default))
        else:
            raise UserError(
                f"the parameter '{name}' of '{python.__name__}' has no spec",
                where=where,
                why="where some arguments have specs, all have one or a default",
                fix=f'@tcc.function({name}="f32[n]", …), or give it a default to keep it a Python value',
            )
    signature = Signature(tuple(arguments), tuple(static))
    _check_solvable(signature, where)
    return signature


def _argument(name: str, spec: Any, symbols: dict[str, Size], where: Place | None) -> Argument:
    leaves, tree = flatten(spec)
    found: list[TensorType] = []
    for path, leaf in zip(tree.paths(name), leaves, strict=True):
        if not isinstance(leaf, str):
            raise UserError(
                f"the spec of '{path}' is {type(leaf).__name__}: {leaf!r}"[:200],
                where=where,
                why="a spec is text: a dtype and a shape",
                fix='write it as a string: "f32[batch, 784]", a scalar as "f32[]"',
            )
        try:
            found.append(types.parse(leaf, symbols))
        except UserError as error:
            raise UserError(f"the spec of '{path}': {error.what}", where=where, why=error.why, fix=error.fix) from None
    return Argument(name, tree, tuple(found))


def _check_solvable(signature: Signature, where: Place | None) -> None:
    known: set[str] = set()
    pending = [(n, s) for n, t in zip(signature.input_names, signature.types, strict=True) for s in t.shape]
    while True:
        solved = [s for _, s in pending if _unknown(s, known) is not None]
        if not solved:
            break
        known.update(name for s in solved for name in [_unknown(s, known)] if name is not None)
    for name, size in pending:
        lost = [s.name for s in dim.symbols(size) if s.name not in known]
        if lost:
            raise UserError(
                f"the size '{lost[0]}' cannot be found from the shapes of the arguments",
                where=where,
                why=f"'{size}' of '{name}' is not linear in one unknown size",
                fix=f"give some argument a dimension '{lost[0]}'",
            )


def _unknown(size: Size, known: set[str]) -> str | None:
    """The one symbol that is not known and that the size is linear in."""
    names = [s.name for s in dim.symbols(size) if s.name not in known]
    if len(names) != 1 or not isinstance(size, Dim):
        return None
    for monomial, _ in size.terms:
        mine = [(a, p) for a, p in monomial if names[0] in _names(a)]
        if len(mine) > 1 or any(p > 1 or not isinstance(a, Symbol) for a, p in mine):
            return None
    return names[0]


def _names(atom: dim.Atom) -> set[str]:
    return {s.name for s in dim.symbols(atom)}


# --- from a call ---------------------------------------------------------------------------------


def from_call(
    python: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[Signature, list[Any]]:
    """The signature of a call without specs, and its leaves: NumPy arrays and scalars (and traced values)
    are traced with their shapes, Python values are static."""
    arguments: list[Argument] = []
    static: list[tuple[str, Any]] = []
    given: list[Any] = []
    for name, value in bind(python, args, kwargs).items():
        leaves, tree = flatten(value)
        if leaves and all(is_array(x) for x in leaves):
            arguments.append(Argument(name, tree, tuple(map(type_of, leaves))))
            given += leaves
        elif any(is_array(x) for x in leaves):
            path = next(p for p, x in zip(tree.paths(name), leaves, strict=True) if not is_array(x))
            raise UserError(
                f"argument '{name}' mixes arrays and Python values",
                why=f"'{path}' is no array",
                fix=f"np.asarray({path}, 'f4') makes it one; pass other Python values as arguments of their own",
            )
        else:
            static.append((name, value))
    return Signature(tuple(arguments), tuple(static)), given


def bind(python: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by parameter name, defaults filled in; ``*xs`` as ``xs_0``, ``xs_1``, …"""
    signature = inspect.signature(python)
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        why = f"its signature is {python.__name__}{signature}"
        raise UserError(f"{python.__name__}: {error}", why=why, fix="call it as its signature says") from None
    bound.apply_defaults()
    result: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            result.update((f"{name}_{i}", v) for i, v in enumerate(value))
        elif kind is inspect.Parameter.VAR_KEYWORD:
            why = "the names of arguments are fixed when the function is compiled"
            raise UserError(
                f"'{python.__name__}' takes **{name}, which cannot be traced", why=why, fix="name the arguments"
            )
        else:
            result[name] = value
    return result


def is_array(value: Any) -> bool:
    """Whether a value is traced: an array or a scalar of NumPy's, a traced value, or of another array library."""
    return isinstance(value, (np.ndarray, np.generic, Traced)) or hasattr(value, "__dlpack__")


def type_of(value: Any) -> TensorType:
    """The type of an array or a traced value."""
    if isinstance(value, Traced):
        return value.value.type
    array = np.asarray(value)
    return TensorType(dt.of(array.dtype), tuple(map(int, array.shape)))


def definition(python: Callable[..., Any]) -> Location:
    """The line where a function is defined (its decorators included)."""
    code = getattr(inspect.unwrap(python), "__code__", None)
    if code is None:
        return UNKNOWN
    return Location(code.co_filename, code.co_firstlineno, code.co_name)
