"""Every primitive's samples scheduled alone, interpreted, and compared with its reference."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir import dtype as dt
from tcc.ir.graph import Node, Value
from tcc.ir.types import TensorType
from tests.schedule.scheduled import check

DTYPES = (dt.F32, dt.BF16, dt.I32, dt.BOOL, dt.C128)
MOST = 4


@pytest.mark.parametrize("name", sorted(n for n, op in ops.TABLE.items() if op.form is not None))
def test_samples(name: str) -> None:
    op = ops.TABLE[name]
    for dtype in DTYPES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                samples = list(op.samples((dtype,) * max(1, len(op.operands)), np.random.default_rng(1)))
            except (UserError, TypeError, ValueError):
                continue
        for sample in samples[:MOST]:
            types = [TensorType(dt.of(a.dtype), a.shape) for a in sample.operands]
            try:
                op.check_operands(types)
            except UserError:
                continue

            def build(*xs: Value, given: Any = sample.attributes) -> tuple[Value, ...]:
                return Node(op, xs, given).results

            check(build, *map(str, types), inputs=sample.operands, rtol=1e-4)
