"""Sizes read from text: what `str` of a size prints, and what users write in specs."""

from __future__ import annotations

import ast
from collections.abc import Callable

from tcc.errors import UserError
from tcc.ir import dim
from tcc.ir.dim import Size


def parse(text: str, resolve: Callable[[str], Size] = dim.symbol) -> Size:
    """The size that a text such as ``2*n + 1`` or ``min(n, m//2)`` spells.

    ``resolve`` gives the size of a name. UserError when the text is no size.
    """
    try:
        return _parse_node(ast.parse(text.strip(), mode="eval").body, resolve)
    except (SyntaxError, TypeError):
        raise UserError(
            f"'{text}' is not a size",
            why="expected integers, names, + - * // %, min(…) and max(…)",
            fix="write it as 3, n or 2*n + 1, for example",
        ) from None


def _parse_node(node: ast.expr, resolve: Callable[[str], Size]) -> Size:
    match node:
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            return value
        case ast.Name(id=name):
            return resolve(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return 0 - _parse_node(operand, resolve)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _parse_node(left, resolve), _parse_node(right, resolve)
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.FloorDiv():
                    return dim.floordiv(a, b)
                case ast.Mod():
                    return dim.mod(a, b)
                case _:
                    raise TypeError
        case ast.Call(func=ast.Name(id="min" | "max" as kind), args=arguments):
            parts = [_parse_node(a, resolve) for a in arguments]
            return dim.minimum(*parts) if kind == "min" else dim.maximum(*parts)
        case _:
            raise TypeError
