"""Results that a pass before the last one asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tcc import ops
from tcc.ir.graph import Value
from tcc.loops.text import to_text
from tests.schedule.scheduled import AVX512, check, program_of


def _softmax(x: Value) -> Value:
    return ops.softmax(x, axis=-1)


def _rms(x: Value) -> Value:
    return ops.multiply(x, ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True)))


def test_of_rows_in_far_caches() -> None:
    """In the pass that sums exponentials, the second of three."""
    text = to_text(program_of(_softmax, "f32[4096, 1000]"))
    (hint,) = [line.strip().partition("  @")[0] for line in text.splitlines() if "prefetch" in line]
    assert hint == "prefetch write y0[1000*i0 + i1]"
    assert text.index("exp(") < text.index("prefetch") < text.index("y0[1000*i0 + i1] =")


@pytest.mark.parametrize("spec", ["64, 1000", "100000, 64", "4096, 10000", "4096, n", "rows, 1000"])
def test_not_of_few_short_or_long_rows(spec: str) -> None:
    """Nor where it is known at run time only whether results go past the caches."""
    assert "prefetch" not in to_text(program_of(_softmax, f"f32[{spec}]"))


def test_not_where_no_pass_computes_meanwhile() -> None:
    assert "prefetch" not in to_text(program_of(_rms, "f32[4096, 1000]"))


def test_results_are_the_same() -> None:
    facts = replace(AVX512, l1=8 << 10, l2=4 << 10)
    program = check(_softmax, "f32[8, 300]", sizes={}, facts=facts)
    assert "prefetch" in to_text(program)
