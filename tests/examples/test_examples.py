"""Every program under examples/: compiled by the command, called from C, compared with NumPy.

The C programs make their inputs by formulas that are repeated here, and print numbers.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import tcc

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
DIGITS = EXAMPLES / "digits" / "digits.csv"
WARNINGS = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def built(name: str, folder: Path, stem: str = "model") -> Path:
    """The C program of an example, linked with the library compiled from its model."""
    library = folder / f"{stem}.so"
    compile_command = [sys.executable, "-m", "tcc", "compile", str(EXAMPLES / name / "model.py"), "-o", str(library)]
    subprocess.run(compile_command, check=True, cwd=folder)
    program = folder / name
    source = EXAMPLES / name / "main.c"
    subprocess.run(
        ["cc", *WARNINGS, f"-I{folder}", str(source), str(library), f"-Wl,-rpath,{folder}", "-o", str(program)],
        check=True,
    )
    return program


def printed(program: Path, *arguments: str) -> np.ndarray:
    done = subprocess.run([str(program), *arguments], check=True, capture_output=True, text=True)
    return np.array([[float(w) for w in line.split()] for line in done.stdout.splitlines()])


def model_of(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / name / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(EXAMPLES / name))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(EXAMPLES / name))
    return module


def black_scholes(model: ModuleType) -> np.ndarray:
    strike = (50 + 5 * np.arange(21)).astype("f4")
    spot, years = np.full(21, 100, "f4"), np.full(21, 0.5, "f4")
    prices = model.price(spot, strike, years, np.float32(0.02), np.float32(0.3))
    return np.stack([strike, prices["call"], prices["put"]], axis=1)


def nbody(model: ModuleType) -> np.ndarray:
    i = np.arange(100)
    position = np.stack([(i * 37) % 100, (i * 61) % 100, i], axis=1).astype("f4") / np.float32(100)
    return model.accelerations(position, (1 + i % 3).astype("f4"))


def jacobi(model: ModuleType) -> np.ndarray:
    u = np.zeros((13, 17), "f4")
    u[6, 8] = 1000
    return model.relax(u)


def kmeans(model: ModuleType) -> np.ndarray:
    i = np.arange(300)
    points = np.stack([10 * (i % 3) + ((i * 37) % 101) / 50, 5 * (i % 3) + ((i * 61) % 103) / 50], axis=1).astype("f4")
    centres = points[:3]
    rows = []
    for _ in range(10):
        centres = model.step(points, centres)["centres"]
        rows.append(centres.reshape(-1))
    return np.stack(rows)


def transformer(model: ModuleType) -> np.ndarray:
    i, j = np.indices((11, 64))
    return model.block((((i * 31 + j * 17) % 23).astype("f4") / np.float32(11) - 1).astype("f4"))


def digits_table(dtype: str) -> np.ndarray:
    return np.loadtxt(DIGITS, delimiter=",", dtype=dtype)


def logistic(model: ModuleType) -> np.ndarray:
    return model.probability(digits_table("f8")[:, :64])[:, None]


def cnn(model: ModuleType) -> np.ndarray:
    return model.classify(digits_table("f4")[1347:, :64].reshape(-1, 8, 8))


CASES: dict[str, tuple[Callable[[ModuleType], Any], list[str], float]] = {
    "black_scholes": (black_scholes, [], 1e-4),
    "nbody": (nbody, [], 1e-4),
    "jacobi": (jacobi, [], 1e-5),
    "kmeans": (kmeans, [], 1e-5),
    "transformer": (transformer, [], 1e-4),
    "logistic": (logistic, [str(DIGITS)], 1e-12),
    "cnn": (cnn, [str(DIGITS)], 1e-4),
}


@pytest.mark.parametrize("name", CASES)
def test_c_agrees_with_numpy(name: str, tmp_path: Path) -> None:
    reference, arguments, tolerance = CASES[name]
    model = model_of(name)
    with tcc.eager():
        expected = np.asarray(reference(model))
    found = printed(built(name, tmp_path), *arguments)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


def test_digits_are_recognised_from_c_and_python(tmp_path: Path) -> None:
    program = built("digits", tmp_path)
    text = subprocess.run([str(program), str(DIGITS)], check=True, capture_output=True, text=True).stdout
    model = model_of("digits")
    images = digits_table("f4")[1347:, :64]
    with tcc.eager():
        eager = model.digit(images)
    right = int((eager == digits_table("f4")[1347:, 64]).sum())
    assert right > 400
    assert f"{right} of 450 held-out digits right" in text
    np.testing.assert_array_equal(tcc.load(tmp_path / "model.so").digit(images), eager)


def test_counters_keep_their_state_apart(tmp_path: Path) -> None:
    program = built("counter", tmp_path, stem="counter")
    assert subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout == "3 6 9\n1 2 3\n"


def test_every_example_is_tested() -> None:
    present = {p.parent.name for p in EXAMPLES.glob("*/model.py")}
    assert present == {*CASES, "digits", "counter"}
