"""Code for a machine that this one is not: kernels become objects of its kind, without a compiler for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcc import api, pipeline
from tcc.targets import tiers

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
AARCH64 = 183  # e_machine in the ELF header


@pytest.mark.parametrize("example", ["black_scholes", "nbody", "kmeans", "logistic", "counter"])
def test_aarch64_objects(example: str) -> None:
    chosen = tiers.choose("aarch64")
    stages = pipeline.Stages(pipeline.Options(target="aarch64", cache=None))
    module = api.module_from_source(EXAMPLES / example / "model.py")
    made = pipeline.scheduled(module, chosen, stages)
    for data in pipeline.code(made, "model", stages).objects():
        assert data.startswith(b"\x7fELF")
        assert int.from_bytes(data[18:20], "little") == AARCH64
        assert b"model__" in data
