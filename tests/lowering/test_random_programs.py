"""Emitted code against the interpreter over random loop programs, bit by bit where nothing may differ.

Each batch is one module, run in a child process: its buffers lie between pages that may not be touched,
inputs may not be written, and what ends the child is reported with the program that did it.
"""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from tcc.ir import dim
from tcc.ir.dtype import F32
from tcc.loops.facts import Facts
from tcc.loops.program import Buffer, Call, Entry, Program, View
from tcc.loops.text import parse
from tcc.targets.llvm import host
from tcc.targets.machine import Machine as Target
from tests.guarded import guarded
from tests.loops.programs import MESSAGES, Case, generate, run, same
from tests.lowering.running import FACTS, Machine

BATCH = 40
BATCHES = 13


def joined(cases: Sequence[Case]) -> Program:
    """One program of all cases."""
    kernels = tuple(k for c in cases for k in c.program.kernels)
    return Program(kernels, tuple(e for c in cases for e in c.program.entries), (), MESSAGES)


def executed(machine: Machine, case: Case, workers: int, at_end: bool = True) -> tuple[int, dict[str, np.ndarray]]:
    """The status and the buffers afterwards; ``at_end``: which end of a buffer touches a guard page."""
    entry = case.program.entries[0]
    buffers = {name: guarded(a, writable=name not in entry.inputs, at_end=at_end) for name, a in case.buffers.items()}
    states = [buffers[b.name] for b in entry.buffers if b.space == "state"]
    inputs, outputs = ([buffers[n] for n in names] for names in (entry.inputs, entry.outputs))
    status, _ = machine.run(entry.name, inputs, case.sizes, outputs, states, workers)
    return status, {name: array.copy() for name, array in buffers.items()}


def difference(case: Case, actual: np.ndarray, expected: np.ndarray) -> str:
    """What is wrong with a buffer; the sign of zero and the bits of nan are free."""
    if case.exact:
        equal = same(actual, expected)
    else:
        equal = np.isclose(actual, expected, rtol=1e-4, atol=1e-5, equal_nan=True)
    if equal.all():
        return ""
    at = int(np.flatnonzero(~equal)[0])
    return f"element {at} of {actual.size}: {actual[at]!r} instead of {expected[at]!r}"


def failures(machine: Machine, case: Case) -> list[str]:
    """What is wrong with a case, run by nobody's help and by three workers."""
    status, expected = run(case)
    found: list[str] = []
    for workers, at_end in ((0, True), (3, False)):
        actual_status, actual = executed(machine, case, workers, at_end)
        where = f"seed {case.seed}, {workers} workers"
        if actual_status != status:
            found.append(f"{where}: status {actual_status} instead of {status}")
        for name, array in expected.items():
            wrong = difference(case, actual[name], array)
            if wrong:
                found.append(f"{where}, buffer {name}: {wrong}")
    return found


def in_child(work: Callable[[Callable[[str], None]], None]) -> tuple[str, int]:
    """What ``work(say)`` said in a forked child, and the signal that ended it, or 0."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        faulthandler.disable()
        code = 1
        try:
            work(lambda text: void(os.write(writer, f"{text}\n".encode())))
            code = 0
        except BaseException as error:
            os.write(writer, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return said, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def void(_: object) -> None:
    """Nothing."""


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_programs(batch: int) -> None:
    check(batch, FACTS, None)


@pytest.mark.skipif("+avx2" not in host().features, reason="AVX2 code is run")
@pytest.mark.parametrize("batch", range(0, BATCHES, 4))
def test_random_programs_on_narrow_vectors(batch: int) -> None:
    """Registers have half the lanes that many of the programs ask for."""
    check(batch, Facts(vector_bytes=32, registers=16), replace(host(), cpu="x86-64-v3", features="", wide=False))


def check(batch: int, facts: Facts, target: Target | None) -> None:
    """Every case of a batch, as one module for a machine."""
    cases = [generate(seed) for seed in range(batch * BATCH, (batch + 1) * BATCH)]
    machine = Machine(joined(cases), None, facts, target)

    def work(say: Callable[[str], None]) -> None:
        for case in cases:
            say(f"at {case.seed}")
            for failure in failures(machine, case):
                say(failure)

    said, ended = in_child(work)
    lines = said.splitlines()
    if ended:
        pytest.fail(f"{signal.Signals(ended).name} in the program of seed {lines[-1].removeprefix('at ')}")
    wrong = [line for line in lines if not line.startswith("at ")]
    assert not wrong, "\n".join(wrong[:20])
    assert len(lines) == BATCH


@pytest.mark.parametrize(
    "body",
    [
        "Y[n] = X[0]",
        "Y[-1] = X[0]",
        "Y[0] = X[n]",
        "for i in 0..n lanes 4\n    Y[i] = X[i - 1]",
        "for i in 0..n + 1 lanes 4\n    Y[i] = X[0]",
        "for i in 0..n lanes 4\n    Y[i] = X[2*i]",
    ],
)
def test_an_access_out_of_bounds_ends_the_child(body: str) -> None:
    kernel = parse(f"kernel k0(X: f32 read, Y: f32 write; n)\n  {body}\n").kernels[0]
    n = dim.symbol("n")
    buffers = (Buffer("X", F32, n, "argument"), Buffer("Y", F32, n, "argument"))
    call = Call("k0", (View("X"), View("Y")), (n,))
    entry = Entry("f0", ("n",), buffers, ("X",), ("Y",), (), 0, 0, (call,))
    arrays = {name: np.ones(7, np.float32) for name in "XY"}
    case = Case(0, Program((kernel,), (entry,)), arrays, {"n": 7}, True)
    machine = Machine(case.program)
    endings = {
        in_child(lambda say, at_end=at_end: say(str(executed(machine, case, 0, at_end))))[1] for at_end in (True, False)
    }
    assert signal.SIGSEGV in endings
