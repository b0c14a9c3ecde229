"""The README's first example does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import tcc

README = Path(__file__).parents[2] / "README.md"


def block(language: str, after: str) -> str:
    found = re.search(rf"{re.escape(after)}.*?```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_twenty_lines(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(block("python", "`model.py`:"))
    (tmp_path / "main.c").write_text(block("c", "`main.c`:"))
    weights = np.random.default_rng(0).normal(size=(64, 10)).astype("f4")
    np.savez(tmp_path / "weights.npz", W=weights, b=np.zeros(10, "f4"))
    commands = block("sh", "`main.c`:").replace("tcc compile", f"{sys.executable} -m tcc compile")
    done = subprocess.run(["sh", "-ec", commands], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0.1"
    x = np.ones((2, 64), "f4")
    logits = np.maximum(x @ weights, 0)
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    found = tcc.load(tmp_path / "model.so").classify(x)
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-4)
