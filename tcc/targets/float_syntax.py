"""Floating-point constants of LLVM 24's text in the spelling that LLVM 22 reads, bit for bit.

The MLIR bindings print with LLVM 24, the code generator parses with LLVM 22. LLVM 24 spells a bit
pattern ``f0x3FB8AA3B``, infinities ``+inf``, nans ``+qnan``, ``-nan(0x1)`` (quiet, with payload) and
``+snan(0x1)``, and lets a decimal stand for the nearest value of its type. LLVM 22 knows
``0x`` + the 16 digits of the value as a double (for double and float), ``0xH`` and ``0xR`` + 4 digits
(half, bfloat), and decimals that are exact.
"""

from __future__ import annotations

import re
from fractions import Fraction

# (bits of the exponent, bits of the mantissa)
_FORMATS = {"half": (5, 10), "bfloat": (8, 7), "float": (8, 23), "double": (11, 52)}

_NEEDED = re.compile(r"f0x|[-+](?:inf|nan|qnan|snan)|\d\.\d")
_TOKEN = re.compile(
    r'"[^"]*"'
    r"|(?P<type>\b(?:half|bfloat|float|double)\b)"
    r"|(?<=[\s(\[<,{])(?P<constant>f0x[0-9A-Fa-f]+"
    r"|[-+](?:inf|qnan|s?nan\(0x[0-9A-Fa-f]+\))"
    r"|[-+]?\d+\.\d*(?:[eE][-+]?\d+)?)(?=[\s)\]>,}]|$)"
)


def rewrite(text: str) -> str:
    """LLVM text with every floating-point constant in LLVM 22's spelling; quoted strings stay."""
    return "\n".join(_line(line) if _NEEDED.search(line) else line for line in text.split("\n"))


def _line(line: str) -> str:
    current = ""

    def token(match: re.Match[str]) -> str:
        nonlocal current
        if match["type"]:
            current = match["type"]
        if match["constant"] is None or not current:
            return match[0]
        return _spell(_bits(match["constant"], current), current)

    return _TOKEN.sub(token, line)


def _bits(constant: str, type: str) -> int:
    """The bit pattern of a constant in the format of its type."""
    exponent, mantissa = _FORMATS[type]
    if constant.startswith("f0x"):
        return int(constant[3:], 16)
    sign = (constant[0] == "-") << (exponent + mantissa)
    infinity = ((1 << exponent) - 1) << mantissa
    quiet = 1 << (mantissa - 1)
    word, _, payload = constant.lstrip("+-").partition("(")
    if word == "inf":
        return sign | infinity
    if word == "qnan":
        return sign | infinity | quiet
    if word in ("nan", "snan"):
        return sign | infinity | (quiet if word == "nan" else 0) | int(payload[2:-1], 16)
    return sign | _nearest(abs(Fraction(constant)), exponent, mantissa)


def _nearest(value: Fraction, exponent_bits: int, mantissa_bits: int) -> int:
    """The bits of the non-negative float nearest to ``value``, ties to even, overflow to infinity."""
    if value == 0:
        return 0
    bias = (1 << (exponent_bits - 1)) - 1
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    if value < Fraction(2) ** exponent:
        exponent -= 1
    exponent = max(exponent, 1 - bias)
    # In units of the last place; a carry out of the mantissa moves into the exponent by itself.
    units = round(value / Fraction(2) ** (exponent - mantissa_bits))
    bits = ((exponent + bias - 1) << mantissa_bits) + units
    return min(bits, ((1 << exponent_bits) - 1) << mantissa_bits)


def _spell(bits: int, type: str) -> str:
    """A bit pattern of a type as LLVM 22 reads it."""
    if type == "half":
        return f"0xH{bits:04X}"
    if type == "bfloat":
        return f"0xR{bits:04X}"
    return f"0x{_widen(bits) if type == 'float' else bits:016X}"


def _widen(bits: int) -> int:
    """The double with the value of a float: exact, nan payloads kept."""
    sign, exponent, mantissa = bits >> 31 << 63, bits >> 23 & 0xFF, bits & 0x7FFFFF
    if exponent == 0xFF:
        return sign | 0x7FF << 52 | mantissa << 29
    if exponent == 0:
        if mantissa == 0:
            return sign
        shift = 24 - mantissa.bit_length()
        exponent, mantissa = 1 - shift, (mantissa << shift) & 0x7FFFFF
    return sign | (exponent - 127 + 1023) << 52 | mantissa << 29
