"""From what a caller passes to arrays that a compiled function can read, or a message that says why not."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import numpy as np

from tcc.artifact import Function, Tensor
from tcc.artifact.expression import evaluate
from tcc.errors import UserError
from tcc.runtime.element import numpy_dtype
from tcc.tree import Tree

Array = np.ndarray[Any, np.dtype[Any]]
_PASS = "pass its arguments in this order, or by these names"
_NEST = "nest it as in the signature: help() of the function shows it"
_BF16_FROM_FILE = np.dtype("V2")
"""What NumPy writes to a file, and reads again, for bf16."""


def signature(function: Function) -> inspect.Signature:
    """The Python signature; annotations are the types as texts."""
    parameters: list[inspect.Parameter] = []
    for name, tree in zip(function.parameters, function.arguments_tree.children, strict=True):
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters.append(inspect.Parameter(name, kind, annotation=_annotation(tree, function.arguments)))
    parameters.append(inspect.Parameter("out", inspect.Parameter.KEYWORD_ONLY, default=None))
    result = _annotation(function.results_tree, function.results)
    return inspect.Signature(parameters, return_annotation=result)


def _annotation(tree: Tree, tensors: Sequence[Tensor]) -> str:
    if tree.kind == "leaf":
        return str(tensors[tree.index])
    parts = [_annotation(c, tensors) for c in tree.children]
    if tree.keys:
        return "{" + ", ".join(f"{k}: {p}" for k, p in zip(tree.keys, parts, strict=True)) + "}"
    return (
        "None" if tree.kind == "none" else f"[{', '.join(parts)}]" if tree.kind == "list" else f"({', '.join(parts)})"
    )


def bind(function: Function, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """The leaves of a call's arguments in order. UserError for missing, unknown or wrongly nested ones."""
    names = function.parameters
    given = dict(zip(names, args, strict=False))
    expected = f"{function.name}({', '.join(names)})"
    if len(args) > len(names):
        raise UserError(
            f"{function.name}: {len(args)} arguments were given, expected {len(names)}",
            why=f"the signature is {expected}",
            fix=_PASS,
        )
    for name, value in kwargs.items():
        if name not in names:
            raise UserError(
                f"{function.name}: there is no argument '{name}'", why=f"the signature is {expected}", fix=_PASS
            )
        if name in given:
            raise UserError(
                f"{function.name}: argument '{name}' was given twice",
                why=f"the signature is {expected}",
                fix="give it by position or by name",
            )
        given[name] = value
    missing = [name for name in names if name not in given]
    if missing:
        raise UserError(
            f"{function.name}: argument '{missing[0]}' is missing", why=f"the signature is {expected}", fix=_PASS
        )
    leaves: list[Any] = [None] * len(function.arguments)
    for name, tree in zip(names, function.arguments_tree.children, strict=True):
        spread(tree, given[name], leaves, f"{function.name}: argument '{name}'")
    return leaves


def spread(tree: Tree, value: Any, leaves: list[Any], where: str) -> None:
    """Puts the parts of a nested value at the places of their leaves."""
    if tree.kind == "leaf":
        leaves[tree.index] = value
        return
    if tree.kind == "none":
        if value is not None:
            raise UserError(f"{where} must be None", why="so it was when the function was compiled", fix="pass None")
        return
    for number, child in enumerate(tree.children):
        key = tree.keys[number] if tree.keys else number
        spread(child, _part(tree, value, key, where), leaves, f"{where}{_step(tree, key)}")
    parts = len(cast("Sequence[Any]", value)) if isinstance(value, (list, tuple, dict)) else len(tree.children)
    if parts != len(tree.children):
        raise UserError(
            f"{where} has {parts} parts, expected {len(tree.children)}", why=f"expected {_nesting(tree)}", fix=_NEST
        )


def _step(tree: Tree, key: str | int) -> str:
    return f".{key}" if tree.kind == "dataclass" or tree.type else f"[{key!r}]"


def _part(tree: Tree, value: Any, key: str | int, where: str) -> Any:
    try:
        if isinstance(key, str) and (tree.kind == "dataclass" or tree.type) and not isinstance(value, dict):
            return getattr(value, key)
        return cast(Any, value[key])
    except (KeyError, IndexError, TypeError, AttributeError):
        why = f"expected {_nesting(tree)}; it is {_kind(value)}"
        raise UserError(f"{where} has no part {key!r}", why=why, fix=_NEST) from None


def _nesting(tree: Tree) -> str:
    if tree.keys:
        return f"a {tree.kind} with {', '.join(tree.keys)}"
    return f"{len(tree.children)} parts in a {tree.kind}"


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return f"a dict with {', '.join(map(str, cast('dict[Any, Any]', value)))}"
    return f"of type {type(value).__name__}"


