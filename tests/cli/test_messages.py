"""Every mistake a user can make ends in a message of one screen: what, where, why, what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

MODEL = """\
import numpy as np
import tcc

W = np.ones((4, 2), "f4")


@tcc.function(x="f32[batch, 4]")
def predict(x):
    \"\"\"Scores of two classes.\"\"\"
    return np.tanh(x @ W)
"""

SOURCES = {
    "syntax.py": "import tcc\n\n@tcc.function(x='f32[n]')\ndef f(x)\n    return x\n",
    "nothing.py": "import numpy as np\n\ndef f(x):\n    return x + 1\n",
    "raises.py": "import tcc\n\nsize = {}['missing']\n",
    "branch.py": (
        "import tcc\n\n\n@tcc.function(x='f32[n]')\ndef f(x):\n    if x.sum() > 0:\n        return x\n    return -x\n"
    ),
    "loop.py": "import tcc\n\n\n@tcc.function(n='i64[]')\ndef f(n):\n    return sum(range(int(n)))\n",
    "unknown_op.py": (
        "import numpy as np\nimport tcc\n\n\n@tcc.function(x='f32[n]')\ndef f(x):\n    return np.fft.fft(x)\n"
    ),
    "shapes.py": ("import tcc\n\n\n@tcc.function(x='f32[n, 3]', y='f32[m, 3]')\ndef f(x, y):\n    return x + y\n"),
    "matmul.py": "import tcc\n\n\n@tcc.function(x='f32[n, 3]', y='f32[4, k]')\ndef f(x, y):\n    return x @ y\n",
    "spec.py": "import tcc\n\n\n@tcc.function(z='f32[n]')\ndef f(x):\n    return x\n",
    "dtype.py": "import tcc\n\n\n@tcc.function(x='float31[n]')\ndef f(x):\n    return x\n",
    "assign.py": "import tcc\n\n\n@tcc.function(x='f32[n]')\ndef f(x):\n    x[0] = 1\n    return x\n",
    "mask.py": "import tcc\n\n\n@tcc.function(x='f32[n]')\ndef f(x):\n    return x[x > 0]\n",
}


def tcc(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "120", "PYTHONPATH": ""}
    command = [sys.executable, "-m", "tcc", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    (folder / "model.py").write_text(MODEL)
    done = tcc("compile", "model.py", "-o", "model.so", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "model.so"


def is_a_message(done: subprocess.CompletedProcess[str], folder: Path, status: int = 1) -> str:
    """The message without the machine's paths; checks its parts, its size, its status and that it is no traceback."""
    text = done.stderr.replace(str(folder) + "/", "")
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in text
    assert 1 <= len(text.splitlines()) <= 24, text
    if status == 1:
        assert text.startswith(("error: ", "unsupported: ")), text
        assert "\n  why: " in text, text
        assert "\n  fix: " in text, text
    return text


@pytest.mark.parametrize("name", SOURCES)
def test_wrong_sources(name: str, tmp_path: Path, golden: Callable[[str], Callable[[str], None]]) -> None:
    (tmp_path / name).write_text(SOURCES[name])
    done = tcc("compile", name, "-o", "out.so", folder=tmp_path)
    text = is_a_message(done, tmp_path)
    golden(f"golden/{name.removesuffix('.py')}.txt")(text)
    left = {p.name for p in tmp_path.iterdir()} - {"__pycache__"}
    assert left == {name}, "nothing half-written is left"


def test_missing_source(tmp_path: Path, golden: Callable[[str], Callable[[str], None]]) -> None:
    golden("golden/missing.txt")(is_a_message(tcc("compile", "no.py", "-o", "o.so", folder=tmp_path), tmp_path))


def test_unwritable_output(tmp_path: Path, golden: Callable[[str], Callable[[str], None]]) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    done = tcc("compile", "model.py", "-o", "no/such/folder/model.so", folder=tmp_path)
    golden("golden/unwritable.txt")(is_a_message(done, tmp_path))
    done = tcc("explain", "model.py", "-o", "no/report.html", folder=tmp_path)
    assert "there is no folder 'no'" in is_a_message(done, tmp_path)
    done = tcc("explain", "model.py", "-o", "/dev/null", folder=tmp_path)
    assert "it is no regular file" in is_a_message(done, tmp_path)
    (tmp_path / "model.so").mkdir()
    done = tcc("compile", "model.py", "-o", "model.so", folder=tmp_path)
    assert "it is a folder" in is_a_message(done, tmp_path)
    assert not list((tmp_path / "model.so").iterdir())


