from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tcc.errors import InternalError, UserError
from tcc.targets.codegen import CodeGenerator
from tcc.targets.llvm import host
from tcc.targets.machine import Machine

ADD = "define i32 @add(i32 %x, i32 %y) {\n  %s = add i32 %x, %y\n  ret i32 %s\n}\n"
X86 = Machine("x86_64-unknown-linux-gnu", "x86-64-v3")
ARM = Machine("aarch64-unknown-linux-gnu")

# An x86 instruction on another machine is one of the mistakes that LLVM ends its process for.
FATAL = """
declare <16 x float> @llvm.x86.avx512.sqrt.ps.512(<16 x float>, i32)
define <16 x float> @f(<16 x float> %x) {
  %y = call <16 x float> @llvm.x86.avx512.sqrt.ps.512(<16 x float> %x, i32 8)
  ret <16 x float> %y
}
"""


@pytest.fixture
def generator():
    generator = CodeGenerator()
    yield generator
    generator.close()


def test_outputs(generator):
    made = generator.compile(ADD, X86, ("object", "assembly", "llvm"))
    assert made["object"].startswith(b"\x7fELF")
    assert b"leal" in made["assembly"]
    assert b"uwtable(sync)" in made["llvm"]
    assert b"add\tw0" in generator.compile(ADD, ARM, ("assembly",))["assembly"]


def test_same_bytes_twice(generator):
    first = generator.compile(ADD, X86)["object"]
    generator.close()
    assert generator.compile(ADD, X86)["object"] == first


def test_large_texts(generator):
    text = "".join(ADD.replace("@add", f"@add{i}") for i in range(20_000))
    assert len(text) > 1 << 20
    with pytest.raises(InternalError):
        generator.compile(text + "define", X86)


def test_host_is_usable(generator):
    assert generator.compile(ADD, host())["object"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("define i32 @f() { ret i64 0 }", "value doesn't match function result type"),
        ("define void @f() { ", "refused"),
        (
            "declare void @llvm.nvvm.nothing()\ndefine void @f() {\n call void @llvm.nvvm.nothing()\n ret void\n}",
            "llvm.nvvm.nothing",
        ),
    ],
)
def test_a_mistake_in_the_text_is_an_error(generator, text, words):
    with pytest.raises(InternalError, match=words):
        generator.compile(text, X86)
    assert generator.compile(ADD, X86)["object"]


def test_unknown_triple(generator):
    with pytest.raises(UserError, match="unknown target triple 'toaster-none'"):
        generator.compile(ADD, Machine("toaster-none"))


def test_fatal_error_of_llvm_is_an_error_and_the_next_request_works(generator):
    with pytest.raises(InternalError, match="LLVM ERROR: Do not know how to split") as caught:
        generator.compile(FATAL, ARM)
    assert "SIGABRT" in str(caught.value)
    assert generator.compile(ADD, ARM)["object"]


def test_a_killed_idle_worker_is_replaced(generator):
    generator.compile(ADD, X86)
    pid = _worker_of(generator)
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    assert generator.compile(ADD, X86)["object"]
    assert _worker_of(generator) != pid


def test_threads_share_a_generator():
    generator = CodeGenerator(workers=2)
    texts = [f"define i32 @f() {{\n  ret i32 {i}\n}}\n" for i in range(6)]
    results: dict[int, bytes] = {}

    def work(i: int) -> None:
        results[i] = generator.compile(texts[i], X86, ("assembly",))["assembly"]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    generator.close()
    assert all(f"${i}, %eax".encode() in results[i] for i in range(1, 6))


def test_fork(generator):
    generator.compile(ADD, X86)
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if generator.compile(ADD, X86)["object"] else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert generator.compile(ADD, X86)["object"]


def test_the_worker_ends_with_its_parent():
    script = (
        "import os, time\nfrom tcc.targets.codegen import SHARED\n"
        "from tcc.targets.machine import Machine\n"
        "SHARED.compile('', Machine('x86_64-unknown-linux-gnu'))\n"
        "print(SHARED._idle[-1]._process.pid, flush=True)\n"
        # A forked child that does not know of the worker keeps the pipe open.
        "import ctypes\nlibc = ctypes.CDLL(None)\n"
        "if libc.fork() == 0:\n    time.sleep(5); os._exit(0)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    pid = int(parent.stdout.readline())
    parent.wait()
    parent.stdout.close()
    for _ in range(60):
        if not _alive(pid):
            return
        time.sleep(0.1)
    pytest.fail("the worker outlives its parent")


def test_a_worker_does_not_import_what_lies_in_the_working_directory(tmp_path, monkeypatch, generator):
    (tmp_path / "json.py").write_text("raise RuntimeError('not this one')")
    monkeypatch.chdir(tmp_path)
    assert generator.compile(ADD, X86)["object"]


def test_the_worker_imports_neither_mlir_nor_numpy():
    script = "import sys, tcc.targets.worker; print([m for m in ('numpy', 'torch_mlir', 'scipy') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"


def _worker_of(generator: CodeGenerator) -> int:
    process = generator._idle[-1]._process
    assert process is not None
    return process.pid


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
