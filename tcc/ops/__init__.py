"""The ops: `TABLE` has all records by name, and each op has a public function.

The functions take values, NumPy arrays, Python numbers and sizes; they promote as NumPy 2 does,
broadcast, check their arguments (`UserError`), and give values.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from tcc.ir.op import Op
from tcc.ops import (
    arithmetic,
    comparison,
    contraction,
    conversion,
    creation,
    layout,
    logic,
    reduction,
    rounding,
    selection,
    transcendental,
)
from tcc.ops.arithmetic import (
    abs,
    add,
    divide,
    floor_divide,
    fmod,
    multiply,
    negative,
    power,
    reciprocal,
    remainder,
    sign,
    square,
    subtract,
)
from tcc.ops.comparison import (
    equal,
    fmax,
    fmin,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    maximum,
    minimum,
    not_equal,
    signbit,
)
from tcc.ops.contraction import dot, dot_general, inner, matmul, outer, tensordot, vdot
from tcc.ops.conversion import astype, bitcast, complex, conj, imag, real
from tcc.ops.creation import (
    arange,
    extent,
    eye,
    full,
    full_like,
    iota,
    linspace,
    literal,
    ones,
    ones_like,
    tri,
    tril,
    triu,
    zeros,
    zeros_like,
)
from tcc.ops.layout import broadcast_to, concatenate, flip, pad_to, reshape, transpose, unbroadcast
from tcc.ops.logic import (
    bitwise_and,
    bitwise_invert,
    bitwise_or,
    bitwise_xor,
    left_shift,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    right_shift,
)
from tcc.ops.operands import Operand, broadcast_shapes, promoted, value
from tcc.ops.rearrange import (
    expand_dims,
    moveaxis,
    pad,
    ravel,
    repeat,
    roll,
    split,
    squeeze,
    stack,
    swapaxes,
    tile,
)
from tcc.ops.reduction import all, any, argmax, argmin, max, min, prod, sum
from tcc.ops.rounding import ceil, copysign, floor, rint, trunc
from tcc.ops.selection import clip, stop_gradient, where
from tcc.ops.statistics import logsumexp, mean, std, var
from tcc.ops.transcendental import (
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cbrt,
    cos,
    cosh,
    erf,
    erfc,
    exp,
    exp2,
    expm1,
    log,
    log1p,
    log2,
    log10,
    rsqrt,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)


def _table(*families: ModuleType) -> dict[str, Op]:
    """The records of families: their `Op`s, and those of their functions."""
    found: dict[str, Op] = {}
    for family in families:
        for item in vars(family).values():
            record = getattr(item, "op", item)
            if isinstance(record, Op):
                found.setdefault(record.name, record)
    return found


TABLE: Mapping[str, Op] = _table(
    arithmetic,
    transcendental,
    rounding,
    comparison,
    logic,
    selection,
    conversion,
    reduction,
    layout,
    creation,
    contraction,
)
