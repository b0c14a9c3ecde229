"""A profile runs the same code as a call, and measures each of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tcc import api, pipeline, runtime
from tcc.errors import UserError
from tcc.runtime import bench

SOURCE = """
import numpy as np, tcc

W = np.linspace(-1, 1, 64 * 32, dtype=np.float32).reshape(64, 32)
total = tcc.state(np.zeros(32, np.float32), name="total")

@tcc.function(x="f32[n:1..5000, 64]", i="i32[n]")
def scores(x, i):
    h = np.tanh(x @ W)
    return tcc.nn.softmax(h @ W.T), tcc.take(W[:, 0], i, axis=0)

@tcc.function(x="f32[32]")
def add(x):
    total.value = total.value + x
    return total.value

@tcc.function(x="f32[n]", steps="f32[7]")
def smooth(x, steps):
    return tcc.scan(lambda c, s: (c * s, c.sum()), x, steps)[1]
"""
LIMITS = bench.Limits({"f32": 1e11, "f64": 5e10}, 1e10)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[runtime.Library]:
    folder = tmp_path_factory.mktemp("profile")
    (folder / "model.py").write_text(SOURCE)
    module = api.module_from_source(folder / "model.py")
    path: Path = pipeline.compile_to(module, folder / "model.so", pipeline.Options())[0]
    with runtime.load(path) as library:
        yield library


def test_same_results_and_all_steps_measured(library: runtime.Library) -> None:
    rng = np.random.default_rng(3)
    x, i = rng.normal(size=(40, 64)).astype(np.float32), rng.integers(0, 64, 40).astype(np.int32)
    profile = library.profile("scores")
    for _ in range(3):
        for found, wanted in zip(profile(x, i), library.scores(x, i), strict=True):
            np.testing.assert_array_equal(found, wanted)
    times = profile.times()
    assert [t.step for t in times] == list(library.manifest.function("scores").steps)
    assert all(t.runs == 3 and t.seconds >= 0 for t in times)
    assert sum(t.seconds for t in times) > 0
    profile.reset()
    assert all(t.runs == 0 and t.seconds == 0 for t in profile.times())


def test_errors_are_those_of_a_call(library: runtime.Library) -> None:
    with pytest.raises(UserError, match="index"):
        library.profile("scores")(np.zeros((1, 64), np.float32), np.array([64], np.int32))


def test_steps_of_a_host_loop_run_as_often_as_it_turns(library: runtime.Library) -> None:
    """The first and the last turn stand before and after it."""
    profile = library.profile("smooth")
    profile(np.ones(5, np.float32), np.ones(7, np.float32))
    runs: dict[str, list[int]] = {}
    for time in profile.times():
        runs.setdefault(time.step.name, []).append(time.runs)
    assert [1, 5, 1] in runs.values()


def test_a_state_is_profiled_through_its_instance(library: runtime.Library) -> None:
    with library.new() as state:
        x = np.ones(32, np.float32)
        state.profile("add")(x)
        np.testing.assert_array_equal(state.add(x), 2 * x)


@pytest.mark.parametrize("name", ["scores", "add", "smooth"])
def test_report(library: runtime.Library, name: str) -> None:
    report = bench.measure(library, name, {}, LIMITS, budget=0.02)
    assert report.steps
    assert report.whole.seconds > 0
    assert all(s.seconds > 0 and s.share >= 0 for s in report.steps)
    if name == "scores":
        assert report.sizes == {"n": 1024}
        assert report.whole.operations >= 2 * 2 * 1024 * 64 * 32
    assert len(report.described()) == 1 + len(report.steps)


def test_sizes_are_checked(library: runtime.Library) -> None:
    signature = library.manifest.function("scores")
    with pytest.raises(UserError, match="has no size 'm'"):
        bench.sizes_for(signature, {"m": 3})
    assert bench.sizes_for(signature, {"n": 7}) == {"n": 7}
