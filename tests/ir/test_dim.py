"""The algebra of sizes: canonical form, simplification, bounds and text, against plain integers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcc.errors import UserError
from tcc.ir import dim, size_text
from tcc.ir.dim import Size

SIZES = {"n": (1, 9), "m": (1, 7), "k": (2, 5)}
SYMBOLS = {name: dim.symbol(name, low, high) for name, (low, high) in SIZES.items()}


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> Size:
    if depth == 0 or draw(st.booleans()):
        return draw(st.one_of(st.integers(-6, 12), st.sampled_from(list(SYMBOLS.values()))))
    a, b = draw(expressions(depth=depth - 1)), draw(expressions(depth=depth - 1))
    match draw(st.sampled_from(["+", "-", "*", "//", "%", "min", "max"])):
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "//":
            return dim.floordiv(a, dim.maximum(b, 1))
        case "%":
            return dim.mod(a, dim.maximum(b, 1))
        case "min":
            return dim.minimum(a, b)
        case _:
            return dim.maximum(a, b)


values = st.fixed_dictionaries({name: st.integers(low, high) for name, (low, high) in SIZES.items()})


@settings(max_examples=400, deadline=None)
@given(expressions(), values)
def test_bounds_and_proofs_hold(size: Size, sizes: dict[str, int]) -> None:
    value = dim.evaluate(size, sizes)
    low, high = dim.bounds(size)
    assert low is None or low <= value
    assert high is None or value <= high
    assert not dim.nonnegative(size) or value >= 0


@settings(max_examples=400, deadline=None)
@given(expressions(), expressions(), values)
def test_arithmetic_agrees_with_integers(a: Size, b: Size, sizes: dict[str, int]) -> None:
    x, y = dim.evaluate(a, sizes), dim.evaluate(b, sizes)
    assert dim.evaluate(a + b, sizes) == x + y
    assert dim.evaluate(a - b, sizes) == x - y
    assert dim.evaluate(a * b, sizes) == x * y
    assert dim.evaluate(dim.minimum(a, b), sizes) == min(x, y)
    assert dim.evaluate(dim.maximum(a, b), sizes) == max(x, y)
    if dim.positive(b):
        assert dim.evaluate(dim.floordiv(a, b), sizes) == x // y
        assert dim.evaluate(dim.mod(a, b), sizes) == x % y


@settings(max_examples=400, deadline=None)
@given(expressions(), values)
def test_text_and_substitution_keep_the_value(size: Size, sizes: dict[str, int]) -> None:
    again = size_text.parse(str(size), SYMBOLS.__getitem__)
    assert dim.evaluate(again, sizes) == dim.evaluate(size, sizes)
    assert dim.substitute(size, sizes) == dim.evaluate(size, sizes)


def test_taking_an_index_apart_and_together_cancels() -> None:
    n, m = dim.symbol("n"), dim.symbol("m")
    flat = dim.axis("f", n * m * 4)
    parts = flat // (m * 4), dim.mod(flat // 4, m), dim.mod(flat, 4)
    assert parts[0] * m * 4 + parts[1] * 4 + parts[2] == flat
    i, j = dim.axis("i", n), dim.axis("j", m)
    assert dim.floordiv(i * m + j, m) == i
    assert dim.mod(i * m + j, m) == j
    assert dim.floordiv(i * (m + 1) + j, m + 1) == i
    for part, extent in zip(parts, (n, m, 4), strict=True):
        assert dim.nonnegative(part)
        assert dim.nonnegative(extent - 1 - part)


def test_equal_polynomials_are_equal() -> None:
    n, m = dim.symbol("n"), dim.symbol("m")
    assert (n + m) * (n - m) == n * n - m * m
    assert hash(n + m) == hash(m + n)
    assert (n + 1) - n == 1
    assert isinstance((n + 1) - n, int)


def test_a_proof_holds_for_its_ranges_only() -> None:
    """Symbols are equal by name: what is known of one says nothing of another of that name."""
    for lower in (0, 1, 0):
        assert dim.nonnegative(dim.symbol("n", lower) - 1) == bool(lower)
        assert dim.nonnegative(dim.axis("i", dim.symbol("n", lower)) + 1)
        assert dim.maximum(dim.symbol("n", lower), 1) == (dim.symbol("n") if lower else dim.maximum(dim.symbol("n"), 1))


@pytest.mark.parametrize("text", ["n +", "n ** 2", "f(n)", "1.5", "True", "n[0]", ""])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is not a size"):
        size_text.parse(text)
