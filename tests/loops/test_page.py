"""Every example of docs/loop-ir.md parses, is valid, prints as written, and gives what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tcc.loops.interpret import run_entry, run_kernel
from tcc.loops.text import parse, to_text
from tcc.loops.verify import verify

PAGE = (Path(__file__).parents[2] / "docs" / "loop-ir.md").read_text()
EXAMPLES = re.findall(r"```loops\n(.*?)```\n((?:    [^\n]*\n)?)", PAGE, re.DOTALL)


def _values(text: str) -> dict[str, list[float]]:
    return {
        name.strip(): [float(x) for x in values.split()] for name, values in (p.split("=") for p in text.split(";"))
    }


@pytest.mark.parametrize(("source", "effect"), EXAMPLES)
def test_example(source: str, effect: str) -> None:
    program = parse(source)
    verify(program)
    assert to_text(program) == source
    assert parse(to_text(program)) == program
    if not effect:
        return
    kernel = program.kernels[0]
    given, expected = map(_values, effect.split("->"))
    sizes = {name: int(given[name][0]) for name in kernel.symbols}
    buffers = {
        p.name: np.array(given.get(p.name, [0] * len(expected.get(p.name, []))), p.dtype.numpy)
        for p in kernel.parameters
    }
    assert run_kernel(kernel, buffers, sizes) == 0
    for name, values in expected.items():
        np.testing.assert_array_equal(buffers[name], values)


def test_page_has_examples() -> None:
    assert len(EXAMPLES) >= 9


def test_the_entry_of_the_page() -> None:
    program = parse(next(source for source, _ in EXAMPLES if "entry" in source))
    x = np.arange(5, dtype=np.float32)
    weights = {program.weights[0][1]: np.array([3], np.float32)}
    (y,) = run_entry(program, "twice", [x], {"n": 5}, weights)
    np.testing.assert_array_equal(y, x * 9)


def test_a_failed_check_is_the_status() -> None:
    program = parse(next(source for source, _ in EXAMPLES if "gather" in source))
    buffers = {"X": np.zeros(4, np.float32), "I": np.array([0, 9, -1]), "Y": np.zeros(3, np.float32)}
    assert run_kernel(program.kernels[0], buffers, {"n": 3, "m": 4}) == 1
