"""Programs for GPUs: interpreted, emulated thread by thread, and taken by the assembler without spills."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tcc import ops
from tcc.errors import Unsupported
from tcc.ir import dim
from tcc.ir.graph import Graph, Module
from tcc.ir.interpret import run_graph
from tcc.loops.interpret import run_kernel
from tcc.loops.program import Barrier, Block, If, Loop, Program, TileOp
from tcc.loops.text import parse, to_text
from tcc.loops.verify import verify
from tcc.loops.walk import statements
from tcc.lowering.module import Options, lower, to_llvm_ir
from tcc.passes.decompose import decompose
from tcc.schedule import grid, schedule
from tcc.targets import llvm
from tcc.targets import target as targets
from tcc.targets.cuda import check_ptx
from tests.compiled import test_op_table
from tests.compiled.cases import cases
from tests.lowering.gpu_emulator import Emulator
from tests.lowering.gpu_programs import CASES, FACTS, SIZES
from tests.schedule.graphs import builders
from tests.schedule.scheduled import compare, module_of, sample

PTXAS = shutil.which("ptxas")
OLDER = ("chain", "softmax", "product")
"""What is assembled for the oldest GPU too: the code differs by its head only."""


def ptx(program: Program, name: str) -> str:
    target = targets.get(name)
    return llvm.assembly(to_llvm_ir(lower(program, Options("p", target.facts, target.machine.triple))), target.machine)


def close(found: list[Any], wanted: list[Any]) -> None:
    for a, b in zip(wanted, found, strict=True):
        b = b.reshape(a.shape)
        if a.dtype.kind in "biu":
            np.testing.assert_array_equal(b, a)
        elif a.dtype.itemsize == 2:
            np.testing.assert_allclose(b.astype("f4"), a.astype("f4"), rtol=2e-2, atol=1e-2)
        else:
            np.testing.assert_allclose(b, a, rtol=2e-5, atol=1e-5)


def emulated(build: Any, specs: tuple[str, ...], sizes: Mapping[str, int], seed: int = 0) -> None:
    module = module_of(build, specs)
    program = schedule(module, FACTS)
    verify(program)
    graph = module.functions[0].graph
    rng = np.random.default_rng(seed)
    arrays = [sample(v.type, sizes, rng) for v in graph.inputs]
    close(Emulator(program, FACTS, seed).run(graph.name, arrays, sizes), run_graph(graph, arrays, sizes))


@pytest.mark.parametrize("name", CASES)
def test_the_program_means_what_the_graph_means(name: str) -> None:
    build, specs = CASES[name]
    module = module_of(build, specs)
    program = schedule(module, FACTS)
    verify(program)
    assert parse(to_text(program)) == program
    compare(module, program, {**SIZES, "n": 300})


@pytest.mark.parametrize("name", CASES)
def test_the_threads_compute_it(name: str) -> None:
    build, specs = CASES[name]
    emulated(build, specs, SIZES)


@pytest.mark.parametrize("n", [0, 1, 255, 256, 1024, 1025, 17000])
def test_the_threads_of_any_number_of_elements(n: int) -> None:
    emulated(*CASES["chain"], {"n": n}, n)
    emulated(*CASES["sum"], {"n": n}, n)


def test_products_of_several_tiles() -> None:
    emulated(*CASES["product"], {"m": 130, "p": 140, "k": 70}, 1)


def test_an_outlined_function_of_one_lane_and_of_a_scalar() -> None:
    def build(x: Any) -> list[Any]:
        return [ops.sin(x), ops.sin(ops.sum(x, axis=0))]

    emulated(build, ("f64[n]",), {"n": 300}, 1)


@pytest.mark.parametrize(("name", "architecture"), [*((n, "sm_90") for n in CASES), *((n, "sm_80") for n in OLDER)])
def test_the_code_needs_nothing_else(name: str, architecture: str, tmp_path: Path, record_property: Any) -> None:
    build, specs = CASES[name]
    program = schedule(module_of(build, specs), targets.get(architecture).facts)
    text = ptx(program, architecture)
    check_ptx(text)
    assert re.search(rf"^\.target {architecture}$", text, re.MULTILINE)
    assert ("mma.sync" in text) == any(isinstance(s, TileOp) for k in program.kernels for s in statements(k.body))
    if PTXAS is None:
        pytest.skip("ptxas is not installed: the code is not assembled")
    source = tmp_path / "kernels.ptx"
    source.write_text(text)
    command = [PTXAS, "-v", f"-arch={architecture}", source, "-o", tmp_path / "kernels.cubin"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower()
    spills = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", done.stderr)
    assert spills
    assert all(numbers == ("0", "0", "0") for numbers in spills), done.stderr
    registers = [int(n) for n in re.findall(r"Used (\d+) registers", done.stderr)]
    record_property("registers", registers)
    assert max(registers) <= 128


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(builders(), st.sampled_from([0, 1, 3, 20]), st.sampled_from([0, 1, 5, 300]), st.integers(0, 99))
def test_random_graphs(build: Any, n: int, m: int, seed: int) -> None:
    specs = ("f64[n, m]", "f64[m]", "f64[n]", "f64[4, m]")
    try:
        emulated(build, specs, {"n": n, "m": m}, seed)
    except Unsupported:
        return


def without(block: Block, kind: type, number: list[int]) -> Block:
    """The block without the statement of a kind whose turn it is."""
    kept = []
    for stmt in block:
        if isinstance(stmt, kind):
            number[0] -= 1
            if number[0] == -1:
                continue
        if isinstance(stmt, (Loop, If)):
            stmt = replace(stmt, body=without(stmt.body, kind, number))
        kept.append(stmt)
    return tuple(kept)


def test_every_barrier_of_a_product_is_needed() -> None:
    build, specs = CASES["product"]
    sizes = {"m": 128, "p": 128, "k": 96}
    module = module_of(build, specs)
    program = schedule(module, FACTS)
    graph = module.functions[0].graph
    (kernel,) = program.kernels
    barriers = [s for s in statements(kernel.body) if isinstance(s, Barrier)]
    assert len(barriers) == 2
    rng = np.random.default_rng(0)
    arrays = [sample(v.type, sizes, rng) for v in graph.inputs]
    wanted = run_graph(graph, arrays, sizes)
    for number in range(len(barriers)):
        broken = replace(program, kernels=(replace(kernel, body=without(kernel.body, Barrier, [number])),))
        with pytest.raises(AssertionError):
            close(Emulator(broken, FACTS).run(graph.name, arrays, sizes), wanted)


def on_blocks(source: str) -> Program:
    """The program of a kernel written for processors, with barriers."""
    program = parse(source)
    (kernel,) = program.kernels
    program = replace(program, kernels=(replace(kernel, body=grid.on_blocks(kernel.body)),))
    verify(program)
    return program


def test_barriers_stand_where_threads_meet() -> None:
    """Between a store by one thread and loads by all, in branches too; and no more than once a turn."""
    program = on_blocks("""kernel k(X: f32 update, Y: f32 write; n)
  if X[0] < f32(1.0)
    X[0] = f32(2.0)
    Y[0] = X[0]
  for j in 0..n
    for i in 0..64 lanes 64
      X[i] = X[i] + X[64]
    X[64] = X[j]
