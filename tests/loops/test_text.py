"""The loop IR's text form prints every program and reads it back exactly."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tcc.errors import UserError
from tcc.ir import dim
from tcc.ir.dtype import ALL, BOOL, C64, F32, F64, I8, I64, U8, DType
from tcc.ir.location import Location
from tcc.ir.scalar import Apply, Const, Expr, Name, apply
from tcc.loops import walk
from tcc.loops.program import Kernel, Let, Load, Loop, Parameter, Position, Program, Store
from tcc.loops.text import expr_text, parse, to_text
from tests.loops.programs import generate

X, Y, Z = (Load(F32, name, 0) for name in "XYZ")


def _kernel(value: Expr, index: dim.Size = 0, symbols: tuple[str, ...] = ("n", "m")) -> Program:
    names = {part.buffer: part.dtype for part in walk.parts(value) if isinstance(part, Load)}
    parameters = [Parameter(name, dtype, "read") for name, dtype in names.items()]
    store = Store("OUT", index, value)
    return Program((Kernel("k", (*parameters, Parameter("OUT", value.dtype, "write")), symbols, (store,)),), ())


def _value(program: Program) -> Expr:
    (store,) = program.kernels[0].body
    assert isinstance(store, Store)
    return store.value


@pytest.mark.parametrize("seed", range(150))
def test_random_programs_read_back(seed: int) -> None:
    program = generate(seed).program
    text = to_text(program)
    again = parse(text)
    assert again == program
    assert to_text(again) == text
    assert _ranges(again) == _ranges(program)


def _ranges(program: Program) -> set[tuple[str, int, dim.Size | None]]:
    sizes = [s for k in program.kernels for s in walk.all_sizes(k.body)]
    return {(x.name, x.lower, x.upper) for s in sizes for x in dim.symbols(s)}


@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_constants_keep_dtype_and_bits(dtype: DType) -> None:
    numbers: list[complex] = [0, 1]
    if dtype.is_inexact:
        numbers += [-0.0, 0.1, -1e-45, 3.4e38, math.inf, -math.inf, math.nan]
    elif dtype != BOOL:
        numbers += [2 ** (dtype.bits - 1) - 1, -1]
    if dtype.is_complex:
        numbers += [complex(-0.0, 2), complex(math.nan, -math.inf)]
    for number in numbers:
        const = Const(dtype, bool(number) if dtype == BOOL else number)
        found = _value(parse(to_text(_kernel(const))))
        assert isinstance(found, Const)
        assert found.dtype == dtype
        same = Const(dtype, complex(number)) if dtype.is_complex else const
        assert found.key() == (same.key() if not dtype.is_float else Const(dtype, float(number.real)).key())


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (X + Y * Z, "X[0] + Y[0]*Z[0]"),
        ((X + Y) * Z, "(X[0] + Y[0]) * Z[0]"),
        (X - (Y - Z), "X[0] - (Y[0] - Z[0])"),
        (X - Y - Z, "X[0] - Y[0] - Z[0]"),
        (-(X + Y), "-(X[0] + Y[0])"),
        ((X < Y) & ~(Y < Z), "(X[0] < Y[0]) & ~(Y[0] < Z[0])"),
        (apply("eq", X < Y, Y < Z), "(X[0] < Y[0]) == (Y[0] < Z[0])"),
        (apply("cast", X, dtype=I8), "cast[i8](X[0])"),
        (apply("select", X < Y, X, Const(F32, -1.0)), "select(X[0] < Y[0], X[0], f32(-1.0))"),
        (apply("complex", X, Y, dtype=C64), "complex[c64](X[0], Y[0])"),
        (Position(I64, -dim.floordiv(dim.symbol("n"), 2)), "position[i64](-(n//2))"),
        (Load(F32, "X", 1, X < Y) + 1.0, "(X[1] if X[0] < Y[0] else 0) + f32(1.0)"),
    ],
)
def test_expressions(expr: Expr, text: str) -> None:
    assert expr_text(expr).replace(" * ", "*") == text.replace(" * ", "*")
    assert _value(parse(to_text(_kernel(expr)))) == expr


@pytest.mark.parametrize(
    "size",
    [
        -dim.floordiv(dim.symbol("n"), 2),
        dim.symbol("m") - dim.floordiv(dim.symbol("n"), 3),
        3 * dim.floordiv(dim.symbol("n") + 1, dim.symbol("m")) - 7,
        dim.floordiv(dim.symbol("n"), 2) * dim.floordiv(dim.symbol("n"), 2),
        -dim.minimum(dim.symbol("n"), dim.symbol("m")),
        dim.maximum(dim.floordiv(dim.symbol("n"), 2), dim.symbol("m") * dim.symbol("m")),
        dim.mod(dim.symbol("n"), 5),
        dim.floordiv(dim.maximum(dim.symbol("n"), 4), dim.minimum(dim.symbol("m"), dim.symbol("n"))),
    ],
    ids=str,
)
def test_sizes(size: dim.Size) -> None:
    program = _kernel(X, size)
    assert parse(to_text(program)) == program


def test_sizes_are_not_simplified_when_read() -> None:
    """An index that was made without bounds stays as it was, whatever the bounds say."""
    i = dim.symbol("i", 0, 3)
    index = dim.floordiv(dim.symbol("i"), 4)
    assert dim.floordiv(i, 4) == 0
    kernel = Kernel(
        "k", (Parameter("OUT", F32, "write"),), (), (Loop("i", 0, 4, (Store("OUT", index, Const(F32, 1.0)),)),)
    )
    assert parse(to_text(kernel)).kernels[0] == kernel


def test_ranges_of_symbols() -> None:
    n = dim.symbol("n", 1, 4096)
    loop = Loop(
        "i", 0, n, (Let("j", Load(I64, "I", dim.axis("i", n))), Store("Y", dim.symbol("j", 0, n - 1), Const(F64, 1.0)))
    )
    kernel = Kernel("k", (Parameter("I", I64, "read"), Parameter("Y", F64, "write")), ("n",), (loop,))
    text = to_text(kernel)
    assert "n within 1..4097" in text
    assert "let j within 0..n = I[i]" in text
    assert _ranges(parse(text)) == _ranges(Program((kernel,), ()))


def test_locations() -> None:
    outer = Location("/m odel.py", 3, "f")
    at = Location('/a"b.py', 7, "g", outer)
    store = Store("Y", 0, Const(U8, 1), location=at)
    kernel = Kernel("k", (Parameter("Y", U8, "write"),), (), (replace(store), replace(store, index=1)), outer)
    found = parse(to_text(kernel)).kernels[0]
    assert found.location == outer
    assert [s.location for s in found.body if isinstance(s, Store)] == [at, at]
    assert "location" not in to_text(kernel, locations=False)
    assert parse(to_text(kernel, locations=False)).kernels[0] == kernel


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("kernel k(Y: f32 write)\n  Y[0] = x\n", 2, "'x' is not defined here"),
        ("kernel k(Y: f32 write)\n  Z[0] == f32(1.0)\n", 2, "expected a statement"),
        ("kernel k(Y: f32 write)\n  Y[0] = X[0]\n", 2, "no buffer 'X'"),
        ("kernel k(Y: f32 write)\n  Y[0] = cosh2(f32(1.0))\n", 2, "no operation 'cosh2'"),
        ("kernel k(Y: f32 write)\n  else\n", 2, "else without an if"),
        ("kernel k(Y: f32 write)\n  Y[1.5] = f32(1.0)\n", 2, "no size"),
        ("kernel k(Y: f32 write)\n  Y[0] = f32(1.0)  @4\n", 2, "no location 4"),
        ("kernel k(Y: f33 write)\n", 1, "f33"),
        ("\nnonsense\n", 2, "expected kernel"),
        ("entry f()\n  inputs\n", 1, "no outputs"),
    ],
)
def test_what_is_no_text(text: str, line: int, why: str) -> None:
    with pytest.raises(UserError, match=f"line {line} of") as error:
        parse(text)
    assert why in str(error.value)


def test_deep_chains_print() -> None:
    value: Expr = Name(F32, "x")
    for _ in range(100):
        value = Apply(F32, "add", (value, Const(F32, 1.0)))
    assert expr_text(value).count("+") == 100


def test_messages_and_weights() -> None:
    program = Program((), (), (("w", "00ff"),), ('index "i"  @1', "a\nb", "ü"))
    assert parse(to_text(program)) == program