def as_array(value: Any, tensor: Tensor, where: str) -> Array:
    """The value as a contiguous, aligned array in native byte order; copied only where it is not one.

    Arrays of other libraries come without a copy by DLPack. UserError for another dtype.
    """
    expected = numpy_dtype(tensor.dtype)
    array: Array = _plain(value, tensor, where)
    if tensor.dtype == "bf16" and array.dtype == _BF16_FROM_FILE:
        array = array.view(expected)
    if array.dtype != expected and array.dtype.newbyteorder("=") != expected:
        if array.dtype.kind not in "biufc":
            raise UserError(
                f"{where} is {_kind(value)}, expected an array {tensor}",
                why=f"as an array it has dtype {array.dtype}",
                fix=f"pass an array of {expected}",
            )
        converted = f"{tensor.name}.astype('{expected}')"
        if not hasattr(value, "astype"):
            converted = f"np.asarray({tensor.name}, '{expected}')"
        raise UserError(
            f"{where} has dtype {array.dtype}, expected {expected} ({tensor})",
            why="arrays are read in place, not converted",
            fix=f"convert it: {converted}",
        )
    if array.dtype == expected and array.flags.c_contiguous and array.flags.aligned:
        return array
    copy: Array = np.array(array, dtype=expected, order="C")
    return copy


def _plain(value: Any, tensor: Tensor, where: str) -> Array:
    if isinstance(value, np.ma.MaskedArray):
        raise UserError(
            f"{where} is a masked array",
            why="compiled functions know no masks",
            fix="pass its data and its mask: x.filled(0), x.mask",
        )
    if isinstance(value, np.ndarray):
        return cast(Array, value).view(np.ndarray)
    if type(value) in (bool, int, float, complex):
        return _scalar(value, tensor, where)
    try:
        if hasattr(value, "__dlpack__") and not isinstance(value, np.generic):
            return cast(Array, np.from_dlpack(value))
        return cast(Array, np.asarray(value))
    except (TypeError, ValueError, BufferError, RuntimeError, AttributeError) as error:
        raise UserError(
            f"{where} cannot be read as an array",
            why=f"{type(value).__name__}: {error}",
            fix="pass a NumPy array, or a CPU tensor that offers DLPack (detached from any gradient)",
        ) from None


def _scalar(value: bool | int | float | complex, tensor: Tensor, where: str) -> Array:
    """A Python number takes the dtype it is passed for, as beside an array in NumPy."""
    kind = "f" if tensor.dtype == "bf16" else tensor.dtype[0]
    if kind in {bool: "b", int: "iufc", float: "fc", complex: "c"}[type(value)]:
        with suppress(OverflowError):
            array: Array = np.array(value, dtype=numpy_dtype(tensor.dtype))
            return array
    raise UserError(
        f"{where} is {value!r}, which {tensor.dtype} cannot hold",
        why="a Python number takes the dtype of the argument it is passed for",
        fix=f"pass a number that fits into {tensor.dtype}, or compile the function for another dtype",
    )


def solve(function: Function, arrays: Sequence[Array]) -> dict[str, int]:
    """The sizes that the shapes of the arguments mean. UserError naming the argument, both shapes and why."""
    for array, tensor in zip(arrays, function.arguments, strict=True):
        if array.ndim != len(tensor.shape):
            raise _mismatch(function, tensor, array.shape, {})
    sizes: dict[str, int] = {}
    for step in function.solves:
        extent = arrays[step.argument].shape[step.axis]
        coefficient = evaluate(step.coefficient, sizes)
        sizes[step.symbol] = (extent - evaluate(step.offset, sizes)) // coefficient if coefficient else 0
    for symbol in function.symbols:
        value = sizes[symbol.name]
        if value < symbol.lower or (symbol.upper is not None and value > symbol.upper):
            bound = f"at least {symbol.lower}" if value < symbol.lower else f"at most {symbol.upper}"
            raise UserError(
                f"{function.name}: the size '{symbol.name}' is {value}, but must be {bound}",
                why="the arguments' shapes say so, and the function is compiled for that range",
                fix="pass arrays of other sizes, or compile it for a wider range",
            )
    for array, tensor in zip(arrays, function.arguments, strict=True):
        if array.shape != tuple(evaluate(extent, sizes) for extent in tensor.shape):
            raise _mismatch(function, tensor, array.shape, sizes)
    return sizes


def _mismatch(function: Function, tensor: Tensor, shape: Sequence[int], sizes: Mapping[str, int]) -> UserError:
    found = ", ".join(f"{name} = {value}" for name, value in sizes.items())
    wanted = "[" + ", ".join(str(evaluate(extent, sizes)) if sizes else extent for extent in tensor.shape) + "]"
    return UserError(
        f"{function.name}: argument '{tensor.name}' has shape {list(shape)}, expected [{', '.join(tensor.shape)}]",
        why=f"the arguments' shapes say {found}"
        if found
        else f"it has {len(shape)} ax{'is' if len(shape) == 1 else 'es'} instead of {len(tensor.shape)}",
        fix=f"pass an array of shape {wanted}"
        + (", or others to go with it" if found and len(function.arguments) > 1 else ""),
    )
