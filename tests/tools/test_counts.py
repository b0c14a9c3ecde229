"""Counts of instructions and cache misses: the tracer on loops of known length, kinds of instructions, the table."""

import subprocess

import pytest

from tools.bench import counts, misses, operands, report, steps
from tools.bench.steps import Instruction, Interval
from tools.bench.workloads import by_name

PROGRAM = r"""
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static char from[50000], to[50000];

int main(int arguments, char **argument) {
    long n = atol(argument[1]), inner;
    (void)arguments;
    raise(SIGUSR1);
    raise(SIGUSR1);
    raise(SIGUSR1);
    for (inner = n; inner; inner--) __asm__ volatile("nop\n nop");
    raise(SIGUSR1);
    raise(SIGUSR1);
    for (long outer = 10; outer; outer--)
        for (inner = n; inner; inner--) __asm__ volatile("nop");
    raise(SIGUSR1);
    raise(SIGUSR1);
    char *a = from, *b = to;
    long size = sizeof from;
    __asm__ volatile("rep movsb" : "+S"(a), "+D"(b), "+c"(size) : : "memory");
    raise(SIGUSR1);
    return 0;
}
"""


@pytest.fixture(scope="module")
def looping(tmp_path_factory):
    folder = tmp_path_factory.mktemp("looping")
    (folder / "loop.c").write_text(PROGRAM)
    subprocess.run(["cc", "-O1", "loop.c", "-o", "loop"], cwd=folder, check=True)

    def run(n, most=100_000):
        try:
            found, _ = steps.traced([str(folder / "loop"), str(n)], most)
        except steps.RefusedError as refused:
            pytest.skip(str(refused))
        return found

    return run


class TestSteps:
    def test_loops_are_counted_to_their_ends(self, looping):
        few, more, many = (looping(n) for n in (1, 2, 5000))
        assert [i.state for i in many] == ["whole"] * 4
        for interval in (1, 2):
            once = more[interval].steps - few[interval].steps
            assert once >= (4, 30)[interval - 1]
            assert many[interval].steps == few[interval].steps + 4999 * once

    def test_every_instruction_is_at_an_address(self, looping):
        for interval in looping(100):
            assert sum(i.times for i in interval.instructions) == interval.steps
            assert any(name.endswith("/loop") for name in interval.objects())

    def test_a_repeated_string_instruction_is_one(self, looping):
        empty, _, _, moved = looping(1)
        assert 1 <= moved.steps - empty.steps < 30

    def test_too_much_is_cut_off(self, looping):
        (cut,) = looping(1, most=10)
        assert cut.state == "cut"
        assert 0 < cut.steps <= 11

    def test_of_a_worker(self, tmp_path):
        path = tmp_path / "operands.npz"
        workload = by_name("tiny add")
        operands.write(path, operands.drawn(workload))
        try:
            found = steps.counted("numpy", workload, path, 100_000)
        except steps.RefusedError as refused:
            pytest.skip(str(refused))
        assert found.state == "whole"
        assert 100 < found.own < found.overall < 100_000
        assert any("multiarray" in name for name in found.objects)
        assert not found.kinds or sum(found.kinds.values()) == pytest.approx(found.own, abs=200)


class TestKinds:
    @pytest.mark.parametrize(
        ("text", "kind", "flops"),
        [
            ("vfmadd231ps zmm0,zmm1,zmm2", "fma", 32),
            ("vfmadd231ps ymm0,ymm1,YMMWORD PTR [rax+0x20]", "fma", 16),
            ("vfnmadd213pd zmm0,zmm1,zmm2", "fma", 16),
            ("vfmadd231ss xmm0,xmm1,xmm2", "fma", 2),
            ("vpdpbusd zmm0,zmm1,DWORD PTR [rax]{1to16}", "fma", 128),
            ("vdpbf16ps zmm0,zmm1,zmm2", "fma", 64),
            ("vmovups zmm0{k1}{z},ZMMWORD PTR [rax]", "load", 0),
            ("vbroadcastss zmm0,DWORD PTR [rax]", "load", 0),
            ("vmovups ZMMWORD PTR [rax]{k1},zmm0", "store", 0),
            ("vextractf128 XMMWORD PTR [rax],ymm0,0x1", "store", 0),
            ("vpermt2ps zmm0,zmm1,zmm2", "shuffle", 0),
            ("vunpcklps zmm0,zmm1,ZMMWORD PTR [rax]", "shuffle", 0),
            ("vaddps zmm0,zmm1,ZMMWORD PTR [rax]", "vector", 0),
            ("addpd xmm0,xmm2", "vector", 0),
            ("prefetcht0 BYTE PTR [rax+0x40]", "scalar", 0),
            ("mov rax,QWORD PTR [rsp+0x8]", "scalar", 0),
            ("ret", "scalar", 0),
        ],
    )
    def test_of_an_instruction(self, text, kind, flops):
        assert (steps.kind(text), steps.flops(text)) == (kind, flops)

    def test_disassembled_from_bytes(self):
        found = steps.disassembled(
            [
                Instruction(0x1002, 1, "", bytes.fromhex("c3") + b"\xcc" * 14),
                Instruction(0x1000, 1, "", bytes.fromhex("7500c3") + b"\xcc" * 12),
                Instruction(0x2000, 1, "", bytes.fromhex("62f2754840c2") + b"\xcc" * 9),
            ]
        )
        if not any(i.text for i in found):
            pytest.skip("there is no disassembler")
        assert [i.text.split()[0] for i in found] == ["jne", "ret", "vpmulld"]

    def test_an_empty_call_is_taken_off(self):
        own, python = "/lib/own.so", "/lib/libpython3.11.so.1.0"
        empty = Interval("whole", 9, [Instruction(1, 5, own, b"\x90"), Instruction(99, 4, python, b"\x90")])
        call = Interval("cut", 37, [Instruction(1, 25, own, b"\x90"), Instruction(99, 12, python, b"\x90")])
        found = steps.summed(call, empty)
        assert (found.state, found.own, found.overall) == ("cut", 20, 28)
        assert found.objects == {"own.so": 20, "libpython3.11.so.1.0": 8}


