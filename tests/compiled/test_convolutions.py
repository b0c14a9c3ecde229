"""Convolutions of every kind of window, layout and size against NumPy, between pages that may not be touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tcc import ops, pipeline, runtime
from tcc.ir import dim, types
from tcc.ir import dtype as dt
from tcc.ir.build import graph_input
from tcc.ir.graph import Function, Module, Value
from tcc.ir.location import Location
from tests.compiled.functions import described
from tests.guarded import guarded

pytestmark = pytest.mark.xdist_group("convolutions")
"""One worker compiles the library for all of them."""

HERE = Location(__file__, 1)
SAME: dict[str, Any] = {"padding": "SAME"}
CASES: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "plain": ("[1, 9, 13, 16]", (3, 3, 16, 16), {}),
    "odd": ("[2, 7, 9, 5]", (3, 3, 5, 47), SAME),
    "wide": ("[1, 6, 7, 70]", (3, 3, 70, 33), SAME),
    "strided": ("[1, 11, 10, 8]", (3, 3, 8, 24), {**SAME, "strides": 2}),
    "dilated": ("[2, 9, 8, 8]", (3, 2, 8, 16), {"padding": 2, "rhs_dilation": (2, 3)}),
    "pointwise": ("[2, 5, 7, 24]", (1, 1, 24, 32), {}),
    "pointwise_strided": ("[2, 5, 7, 24]", (1, 1, 24, 32), {"strides": (2, 3)}),
    "cut": ("[1, 9, 9, 9]", (2, 2, 9, 16), {"padding": ((-1, 0), (2, -3))}),
    "spread": ("[1, 4, 5, 6]", (3, 3, 6, 16), {"padding": 2, "lhs_dilation": (2, 3)}),
    "sizes_spread": ("[n, h, w, 6]", (4, 3, 6, 16), {"padding": ((2, 2), (1, 2)), "lhs_dilation": 2}),
    "grouped": ("[1, 8, 7, 48]", (3, 3, 16, 48), {**SAME, "groups": 3}),
    "grouped_narrow": ("[1, 6, 6, 16]", (3, 3, 4, 20), {"groups": 4}),
    "depthwise": ("[2, 9, 7, 21]", (3, 3, 1, 21), {**SAME, "groups": 21}),
    "depthwise_strided": ("[1, 9, 9, 16]", (5, 5, 1, 32), {"padding": 2, "strides": 2, "groups": 16}),
    "line": ("[3, 40, 6]", (5, 6, 18), {"padding": (2,), "strides": 3}),
    "volume": ("[1, 5, 6, 7, 3]", (3, 2, 3, 3, 16), SAME),
    "tiles": ("[2, 8, 10, 16]", (3, 3, 16, 24), SAME),
    "tiles_odd": ("[1, 15, 17, 33]", (3, 3, 33, 47), SAME),
    "tiles_cut": ("[2, 9, 14, 16]", (3, 3, 16, 17), {"padding": ((-1, 0), (2, -3))}),
    "tiles_line": ("[3, 41, 18]", (3, 18, 16), {"padding": (1,)}),
    "tiles_across": ("[2, 5, 13, 16]", (1, 3, 16, 16), {"padding": ((1, 0), (2, 2))}),
    "tiles_down": ("[2, 13, 5, 16]", (3, 1, 16, 16), {}),
    "blocks": ("[2, 29, 31, 32]", (3, 3, 32, 40), SAME),
    "blocks_of_samples": ("[33, 7, 9, 32]", (3, 3, 32, 32), SAME),
    "blocks_wide": ("[1, 5, 203, 32]", (3, 3, 32, 32), SAME),
    "blocks_line": ("[2, 611, 32]", (3, 32, 48), SAME),
    "sizes": ("[n, h, w, 8]", (3, 3, 8, 24), SAME),
    "sizes_tiles": ("[n, h, w, 32]", (3, 3, 32, 24), SAME),
    "sizes_tiles_plain": ("[n, h, w, 16]", (3, 3, 16, 33), {}),
    "sizes_tiles_width": ("[1, 9, w, 16]", (3, 3, 16, 16), SAME),
    "sizes_tiles_across": ("[n, h, w, 16]", (1, 3, 16, 16), SAME),
    "sizes_strided": ("[n, h, w, 7]", (3, 5, 7, 17), {"padding": 2, "strides": (2, 1)}),
    "sizes_plain": ("[n, h, w, 3]", (2, 2, 3, 33), {}),
    "sizes_depthwise": ("[n, h, w, 16]", (3, 3, 1, 16), {**SAME, "groups": 16}),
    "sizes_grouped": ("[1, h, w, 16]", (3, 3, 8, 32), {"padding": 1, "groups": 2}),
}
FAST = ("tiles_odd", "tiles_cut", "tiles_line", "tiles_across", "blocks", "blocks_line", "sizes_tiles")
"""Cases that are compiled with a tolerance too: their tiles are then of up to four by four results."""
TOLERANCE = 1e-4
SIZES = [(0, 4, 5), (1, 0, 3), (1, 1, 1), (1, 2, 1), (1, 1, 7), (1, 5, 6), (2, 7, 13), (3, 9, 8), (1, 33, 201)]


def kernel(shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def layers(names: Iterable[str]) -> list[Function]:
    """Cases with a weight, rectified and shifted, and with the kernel as an argument."""
    made: list[Function] = []
    for name in names:
        spec, shape, given = CASES[name]

        def layer(x: Value, shape: tuple[int, ...] = shape, given: dict[str, Any] = given) -> Value:
            shift = np.arange(shape[-1], dtype=np.float32)
            return ops.maximum(ops.add(ops.convolution(x, kernel(shape), **given), shift), 0)

        def free(x: Value, k: Value, given: dict[str, Any] = given) -> Value:
            return ops.convolution(x, k, **given)

        made.append(described(name, (f"f32{spec}",), layer, HERE))
        made.append(described(f"{name}_free", (f"f32{spec}", f"f32{list(shape)}"), free, HERE))
    return made


def module() -> Module:
    """Each case, and some dtypes."""
    made = layers(CASES)
    for d in (dt.F64, dt.F16, dt.I32, dt.C64):
        spec, shape, given = CASES["odd"]

        def typed(x: Value, k: Value, given: dict[str, Any] = given) -> Value:
            return ops.convolution(x, k, **given)

        made.append(described(f"odd_{d}", (f"{d}{spec}", f"{d}{list(shape)}"), typed, HERE))
    return Module(tuple(made))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[runtime.Library]:
    path: Path = tmp_path_factory.mktemp("convolutions") / "convolutions.so"
    pipeline.compile_to(module(), path, pipeline.Options())
    with runtime.load(path) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[runtime.Library]:
    path: Path = tmp_path_factory.mktemp("fast") / "fast.so"
    pipeline.compile_to(Module(tuple(layers(FAST))), path, pipeline.Options(tolerance=TOLERANCE))
    with runtime.load(path) as loaded:
        yield loaded


def reference(x: Any, k: Any, given: dict[str, Any]) -> Any:
    symbols: dict[str, Any] = {}
    a, b = (graph_input(types.parse(f"f32{list(v.shape)}", symbols), "x") for v in (x, k))
    node = ops.convolution(a, b, **given).producer
    assert node is not None
    assert node.op.reference is not None
    return node.op.reference(x, k, **node.attributes)


def sized(spec: str, size: tuple[int, int, int]) -> tuple[int, ...]:
    sizes = dict(zip("nhw", size, strict=True))
    return tuple(dim.evaluate(s, sizes) for s in types.parse(f"f32{spec}", {}).shape)


def cases(names: Iterable[str]) -> list[tuple[str, tuple[int, int, int]]]:
    return [(n, s) for n in names for s in (SIZES if "w" in CASES[n][0] else SIZES[:1])]


def compare(library: runtime.Library, case: str, size: tuple[int, int, int], tolerance: float) -> None:
    """Both functions of a case with what NumPy makes of it, ``tolerance`` being relative to the largest result."""
    spec, shape, given = CASES[case]
    rng = np.random.default_rng(sum(size))
    x, k = rng.standard_normal(sized(spec, size)).astype(np.float32), kernel(shape)
    wanted = reference(x.astype(np.float64), k.astype(np.float64), given)
    bound = reference(np.abs(x).astype(np.float64), np.abs(k).astype(np.float64), given) * 2.0**-20 + 1e-5
    bound += tolerance * np.abs(wanted).max(initial=0)
    free = guarded(np.full(wanted.shape, 7, np.float32), writable=True)
    library[f"{case}_free"](guarded(x), guarded(k), out=free)
    assert np.all(np.abs(free - wanted) <= bound)
    layer = guarded(np.full(wanted.shape, 7, np.float32), writable=True)
    library[case](guarded(x), out=layer)
    assert np.all(np.abs(layer - np.maximum(wanted + np.arange(shape[-1]), 0)) <= bound)


@pytest.mark.parametrize(("case", "size"), cases(CASES), ids=str)
def test_kinds(library: runtime.Library, case: str, size: tuple[int, int, int]) -> None:
    compare(library, case, size, 0)


@pytest.mark.parametrize(("case", "size"), cases(FAST), ids=str)
def test_kinds_with_a_tolerance(fast: runtime.Library, case: str, size: tuple[int, int, int]) -> None:
    compare(fast, case, size, TOLERANCE)


@pytest.mark.parametrize("d", [dt.F64, dt.F16, dt.I32, dt.C64], ids=str)
def test_dtypes(library: runtime.Library, d: dt.DType) -> None:
    spec, shape, given = CASES["odd"]
    rng = np.random.default_rng(1)
    x, k = (rng.integers(-9, 9, s).astype(d.numpy) for s in (sized(spec, (1, 1, 1)), shape))
    wanted = reference(x, k, given)
    out = guarded(np.zeros(wanted.shape, d.numpy), writable=True)
    library[f"odd_{d}"](guarded(x), guarded(k), out=out)
    np.testing.assert_allclose(out, wanted, rtol=1e-3 if d == dt.F16 else 1e-6)
