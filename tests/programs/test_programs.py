"""Programs as users write them: those of one domain are one library, compared with NumPy at several sizes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import tcc
from tcc.errors import TccError
from tcc.tree import flatten
from tests.programs.program import Program, Programs

DOMAINS = sorted(
    p.stem for p in Path(__file__).parent.glob("*.py") if p.stem not in ("__init__", "program", "test_programs")
)


def programs(domain: str) -> Programs:
    return importlib.import_module(f"tests.programs.{domain}").PROGRAMS


@pytest.mark.parametrize("domain", DOMAINS)
def test_programs_agree_with_numpy(domain: str) -> None:
    found = programs(domain)
    library = tcc.compile([p.function for p in found])
    failures: list[str] = []
    for program in found:
        for size in program.sizes:
            try:
                check(program, size, getattr(library, program.name))
            except (AssertionError, TccError) as error:
                failures.append(f"{program.name}, size {size}: {error}")
    assert not failures, "\n\n".join(failures)


def check(program: Program, size: int, compiled: Any) -> None:
    arguments = program.arguments(np.random.default_rng(size), size)
    expected = flatten(program.expected(arguments))
    found = flatten(compiled(*arguments))
    assert found[1].paths() == expected[1].paths(), f"{found[1].paths()}, NumPy: {expected[1].paths()}"
    for path, f, e in zip(found[1].paths(), found[0], expected[0], strict=True):
        f, e = np.asarray(f), np.asarray(e)
        assert (f.dtype, f.shape) == (e.dtype, e.shape), f"{path}: {f.dtype}{f.shape}, NumPy: {e.dtype}{e.shape}"
        if f.dtype.kind in "biu":
            np.testing.assert_array_equal(f, e, path)
            continue
        wide = np.complex128 if f.dtype.kind == "c" else np.float64
        tolerance = program.tolerance or 64 * float(ml_dtypes.finfo(f.dtype).eps)
        scale = float(np.max(np.abs(e[np.isfinite(e)]), initial=0))
        np.testing.assert_allclose(f.astype(wide), e.astype(wide), tolerance, tolerance * scale, err_msg=path)