def test_graph_text_without_functions(tmp_path: Path) -> None:
    (tmp_path / "empty.tcc").write_text("")
    done = tcc("compile", "empty.tcc", "-o", "empty.so", folder=tmp_path)
    assert "'empty.tcc' holds no functions" in is_a_message(done, tmp_path)
    assert not (tmp_path / "empty.so").exists()


def test_unknown_target_and_ending(tmp_path: Path, golden: Callable[[str], Callable[[str], None]]) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    done = tcc("compile", "model.py", "-o", "m.so", "--target", "z80", folder=tmp_path)
    golden("golden/target.txt")(is_a_message(done, tmp_path))
    done = tcc("compile", "model.py", "-o", "m.exe", folder=tmp_path)
    golden("golden/ending.txt")(is_a_message(done, tmp_path))


def test_wrong_tolerance(tmp_path: Path, golden: Callable[[str], Callable[[str], None]]) -> None:
    (tmp_path / "model.py").write_text(MODEL)
    done = tcc("compile", "model.py", "-o", "m.so", "--tolerance", "-1", folder=tmp_path)
    golden("golden/tolerance.txt")(is_a_message(done, tmp_path))
    done = tcc("explain", "model.py", "-o", "m.html", "--tolerance", "some", folder=tmp_path)
    assert "not a valid float" in is_a_message(done, tmp_path, status=2)


@pytest.mark.parametrize(
    ("case", "array"),
    [
        ("wrong_shape", np.zeros((2, 5), "f4")),
        ("wrong_rank", np.zeros(4, "f4")),
        ("wrong_dtype", np.zeros((2, 4), "f8")),
    ],
)
def test_wrong_arrays(
    case: str, array: np.ndarray, library: Path, tmp_path: Path, golden: Callable[[str], Callable[[str], None]]
) -> None:
    np.save(tmp_path / "x.npy", array)
    done = tcc("run", str(library), "predict", "--x", "x.npy", folder=tmp_path)
    golden(f"golden/{case}.txt")(is_a_message(done, tmp_path))


def test_wrong_calls(library: Path, tmp_path: Path, golden: Callable[[str], Callable[[str], None]]) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 4), "f4"))
    for case, arguments in {
        "no_such_function": ("run", str(library), "predicted", "--x", "x.npy"),
        "no_such_argument": ("run", str(library), "predict", "--y", "x.npy"),
        "missing_argument": ("run", str(library), "predict"),
        "missing_array": ("run", str(library), "predict", "--x", "y.npy"),
    }.items():
        golden(f"golden/{case}.txt")(is_a_message(tcc(*arguments, folder=tmp_path), library.parent))


def test_unreadable_arrays(library: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "cut.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr'")
    (tmp_path / "noise.npz").write_bytes(b"PK\x03\x04" + np.random.default_rng(0).bytes(100))
    np.save(tmp_path / "objects.npy", np.array([None, {}], object), allow_pickle=True)
    np.savez(tmp_path / "two.npz", a=np.zeros(3), b=np.zeros(3))
    for file in ("empty.npy", "cut.npy", "noise.npz", "objects.npy", "two.npz", "two.npz:c", "word"):
        done = tcc("run", str(library), "predict", "--x", file, folder=tmp_path)
        assert f"argument 'x': {'' if 'two' in file else 'cannot read '}'{file}'" in is_a_message(done, tmp_path)


def test_results_that_cannot_be_written(library: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 4), "f4"))
    for output, what in {"no/y.npy": "there is no folder 'no'", "y.txt": "ends in .npy or .npz"}.items():
        done = tcc("run", str(library), "predict", "--x", "x.npy", "-o", output, folder=tmp_path)
        assert what in is_a_message(done, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"x.npy"}


def test_damaged_libraries(library: Path, tmp_path: Path, golden: Callable[[str], Callable[[str], None]]) -> None:
    data = library.read_bytes()
    (tmp_path / "truncated.so").write_bytes(data[: len(data) // 2])
    (tmp_path / "noise.so").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "flipped.so").write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    for name in ("truncated", "noise", "flipped"):
        for command in (("inspect", f"{name}.so"), ("run", f"{name}.so", "predict")):
            text = is_a_message(tcc(*command, folder=tmp_path), tmp_path)
            golden(f"golden/{name}.txt")(text)


def test_usage_errors_exit_with_2(tmp_path: Path) -> None:
    for arguments in (("compile",), ("compile", "x.py"), ("frobnicate",), ("run", "m.so")):
        text = is_a_message(tcc(*arguments, folder=tmp_path), tmp_path, status=2)
        assert "Usage" in text


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = tcc("--debug", "compile", "no.py", "-o", "o.so", folder=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
