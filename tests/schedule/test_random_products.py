"""Random products, of sizes around whole vectors, tiles and panels, scheduled for caches large and small."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

from tcc import ops
from tcc.ir.graph import Value
from tcc.loops.facts import Facts
from tcc.ops.creation import literal
from tests.schedule.scheduled import AVX2, AVX512, check

SMALL = {"l1": 2 << 10, "l2": 16 << 10, "last_level": 64 << 10}
FACTS = (AVX2, AVX512, replace(AVX512, dots=frozenset()), replace(AVX512, **SMALL), replace(AVX2, **SMALL))
ROWS = (1, 2, 3, 4, 5, 8, 9, 17, 30, 70)
COLUMNS = (1, 5, 8, 15, 16, 17, 24, 31, 32, 33, 40, 47, 48, 49, 64, 65, 80, 96, 97, 112, 128, 150, 160, 192, 300)
STEPS = (1, 2, 7, 16, 33, 64, 100)
DTYPES = ("f32", "f64", "bf16", "f16", "i8", "i32", "c64")


@dataclass(frozen=True)
class Case:
    """A product of (batch, m, k) and (k, n), or of the turned ones; ``weight``: the right one is a constant."""

    m: int
    n: int
    k: int
    dtype: str
    batch: tuple[int, ...]
    left_turned: bool
    right_turned: bool
    scaled: bool
    weight: bool
    named: bool

    def specs(self) -> tuple[str, str]:
        """The operands' types; sizes by their names if these are known at run time only."""
        m = "m" if self.named else str(self.m)
        n, k = ("n", "k") if self.named and not self.weight else (str(self.n), str(self.k))
        left, right = ([k, m] if self.left_turned else [m, k]), ([n, k] if self.right_turned else [k, n])
        return f"{self.dtype}[{', '.join([*map(str, self.batch), *left])}]", f"{self.dtype}[{', '.join(right)}]"

    def build(self, a: Value, b: Value | None = None) -> Value:
        """The graph."""
        if b is None:
            shape = (self.n, self.k) if self.right_turned else (self.k, self.n)
            numbers = np.random.default_rng(0).integers(-5, 6, shape)
            b = ops.astype(literal(numbers.astype(np.int8)), a.type.dtype)
        if self.left_turned:
            rank = len(self.batch)
            a = ops.transpose(a, (*range(rank), rank + 1, rank))
        b = ops.transpose(b) if self.right_turned else b
        if self.dtype == "i8":
            a, b = ops.astype(a, "i32"), ops.astype(b, "i32")
        product = ops.matmul(a, b)
        return ops.multiply(product, 2) if self.scaled else product


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking takes minutes
)
@given(
    st.builds(
        Case,
        st.sampled_from(ROWS),
        st.sampled_from(COLUMNS),
        st.sampled_from(STEPS),
        st.sampled_from(DTYPES),
        st.sampled_from(((), (2,), (3,))),
        *(st.booleans() for _ in range(5)),
    ),
    st.sampled_from(FACTS),
)
def test_random_products(case: Case, facts: Facts) -> None:
    left, right = case.specs()
    rounding: dict[str, Any] = {"rtol": 1e-4, "atol": 1e-3}
    if case.dtype in ("bf16", "f16"):
        rounding = {"rtol": 2e-2, "atol": 0.3}
    sizes = {"m": case.m, "n": case.n, "k": case.k}
    check(case.build, *((left,) if case.weight else (left, right)), sizes=sizes, facts=facts, **rounding)
