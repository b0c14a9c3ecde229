"""Random graphs scheduled and interpreted, against the graph's interpreter."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, given, note, settings

from tcc.ir.scalar import DOTS
from tcc.loops.facts import Facts
from tcc.loops.text import to_text
from tcc.loops.verify import verify
from tcc.schedule import schedule
from tests.schedule.graphs import builders
from tests.schedule.scheduled import compare, module_of

FACTS = (
    Facts(vector_bytes=64, registers=32, dots=frozenset(DOTS)),
    Facts(vector_bytes=32, registers=16),
    Facts(vector_bytes=16, registers=16, fma=False, nontemporal=False),
)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking takes minutes
)
@given(
    builders(),
    st.sampled_from([0, 1, 2, 3, 7, 20]),
    st.sampled_from([0, 1, 3, 5, 17]),
    st.sampled_from(FACTS),
)
def test_random_graphs(build: Any, n: int, m: int, facts: Facts) -> None:
    module = module_of(build, ["f64[n, m]", "f64[m]", "f64[n]", "f64[4, m]"])
    program = schedule(module, facts)
    note(to_text(program))
    verify(program)
    compare(module, program, {"n": n, "m": m}, rtol=1e-7, atol=1e-9)
