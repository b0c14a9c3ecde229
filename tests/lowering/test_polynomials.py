"""Accuracy against mpmath, special values against NumPy, equal bits on all machines with fused multiply-adds."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from scipy import special

from tcc.ir import dtype as dt
from tcc.ir.dtype import DType
from tcc.lowering.polynomials import BOUNDS, TABLE
from tests.lowering.compiled import FACTS, NO_FMA, PLAIN, Case, Compiled, runnable_tiers

Array = np.ndarray[Any, Any]
LANES = {dt.F32: 16, dt.F64: 8}
BINARY = ("pow", "arctan2")

EXACT: dict[str, Callable[..., Any]] = {
    "exp2": lambda x: mp.mpf(2) ** x,
    "log2": lambda x: mp.log(x, 2),
    "arcsin": mp.asin,
    "arccos": mp.acos,
    "arctan": mp.atan,
    "arctan2": mp.atan2,
    "arcsinh": mp.asinh,
    "arccosh": mp.acosh,
    "arctanh": mp.atanh,
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    "pow": mp.power,
}


@functools.cache
def compiled(fma: bool) -> Compiled:
    return Compiled([case(name, dtype) for name in TABLE for dtype in LANES], FACTS if fma else NO_FMA)


def case(name: str, dtype: DType, lanes: int | None = 0) -> Case:
    return Case(name, (dtype,) * (2 if name in BINARY else 1), dtype, LANES[dtype] if lanes == 0 else lanes)


def positive(rng: np.random.Generator, n: int, dtype: DType) -> Array:
    """Numbers spread evenly over all exponents, subnormal ones too."""
    bits = np.dtype(f"u{dtype.bytes}")
    top = int(np.array(np.inf, dtype.numpy).view(bits))
    return rng.integers(1, top, n).astype(bits).view(dtype.numpy)


def signed(rng: np.random.Generator, x: Array) -> Array:
    return x * rng.choice([-1, 1], len(x)).astype(x.dtype)


def inputs(name: str, dtype: DType, n: int = 250) -> tuple[Array, ...]:
    """Samples of all parts of a function's domain."""
    rng = np.random.default_rng(7)
    t = dtype.numpy

    def uniform(low: float, high: float) -> Array:
        return rng.uniform(low, high, n).astype(t)

    def powers(low: float, high: float) -> Array:
        return np.exp2(uniform(low, high))

    if name == "pow":
        x = np.concatenate([positive(rng, n, dtype), uniform(0.5, 2), powers(-10, 10)])
        limit = np.log(float(np.finfo(t).max))
        y = rng.uniform(-1.05, 1, len(x)) * limit / np.maximum(np.abs(np.log(x.astype(float))), 1e-3)
        return x, y.astype(t)
    if name == "arctan2":
        y = signed(rng, np.concatenate([powers(-100, 100), powers(-5, 5), powers(-5, 5)]))
        return y, signed(rng, y * np.concatenate([powers(-20, 20), powers(-2, 2), powers(-0.1, 0.1)]))
    if name in ("log", "log2", "log10"):
        return (np.concatenate([positive(rng, n, dtype), uniform(0.3, 3), 1 + signed(rng, powers(-20, -2))]),)
    if name == "log1p":
        return (np.concatenate([positive(rng, n, dtype), uniform(-0.9999, 3), signed(rng, powers(-30, -1))]),)
    if name == "arccosh":
        return (np.concatenate([1 + positive(rng, n, dtype), 1 + powers(-20, 4)]),)
    if name in ("arcsin", "arccos", "arctanh"):
        return (np.concatenate([uniform(-1, 1), signed(rng, powers(-30, 0)), 1 - powers(-20, -1)]),)
    if name in ("sin", "cos", "tan"):
        multiples = (rng.integers(0, 1 << 20, n) * (np.pi / 2)).astype(t)
        parts = [positive(rng, n, dtype), uniform(0, 10), uniform(0, 5000), uniform(0, 1e6), multiples]
        return (signed(rng, np.concatenate(parts)),)
    if name in ("arctan", "arcsinh", "cbrt"):
        return (signed(rng, np.concatenate([positive(rng, n, dtype), powers(-10, 4), uniform(0, 3)])),)
    low, high = {
        "exp": (-104, 88.7) if dtype == dt.F32 else (-745, 709.7),
        "exp2": (-150, 127.9) if dtype == dt.F32 else (-1075, 1023.9),
        "expm1": (-20, 88.7) if dtype == dt.F32 else (-40, 709.7),
        "sinh": (-89, 89) if dtype == dt.F32 else (-710, 710),
        "cosh": (-89, 89) if dtype == dt.F32 else (-710, 710),
        "tanh": (-10, 10) if dtype == dt.F32 else (-20, 20),
        "erf": (-4, 4) if dtype == dt.F32 else (-6, 6),
        "erfc": (-5, 10.5) if dtype == dt.F32 else (-7, 27),
    }[name]
    return (np.concatenate([uniform(low, high), uniform(-1, 1), signed(rng, powers(-40, 1))]),)


