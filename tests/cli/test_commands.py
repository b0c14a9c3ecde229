"""The commands do what their help says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_messages import MODEL, tcc


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    (folder / "model.py").write_text(MODEL)
    done = tcc("compile", "model.py", "-o", "model.so", "--dump", "stages", folder=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "quiet in a pipe"
    return folder


def test_compile_writes_library_and_header(folder: Path) -> None:
    assert (folder / "model.so").exists()
    assert "model_predict" in (folder / "model.h").read_text()


def test_dump_numbers_the_stages(folder: Path) -> None:
    names = sorted(p.name for p in (folder / "stages").iterdir())
    assert [int(n[:2]) for n in names] == list(range(len(names)))
    assert names[0] == "00-trace.tcc"
    assert {n.partition(".")[2] for n in names} >= {"tcc", "loops", "mlir", "ll", "s"}


def test_graph_text_compiles_to_the_same_code(folder: Path) -> None:
    done = tcc("compile", "stages/00-trace.tcc", "-o", "again.so", "--prefix", "model", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "model_predict" in (folder / "again.h").read_text()


def test_libraries_need_libc_and_libm_at_most(folder: Path) -> None:
    shown = subprocess.run(["readelf", "-d", str(folder / "model.so")], check=True, capture_output=True, text=True)
    needed = {line.split("[")[1].rstrip("]") for line in shown.stdout.splitlines() if "(NEEDED)" in line}
    assert needed <= {"libc.so.6", "libm.so.6"}


def test_inspect(folder: Path) -> None:
    done = tcc("inspect", "model.so", folder=folder)
    assert done.returncode == 0, done.stderr
    for part in ("predict", "f32[batch, 4]", "f32[batch, 2]", "Scores of two classes.", "model_predict", "weights"):
        assert part in done.stdout
    manifest = json.loads(tcc("inspect", "model.so", "--json", folder=folder).stdout)
    assert manifest["prefix"] == "model"


def test_run(folder: Path) -> None:
    x = np.linspace(-1, 1, 12, dtype="f4").reshape(3, 4)
    np.save(folder / "x.npy", x)
    done = tcc("run", "model.so", "predict", "--x", "x.npy", "-o", "y.npy", folder=folder)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(folder / "y.npy"), np.tanh(x @ np.ones((4, 2), "f4")), rtol=1e-5)
    assert "f32[3, 2]" in tcc("run", "model.so", "predict", "--x", "x.npy", folder=folder).stdout.replace(
        "float32", "f32"
    )


def test_the_place_of_a_compilation_does_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    for place in ("here", "in another/folder"):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "model.py").write_text(MODEL)
        monkeypatch.setenv("TCC_CACHE_DIR", str(folder / "cache"))
        monkeypatch.setenv("PYTHONHASHSEED", str(len(written)))
        done = tcc("compile", "model.py", "-o", "model.so", folder=folder)
        assert done.returncode == 0, done.stderr
        written.append((folder / "model.so").read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize("ending", ["a", "o"])
def test_objects_and_archives_link(folder: Path, ending: str) -> None:
    done = tcc("compile", "model.py", "-o", f"static.{ending}", folder=folder)
    assert done.returncode == 0, done.stderr
    (folder / "main.c").write_text(
        '#include "static.h"\n#include <stdio.h>\nint main(void) {\n'
        "    float x[4] = {0.1f, 0.2f, 0.3f, 0.4f}, y[2];\n"
        '    if (static_predict(x, 1, y) != STATIC_OK) return 1;\n    printf("%.6f", y[0]);\n    return 0;\n}\n'
    )
    command = ["cc", "-std=c99", "main.c", f"static.{ending}", "-lm", "-lpthread", "-o", "main"]
    subprocess.run(command, check=True, cwd=folder)
    shown = subprocess.run([folder / "main"], check=True, capture_output=True, text=True).stdout
    assert float(shown) == pytest.approx(np.tanh(1.0), abs=1e-6)


@pytest.mark.parametrize(("first", "second"), [("a", "a"), ("so", "so"), ("a", "so")])
def test_two_compiled_libraries_in_one_program(tmp_path: Path, first: str, second: str) -> None:
    """Equal functions, so that every name below the interface would clash if it could."""
    for name, ending, factor in (("first", first, "1"), ("second", second, "-1")):
        (tmp_path / f"{name}.py").write_text(MODEL.replace("x @ W", f"x @ W * {factor}"))
        done = tcc("compile", f"{name}.py", "-o", f"{name}.{ending}", folder=tmp_path)
        assert done.returncode == 0, done.stderr
    (tmp_path / "main.c").write_text(
        '#include "first.h"\n#include "second.h"\nint main(void) {\n'
        "    float x[8] = {0.1f, 0.2f, 0.3f, 0.4f, 1, 2, 3, 4}, y[4], z[4];\n    int i, wrong = 0;\n"
        "    if (first_predict(x, 2, y) != FIRST_OK || second_predict(x, 2, z) != SECOND_OK) return 1;\n"
        "    for (i = 0; i < 4; i++) wrong |= y[i] != -z[i] || y[i] < 0.7f;\n    return wrong;\n}\n"
    )
    files = ["main.c", f"first.{first}", f"second.{second}"]
    subprocess.run(["cc", "-std=c99", *files, "-Wl,-rpath,$ORIGIN", "-lm", "-o", "main"], check=True, cwd=tmp_path)
    subprocess.run([tmp_path / "main"], check=True)


@pytest.mark.parametrize("target", ["x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64"])
def test_objects_for_every_target(folder: Path, target: str) -> None:
    done = tcc("compile", "model.py", "-o", f"{target}.o", "--prefix", "model", "--target", target, folder=folder)
    if target == "aarch64" and shutil.which("aarch64-linux-gnu-gcc") is None:
        assert done.returncode == 1
        assert "install the cross compiler" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    machine = subprocess.run(["readelf", "-h", folder / f"{target}.o"], check=True, capture_output=True, text=True)
    assert ("AArch64" if target == "aarch64" else "X86-64") in machine.stdout


def test_kernels_for_a_gpu(folder: Path) -> None:
    done = tcc("compile", "model.py", "-o", "model.ptx", "--target", "sm_90", folder=folder)
    assert done.returncode == 0, done.stderr
    text = (folder / "model.ptx").read_text()
    symbols = re.findall(r"\.visible \.entry (\w+)\(", text)
    assert symbols
    for symbol in symbols:
        assert re.search(rf"^// {symbol}\(.*status\)\n//     .* blocks of 256 threads$", text, re.MULTILINE)
    refused = tcc("compile", "model.py", "-o", "model.so", "--target", "sm_90", folder=folder)
    assert refused.returncode == 1
    assert "write model.ptx, for example" in refused.stderr
    explained = tcc("explain", "model.py", "-o", "model.html", "--target", "sm_90", folder=folder)
    assert explained.returncode == 1
    assert "unsupported: explaining functions on a GPU" in explained.stderr


def test_targets_and_ops_are_listed(folder: Path) -> None:
    assert "x86-64-v3" in tcc("targets", folder=folder).stdout
    shown = tcc("ops", folder=folder).stdout
    assert len(shown.splitlines()) > 50
    assert "Square root" in tcc("ops", "sqrt", folder=folder).stdout
    assert "tcc.matmul(x1" in tcc("ops", "matmul", folder=folder).stdout
    assert "tcc.nn.conv2d(x" in tcc("ops", "conv2d", folder=folder).stdout
    assert "did you mean matmul" in tcc("ops", "matmull", folder=folder).stderr


def test_help_has_examples(folder: Path) -> None:
    for command in ("compile", "run", "inspect"):
        assert f"tcc {command} model." in tcc(command, "--help", folder=folder).stdout


@pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb is not installed")
def test_a_debugger_stops_at_the_users_line(folder: Path) -> None:
    np.save(folder / "x.npy", np.zeros((3, 4), "f4"))
    line = MODEL.splitlines().index("    return np.tanh(x @ W)") + 1
    script = [
        "-ex", "set breakpoint pending on", "-ex", "set debuginfod enabled off", "-ex", f"break model.py:{line}",
        "-ex", "run", "-ex", "bt 1", "-ex", "kill",
    ]  # fmt: skip
    (folder / "stop.c").write_text(
        '#include "model.h"\nint main(void) {\n    static float x[12], y[6];\n'
        "    return model_predict(x, 3, y) != MODEL_OK;\n}\n"
    )
    subprocess.run(["cc", "stop.c", "model.so", "-Wl,-rpath,.", "-o", "stop"], check=True, cwd=folder)
    shown = subprocess.run(
        ["gdb", "-q", "-batch", *script, "./stop"], cwd=folder, capture_output=True, text=True, timeout=60
    ).stdout
    assert f"model.py:{line}" in shown.partition("Breakpoint 1, ")[2], shown


def test_bench(folder: Path) -> None:
    done = tcc("bench", "model.so", "predict", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "quiet in a pipe"
    found = json.loads(done.stdout)
    assert found["limits"]["copy"] > 1e8
    (function,) = found["functions"]
    assert function["function"] == "predict"
    assert all(s["seconds"] > 0 and s["compulsory"] > 0 for s in function["steps"])
    shown = tcc("bench", "model.so", "predict", folder=folder)
    assert all(s["name"] in shown.stdout for s in function["steps"])
    assert "GFLOP/s" in shown.stdout
    wrong = tcc("bench", "model.so", "predict", "--size", "nothing=3", folder=folder)
    assert wrong.returncode == 1
    assert "has no size 'nothing'" in wrong.stderr


def test_explain(folder: Path) -> None:
    done = tcc("explain", "model.py", "-o", "report.html", "--no-measure", folder=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "quiet in a pipe"
    assert "predict" in (folder / "report.html").read_text()
