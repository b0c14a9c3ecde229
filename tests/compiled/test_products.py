"""Products of every dtype, layout and size against NumPy, between pages that may not be touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tcc import ops, pipeline, runtime
from tcc.ir import dim, types
from tcc.ir import dtype as dt
from tcc.ir.graph import Module, Value
from tcc.ir.location import Location, located
from tcc.targets import target as targets
from tests.compiled.functions import described
from tests.guarded import guarded

pytestmark = pytest.mark.xdist_group("products")
"""One worker compiles the library for all of them."""

HERE = Location(__file__, 1)
TARGETS = ("native", "x86-64-v3")

PLAIN = ("[m, k]", "[k, n]")
CASES: dict[str, tuple[Callable[..., Value], tuple[str, ...], str]] = {
    "plain": (ops.matmul, PLAIN, "ik,kj->ij"),
    "left_turned": (lambda a, b: ops.matmul(ops.transpose(a), b), ("[k, m]", "[k, n]"), "ki,kj->ij"),
    "right_turned": (lambda a, b: ops.matmul(a, ops.transpose(b)), ("[m, k]", "[n, k]"), "ik,jk->ij"),
    "both_turned": (lambda a, b: ops.matmul(ops.transpose(a), ops.transpose(b)), ("[k, m]", "[n, k]"), "ki,jk->ij"),
    "result_turned": (lambda a, b: ops.transpose(ops.matmul(a, b)), PLAIN, "ik,kj->ji"),
    "batched": (ops.matmul, ("[b, m, k]", "[b, k, n]"), "bik,bkj->bij"),
    "one_right": (ops.matmul, ("[b, m, k]", "[k, n]"), "bik,kj->bij"),
    "one_left": (ops.matmul, ("[m, k]", "[b, k, n]"), "ik,bkj->bij"),
    "heads": (lambda a, b: ops.einsum("bqhd,bkhd->bhqk", a, b), ("[b, m, 3, k]", "[b, n, 3, k]"), "bihk,bjhk->bhij"),
    "two_axes": (lambda a, b: ops.tensordot(a, b, 2), ("[m, k, 5]", "[k, 5, n]"), "ikl,klj->ij"),
    "crossed": (lambda a, b: ops.einsum("ikl,lkj->ij", a, b), ("[m, k, 5]", "[5, k, n]"), "ikl,lkj->ij"),
    "row": (ops.matmul, ("[k]", "[k, n]"), "k,kj->j"),
    "column": (ops.matmul, ("[m, k]", "[k]"), "ik,k->i"),
    "three_rows": (ops.matmul, ("[3, k]", "[k, n]"), "ik,kj->ij"),
    "narrow": (ops.matmul, ("[m, k]", "[k, 10]"), "ik,kj->ij"),
    "static": (ops.matmul, ("[13, 70]", "[70, 101]"), "ik,kj->ij"),
    "deep": (lambda a, b: ops.matmul(ops.transpose(a), b), ("[9001, 20]", "[9001, 70]"), "ki,kj->ij"),
}
DTYPES = {d.name: d for d in (dt.F64, dt.F16, dt.BF16, dt.I8, dt.I32, dt.U64, dt.C64, dt.C128)}
SMALL = ((dt.I8, dt.I8), (dt.U8, dt.U8), (dt.U8, dt.I8), (dt.I8, dt.U8), (dt.I16, dt.I16), (dt.I8, dt.I16))
WIDENED = {
    f"{case}_{left}_{right}": ((left, right), case)
    for left, right in SMALL
    for case in ("plain", "left_turned", "right_turned", "two_axes", "crossed", "row")
    if case == "plain" or left == dt.I8 == right
}
SIZES = [(0, 5, 3), (3, 0, 4), (4, 5, 0), (1, 1, 1), (1, 49, 7), (2, 16, 1), (5, 48, 33), (8, 96, 16), (9, 47, 12)]
SIZES += [(33, 65, 129), (26, 97, 40), (17, 31, 260), (127, 253, 511), (30, 100, 3000)]


def module() -> Module:
    """Each case in f32; products and products with a turned operand in every dtype."""
    made = [described(name, tuple(f"f32{s}" for s in specs), make, HERE) for name, (make, specs, _) in CASES.items()]
    for d in DTYPES:
        for name in ("plain", "right_turned"):
            make, specs, _ = CASES[name]
            made.append(described(f"{name}_{d}", tuple(f"{d}{s}" for s in specs), make, HERE))
    for name, (kinds, case) in WIDENED.items():
        specs = tuple(f"{d}{s}" for d, s in zip(kinds, CASES[case][1], strict=True))
        made.append(described(name, specs, widened(CASES[case][0]), HERE))
    return Module(tuple(made))


def widened(make: Callable[..., Value]) -> Callable[..., Value]:
    return lambda a, b: make(ops.astype(a, dt.I32), ops.astype(b, dt.I32))


@pytest.fixture(scope="module", params=["native", "x86-64-v3"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[runtime.Library]:
    target: str = request.param
    if not set(targets.get(target).required) <= set(targets.native().required):
        pytest.skip(f"{target} code does not run here")
    path: Path = tmp_path_factory.mktemp("products") / "products.so"
    pipeline.compile_to(module(), path, pipeline.Options(target=target))
    with runtime.load(path) as loaded:
        yield loaded


def operand(spec: str, dtype: Any, sizes: dict[str, int], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    shape = tuple(dim.evaluate(s, sizes) for s in types.parse(f"f32{spec}", {}).shape)
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        low, high = (info.min, info.max) if info.bits < 32 else (0, 100)
        return rng.integers(low, high, shape, endpoint=True).astype(dtype)
    values = rng.standard_normal(shape)
    if np.issubdtype(dtype, np.complexfloating):
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def check(
    library: runtime.Library,
    function: str,
    case: str,
    dtype: Any,
    result: Any,
    size: tuple[int, int, int],
    other: Any = None,
) -> None:
    """One call, against the sum in the widest dtype; the error of K additions is allowed."""
    _, specs, formula = CASES[case]
    rng = np.random.default_rng(sum(size))
    sizes = {**dict(zip("mnk", size, strict=True)), "b": 3}
    a, b = (operand(s, d, sizes, rng) for s, d in zip(specs, (dtype, other or dtype), strict=True))
    if np.issubdtype(result, np.integer):
        expected = np.einsum(formula, a.astype(np.int64), b.astype(np.int64)).astype(result)
        out = guarded(np.zeros(expected.shape, result), writable=True)
        library[function](guarded(a), guarded(b), out=out)
        np.testing.assert_array_equal(out, expected)
        return
    wide = np.complex128 if np.issubdtype(dtype, np.complexfloating) else np.float64
    expected = np.einsum(formula, a.astype(wide), b.astype(wide), optimize=True)
    bound = np.einsum(formula, np.abs(a).astype(np.float64), np.abs(b).astype(np.float64), optimize=True)
    out = guarded(np.full(expected.shape, 7, result), writable=True)
    library[function](guarded(a), guarded(b), out=out)
    single = dt.of(np.dtype(dtype)).real in (dt.F16, dt.BF16, dt.F32)
    steps = np.sqrt(size[2]) * 4 + 4
    allowed = bound * steps * (2.0**-24 if single else 2.0**-53)
    if dt.of(np.dtype(dtype)).bits == 16:
        allowed = allowed + np.abs(expected) * (2.0**-11 if dtype == np.float16 else 2.0**-8)
    assert np.all(np.abs(out.astype(wide) - expected) <= allowed + 1e-300)


@pytest.mark.parametrize("size", SIZES, ids=lambda s: "x".join(map(str, s)))
@pytest.mark.parametrize("case", CASES)
def test_layouts(library: runtime.Library, case: str, size: tuple[int, int, int]) -> None:
    check(library, case, case, np.float32, np.float32, size)


@pytest.mark.parametrize("size", SIZES, ids=lambda s: "x".join(map(str, s)))
@pytest.mark.parametrize("case", ["plain", "right_turned"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(library: runtime.Library, dtype: str, case: str, size: tuple[int, int, int]) -> None:
    kind = DTYPES[dtype].numpy
    check(library, f"{case}_{dtype}", case, kind, kind, size)


@pytest.mark.parametrize("size", SIZES, ids=lambda s: "x".join(map(str, s)))
@pytest.mark.parametrize("name", WIDENED)
def test_small_numbers_summed_in_wide_ones(library: runtime.Library, name: str, size: tuple[int, int, int]) -> None:
    kinds, case = WIDENED[name]
    check(library, name, case, kinds[0].numpy, np.int32, size, kinds[1].numpy)


KNOWN = [(1, 130, 40), (3, 65, 101), (8, 48, 64), (33, 50, 67), (20, 7, 9)]


def test_known_small_numbers(tmp_path: Path) -> None:
    """The right operand laid out in the library, for few rows and for many, with and without a remainder."""
    rng = np.random.default_rng(3)
    made, calls = [], []
    for m, n, k in KNOWN:
        for left, right in (*SMALL, (dt.BF16, dt.BF16)):
            a, b = operand(f"[{m}, {k}]", left.numpy, {}, rng), operand(f"[{k}, {n}]", right.numpy, {}, rng)
            wide, name = dt.F32 if left == dt.BF16 else dt.I32, f"{left}_{right}_{m}"
            with located(HERE):
                known = ops.literal(b)
            times = lambda x, known=known, wide=wide: ops.matmul(ops.astype(x, wide), ops.astype(known, wide))  # noqa: E731
            made.append(described(name, (f"{left}[{m}, {k}]",), times, HERE))
            calls.append((name, a, b, wide))
    path = tmp_path / "known.so"
    pipeline.compile_to(Module(tuple(made)), path, pipeline.Options(target="native"))
    with runtime.load(path) as library:
        for name, a, b, wide in calls:
            got = library[name](guarded(a))
            if wide == dt.I32:
                np.testing.assert_array_equal(got, (a.astype(np.int64) @ b.astype(np.int64)).astype(np.int32), name)
            else:
                np.testing.assert_allclose(got, a.astype(np.float64) @ b.astype(np.float64), 0, 1e-4, err_msg=name)