def error(name: str, dtype: DType, operands: tuple[Array, ...], got: Array) -> tuple[float, int]:
    """The largest error in units in the last place of the true result, and where it is."""
    function = EXACT.get(name) or getattr(mp, name)
    info = np.finfo(dtype.numpy)
    worst, where = 0.0, -1
    for i, (values, y) in enumerate(zip(zip(*operands, strict=True), got, strict=True)):
        exact = function(*(mp.mpf(float(v)) for v in values))
        if abs(exact) > mp.mpf(float(info.max)):
            assert np.isinf(y) or abs(y) == info.max, (values, y)
            continue
        assert np.isfinite(y), (values, y)
        unit = max(float(np.spacing(np.abs(dtype.numpy.type(float(exact))))), float(info.smallest_subnormal))
        distance = float(abs(mp.mpf(float(y)) - exact) / mp.mpf(unit))
        if distance > worst:
            worst, where = distance, i
    return worst, where


@pytest.mark.parametrize("fma", [True, False], ids=["fma", "no-fma"])
@pytest.mark.parametrize("dtype", list(LANES), ids=str)
@pytest.mark.parametrize("name", list(TABLE))
def test_accuracy(name, dtype, fma, record_property):
    operands = inputs(name, dtype)
    with mp.workprec(160):
        worst, where = error(name, dtype, operands, compiled(fma).run(case(name, dtype), *operands))
    record_property("ulp", worst)
    assert worst <= BOUNDS[name][dtype.name], f"{worst} at {[x[where] for x in operands]}"


EDGES = [0.0, 1.0, 2.0, 3.0, 0.5, 0.25, 2.5, 0.99, 1e-40, 1e-310, 5e-324, 1e30, 1e300, 2.0**24 + 1, 2.0**53 - 1, np.inf]


@pytest.mark.parametrize("fma", [True, False], ids=["fma", "no-fma"])
@pytest.mark.parametrize("dtype", list(LANES), ids=str)
@pytest.mark.parametrize("name", list(TABLE))
def test_special_values(name, dtype, fma):
    reference = np.power if name == "pow" else getattr(np, name, None) or getattr(special, name)
    with np.errstate(all="ignore"):
        edges = np.array([*EDGES, *(-x for x in EDGES), np.nan, -np.nan]).astype(dtype.numpy)
        operands = tuple(a.ravel() for a in np.meshgrid(edges, edges)) if name in BINARY else (edges,)
        expected = reference(*operands)
    got = compiled(fma).run(case(name, dtype), *operands)
    with np.errstate(all="ignore"):
        near = (np.abs(got - expected) <= 4 * np.spacing(np.abs(expected))) & (expected != 0)
    same = (got == expected) & (np.signbit(got) == np.signbit(expected))
    ok = same | (np.isnan(got) & np.isnan(expected)) | near
    assert ok.all(), [(*(x[i] for x in operands), got[i], expected[i]) for i in np.flatnonzero(~ok)[:5]]


@pytest.mark.parametrize("dtype", list(LANES), ids=str)
def test_exact_values(dtype):
    c = compiled(True)
    n = np.arange(-20, 21).astype(dtype.numpy)
    assert (c.run(case("exp2", dtype), n) == np.ldexp(dtype.numpy.type(1), n.astype(int))).all()
    assert (c.run(case("log2", dtype), np.exp2(n)) == n).all()
    assert (c.run(case("cbrt", dtype), n**3) == n).all()
    assert (c.run(case("pow", dtype), n, np.full_like(n, 3)) == n**3).all()
    assert (c.run(case("log10", dtype), (10.0 ** np.arange(10)).astype(dtype.numpy)) == np.arange(10)).all()


@pytest.mark.parametrize("dtype", list(LANES), ids=str)
def test_monotone_where_parts_meet(dtype):
    """A step back of more than a unit shows two parts of a function that do not fit together."""
    for name, at in {
        "tanh": 0.55,
        "sinh": 1.0,
        "erf": 1.125,
        "arcsin": 0.5,
        "arctan": 0.41421356,
        "exp": 0.34657359,
    }.items():
        x = np.full(400, at, dtype.numpy)
        x += np.arange(-200, 200).astype(dtype.numpy) * np.spacing(x[0])
        y = compiled(True).run(case(name, dtype), x)
        assert (np.diff(y) >= -2 * np.spacing(y[:-1])).all(), name


def test_equal_bits_on_all_tiers_and_lengths():
    tiers = runnable_tiers()
    for dtype, width in LANES.items():
        for lanes in (None, width // 2):
            cases = [case(name, dtype, lanes) for name in TABLE]
            for machine in tiers:
                library = Compiled(cases, replace(PLAIN, scale=machine.wide), machine)
                for c in cases:
                    operands = inputs(c.op, dtype, 60)
                    expected = compiled(True).run(case(c.op, dtype), *operands)
                    got = library.run(c, *operands)
                    assert np.array_equal(got, expected, equal_nan=True), (c.symbol, machine.cpu)


@pytest.mark.slow
def test_the_coefficients_are_what_the_tool_writes():
    root = Path(__file__).parents[2]
    script = "import fit_polynomials; print(fit_polynomials.generated(), end='')"
    text = subprocess.check_output([sys.executable, "-c", script], cwd=root / "tools", text=True)
    assert text == (root / "tcc/lowering/polynomials/coefficients.py").read_text()
