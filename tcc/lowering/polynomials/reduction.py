"""Arguments of trigonometric functions, reduced by multiples of pi or pi/2.

Moderate ones by subtracting multiples of pi in parts (W. J. Cody and W. Waite, 1980). Large ones by an
exact product with as many bits of 1/(2·pi) as matter (M. H. Payne and R. N. Hanek, "Radian reduction
for trigonometric functions", SIGNUM Newsletter 18, 1983), in integers, under a branch that is taken when
any lane needs it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from tcc.ir import dtype as dt
from tcc.lowering.lanes import Lanes, replaced_if
from tcc.lowering.outline import outlined
from tcc.lowering.polynomials.coefficients import TURNS
from tcc.lowering.polynomials.double_word import Pair, fast_two_sum, multiply, two_product, two_sum
from tcc.lowering.polynomials.format import bits, constant, format_of, sign_bits, with_sign

_WORD = 0xFFFFFFFF


@dataclass(frozen=True)
class Reduced:
    """x as (n + offset)·unit + high + low; the lowest bit of ``n_bits`` is n's parity."""

    n_bits: Lanes
    high: Lanes
    low: Lanes

    def parts(self) -> tuple[Lanes, Lanes, Lanes]:
        return self.n_bits, self.high, self.low


def reduce(x: Lanes, halvings: int, offset: float = 0.0, precise: bool = True) -> Reduced:
    """``x`` reduced by the unit 2·pi/2^halvings (1: pi, 2: pi/2); ``offset`` is 0 or 1/2.

    The rest is at most half the unit (and a little more by rounding); nan for infinite ``x``. Its low part
    is left at 0 unless ``precise``.
    """
    moderate = _subtract(x, halvings, offset, precise)
    limit = 2.0**12 if x.dtype == dt.F32 else 2.0**20
    large = x.abs() > limit

    def product() -> list[Lanes]:
        name = f"reduce_large_{halvings}{'_offset' if offset else ''}"
        results = [r.dtype for r in moderate.parts()]
        exact = outlined(name, [x], results, lambda x: _multiply(x, halvings, offset).parts())
        return [large.select(a, b) for a, b in zip(exact, moderate.parts(), strict=True)]

    return Reduced(*replaced_if(large.any(), product, moderate.parts()))


def _subtract(x: Lanes, halvings: int, offset: float, precise: bool) -> Reduced:
    magic = format_of(x).magic
    scale = 2.0 ** (1 - halvings)
    per_unit = constant("pi_inverse", x)[0] / scale
    shifted = (x.fma(per_unit, -offset) if offset else x * per_unit) + magic
    n = shifted - magic
    multiple = n + offset if offset else n
    *parts, last = (p * scale for p in constant("pi_fused" if x.facts.fma else "pi_short", x))
    r = x
    for part in parts[:-1]:
        r = multiple.fma(-part, r)
    if not precise:
        r = multiple.fma(-last, multiple.fma(-parts[-1], r))
        return Reduced(bits(shifted), r, r.const(0))
    # These are exact; of the next the error is kept, of the last one it is below all that matters.
    product = two_product(multiple, -parts[-1])
    total = two_sum(r, product.high)
    rest = multiple.fma(-last, product.low + total.low)
    sum = fast_two_sum(total.high, rest)
    return Reduced(bits(shifted), sum.high, sum.low)


def _multiply(x: Lanes, halvings: int, offset: float) -> Reduced:
    """Reduction of any number of at least 2^-11, in f64 and integers."""
    wide = x.widen(dt.F64) if x.dtype == dt.F32 else x
    words = _fraction(wide.abs())
    if offset:
        # cos is even: only with \\|x\\|, half a unit is a fixed fraction of a turn.
        words[0] = (words[0] - (1 << (31 - halvings))) & _WORD
    parity = ((words[0] + (1 << (31 - halvings))) >> (32 - halvings)) & 1
    # The fraction of the unit, as a two's complement number in 128 bits.
    shifted = [((a << halvings) | (b >> (32 - halvings))) & _WORD for a, b in itertools.pairwise(words)] + [
        (words[-1] << halvings) & _WORD
    ]
    negative = (shifted[0] >> 31).ne(0)
    magnitude = [negative.select(w ^ _WORD, w) for w in shifted]
    # A word in the low bits of the number 2^52, less that, is the word as a float.
    floats = [((w | (1075 << 52)).bitcast(dt.F64) - 2.0**52) * 2.0 ** (-32 * (i + 1)) for i, w in enumerate(magnitude)]
    head = two_sum(floats[0], floats[1])
    fraction = fast_two_sum(head.high, head.low + (floats[2] + floats[3]))
    pi = [p * 2.0 ** (1 - halvings) for p in constant("pi_fused", wide)]
    r = multiply(fraction, Pair(wide.const(pi[0]), wide.const(pi[1])))
    sign = negative.resize(dt.U64) << 63
    if not offset:
        sign = sign ^ sign_bits(wide)
    infinite = wide.abs().eq(float("inf"))
    high = infinite.select(float("nan"), with_sign(r.high, sign))
    low = with_sign(r.low, sign)
    if x.dtype == dt.F32:
        narrow = high.narrow(dt.F32)
        return Reduced(parity.resize(dt.U32), narrow, (high - narrow.widen(dt.F64)).narrow(dt.F32))
    return Reduced(parity, high, low)


def _fraction(x: Lanes) -> list[Lanes]:
    """x/(2·pi) without its integer part, of a positive f64: four words of 32 bits in u64, highest first."""
    raw = bits(x)
    mantissa = (raw & ((1 << 52) - 1)) | (1 << 52)
    low, high = mantissa & _WORD, mantissa >> 32
    # x = mantissa·2^(exponent - 1075); the product needs the bits after that position, and 64 zeros lead.
    position = (raw >> 52) - (1075 - 64)
    window = _window(position >> 5)
    shift = position & 31
    w = [(((a << 32) | b) >> (32 - shift)) & _WORD for a, b in itertools.pairwise(window)]
    # mantissa·w modulo 2^192, from the lowest word up: what is above is whole turns.
    result: list[Lanes] = []
    carry = low.const(0)
    for i in reversed(range(len(w))):
        # Of a product of words the lower half belongs here, the upper half to the next word.
        total = carry + ((low * w[i]) & _WORD)
        carry = (low * w[i]) >> 32
        if i + 1 < len(w):
            total = total + ((high * w[i + 1]) & _WORD)
            carry = carry + ((high * w[i + 1]) >> 32)
        result.insert(0, total & _WORD)
        carry = carry + (total >> 32)
    return result[:4]


def _window(index: Lanes) -> list[Lanes]:
    """Seven words of `TURNS` from a word on: halved down from the whole table, bit by bit of the index."""
    words: list[Lanes | int] = list(TURNS)
    for step in (32, 16, 8, 4, 2, 1):
        chosen = (index & step).ne(0)
        count = 7 + step - 1
        words = [
            chosen.select(_lanes(words[i + step], index), _lanes(words[i], index))
            if i + step < len(words)
            else words[i]
            for i in range(min(count, len(words)))
        ]
    return [_lanes(w, index) for w in words[:7]]


def _lanes(word: Lanes | int, like: Lanes) -> Lanes:
    return word if isinstance(word, Lanes) else like.const(word)
