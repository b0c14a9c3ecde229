"""Sizes and expressions in the loop IR's text form: Python's syntax, read into nodes unsimplified."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tcc.ir import dim, dtype
from tcc.ir.dim import Extremum, FloorDiv, Size, Symbol
from tcc.ir.dtype import BOOL, U32, DType
from tcc.ir.scalar import TABLE, Const, Expr, Name, apply
from tcc.loops.program import Load, Position

_INFIX: Mapping[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div",
    ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "xor", ast.USub: "neg", ast.Invert: "not",
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
}  # fmt: skip


@dataclass
class Scope:
    """What names mean: dtypes of values and buffers, symbols of indices."""

    values: dict[str, DType] = field(default_factory=dict[str, DType])
    buffers: dict[str, DType] = field(default_factory=dict[str, DType])
    symbols: dict[str, Symbol] = field(default_factory=dict[str, Symbol])

    def inner(self) -> Scope:
        return Scope(dict(self.values), dict(self.buffers), dict(self.symbols))


class SpellingError(Exception):
    """What is wrong with a line."""


def read_size(text: str, scope: Scope) -> Size:
    """The size that a text spells."""
    return _size(ast.parse(text.strip(), mode="eval").body, scope)


def read_exprs(text: str, count: int, scope: Scope) -> tuple[Expr, ...]:
    """The expressions that a text spells: one, or ``count`` of them between parentheses."""
    node = ast.parse(text.strip(), mode="eval").body
    parts = node.elts if count > 1 and isinstance(node, ast.Tuple) else [node]
    return tuple(_expr(p, scope) for p in parts)


def _size(node: ast.expr, scope: Scope) -> Size:
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.Name(id=name):
            return dim.of_atom(scope.symbols.get(name, Symbol(name)))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_size(operand, scope)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _size(left, scope), _size(right, scope)
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.FloorDiv():
                    return dim.of_atom(FloorDiv(a, b))
                case _:
                    pass
        case ast.Call(func=ast.Name(id="min" | "max" as kind), args=arguments):
            return dim.of_atom(Extremum(kind, tuple(_size(a, scope) for a in arguments)))
        case _:
            pass
    raise SpellingError(f"'{ast.unparse(node)}' is no size")


def _expr(node: ast.expr, scope: Scope) -> Expr:
    match node:
        case ast.Name(id=name):
            if name not in scope.values:
                raise SpellingError(f"'{name}' is not defined here")
            return Name(scope.values[name], name)
        case ast.Subscript() | ast.Call(func=ast.Name(id="word")):
            return _load(node, scope)
        case ast.IfExp(test=test, body=body):
            return replace(_load(body, scope), guard=_expr(test, scope))
        case ast.Call(func=ast.Subscript(value=ast.Name(id=op), slice=ast.Name(id=kind)), args=arguments):
            if op == "position":
                return Position(dtype.parse(kind), _size(arguments[0], scope))
            return _apply(op, [_expr(a, scope) for a in arguments], dtype.parse(kind))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            if name in dtype.BY_NAME:
                return _const(dtype.BY_NAME[name], [ast.unparse(a) for a in arguments])
            return _apply(name, [_expr(a, scope) for a in arguments])
        case ast.BinOp(left=left, op=op, right=right):
            return _apply(_INFIX.get(type(op), "?"), [_expr(left, scope), _expr(right, scope)])
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _apply(_INFIX.get(type(op), "?"), [_expr(left, scope), _expr(right, scope)])
        case ast.UnaryOp(op=op, operand=operand):
            return _apply(_INFIX.get(type(op), "?"), [_expr(operand, scope)])
        case _:
            raise SpellingError(f"'{ast.unparse(node)}' is no expression")


def _const(kind: DType, parts: list[str]) -> Const:
    if kind.is_complex:
        return Const(kind, complex(float(parts[0]), float(parts[1])))
    if kind.is_float:
        return Const(kind, float(parts[0]))
    return Const(kind, bool(int(parts[0])) if kind == BOOL else int(parts[0]))


def _load(node: ast.expr, scope: Scope) -> Load:
    match node:
        case ast.Call(args=[ast.Subscript() as element]):
            return replace(_load(element, scope), dtype=U32, word=True)
        case ast.Subscript(value=ast.Name(id=buffer), slice=index):
            if buffer not in scope.buffers:
                raise SpellingError(f"there is no buffer '{buffer}' here")
            return Load(scope.buffers[buffer], buffer, _size(index, scope))
        case _:
            raise SpellingError(f"'{ast.unparse(node)}' is no load")


def _apply(op: str, arguments: list[Expr], result: DType | None = None) -> Expr:
    if op not in TABLE:
        raise SpellingError(f"there is no operation '{op}'")
    return apply(op, *arguments, dtype=result)
