"""Square blocks transposed in registers, for accesses that are strided along the lanes.

Where copies of another loop lie side by side in memory, W vectors along them are W·W elements that the
lanes need; log2(W) rounds of shuffles bring them there.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Sequence

from tcc.lowering.mlir import ir
from tcc.lowering.registers import shuffle


def transposed(rows: Sequence[ir.Value]) -> list[ir.Value]:
    """The columns of as many vectors as they have lanes, a power of two: blocks are swapped, by halves."""
    count = len(rows)
    result = list(rows)
    step = count // 2
    while step:
        low = [n if not n & step else count + n - step for n in range(count)]
        high = [n + step if not n & step else count + n for n in range(count)]
        for n in range(count):
            if not n & step:
                a, b = result[n], result[n + step]
                result[n], result[n + step] = shuffle(a, b, low), shuffle(a, b, high)
        step //= 2
    return result
