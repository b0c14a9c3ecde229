"""Size expressions as text: ``2*n + 1``, ``(n + 3)//4``, ``min(n, 8)``. Evaluated without the compiler.

The operators are those of `tcc.ir.dim`: ``+ - * // %``, ``min`` and ``max``; ``//`` rounds to minus
infinity, and a division by zero gives 0 (it stands in an expression that an empty extent multiplies).
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeVar

from tcc.errors import UserError

T = TypeVar("T")

_OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.FloorDiv: "//",
    ast.Mod: "%",
}


def translate(
    text: str,
    constant: Callable[[int], T],
    symbol: Callable[[str], T],
    apply: Callable[[str, list[T]], T],
) -> T:
    """The expression rebuilt bottom-up by three functions.

    ``apply`` takes ``+ - * // % min max`` with two or more operands each (two, but for min and max).
    UserError when the text is no size expression.
    """

    def walk(node: ast.expr) -> T:
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return constant(node.value)
        if isinstance(node, ast.Name):
            return symbol(node.id)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return apply("-", [constant(0), walk(node.operand)])
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return apply(_OPERATORS[type(node.op)], [walk(node.left), walk(node.right)])
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("min", "max")
            and len(node.args) > 1
            and not node.keywords
        ):
            return apply(node.func.id, [walk(a) for a in node.args])
        raise UserError(f"'{text}' is not a size expression")

    return walk(_parse(text))


_parsing = threading.Lock()


@lru_cache(4096)
def _parse(text: str) -> ast.expr:
    try:
        # CPython 3.11's `ast.parse` counts its depth for all threads together, and fails when two parse at once.
        with _parsing:
            return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise UserError(f"'{text}' is not a size expression") from None


def evaluate(text: str, sizes: Mapping[str, int]) -> int:
    """The number that an expression stands for; UserError names a size that is missing."""

    def symbol(name: str) -> int:
        if name not in sizes:
            raise UserError(f"the size '{name}' in '{text}' is not known")
        return sizes[name]

    def apply(operator: str, operands: list[int]) -> int:
        if operator in ("min", "max"):
            return (min if operator == "min" else max)(operands)
        a, b = operands
        if operator in ("//", "%"):
            return 0 if b == 0 else a // b if operator == "//" else a % b
        return a + b if operator == "+" else a - b if operator == "-" else a * b

    return translate(text, lambda value: value, symbol, apply)
