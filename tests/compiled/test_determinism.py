"""The same bits for any number of threads and on every instruction set with a fused multiply-add."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tcc import api, ops, pipeline, runtime
from tcc.errors import UserError
from tcc.ir import dim
from tcc.ir.dtype import F32, F64, DType
from tcc.ir.graph import Graph, Module, Value
from tcc.ir.location import Location, located
from tcc.ir.types import TensorType
from tcc.targets import target as targets
from tests.compiled.functions import as_function
from tests.ir.graphs import generate_case

HERE = Location("determinism.py", 1)
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SEEDS = range(1000, 1060)
SIZES = {"n": 1037, "m": 517}


def in_tiles(x: Value) -> Value:
    """A convolution of 16 channels, in tiles whose last ones are cut."""
    channels = np.linspace(-1, 1, 16).astype(x.type.dtype.numpy)
    image = ops.multiply(ops.reshape(x, (1, *x.type.shape, 1)), channels)
    kernel = np.random.default_rng(2).normal(size=(3, 3, 16, 17)).astype(x.type.dtype.numpy)
    return ops.convolution(image, kernel, padding="SAME")


KERNELS: dict[str, Callable[[Value], Value]] = {
    "sum_all": lambda x: ops.sum(x),
    "sum_rows": lambda x: ops.sum(x, axis=1),
    "sum_columns": lambda x: ops.sum(x, axis=0),
    "softmax": lambda x: ops.softmax(x),
    "variance": lambda x: ops.var(x, axis=1),
    "product": lambda x: ops.matmul(x, ops.transpose(x, (1, 0))),
    "running": lambda x: ops.cumsum(x, 1),
    "curve": lambda x: ops.multiply(ops.tanh(x), ops.exp(ops.sin(x))),
    "gelu": lambda x: ops.gelu(x),
    "tiles": in_tiles,
    "power": lambda x: ops.power(ops.abs(x), 1.7),
}


def kernels() -> Module:
    """Reductions, products, scans and elementary functions of a matrix, in f32 and f64."""

    def graph(name: str, make: Callable[[Value], Value], dtype: DType) -> Graph:
        x = Value(TensorType(dtype, (dim.symbol("n"), dim.symbol("m", 1))), HERE, name="x0")
        with located(HERE):
            return Graph(f"{name}_{dtype}", (x,), (make(x),))

    return Module(tuple(as_function(graph(n, f, d), HERE) for n, f in KERNELS.items() for d in (F32, F64)))


def built(module: Module, target: str, folder: Path) -> runtime.Library:
    path = folder / f"{target.replace('-', '_')}.so"
    pipeline.compile_to(module, path, pipeline.Options(target=target, prefix="m", cache=None))
    return runtime.load(path)


def runs_here(target: str) -> bool:
    return set(targets.get(target).required) <= set(targets.native().required)


def test_threads_do_not_change_a_bit(tmp_path: Path) -> None:
    library = built(kernels(), "native", tmp_path)
    x = np.random.default_rng(0).normal(size=(SIZES["n"], SIZES["m"]))
    for name in KERNELS:
        for dtype in (F32, F64):
            results = []
            for threads in (1, 2, 7):
                library.threads = threads
                results.append(library[f"{name}_{dtype}"](x.astype(dtype.numpy)).tobytes())
            assert results[0] == results[1] == results[2], name


@pytest.mark.skipif(not runs_here("x86-64-v4"), reason="this processor has no AVX-512 to compare AVX2 with")
def test_instruction_sets_do_not_change_a_bit(tmp_path: Path) -> None:
    libraries = [built(kernels(), target, tmp_path) for target in ("x86-64-v3", "x86-64-v4", "native")]
    x = np.random.default_rng(1).normal(size=(SIZES["n"], SIZES["m"]))
    different = []
    for name in KERNELS:
        for dtype in (F32, F64):
            results = [library[f"{name}_{dtype}"](x.astype(dtype.numpy)).tobytes() for library in libraries]
            if not results[0] == results[1] == results[2]:
                different.append(f"{name}_{dtype}")
    assert not different


@pytest.mark.skipif(not runs_here("x86-64-v4"), reason="this processor has no AVX-512 to compare AVX2 with")
def test_random_graphs_have_the_same_bits(tmp_path: Path) -> None:
    cases = [generate_case(seed) for seed in SEEDS]
    module = Module(tuple(as_function(case.graph, HERE) for case in cases))
    libraries = [built(module, target, tmp_path) for target in ("x86-64-v3", "x86-64-v4")]
    for case in cases:
        results = []
        for library in libraries:
            found = library[case.graph.name](*case.inputs)
            results.append([np.asarray(f).tobytes() for f in (found if isinstance(found, tuple) else (found,))])
        assert results[0] == results[1], f"seed {case.seed}"


@pytest.mark.parametrize("name", sorted(p.parent.name for p in EXAMPLES.glob("*/model.py")))
def test_every_example_becomes_an_object_for_every_target(name: str) -> None:
    module = api.module_from_source(EXAMPLES / name / "model.py")
    for target in targets.all_targets():
        if ".o" not in target.kinds:
            continue
        stages = pipeline.Stages(pipeline.Options(target=target.name, cache=None))
        scheduled = pipeline.scheduled(module, [target], stages)
        for data in pipeline.code(scheduled, "m", stages).objects():
            assert data[:4] == b"\x7fELF"
            assert b"m__" in data


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(UserError, match="unknown target"):
        targets.get("pdp-11")
