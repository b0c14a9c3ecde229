"""Long kernels in several machine functions."""

from __future__ import annotations

import pytest

from tcc.loops.parse import parse
from tcc.loops.program import Apart, Loop
from tcc.loops.walk import statements
from tcc.schedule.functions import in_functions
from tests.schedule.chains import CASES
from tests.schedule.scheduled import AVX512, program_of

LOOP = """
    for {0} in 0..{1}
      for {0}_1 in 0..{2} copies 8
        let v{0} = X[{0}_1] * f32(2.0)
        let w{0} = v{0} + f32(1.0)
        let x{0} = w{0} * v{0}
        Y[{0}_1] = x{0}"""


def apart(text: str) -> list[str]:
    """The loops that are apart."""
    (kernel,) = in_functions(parse(text)).kernels
    return [s.axis for s in statements(kernel.body) if isinstance(s, Loop) and isinstance(s.mapping, Apart)]


def kernel(*loops: tuple[str, int, int], around: str = "for u in 0..9 parallel 1") -> str:
    return "kernel k(X: f32 read, Y: f32 write)\n  " + around + "".join(LOOP.format(*x) for x in loops) + "\n"


def test_loops_of_a_long_kernel_are_apart() -> None:
    assert apart(kernel(("a", 100, 64), ("b", 100, 64), ("c", 100, 64), ("d", 100, 64))) == ["a", "b", "c", "d"]


def test_those_of_a_short_one_are_not() -> None:
    assert not apart(kernel(("a", 100, 64), ("b", 100, 64)))


def test_loops_that_end_soon_are_not_worth_a_call() -> None:
    assert apart(kernel(("a", 100, 64), ("b", 2, 8), ("c", 100, 64), ("d", 2, 8))) == ["a", "c"]


def test_loops_inside_of_a_long_one_are_apart_if_there_are_several() -> None:
    """A loop around all of them is none, as nothing would be made at once."""
    loops = [("a", 100, 64), ("b", 100, 64), ("c", 100, 64), ("d", 100, 64)]
    assert apart(kernel(*loops, around="for u in 0..9")) == ["a", "b", "c", "d"]
    assert apart(kernel(*[(n, 2, 8) for n, *_ in loops], around="for u in 0..9")) == []


@pytest.mark.parametrize("name", ["attention", "causal"])
def test_parts_of_a_chain_are_apart(name: str) -> None:
    build, specs = CASES[name]
    (kernel,) = program_of(build, *specs, facts=AVX512).kernels
    assert sum(isinstance(s, Loop) and isinstance(s.mapping, Apart) for s in statements(kernel.body)) > 2
