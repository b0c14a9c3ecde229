"""The bench itself: its statistics, its tables, and a run of tiny workloads with NumPy only."""

import inspect
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from tools.bench import compiling, operands, plot, report, summary
from tools.bench.measure import Bench, Effort
from tools.bench.peers import FILES
from tools.bench.peers.numpy_arrays import NumPy
from tools.bench.processes import ROOT
from tools.bench.workload import Drawn, error, integers, leaves, normal, weight
from tools.bench.workloads import FAMILIES, by_name, chosen, table

LIMITS = {"f32": 1e11, "f64": 5e10, "l2_bytes": 1e6, "l3_bytes": 1e7} | {
    f"{level}_{kind}": speed
    for level, speed in (("l2", 2e11), ("l3", 1e11), ("memory", 4e10))
    for kind in ("read", "copy")
}


def entry(name, ranked=True, **seconds):
    """A workload's entry in a report, with each peer's time."""
    results = {p.replace("_", "."): {"seconds": s, "owned": p != "jax"} for p, s in seconds.items()}
    return {
        "family": "made up",
        "name": name,
        "ranked": ranked,
        "flops": 1e6,
        "peak": "f32",
        "read": 4e5,
        "written": 4e5,
        "results": results,
    }


@pytest.fixture
def made_report():
    return {
        "date": "2001-02-03 04:05 UTC",
        "machine": {"processor": "a processor", "processors": 2, "system": "a system", "compiler": "a compiler"},
        "threads": 1,
        "limits": LIMITS | {"bf16": 2e11, "int8": 4e11},
        "versions": {"tcc": "0", "numpy": "2"},
        "load": [0.1, 0.2],
        "call_from_c": {"tcc": 20.0, "c": 2.0},
        "workloads": [
            entry("ahead", tcc=1e-4, numpy=4e-4, jax=2e-4),
            entry("behind", tcc=2e-4, numpy=4e-4, jax=1e-4),
            entry("call", ranked=False, tcc=1e-5, numpy=1e-6),
            entry("wrong", numpy=1e-4) | {"results": {"tcc": {"failure": "off | by 1"}, "numpy": {"seconds": 1e-4}}},
        ],
    }


class TestSummary:
    def test_medians(self):
        assert summary.median([3.0, 1.0, 2.0]) == 2.0
        assert summary.median([4.0, 1.0, 2.0, 3.0]) == 2.5
        assert math.isnan(summary.median([]))

    def test_geometric_mean(self):
        assert summary.geometric_mean([2.0, 8.0]) == pytest.approx(4.0)
        assert math.isnan(summary.geometric_mean([]))

    @pytest.mark.parametrize(
        ("flops", "read", "written", "threads", "seconds"),
        [
            (1e9, 10, 10, 1, 1e-2),
            (1e9, 10, 10, 2, 5e-3),
            (0, 4e5, 4e5, 1, 8e5 / 2e11),
            (0, 4e5, 4e5, 2, 8e5 / 4e11),
            (0, 2e6, 2e6, 1, 4e6 / 1e11),
            (0, 2e7, 2e7, 1, 4e7 / 4e10),
        ],
    )
    def test_limits(self, flops, read, written, threads, seconds):
        assert summary.shortest_time(flops, "f32", read, written, LIMITS, threads) == pytest.approx(seconds)

    def test_rows(self, made_report):
        ahead, behind, call, wrong = summary.rows(made_report)
        assert (ahead.best, ahead.ratio) == ("jax", pytest.approx(2.0))
        assert ahead.share == pytest.approx(1e-5 / 1e-4)
        assert behind.ratio == pytest.approx(0.5)
        assert math.isnan(wrong.ratio)
        assert summary.overall([ahead, behind, call, wrong]) == pytest.approx(1.0)
        assert [r.name for r in summary.behind([ahead, behind, call, wrong])] == ["wrong", "behind"]

    def test_durations(self):
        assert [summary.duration(s) for s in (2.0, 0.0123, 4.5e-5, 1.2e-8)] == ["2 s", "12.3 ms", "45 µs", "12 ns"]
        assert summary.duration(math.nan) == "–"


class TestReport:
    def test_page(self, made_report):
        page = report.markdown([made_report, made_report | {"threads": 2}], "cpu.svg")
        rows = [line for line in page.splitlines() if line.startswith("|")]
        assert "## One thread" in page
        assert "## 2 threads" in page
        assert "20.0 ns, a plain C function 2.0 ns" in page
        assert "Geometric mean: **1.00×**" in page
        assert "| ahead | 100 µs | 200 µs JAX | 2.00 |" in page
        assert "2.00*" in page
        assert "off / by 1" in page
        assert len({line.count("|") for line in rows}) == 1

    def test_counts(self, made_report):
        found = {"state": "whole", "overall": 5000, "own": 4000, "kinds": {}, "flops": 0, "objects": {}}
        entry = {"name": "behind", "flops": 0, "moved": 8000, "peers": {"jax": found}}
        page = report.markdown([made_report], counted={"date": "2001-02-03", "workloads": [entry]})
        assert "## Counts" in page
        assert "2001-02-03" in page
        assert "| behind | JAX | 4 k | 5 k | – | – | 2.0 |" in page
        assert "## Counts" not in report.markdown([made_report])

    def test_remarks_stay(self, made_report):
        page = report.markdown([made_report])
        assert report.remarks(page) == ""
        assert report.remarks(f"{page}\n{report.REMARKS} here\n\nWords.\n") == f"{report.REMARKS} here\n\nWords.\n"

    def test_text(self, made_report):
        assert "tcc is behind in:" in report.text(made_report)

    def test_plot(self, made_report):
        picture = plot.svg(summary.rows(made_report), "a < b")
        assert picture.startswith("<svg")
        assert "a &lt; b" in picture
        assert picture.count("<rect") == 3