ENTRY = {
    "name": "a product",
    "flops": 3.2e6,
    "moved": 4e5,
    "peers": {
        "tcc": {
            "state": "whole",
            "overall": 250_000,
            "own": 200_000,
            "kinds": dict.fromkeys(steps.KINDS, 0) | {"fma": 120_000, "load": 80_000},
            "flops": 4_000_000,
            "objects": {"a.so": 200_000},
        },
        "openvino": {
            "state": "cut",
            "overall": 50_000,
            "own": 50_000,
            "kinds": {},
            "flops": 1_600_000,
            "objects": {"generated": 50_000},
        },
        "numpy": {"failure": "no | result"},
    },
    "misses": {"level": "x86-64-v3", "instructions": 4e5, "loads": 9e4, "stores": 1e3, "l1": 12_345, "l2": 99, "l3": 0},
}


class TestTable:
    def test_lines(self):
        lines = counts.table({"workloads": [ENTRY]}, report.SHORT).splitlines()
        cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
        assert len({len(c) for c in cells}) == 1
        _, _, tcc, openvino, numpy = cells
        assert tcc[:7] == ["a product", "tcc", "200 k", "250 k", "16.0", "25%", "2.0"]
        assert tcc[7:9] == ["60%", "40%"]
        assert tcc[-3:] == ["12.3 k", "99", "0"]
        assert openvino[1:5] == ["OV", "~100 k", "~100 k", "32.0"]
        assert numpy[1:3] == ["NumPy", "no / result"]

    def test_nothing_tells_how_much_was_cut(self):
        found = ENTRY["peers"]["openvino"] | {"flops": 0}
        assert not counts.whole(ENTRY, found) >= 0

    def test_misses_of_cachegrind(self):
        assert misses.summary("desc: x\nevents: Ir Dr D1mr\nfn=f\n1 2 3 4\nsummary: 20 30 40\n") == {
            "Ir": 20,
            "Dr": 30,
            "D1mr": 40,
        }

    @pytest.mark.slow
    @pytest.mark.skipif(not misses.available(), reason="valgrind is not installed")
    def test_misses_of_a_workload(self):
        workload = by_name("sum of 100,000")
        found = misses.missed(workload, operands.drawn(workload))
        assert found["l1"] == pytest.approx(100_000 * 4 / 64, rel=0.05)
        assert found["l2"] < 100

    def test_workloads_that_are_behind(self):
        result = {"seconds": 2.0, "owned": True}
        faster = {"seconds": 1.0, "owned": True}
        row = {"family": "f", "ranked": True, "flops": 1.0, "peak": "f32", "read": 1.0, "written": 1.0}
        limits = {"f32": 1.0, "l2_bytes": 8.0, "l3_bytes": 8.0, "l2_copy": 1.0, "l2_read": 1.0}
        measured = {
            "threads": 1,
            "limits": limits,
            "workloads": [
                row | {"name": "behind", "results": {"tcc": result, "jax": faster}},
                row | {"name": "ahead", "results": {"tcc": faster, "jax": result}},
            ],
        }
        assert counts.candidates(measured) == {"behind": "jax"}
        assert counts.best_peers(measured) == {"behind": "jax", "ahead": "jax"}
