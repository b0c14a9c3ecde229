import subprocess

import pytest

from tcc import runtime
from tcc.errors import UserError
from tcc.loops.facts import Facts
from tcc.targets import target as targets
from tcc.targets.link import write_library
from tests.targets.toy import toy_parts


def test_every_target_is_described():
    rows = [t.described() for t in targets.all_targets()]
    assert [row[0] for row in rows] == ["native", "x86-64-v2", "x86-64-v3", "x86-64-v4", "aarch64", "sm_80", "sm_90"]
    assert all(targets.get(row[0]).described() == row for row in rows)


def test_facts_of_the_levels():
    assert [targets.get(f"x86-64-v{n}").facts.vector_bytes for n in (2, 3, 4)] == [16, 32, 64]
    assert not targets.get("x86-64-v2").has_fma
    assert not targets.get("x86-64-v2").facts.half
    assert targets.get("x86-64-v3").has_fma


def test_an_unknown_target_is_named():
    with pytest.raises(UserError, match=r"(?s)unknown target 'vax'.*native, x86-64-v2"):
        targets.get("vax")


def test_cache_sizes_are_rounded_down_and_shared(tmp_path):
    for number, (level, kind, size, cpus) in enumerate(
        [
            ("1", "Data", "48K", "0"),
            ("1", "Instruction", "32K", "0"),
            ("2", "Unified", "1280K", "0,4"),
            ("3", "Unified", "30M", "0-3"),
        ]
    ):
        folder = tmp_path / f"index{number}"
        folder.mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size), ("shared_cpu_list", cpus)):
            (folder / name).write_text(text + "\n")
    facts = targets._with_caches(Facts(64, 32), tmp_path)
    assert (facts.l1, facts.l2, facts.last_level) == (32 << 10, 1 << 20, 4 << 20)
    assert targets._with_caches(Facts(64, 32), tmp_path / "none") == Facts(64, 32)


def test_a_library_for_another_processor_says_so(tmp_path):
    """No processor has both an Intel-only and an AMD-only feature."""
    needs = ("sse3", "avx512fp16", "sse4a", "popcnt")
    foreign = targets.Target("test", targets.get("x86-64-v2").machine, Facts(16, 16), "none", needs)
    path = write_library(toy_parts("model", (1, 1, 1, 1), foreign), tmp_path / "model.so")[0]
    script = tmp_path / "main.c"
    script.write_text(
        '#include "model.h"\n#include <stdio.h>\n'
        "int main(void) {\n    uint8_t a = 0, b;\n"
        '    printf("%d ", model_flip(&a, 1, &b));\n    return puts(model_last_error()) < 0;\n}\n'
    )
    command = ["cc", "main.c", "model.so", "-Wl,-rpath,.", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    shown = subprocess.run(["./main"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert shown.startswith("11 model was compiled for processors with ")
    with runtime.load(path) as library, pytest.raises(UserError, match="was compiled for processors with"):
        library.flip([True])


def test_a_library_for_another_machine_is_refused_before_it_is_opened(tmp_path, monkeypatch):
    path = write_library(toy_parts("model", (1, 1, 1, 1), targets.get("x86-64-v2")), tmp_path / "model.so")[0]
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(UserError, match=r"(?s)for another machine.*compiled for x86_64, and this is riscv64"):
        runtime.load(path)
