"""Python values as C text: string literals, comments, size expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tcc.artifact.expression import translate

_FUNCTIONS = {
    "+": "tcc_add",
    "-": "tcc_subtract",
    "*": "tcc_multiply",
    "//": "tcc_floor_divide",
    "%": "tcc_modulo",
    "min": "tcc_minimum",
    "max": "tcc_maximum",
}


def literal(text: str | bytes) -> str:
    """A string literal in ASCII; octal escapes end after three digits, so any text may follow."""
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}" for b in data) + '"'


def literal_lines(data: bytes, width: int = 96) -> str:
    """Many bytes as adjoining string literals, one a line."""
    return "\n".join("    " + literal(data[i : i + width]) for i in range(0, len(data), width))


def comment(text: str) -> str:
    """Text that neither ends a comment nor warns in one."""
    plain = text.replace("*/", "* /").replace("/*", "/ *").replace("\\\n", "\\ \n")
    return re.sub(r"\?(?=\?)", "? ", plain)


def size(text: str, symbols: Sequence[str]) -> str:
    """A size expression over the array ``sizes``; overflow is noted in ``bad``."""

    def apply(operator: str, operands: list[str]) -> str:
        result = operands[0]
        for operand in operands[1:]:
            result = f"{_FUNCTIONS[operator]}(&bad, {result}, {operand})"
        return result

    return translate(text, lambda value: f"INT64_C({value})", lambda name: f"sizes[{symbols.index(name)}]", apply)
