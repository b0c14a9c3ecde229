"""Einstein summation: a path by opt_einsum, each step one dot_general."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import opt_einsum  # pyright: ignore[reportMissingTypeStubs]

import tcc.ops as ops
from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.graph import Value
from tcc.ops.layout import DIAGONAL
from tcc.ops.operands import Operand, error, node, promoted, value

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ASSUMED = 128
"""What a size that is not known counts as in the choice of a path."""


def einsum(subscripts: str, *operands: Operand) -> Value:
    """NumPy's einsum: ``"ij,jk->ik"``, with ellipses, repeated letters (diagonals) and sums.

    Letters that the result leaves out are summed over; without ``->`` the result has the letters that
    occur once, in alphabetical order. Operands promote. Sizes of one letter are equal, or a literal 1.
    """
    values = promoted([value(o) for o in operands])
    inputs, output = _parsed(subscripts, values)
    values = _sized(subscripts, values, inputs)
    terms = [_diagonal(v, t) for v, t in zip(values, inputs, strict=True)]
    for picked in _path(terms, output):
        chosen = [terms[i] for i in picked]
        terms = [t for i, t in enumerate(terms) if i not in picked]
        rest = set(output).union(*(t for _, t in terms))
        terms.append(_contracted(chosen, rest))
    ((result, letters),) = terms
    result, letters = _summed(result, letters, set(output))
    return ops.transpose(result, [letters.index(c) for c in output])


def _parsed(subscripts: str, values: Sequence[Value]) -> tuple[list[str], str]:
    """A letter for each axis of each operand, and the result's letters; ellipses spelled out."""
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    inputs = left.split(",")
    if len(inputs) != len(values):
        raise error(f"einsum: '{subscripts}' names {len(inputs)} operands, got {len(values)}")
    unused = [c for c in _LETTERS if c not in text]
    extra = [v.type.rank - len(t.replace("...", "")) if "..." in t else 0 for v, t in zip(values, inputs, strict=True)]
    widest = max(extra, default=0)
    hidden = "".join(unused[:widest])
    spelled = [t.replace("...", hidden[len(hidden) - e :] if e else "") for t, e in zip(inputs, extra, strict=True)]
    for v, t, e in zip(values, spelled, extra, strict=True):
        if e < 0 or len(t) != v.type.rank or not all(c in _LETTERS for c in t):
            raise error(f"einsum: '{subscripts}' does not fit {v.type}", why=f"'{t}' names {len(t)} axes")
    if arrow:
        output = right.replace("...", hidden)
    else:
        joined = "".join(spelled)
        output = hidden + "".join(sorted(c for c in set(joined) - set(hidden) if joined.count(c) == 1))
    unknown = [c for c in output if not any(c in t for t in spelled)]
    if unknown or len(set(output)) != len(output):
        raise error(f"einsum: the result '{output}' of '{subscripts}' repeats a letter or names one no operand has")
    return spelled, output


def _sized(subscripts: str, values: Sequence[Value], inputs: Sequence[str]) -> list[Value]:
    """The operands with axes of size 1 broadcast to the size that their letter has elsewhere."""
    sizes: dict[str, Size] = {}
    for v, t in zip(values, inputs, strict=True):
        for c, s in zip(t, v.type.shape, strict=True):
            known = sizes.setdefault(c, s)
            if known == 1:
                sizes[c] = s
            elif s not in (1, known):
                raise error(f"einsum: in '{subscripts}' the letter '{c}' has sizes '{known}' and '{s}'")
    return [ops.broadcast_to(v, tuple(sizes[c] for c in t)) for v, t in zip(values, inputs, strict=True)]


def _diagonal(x: Value, letters: str) -> tuple[Value, str]:
    """The operand with one axis for each letter: repeated ones become a diagonal."""
    for c in dict.fromkeys(letters):
        while letters.count(c) > 1:
            first = letters.index(c)
            second = letters.index(c, first + 1)
            x = node(DIAGONAL, x, axes=(first, second))
            letters = letters[:second] + letters[second + 1 :]
    return x, letters


def _path(terms: Sequence[tuple[Value, str]], output: str) -> list[tuple[int, ...]]:
    if len(terms) < 2:
        return []
    text = ",".join(t for _, t in terms) + "->" + output
    shapes = [tuple(s if isinstance(s, int) else dim.bounds(s)[1] or _ASSUMED for s in v.type.shape) for v, _ in terms]
    found: Any = opt_einsum.contract_path(text, *shapes, shapes=True)[0]  # pyright: ignore[reportUnknownMemberType]
    return [tuple(int(i) for i in step) for step in found]


def _contracted(chosen: Sequence[tuple[Value, str]], rest: set[str]) -> tuple[Value, str]:
    """The operands of a step multiplied, two at a time, and summed over the letters that nothing else has."""
    x, letters = chosen[0]
    for index, (y, others) in enumerate(chosen[1:], 2):
        needed = rest.union(*(t for _, t in chosen[index:]))
        x, letters = _summed(x, letters, needed | set(others))
        y, others = _summed(y, others, needed | set(letters))
        shared = [c for c in letters if c in others]
        batch = [c for c in shared if c in needed]
        summed = [c for c in shared if c not in needed]

        def places(of: str, wanted: Sequence[str]) -> tuple[int, ...]:
            return tuple(of.index(c) for c in wanted)

        x = ops.dot_general(
            x, y, (places(letters, summed), places(others, summed)), (places(letters, batch), places(others, batch))
        )
        letters = "".join([*batch, *(c for c in letters if c not in shared), *(c for c in others if c not in shared)])
    return x, letters


def _summed(x: Value, letters: str, needed: set[str]) -> tuple[Value, str]:
    """The sum over the letters that are not needed, in the operand's own dtype."""
    gone = tuple(i for i, c in enumerate(letters) if c not in needed)
    if not gone:
        return x, letters
    kind = x.type.dtype
    total = ops.any(x, gone) if kind.kind == "bool" else ops.sum(x, gone, dtype=kind)
    return total, "".join(c for c in letters if c in needed)
