"""The linked library: what it exports and needs, reproducible bytes, C and C++ programs that use it."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tcc.artifact import Manifest, Weights, read_manifest
from tcc.errors import UserError
from tcc.targets import link
from tcc.targets import target as targets
from tcc.targets.c_names import exports, parameters, prefix_for
from tcc.targets.cache import Cache
from tcc.targets.compiler import compiler
from tcc.targets.header import STATUSES, header
from tests.targets.toy import FLIP, SCALE, toy

HERE = Path(__file__).parent
CPP = pytest.param(
    ["c++", "-std=c++11", "-xc++"],
    marks=pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler"),
)
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1"]
DLPACK = """
#ifndef DLPACK_DLPACK_H_
#define DLPACK_DLPACK_H_
#define DLPACK_MAJOR_VERSION 1
#include <stdint.h>
typedef enum { kDLCPU = 1, kDLCUDA = 2 } DLDeviceType;
typedef struct { DLDeviceType device_type; int32_t device_id; } DLDevice;
typedef struct { uint8_t code; uint8_t bits; uint16_t lanes; } DLDataType;
typedef struct {
    void *data; DLDevice device; int32_t ndim; DLDataType dtype; int64_t *shape; int64_t *strides; uint64_t byte_offset;
} DLTensor;
#endif
"""


def run(*command, cwd, **options) -> str:
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("defines", [[], ["-DDLPACK_FIRST"], ["-DDLPACK_LAST"]])
@pytest.mark.parametrize("compiler", [["cc", "-std=c99"], CPP])
def test_a_program_uses_the_library(model, tmp_path, compiler, defines):
    (tmp_path / "dlpack.h").write_text(DLPACK)
    include = [f"-I{model.parent}", f"-I{tmp_path}"]
    source = HERE / "consumer.c"
    run(*compiler, *WARNINGS, *defines, *include, "-c", source, "-o", "consumer.o", cwd=tmp_path)
    run(compiler[0], "consumer.o", model, f"-Wl,-rpath,{model.parent}", "-o", "consumer", cwd=tmp_path)
    assert run("./consumer", cwd=tmp_path) == "0 failures\n"


@pytest.mark.parametrize("kind", [".a", ".o"])
def test_a_program_links_the_library_statically(tmp_path, kind):
    library = toy(tmp_path / f"model{kind}")
    run("cc", "-std=c99", *WARNINGS, "-I.", HERE / "consumer.c", library, "-lm", "-o", "consumer", cwd=tmp_path)
    assert run("./consumer", cwd=tmp_path) == "0 failures\n"
    assert read_manifest(library).prefix == "model"


TWO = """
#include <stdio.h>
#include "first.h"
#include "second.h"
int main(void) {
    const float x[4] = {0, 0, 0, 0};
    float a[4], b[4];
    if (first_scale(x, x, 1, a) != FIRST_OK || second_scale(x, x, 1, b) != SECOND_OK) return 1;
    first_scale(0, x, 1, a);
    printf("%g %g [%s] [%s]\\n", a[0], b[0], first_last_error(), second_last_error());
    return 0;
}
"""


@pytest.mark.parametrize("kinds", [(".so", ".so"), (".a", ".a"), (".o", ".a"), (".a", ".so")])
def test_two_libraries_live_in_one_program(tmp_path, kinds):
    first = toy(tmp_path / f"first{kinds[0]}", "first", bias=(1, 1, 1, 1))
    second = toy(tmp_path / f"second{kinds[1]}", "second", bias=(2, 2, 2, 2))
    (tmp_path / "two.c").write_text(TWO)
    run("cc", "-std=c99", *WARNINGS, "two.c", first, second, f"-Wl,-rpath,{tmp_path}", "-lm", "-o", "two", cwd=tmp_path)
    assert run("./two", cwd=tmp_path) == "1 2 [scale: argument 'x' is NULL] []\n"


def test_two_compilations_in_different_folders_give_the_same_bytes(tmp_path, monkeypatch):
    found = []
    for name, kind in (("a", ".so"), ("b/deeper", ".so"), ("a", ".a"), ("b/deeper", ".a")):
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("TMPDIR", str(folder))
        toy(folder / f"model{kind}", cache=Cache(folder / "cache") if kind == ".so" else None)
        found.append((folder / f"model{kind}").read_bytes() + (folder / "model.h").read_bytes())
    assert found[0] == found[1]
    assert found[2] == found[3]
    assert str(tmp_path).encode() not in found[0] + found[2]


def test_only_the_interface_is_exported(model):
    symbols = run("nm", "-D", "--defined-only", model, cwd=".").split()
    manifest = read_manifest(model)
    assert sorted(symbols[2::3]) == sorted(exports(manifest))
    assert all(name.startswith("model_") for name in symbols[2::3])


def test_it_needs_the_c_library_only_and_is_hardened(model):
    assert read_manifest(model).needed == ("libc.so.6",)
    dynamic = run("readelf", "-dlW", model, cwd=".")
    assert "BIND_NOW" in dynamic
    assert "GNU_RELRO" in dynamic
    assert "TEXTREL" not in dynamic
    assert re.search(r"GNU_STACK .* RW ", dynamic)
    assert "build ID" not in run("readelf", "-nW", model, cwd=".")
    assert model.stat().st_size < 48_000


def test_every_name_in_a_static_library_has_its_prefix(tmp_path):
    library = toy(tmp_path / "model.a")
    names = {
        line.split()[-1] for line in run("nm", "-g", "--defined-only", library, cwd=".").splitlines() if " " in line
    }
    assert all(name.startswith("model_") for name in names)


def test_stripping_leaves_the_interface(tmp_path):
    library = toy(tmp_path / "model.so", strip=True)
    assert run("nm", library, cwd=".", check=False) == ""
    assert read_manifest(library).prefix == "model"


STATE = """
#include <stdio.h>
#include <string.h>
#include "counter.h"
int main(int argc, char **argv) {
    const float x[3] = {1, 2, 3};
    float sum[3];
    int64_t steps = -1;
    counter_state *a = counter_new(), *b = counter_new();
    if (argc != 2 || a == NULL || b == NULL) return 1;
    if (counter_step(a, x, sum) || counter_step(a, x, sum) || counter_steps(a, &steps)) return 2;
    printf("%g %g %g %d\\n", sum[0], sum[1], sum[2], (int)steps);
    if (counter_save(a, argv[1]) || counter_load(b, argv[1]) || counter_step(b, x, sum)) return 3;
    printf("%g\\n", sum[0]);
    if (counter_load(b, "missing") != COUNTER_FILE_ERROR || counter_steps(b, &steps)) return 4;
    printf("%s; %d\\n", counter_last_error(), (int)steps);
    if (counter_step(NULL, x, sum) != COUNTER_INVALID_ARGUMENT) return 5;
    printf("%s\\n", counter_last_error());
    counter_free(a);
    counter_free(b);
    counter_free(NULL);
    return 0;
}
"""


def test_a_state_is_made_used_saved_and_freed(counter, tmp_path):
    (tmp_path / "state.c").write_text(STATE)
    include, path = f"-I{counter.parent}", f"-Wl,-rpath,{counter.parent}"
    run("cc", "-std=c99", *WARNINGS, include, "state.c", counter, path, "-o", "state", cwd=tmp_path)
    assert run("./state", "saved.safetensors", cwd=tmp_path).splitlines() == [
        "2.5 4 6 2",
        "3.5",
        "counter: cannot open 'missing': No such file or directory; 3",
        "step: the state is NULL",
    ]


def test_weights_in_a_file_of_their_own(tmp_path):
    library = toy(tmp_path / "model.so", weights="external")
    manifest = read_manifest(library)
    file = tmp_path / "model.safetensors"
    assert manifest.weights.file is not None
    assert manifest.weights.file.bytes == file.stat().st_size
    data = file.read_bytes()
    assert manifest.weights.file.data_offset == 8 + int.from_bytes(data[:8], "little") == 4096
    run("cc", "-std=c99", *WARNINGS, "-I.", HERE / "consumer.c", library, "-Wl,-rpath,$ORIGIN", "-o", "c", cwd=tmp_path)
    assert run("./c", cwd="/", executable=tmp_path / "c") == "0 failures\n"
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    file.rename(moved / file.name)
    done = subprocess.run([tmp_path / "c"], capture_output=True, text=True)
    assert f"cannot open its weights '{tmp_path}/model.safetensors': No such file or directory" in done.stdout
    environment = {**os.environ, "TCC_WEIGHTS_DIR": str(moved)}
    assert run(tmp_path / "c", cwd="/", env=environment) == "0 failures\n"
    for damaged, message in ((data[:-1], "it must have"), (data[:99] + b"?" + data[100:], "its header differs")):
        file.write_bytes(damaged)
        done = subprocess.run([tmp_path / "c"], capture_output=True, text=True)
        assert message in done.stdout


def test_the_header(golden, model):
    golden("golden/model.h")((model.parent / "model.h").read_text())


def test_the_header_of_a_state(golden, counter):
    golden("golden/counter.h")((counter.parent / "counter.h").read_text())


def test_names_that_c_cannot_use():
    first, second = SCALE.arguments
    function = replace(SCALE, arguments=(replace(first, name="class"), replace(second, name="π.1")))
    names = parameters(function)
    assert names.inputs == ("class_", "value_1")
    assert names.sizes == ("n",)


def test_names_that_clash_are_refused():
    for clash in ("last_error", "scale_ctx", "status"):
        other = replace(FLIP, name=clash)
        with pytest.raises(UserError, match=f"would both be called 'm_{clash}|would both be called 'm_scale_ctx"):
            exports(Manifest("0", "m", (SCALE, other)))
    with pytest.raises(UserError, match="a name that C cannot use"):
        exports(Manifest("0", "m", (replace(FLIP, name="größe"),)))


def test_the_prefix_comes_from_the_file():
    assert prefix_for(Path("a/my-model.v2.so")) == "my_model"
    assert prefix_for(Path("3d.so")) == "m3d"


def test_status_values_never_change():
    assert [name for name, _ in STATUSES] == [
        "OK", "INVALID_ARGUMENT", "INVALID_SHAPE", "INVALID_DTYPE", "INVALID_STRIDES", "INVALID_ALIGNMENT", "OVERLAP",
        "INDEX_OUT_OF_RANGE", "OUT_OF_MEMORY", "INVALID_DEVICE", "FILE_ERROR", "UNSUPPORTED_PROCESSOR", "BUSY",
        "INTERNAL",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "message"),
    [("model.txt", "a library ends in"), ("nowhere/model.so", "there is no folder"), ("folder.so", "it is a folder")],
)
def test_an_output_that_cannot_be_written_is_refused(tmp_path, path, message):
    (tmp_path / "folder.so").mkdir()
    with pytest.raises(UserError, match=message):
        toy(tmp_path / path)


def empty(target: str) -> link.Parts:
    """A library without functions."""
    return link.Parts(Manifest("0", "model", ()), tuple, link.WeightBlock(), (targets.get(target),))


def test_a_failed_link_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "model.so").write_text("old")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="'cc' was not found"):
        link.write_library(empty("x86-64-v2"), tmp_path / "model.so")
    assert (tmp_path / "model.so").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["model.so"]


def test_a_foreign_target_names_the_cross_compiler_and_zig(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tcc.targets.compiler._has_zig", lambda: False)
    ways = r"(?s)aarch64-linux-gnu-gcc.*apt install gcc-aarch64-linux-gnu.*pip install 'tcc\[cross\]'"
    with pytest.raises(UserError, match=ways):
        link.write_library(empty("aarch64"), tmp_path / "model.so")


def test_zig_stands_in_for_a_cross_compiler_only(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tcc.targets.compiler._has_zig", lambda: True)
    command = compiler(targets.get("aarch64")).command
    assert command[1:] == ("-m", "ziglang", "cc", "-target", "aarch64-linux-gnu.2.17")
    assert compiler(targets.get("x86-64-v3")).command == ("cc",)


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed")
@pytest.mark.parametrize("kind", [".so", ".a", ".o"])
def test_zig_links(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("tcc.targets.compiler.shutil.which", lambda _: None)
    assert link.write_library(empty("aarch64"), tmp_path / f"model{kind}")[0].stat().st_size > 0


def test_the_native_objects_come_from_the_cache(tmp_path, monkeypatch):
    cache = Cache(tmp_path / "cache")
    toy(tmp_path / "model.so", cache=cache)
    compiled = []
    original = link._run

    def noted(target, arguments, folder):
        compiled.append([a for a in arguments if a.endswith(".c")])
        return original(target, arguments, folder)

    monkeypatch.setattr(link, "_run", noted)
    toy(tmp_path / "model.so", cache=cache)
    assert [c for c in compiled if c] == [["glue.c"]]


def test_the_header_is_valid_without_functions(tmp_path):
    text = header(Manifest("0", "none", (), weights=Weights()))
    (tmp_path / "none.h").write_text(text)
    (tmp_path / "none.c").write_text('#include "none.h"\nint main(void) { return NONE_OK; }\n')
    run("cc", "-std=c99", *WARNINGS, "none.c", "-o", "none", cwd=tmp_path)


def test_a_killed_compilation_leaves_the_old_library_or_the_new_one(tmp_path):
    path = toy(tmp_path / "model.so", bias=(0, 0, 0, 0))
    script = (
        "import sys; from pathlib import Path; from tests.targets.toy import toy_parts, targets, write_library\n"
        "from tcc.targets.cache import Cache; path = Path(sys.argv[1]); cache = Cache(path.parent / 'cache')\n"
        "parts = [toy_parts('model', (b, b, b, b), targets.get('x86-64-v2')) for b in (1, 2)]\n"
        "print('ready', flush=True)\n"
        "while True:\n    for p in parts:\n"
        "        write_library(p, path, cache=cache, weights='external'); print('.', flush=True)\n"
    )
    for delay in (0.0, 0.05, 0.11, 0.17):
        command = [sys.executable, "-c", script, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=HERE.parents[1]) as process:
            process.stdout.readline()
            process.stdout.readline()
            time.sleep(delay)
            process.kill()
        read_manifest(path)
        assert (tmp_path / "model.h").read_text().endswith("#endif /* MODEL_H */\n")
        assert (tmp_path / "model.safetensors").stat().st_size == 4096 + 64
