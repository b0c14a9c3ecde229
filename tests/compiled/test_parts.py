"""Machine code is made of a program in parts: the same results, the same bytes each time, errors as of one part."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import tcc
from tcc import pipeline, runtime
from tcc.errors import InternalError
from tcc.loops.program import Program
from tcc.lowering import module as lowering
from tcc.targets import target as targets


@tcc.function(x="f32[n, 40]", y="f32[40, 24]")
def several(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """Kernels of several kinds, one of them with a loop in a function of its own."""
    product = np.tanh(x @ y)
    return product, np.sort(product, axis=1), np.sum(x, axis=0), np.cumsum(x, axis=1), x.T


def program() -> Program:
    return pipeline.schedule(tcc.trace(several).module, pipeline.Options()).programs[0]


def texts(least: float) -> list[str]:
    target = targets.native()
    options = lowering.Options("m", target.facts, target.machine.triple)
    return [lowering.to_llvm_ir(part) for part in lowering.lower_in_parts(program(), options, least)]


def defined(text: str) -> set[str]:
    """The functions of a module that other modules see."""
    return set(re.findall(r"^define hidden .*@(\w+)\(", text, re.MULTILINE))


def test_each_kernel_is_in_one_part_and_the_entries_are_in_the_last() -> None:
    kernels = {f"m__{k.name}" for k in program().kernels}
    parts = texts(1)
    of_loops = [p for p in parts if all("__part" in n for n in defined(p))]
    assert len(of_loops) > 1
    assert len(parts) == len(kernels) + len(of_loops)
    assert all(len(defined(p)) == 1 for p in parts[:-1] if p not in of_loops)
    assert defined(parts[-1]) == {"m__several__run", "m__several__profile"}
    assert len(set().union(*map(defined, parts)) & kernels) == len(kernels) - 1
    assert texts(1) == parts
    (whole,) = texts(1e9)
    assert not defined(whole) & kernels


@pytest.mark.parametrize("least", [1, 300, 1e9])
def test_parts_compute_what_the_whole_does(least: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = lowering.lower_in_parts
    monkeypatch.setattr(lowering, "lower_in_parts", lambda p, o: one(p, o, least))
    written: list[bytes] = []
    for name in ("first", "second"):
        path = tmp_path / name / "m.so"
        path.parent.mkdir()
        pipeline.compile_to(tcc.trace(several).module, path, pipeline.Options(cache=None))
        written.append(path.read_bytes())
    assert written[0] == written[1]
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((9, 40), np.float32), rng.standard_normal((40, 24), np.float32)
    with tcc.eager():
        expected = several(x, y)
    with runtime.load(path) as library:
        for found, want in zip(library.several(x, y), expected, strict=True):
            np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-4)


def test_loops_apart_take_with_them_what_they_need() -> None:
    """What is outlined once for a module is in each module that calls it; no module calls what is nowhere."""
    parts = texts(1)
    everywhere = {n for p in parts for n in defined(p)}
    for part in parts:
        own = set(re.findall(r"^define [^@]*@(\w+)\(", part, re.MULTILINE))
        called = set(re.findall(r"call [^@\n]*@(\w+)\(", part))
        assert called - own <= everywhere
        declared = set(re.findall(r"^declare [^@]*@(\w+)\(", part, re.MULTILINE))
        assert declared <= everywhere


def test_a_mistake_in_one_part_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lowering, "to_llvm_ir", lambda _: "define i32 @f() { ret i64 0 }")
    with pytest.raises(InternalError, match="LLVM refused"):
        pipeline.compile_to(tcc.trace(several).module, tmp_path / "m.so", pipeline.Options(cache=None))
    assert not list(tmp_path.iterdir())
