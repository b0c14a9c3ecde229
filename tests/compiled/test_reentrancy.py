"""One compiled function, called by eight threads at once: each gets what it would get alone."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tcc

W = np.random.default_rng(0).normal(size=(48, 48)).astype("f4")
SIZES = (0, 1, 3, 17, 64, 257)
THREADS, ROUNDS = 8, 30


@tcc.function(x="f32[n, 48]")
def network(x: Any) -> Any:
    """It has weights, a workspace and parallel loops."""
    h = tcc.nn.softmax(x @ W)
    return np.cumsum(h @ W, axis=0), h.max(axis=1)


@pytest.mark.parametrize("workers", [1, 4])
def test_eight_threads(workers: int, tmp_path: Path) -> None:
    path = tcc.compile(network).save(tmp_path / "model.so")[0]
    rng = np.random.default_rng(1)
    inputs = [rng.normal(size=(n, 48)).astype("f4") for n in SIZES]
    with tcc.load(path, threads=workers) as library:
        alone = [[a.tobytes() for a in library.network(x)] for x in inputs]
        right: list[bool] = []
        start = threading.Barrier(THREADS)

        def work(seed: int) -> None:
            start.wait()
            for turn in range(ROUNDS):
                which = (seed + turn) % len(SIZES)
                right.append([a.tobytes() for a in library.network(inputs[which])] == alone[which])

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(right) == THREADS * ROUNDS
    assert all(right)