""")
    assert (
        to_text(program)
        == """kernel k(X: f32 update, Y: f32 write; n)
  for block0 in 0..1 blocks 64
    if X[0] < f32(1.0)
      barrier
      X[0] = f32(2.0)
      barrier
      Y[0] = X[0]
    for j in 0..n
      barrier
      for i in 0..64 lanes 64
        X[i] = X[i] + X[64]
      barrier
      X[64] = X[j]
"""
    )
    (kernel,) = program.kernels
    for seed in range(5):
        x = np.arange(65, dtype=np.float32)
        emulated_x, y = x.copy(), np.zeros(1, np.float32)
        assert Emulator(program, FACTS, seed).launch(kernel, [emulated_x, y], [3]) == 0
        assert run_kernel(kernel, {"X": x, "Y": np.zeros(1, np.float32)}, {"n": 3}) == 0
        np.testing.assert_array_equal(emulated_x, x)
        assert y[0] == 2


def test_what_is_before_a_parallel_loop_runs_in_one_block() -> None:
    text = to_text(
        on_blocks("""kernel k(X: f32 read, Y: f32 update; n)
  Y[0] <add>= X[0]
  for i in 0..n parallel 4
    Y[i + 1] = X[i]
""")
    )
    assert "for block0 in 0..1 blocks 32" in text
    assert "parallel" not in text


def test_a_failed_check_is_the_status() -> None:
    program = schedule(module_of(ops.take, ("f32[n]", "i64[m]")), FACTS)
    (kernel,) = program.kernels
    emulator, x = Emulator(program, FACTS), np.arange(5, dtype=np.float32)
    sizes = {"n": 5, "m": 300}
    at = np.zeros(300, np.int64)
    for bad, status in ((0, 0), (5, 1)):
        at[257] = bad
        named = {"f32": x, "i64": at}
        buffers = [named[str(p.dtype)] if p.access == "read" else np.zeros(300, np.float32) for p in kernel.parameters]
        assert emulator.launch(kernel, buffers, [sizes[s] for s in kernel.symbols]) == status


@pytest.mark.parametrize(
    "family", ["Elementwise-f16", "IndexMap-i8", "Reduce-c64", "Contract-f64", "Window-bf16", "Scatter-i16", "Scan-u8"]
)
def test_ops_drawn_from_the_table(family: str) -> None:
    rng = random.Random(family)
    described = test_op_table.FAMILIES[family]
    for op, dtypes in rng.sample(described, min(4, len(described))):
        case = rng.choice(list(cases(op, dtypes)))
        graph = decompose(case.function.graph)
        program = schedule(Module((replace(case.function, graph=graph),)), FACTS)
        emulator = Emulator(program, FACTS)

        def run(*operands: Any, out: Any = None, graph: Graph = graph, emulator: Emulator = emulator) -> Any:
            extents = [
                (s.name, extent)
                for value, array in zip(graph.inputs, operands, strict=True)
                for size, extent in zip(value.type.shape, array.shape, strict=True)
                for s in dim.symbols(size)
            ]
            found = emulator.run(graph.name, list(map(np.ascontiguousarray, operands)), dict(extents))
            if out is None:
                return found[0] if len(found) == 1 else tuple(found)
            for target, values in zip(out if isinstance(out, tuple) else (out,), found, strict=True):
                target[...] = values.reshape(target.shape)
            return out

        for operands, expected in case.calls[:2]:
            test_op_table.compare(case, run, operands, expected)


def test_what_a_gpu_cannot_do_yet_is_said() -> None:
    with pytest.raises(Unsupported, match=r"(?s)sort on a GPU.*for each worker.*--target native"):
        schedule(module_of(lambda x: ops.sort(x), ("f32[n]",)), FACTS)
    rows = "".join(f"    alloc s{n}: f32[9000] shared\n    s{n}[b] = f32(0.0)\n" for n in range(2))
    with pytest.raises(Unsupported, match="72000 bytes of memory that the threads of a block share"):
        lower(
            parse(f"kernel k(Y: f32 write)\n  for b in 0..1 blocks 32\n{rows}    Y[b] = s0[b] + s1[b]\n"),
            Options("p", FACTS, "nvptx64-nvidia-cuda"),
        )
    source = """kernel scan(X: f32 read, Y: f32 write; n)
  for b in 0..1 blocks 32
    for i in 0..n lanes 32
      scan r: f32 = f32(0.0) <add> v
      let v = X[i]
      Y[i] = r + v
"""
    with pytest.raises(Unsupported, match="the running combination over i on a GPU"):
        lower(parse(source), Options("p", FACTS, "nvptx64-nvidia-cuda"))


def test_a_processor_has_no_blocks_of_threads() -> None:
    build, specs = CASES["softmax"]
    program = schedule(module_of(build, specs), FACTS)
    with pytest.raises(Unsupported, match="a loop over blocks of threads"):
        lower(program, Options("p", targets.get("x86-64-v3").facts))
