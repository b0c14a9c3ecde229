"""One library for several instruction sets: which one runs, that it computes the same, and what is said of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import tcc
from tcc import pipeline, runtime
from tcc.artifact import read_manifest
from tcc.cli import cli
from tcc.errors import UserError
from tcc.targets import target as targets
from tcc.targets import tiers
from tcc.targets.codegen import CodeGenerator
from tests.compiled.test_determinism import KERNELS, SIZES, built, kernels, runs_here

LEVELS = ("x86-64-v2", "x86-64-v3", "x86-64-v4")
HERE = tuple(level for level in LEVELS if runs_here(level))
pytestmark = pytest.mark.skipif(not HERE, reason="this machine is not of the x86-64 family")

PROGRAM = """
import sys, numpy as np
from tcc import runtime
library = runtime.load(sys.argv[1])
print(library.isa, library.total(np.arange(1000, dtype=np.float32)))
"""


@tcc.function(x="f32[n]")
def total(x: np.ndarray) -> np.ndarray:
    """The sum."""
    return np.sum(np.sqrt(x))


@tcc.function(x="f32[n]", i="i64[]")
def pick(x: np.ndarray, i: np.ndarray) -> np.ndarray:
    """One element."""
    return tcc.take(x, i)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiers") / "model.so"
    tcc.compile([total, pick], target=",".join(LEVELS)).save(path)
    return path


def with_tier(path: Path, tier: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> runtime.Library:
    """The library with a tier no higher than that, which is asked for on its first call."""
    copy = folder / f"{tier}-{path.name}"
    shutil.copy(path, copy)
    monkeypatch.setenv("TCC_ISA", tier)
    return runtime.load(copy)


def test_every_tier_computes_what_its_own_library_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = tmp_path / "together.so"
    pipeline.compile_to(kernels(), together, pipeline.Options(target=",".join(LEVELS), prefix="m"))
    x = np.random.default_rng(2).normal(size=(SIZES["n"], SIZES["m"])).astype(np.float32)
    bits: dict[str, list[bytes]] = {}
    for level in HERE:
        one, alone = with_tier(together, level, tmp_path, monkeypatch), built(kernels(), level, tmp_path)
        assert one.isa == alone.isa == level
        bits[level] = [one[f"{name}_f32"](x).tobytes() for name in KERNELS]
        assert bits[level] == [alone[f"{name}_f32"](x).tobytes() for name in KERNELS]
    if "x86-64-v4" in bits:
        assert bits["x86-64-v3"] == bits["x86-64-v4"]


def test_the_best_one_runs(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TCC_ISA", raising=False)
    loaded = runtime.load(library)
    assert loaded.isa == HERE[-1]
    assert loaded.pick(np.float32([1, 2, 3]), 1) == 2
    with pytest.raises(UserError, match="out of range"):
        loaded.pick(np.float32([1, 2, 3]), 3)


@pytest.mark.parametrize(
    ("asked", "message"),
    [("x86-64-v1", "model has no code for less than x86-64-v2"), ("avx2", "must be an instruction set, as x86-64-v2")],
)
def test_a_tier_that_is_not_there(
    library: Path, asked: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = with_tier(library, asked, tmp_path, monkeypatch)
    for call in (lambda: loaded.isa, lambda: loaded.total(np.zeros(3, np.float32))):
        with pytest.raises(UserError, match=f"TCC_ISA is '{asked}', but {message}"):
            call()


def test_the_workspace_is_enough_for_each(library: Path) -> None:
    single = [
        pipeline.schedule(tcc.trace([total, pick]).module, pipeline.Options(target=t)).programs[0] for t in LEVELS
    ]
    for function in read_manifest(library).functions:
        entries = [e for p in single for e in p.entries if e.name == function.name]
        assert int(function.worker_bytes) >= max(int(str(e.worker_bytes)) for e in entries)


def test_what_is_said_of_it(library: Path) -> None:
    manifest = read_manifest(library)
    assert [t.name for t in manifest.tiers] == list(LEVELS)
    assert manifest.tiers[0].features == manifest.features == targets.get("x86-64-v2").required
    assert manifest == manifest.from_json(manifest.to_json())
    shown = CliRunner().invoke(cli, ["inspect", str(library)]).output
    assert "x86-64-v2, x86-64-v3, x86-64-v4: the best that the processor has runs" in shown
    header = library.with_suffix(".h").read_text()
    assert "TCC_ISA" in header
    assert "x86-64-v2, x86-64-v3 and x86-64-v4" in header


def test_names_of_each_tier_are_hidden(library: Path) -> None:
    defined = subprocess.run(["nm", str(library)], capture_output=True, text=True, check=True).stdout
    exported = subprocess.run(["nm", "-D", str(library)], capture_output=True, text=True, check=True).stdout
    assert all(f"model__total__v{n}__run" in defined for n in (2, 3, 4))
    assert "__" not in exported.replace("__cxa_finalize", "").replace("__gmon_start__", "").partition("model")[2]


def test_the_number_of_workers_does_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []
    for workers in (1, 3):
        generator = CodeGenerator(workers)
        monkeypatch.setattr(pipeline, "CODE_GENERATOR", generator)
        options = pipeline.Options(target=",".join(LEVELS), prefix="m")
        made.append(pipeline.compile_to(tcc.trace(total).module, tmp_path / "m.so", options)[0].read_bytes())
        generator.close()
    assert made[0] == made[1]


def test_the_order_does_not_matter() -> None:
    assert [t.name for t in tiers.choose("x86-64-v4, x86-64-v2")] == ["x86-64-v2", "x86-64-v4"]
    assert tiers.choose("native") == (targets.native(),)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("x86-64-v3,aarch64", "one kind of machine"),
        ("native,x86-64-v3", "'native' stands alone"),
        ("x86-64-v3,x86-64-v3", "x86-64-v3 twice"),
        ("sm_80,sm_90", "newer ones run sm_80 too"),
        ("x86-64-v3,vax", "unknown target 'vax'"),
        ("x86-64-v3,", "unknown target ''"),
    ],
)
def test_wrong_combinations_are_refused(names: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        tcc.compile(total, target=names)


@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="qemu-user is not installed")
@pytest.mark.parametrize(("cpu", "tier"), [("Nehalem", "x86-64-v2"), ("Haswell", "x86-64-v3")])
def test_older_processors(library: Path, cpu: str, tier: str) -> None:
    command = ["qemu-x86_64", "-cpu", cpu, sys.executable, "-c", PROGRAM, str(library)]
    environment = {k: v for k, v in os.environ.items() if k != "TCC_ISA"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.stdout.startswith(tier), done.stderr[-2000:]


COLUMNS = (10, 20, 40, 60, 130, 200)
WEIGHTS = [np.random.default_rng(n).normal(size=(70, n)).astype(np.float32) for n in COLUMNS]


def products_of(rows: str) -> tcc.Function:
    def products(x: np.ndarray) -> list[np.ndarray]:
        return [x @ w for w in WEIGHTS]

    products.__name__ = f"of_{rows}"
    return tcc.function(x=f"f32[{rows}, 70]")(products)


def test_weights_are_laid_out_once_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ("m", "1", "2", "3", "33")
    path = tmp_path / "products.so"
    tcc.compile([products_of(r) for r in rows], target=",".join(LEVELS)).save(path)
    stored = read_manifest(path).weights.tensors
    assert len(stored) == len(WEIGHTS)
    assert [t.layout for t in stored][-2:] == ["panels of 48 columns"] * 2
    for level in HERE:
        library = with_tier(path, level, tmp_path, monkeypatch)
        for row in rows:
            x = np.random.default_rng(1).normal(size=(7 if row == "m" else int(row), 70)).astype(np.float32)
            for found, weight in zip(library[f"of_{row}"](x), WEIGHTS, strict=True):
                np.testing.assert_allclose(found, x @ weight, rtol=1e-4, atol=1e-4)
        assert library.isa == level


def test_a_weight_that_is_also_read_as_it_is_stays_so(tmp_path: Path) -> None:
    table = np.random.default_rng(3).normal(size=(300, 256)).astype(np.float32)

    @tcc.function(i="i64[n]")
    def tied(i: np.ndarray) -> np.ndarray:
        return tcc.take(table, i, axis=0) @ table.T

    @tcc.function(x="f32[n, 300]")
    def turned(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x @ table, (x @ table) @ table.T

    for number, function in enumerate([tied, turned]):
        path = tmp_path / f"{number}.so"
        tcc.compile([function], target=",".join(HERE)).save(path)
        (stored,) = read_manifest(path).weights.tensors
        assert (stored.shape, stored.layout) == (table.shape, "")
        with runtime.load(path) as library:
            x = np.arange(5) if number == 0 else np.ones((5, 300), np.float32)
            wanted = table[x] @ table.T if number == 0 else x @ table @ table.T
            found = library[function.__name__](x)
            np.testing.assert_allclose(found if number == 0 else found[1], wanted, rtol=2e-4, atol=2e-3)
