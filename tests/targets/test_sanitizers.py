"""The run-time sources and the glue under the compiler's sanitizers."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tcc import runtime
from tcc.artifact import Weights
from tcc.targets import target as targets
from tcc.targets.glue import glue
from tcc.targets.header import header
from tests.targets.toy import ENTRIES, toy_parts

HERE = Path(__file__).parent
NATIVE = Path(runtime.__file__).parent / "native"
WEIGHTS = '.section .rodata\n.balign 64\n.globl model__weights\nmodel__weights:\n.incbin "weights.bin"\n'


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    parts = toy_parts("model", (1, 2, 3, 4), targets.get("x86-64-v2"))
    weights = Weights(parts.weights.tensors, parts.weights.bytes)
    manifest = replace(parts.manifest, weights=weights, isa="x86-64-v2")
    (folder / "model.h").write_text(header(manifest))
    (folder / "glue.c").write_text(glue(manifest, parts.weights, 0))
    (folder / "entries.c").write_text(ENTRIES)
    (folder / "weights.s").write_text(WEIGHTS + '.section .note.GNU-stack,"",@progbits\n')
    with open(folder / "weights.bin", "wb") as file:
        parts.weights.write(file.write)
    return folder


def built(folder: Path, sanitizer: str, program: str) -> Path:
    out = folder / f"{program}-{sanitizer.replace(',', '-')}"
    flags = ["-std=gnu11", "-g", "-O1", "-fno-strict-aliasing", f"-fsanitize={sanitizer}", "-fno-sanitize-recover"]
    defines = ["-DTCC_PREFIX=model", "-DPREFIX=model", "-I.", f"-I{NATIVE}"]
    files = [HERE / f"{program}.c", "glue.c", "entries.c", "weights.s", *NATIVE.glob("*.c")]
    command = ["cc", *flags, *defines, *map(str, files), "-o", str(out), "-pthread"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0 and "cannot find" in done.stderr:
        pytest.skip("the sanitizer's library is not installed")
    assert done.returncode == 0, done.stderr
    return out


def test_memory_and_arithmetic_of_every_check(sources):
    program = built(sources, "address,undefined", "consumer")
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.stdout == "0 failures\n", done.stderr[-3000:]


@pytest.mark.parametrize(("sanitizer", "fork"), [("thread", False), ("address,undefined", True)])
def test_threads_and_forks(sources, sanitizer, fork):
    program = built(sources, sanitizer, "stress")
    command = [str(program), *(["fork"] if fork else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("the thread sanitizer does not run on this kernel")
    assert (done.returncode, done.stdout) == (0, "right\n"), done.stderr[-3000:]


@pytest.mark.parametrize("source", sorted(p.name for p in NATIVE.glob("*.c")))
def test_no_warnings(source, tmp_path):
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wno-sign-conversion", "-Werror"]
    command = ["cc", "-std=gnu11", "-O2", *warnings, "-DTCC_PREFIX=model", "-c", str(NATIVE / source), "-o", "x.o"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_glue_has_no_warnings(sources):
    command = ["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-DTCC_PREFIX=model", "-I.", f"-I{NATIVE}"]
    done = subprocess.run([*command, "-c", "glue.c", "-o", "glue.o"], cwd=sources, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
