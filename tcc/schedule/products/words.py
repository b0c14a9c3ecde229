"""Products of small numbers, several steps of a sum at once.

Machines multiply the two or four numbers in one word with those in another and add all products to a third
(`tcc.ir.scalar.DOTS`). The numbers of a word are neighbours along the shared axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tcc.ir import dim
from tcc.ir.dtype import BF16, F32, I8, I16, I32, U8, U16, U32, DType
from tcc.ir.scalar import SCALARS, Const, Expr, apply
from tcc.loops.facts import Facts
from tcc.loops.weight import Packing
from tcc.schedule.plan import PlanLoop
from tcc.schedule.products.packing import Operand

HALF = 0x80808080
"""The top bits of four bytes: 128 of each as u8, -128 as i8."""


@dataclass(frozen=True)
class Words:
    """How the numbers of a product are put into words: ``count`` of them, left and right ones as ``dtypes``.

    ``turned``: the op takes the right word first. ``flipped``: the op wants one signed and one unsigned operand
    and both are alike, so the right numbers' top bits are flipped, which makes 128 more or less of each.
    """

    op: str
    count: int
    dtypes: tuple[DType, DType]
    turned: bool = False
    flipped: bool = False

    def product(self, left: Expr, right: Expr, total: Expr) -> Expr:
        """The products of two words, added to a total."""
        return apply(self.op, *((right, left) if self.turned else (left, right)), total)

    def excess(self, left: Expr) -> Expr:
        """What flipping added to the products of a left word, of either sign."""
        return self.product(left, Const(U32, HALF), Const(I32, 0))

    def number(self, value: Expr, right: bool) -> Expr:
        """A number as it lies in a word."""
        value = SCALARS.cast(value, self.dtypes[right])
        unsigned = U8 if value.dtype.bytes == 1 else U16
        bits = value if value.dtype == unsigned else apply("bitcast", value, dtype=unsigned)
        return apply("xor", bits, 0x80) if right and self.flipped else bits

    def joined(self, numbers: Sequence[Expr]) -> Expr:
        """The word of what `number` gives."""
        whole: Expr | None = None
        for k, number in enumerate(numbers):
            part = SCALARS.cast(number, U32)
            part = part if k == 0 else apply("shl", part, 32 // self.count * k)
            whole = part if whole is None else apply("or", whole, part)
        assert whole is not None
        return whole

    def read(self, word: Expr, right: bool) -> Expr:
        """A word as it was read from memory, as it has to be."""
        return apply("xor", word, HALF) if right and self.flipped else word

    def are_read(self, operand: Operand, shared: Sequence[PlanLoop], right: bool) -> bool:
        """Whether an operand's words are in memory as they are, or would be but for a remainder of the shared axis."""
        strides = [operand.stride(x) for x in shared]
        return operand.plain and operand.dtype == self.dtypes[right] and None not in strides and strides[-1] == 1

    @property
    def packing(self) -> Packing:
        """How right numbers are put into words before they are in memory."""
        return Packing(self.count, self.dtypes[1], HALF if self.flipped else 0)


def found(facts: Facts, sums: Sequence[tuple[Operand, Operand]], dtype: DType) -> Words | None:
    """The words for sums in ``dtype`` of left and right operands; None where the machine has none."""
    kinds = {(left.dtype, right.dtype) for left, right in sums}
    if len(kinds) > 1:
        return None
    (pair,) = kinds
    small = (U8, I8)
    if dtype == F32 and pair == (BF16, BF16) and "dot_bf16" in facts.dots:
        return Words("dot_bf16", 2, pair)
    if dtype != I32 or not set(pair) <= {*small, I16}:
        return None
    if set(pair) <= set(small) and "dot_u8i8" in facts.dots:
        return Words("dot_u8i8", 4, pair, turned=pair[0] == I8, flipped=pair[0] == pair[1])
    return Words("dot_i16", 2, (I16, I16)) if "dot_i16" in facts.dots else None


def are_whole(words: Words, shared: Sequence[PlanLoop]) -> bool:
    """Whether no word has fewer numbers than the others."""
    return dim.mod(shared[-1].extent, words.count) == 0