class TestTables:
    def test_names(self):
        names = [w.name for rows in table().values() for w in rows]
        assert len(names) == len(set(names))
        assert all(":" not in n and "/" not in n for w in map(by_name, names) for n in (*w.inputs, *w.weights))

    @pytest.mark.parametrize("family", FAMILIES)
    def test_rows_are_well_formed(self, family):
        for w in table([family])[family]:
            inputs, weights = tuple(w.inputs), tuple(w.weights)
            parameters = inspect.signature(w.body).parameters
            if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                inspect.signature(w.body).bind(None, *inputs, **dict.fromkeys(weights))
            if "numba" in w.own:
                assert len(inspect.signature(w.own["numba"]).parameters) > len(inputs) + len(weights)
            assert set(w.own) | set(w.without) <= set(FILES)
            assert set(w.specs) <= set(inputs)
            assert w.flops >= 0
            assert w.peak in ("f32", "f64", "bf16", "int8")

    def test_chosen(self):
        assert {f for f, _ in chosen([], quick=False)} == set(FAMILIES)
        assert 10 <= len(chosen([], quick=True)) <= 30
        assert [w.name for _, w in chosen(["tiny add"], quick=False)] == ["tiny add"]


class TestOperands:
    def test_drawn_again_the_same(self):
        for drawn in (normal(3, 4), weight(3, 4), integers(5, high=9), Drawn((2,), "bf16"), normal(2, dtype="c8")):
            assert drawn.array("seed").dtype == drawn.array("seed").dtype
            np.testing.assert_array_equal(drawn.array("seed"), drawn.array("seed"))
        assert not np.array_equal(normal(9).array("a"), normal(9).array("b"))

    def test_error(self):
        x = np.arange(4.0)
        assert error(x, x) == 0
        assert error(x, np.array([0.0, 1, 2, 6])) == pytest.approx(0.5)
        assert error(x[:3], x) == math.inf
        assert error(x * np.nan, x) == math.inf

    def test_files(self, tmp_path):
        path = tmp_path / "operands.npz"
        made = operands.drawn(by_name("tiny layer"))
        operands.write(path, made)
        for before, after in zip(made[:2], operands.read(str(path))[:2], strict=True):
            assert before.keys() == after.keys()
            assert all(np.array_equal(before[n], after[n]) for n in before)
        inputs, weights, results, references = operands.read(str(path))
        assert [r.dtype for r in results] == [np.float32, np.float32]
        assert not any(a.ctypes.data % operands.LINE for a in (*inputs.values(), *weights.values(), *results))
        prepared = NumPy().prepare(by_name("tiny layer"), inputs, weights, results)
        prepared.call()
        assert all(error(f, r) < 1e-5 for f, r in zip(leaves(prepared.results()), references, strict=True))


class TestRuns:
    def test_numpy_alone(self):
        bench = Bench(["numpy"], 1, [], Effort(rounds=3, sample=1e-4, most=0.1, prepare=60))
        try:
            results, moved = bench.run(by_name("tiny add"))
            layer, _ = bench.run(by_name("tiny layer"))
        finally:
            bench.close()
        assert results["numpy"].failure == ""
        assert results["numpy"].owned
        assert len(results["numpy"].samples) == 3
        assert 0 < results["numpy"].seconds < 1
        assert moved == (64.0, 32.0)
        assert not layer["numpy"].failure
        assert bench.versions == {"numpy": np.__version__}

    def test_a_wrong_result_disqualifies(self):
        bench = Bench(["tcc"], 1, [], Effort(rounds=3, sample=1e-4, most=0.1, prepare=60))
        try:
            results, _ = bench.run(by_name("tiny, wrong in peers"))
        finally:
            bench.close()
        assert results["tcc"].failure.startswith("wrong: off by")
        assert results["tcc"].samples == []

    def test_command(self, tmp_path):
        output = tmp_path / "bench.json"
        command = [sys.executable, "-m", "tools.bench", "run", "tiny layer", "--peers", "numpy", "-o", str(output)]
        run = subprocess.run([*command, "--quick"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        found = json.loads(output.read_text())
        assert found["workloads"][0]["results"]["numpy"]["seconds"] > 0
        assert found["limits"]["f32"] > 1e9
        assert found["limits"]["memory_copy"] > 1e8
        assert output.with_suffix(".svg").exists()


def test_compile_times() -> None:
    (found,) = compiling.measured([by_name("tiny layer")], repetitions=1)
    assert min(found[k] for k in ("graph", "schedule", "lower", "link")) > 0
    slow = {**found, "name": "slow", "seconds": 1.0}
    page = compiling.section(json.loads(compiling.document([{**found, "seconds": 0.1}, slow])))
    assert "1 of 2 workloads take no more than 150 ms" in page
    assert page.index("| slow | 1000 |") < page.index("| tiny layer | 100 |")
