"""Fit the polynomials of tcc/lowering/polynomials and write coefficients.py there.

    python tools/fit_polynomials.py

Each row of `FITS` asks for the polynomial P of least degree that is as near to a function g as the
goal says, in the sense of the largest |(P - g)·weight| over an interval. The fits are by Remez's exchange
in 60 digits (E. Remez, 1934; N. Brisebarre and S. Chevillard, "Efficient polynomial L-infinity
approximations", ARITH 2007, for the effect of rounding the coefficients). The first coefficients are
rounded to the working precision one after the other, and the others fitted again around them.
"""

# mpmath is untyped.
# pyright: basic

from __future__ import annotations

import argparse
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath as mp

Function = Callable[[Any], Any]
OUTPUT = Path(__file__).parents[1] / "tcc" / "lowering" / "polynomials" / "coefficients.py"


@dataclass(frozen=True)
class Fit:
    """One polynomial: its name, what it approximates, where, and how well (in bits)."""

    name: str
    dtype: str
    function: Function
    weight: Function
    low: Any
    high: Any
    goal: float
    meaning: str


def remez(fit: Fit, degree: int, fixed: list[Any]) -> tuple[list[Any], Any]:
    """Coefficients, lowest first, beginning with the fixed ones, and the largest weighted error."""
    free = list(range(len(fixed), degree + 1))
    low, high = mp.mpf(fit.low), mp.mpf(fit.high)
    n = len(free) + 1
    points = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * n)) for i in range(n)]
    grid = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * (i + mp.mpf(1) / 2) / (12 * n)) for i in range(12 * n)]
    values = {x: (fit.function(x), fit.weight(x)) for x in grid}
    coefficients: list[Any] = []
    worst = mp.mpf(0)
    for _ in range(12):
        rows, right = [], []
        for i, x in enumerate(points):
            g, w = values.get(x) or (fit.function(x), fit.weight(x))
            rows.append([w * x**k for k in free] + [mp.mpf(-1) ** i])
            right.append(w * (g - (mp.polyval(fixed[::-1], x) if fixed else 0)))
        solution = mp.lu_solve(mp.matrix(rows), mp.matrix(right))
        coefficients = fixed + [solution[i] for i in range(len(free))]
        errors = [(mp.polyval(coefficients[::-1], x) - values[x][0]) * values[x][1] for x in grid]
        worst = max(abs(e) for e in errors)
        # The largest error of each run of one sign is the next reference.
        runs: list[tuple[Any, Any]] = []
        for x, e in zip(grid, errors, strict=True):
            if runs and (runs[-1][1] > 0) == (e > 0):
                if abs(e) > abs(runs[-1][1]):
                    runs[-1] = (x, e)
            else:
                runs.append((x, e))
        while len(runs) > n:
            runs.pop(0 if abs(runs[0][1]) < abs(runs[-1][1]) else -1)
        if len(runs) < n or worst < abs(solution[len(free)]) * mp.mpf("1.02"):
            break
        points = [x for x, _ in runs]
    return coefficients, worst


def rounded(value: Any, dtype: str) -> Any:
    """The nearest number of the working precision."""
    if dtype == "f64":
        return mp.mpf(float(value))
    return mp.mpf(struct.unpack("<f", struct.pack("<f", float(value)))[0])


def solve(fit: Fit) -> tuple[list[float], float]:
    """The rounded coefficients, and the bits of accuracy left after rounding."""
    degree = 1
    while remez(fit, degree, [])[1] > mp.mpf(2) ** -fit.goal:
        degree += 1
    low, high = mp.mpf(fit.low), mp.mpf(fit.high)
    points = [low + (high - low) * (2 * i + 1) / 400 for i in range(200)]
    candidates: list[tuple[Any, list[Any]]] = []
    fixed: list[Any] = []
    for _ in range(4):
        exact = remez(fit, degree, fixed)[0]
        coefficients = [rounded(c, fit.dtype) for c in exact]
        errors = [(mp.polyval(coefficients[::-1], x) - fit.function(x)) * fit.weight(x) for x in points]
        candidates.append((max(abs(e) for e in errors), coefficients))
        if len(fixed) < degree - 1:
            fixed.append(coefficients[len(fixed)])
    worst, best = min(candidates, key=lambda c: c[0])
    return [float(c) for c in best], float(-mp.log(worst, 2))


def _fits() -> list[Fit]:
    rows: list[Fit] = []
    ln2, pi = mp.log(2), mp.pi
    half = mp.sqrt(mp.mpf(1) / 2)

    def row(
        name: str, meaning: str, function: Function, weight: Function, low: Any, high: Any, f32: float, f64: float
    ) -> None:
        for dtype, goal in (("f32", f32), ("f64", f64)):
            if goal:
                rows.append(Fit(name, dtype, function, weight, low, high, goal, meaning))

    tiny = mp.mpf("1e-12")
    row(
        "exp",
        "exp(r) = 1 + r + r²·P(r)",
        lambda r: (mp.exp(r) - 1 - r) / r**2 if r else mp.mpf(1) / 2,
        lambda r: r**2 / mp.exp(r),
        -ln2 / 2 * 1.01,
        ln2 / 2 * 1.01,
        27.5,
        57,
    )
    row(
        "expm1",
        "expm1(r) = r + r²·P(r)",
        lambda r: (mp.expm1(r) - r) / r**2 if r else mp.mpf(1) / 2,
        lambda r: r**2 / mp.expm1(r) if r else r,
        -ln2 / 2 * 1.01,
        ln2 / 2 * 1.01,
        27.5,
        57,
    )
    row(
        "exp2",
        "exp2(r) = 1 + r·P(r)",
        lambda r: (mp.mpf(2) ** r - 1) / r if r else ln2,
        lambda r: r / mp.mpf(2) ** r,
        -0.501,
        0.501,
        27.5,
        57,
    )
    row(
        "log",
        "log(1 + f) = f - f²/2 + f³·P(f)",
        lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3 if f else mp.mpf(1) / 3,
        lambda f: f**3 / mp.log1p(f) if f else f,
        half - 1,
        mp.sqrt(2) - 1,
        27.5,
        0,
    )
    row(
        "log",
        "log((1 + s)/(1 - s)) = 2·s + s·z·P(z), z = s²",
        lambda z: (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z,
        lambda z: z / 2,
        tiny,
        ((half - 1) / (half + 1)) ** 2,
        0,
        58,
    )
    row(
        "sin",
        "sin(r) = r + r·z·P(z), z = r²",
        lambda z: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
        lambda z: z * mp.sqrt(z) / mp.sin(mp.sqrt(z)),
        tiny,
        (pi / 2 * 1.002) ** 2,
        27.5,
        57,
    )
    row(
        "sinh",
        "sinh(x) = x + x·z·P(z), z = x², |x| <= 1",
        lambda z: (mp.sinh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
        lambda z: z * mp.sqrt(z) / mp.sinh(mp.sqrt(z)),
        tiny,
        1.001,
        27.5,
        57,
    )
    row(
        "tanh",
        "tanh(x) = x + x·z·P(z), z = x², |x| <= 0.55",
        lambda z: (mp.tanh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
        lambda z: z * mp.sqrt(z) / mp.tanh(mp.sqrt(z)),
        tiny,
        0.5501**2,
        27.5,
        57,
    )
    row(
        "tan",
        "tan(r) = r + r·z·P(z), z = r²",
        lambda z: (mp.tan(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
        lambda z: z * mp.sqrt(z) / mp.tan(mp.sqrt(z)),
        tiny,
        (pi / 4 * 1.002) ** 2,
        27.5,
        57,
    )
    row(
        "arctan",
        "arctan(r) = r + r·z·P(z), z = r²",
        lambda z: (mp.atan(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
        lambda z: z * mp.sqrt(z) / mp.atan(mp.sqrt(z)),
        tiny,
        mp.tan(pi / 8 * 1.002) ** 2,
        27.5,
        57,
    )
    row(
        "arcsin",
        "arcsin(x) = x + x·z·P(z), z = x²",
        lambda z: (mp.asin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z,
        lambda z: z * mp.sqrt(z) / mp.asin(mp.sqrt(z)),
        tiny,
        0.2501,
        27.5,
        57,
    )
    row(
        "cbrt",
        "cbrt(m) = P(m), sqrt(1/2) <= m <= sqrt(2)",
        lambda m: mp.cbrt(m),
        lambda m: 1 / mp.cbrt(m),
        half,
        mp.sqrt(2),
        10,
        18.5,
    )
    row(
        "erf",
        "erf(x) = x + x·P(t), t = x² - 1/2, |x| <= 9/8",
        lambda t: mp.erf(mp.sqrt(t + 0.5)) / mp.sqrt(t + 0.5) - 1,
        lambda t: mp.sqrt(t + 0.5) / mp.erf(mp.sqrt(t + 0.5)),
        tiny - 0.5,
        mp.mpf(81) / 64 - 0.5,
        27.3,
        57,
    )

    def scaled(x: Any) -> Any:
        return mp.exp(x * x) * mp.erfc(x) * (1 + 2 * x)

    for name, k, high, goal in (("erfc", 4, 28, 57), ("erfc_short", 3, 10.6, 31)):

        def function(q: Any, k: int = k) -> Any:
            return scaled(k * (1 + q) / (1 - q))

        rows.append(
            Fit(
                name,
                "f64",
                function,
                lambda q, f=function: 1 / f(q),
                -1,
                (mp.mpf(high) - k) / (high + k),
                goal,
                f"erfc(x)·exp(x²)·(1 + 2·x) = P(q), q = (x - {k})/(x + {k}), x < {high}",
            )
        )
    for dtype, high, goal in (("f32", 4, 26.6), ("f64", 6, 57)):
        rows.append(
            Fit(
                "root_erfc",
                dtype,
                lambda t: mp.root(mp.erfc(1 + t), 4),
                lambda t: 4 * mp.erfc(1 + t) ** mp.mpf(0.75) / mp.erf(1 + t),
                mp.mpf(1) / 8,
                high - 1,
                goal,
                f"erfc(1 + t) = P(t)⁴, 9/8 <= 1 + t <= {high}",
            )
        )
    # For powers: a float's in doubles, a double's in pairs of them.
    row(
        "log2_short",
        "log2((1 + s)/(1 - s)) = s·P(z), z = s²",
        lambda z: 2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) / ln2,
        lambda _: ln2 / 2,
        tiny,
        ((half - 1) / (half + 1)) ** 2,
        0,
        35,
    )
    row(
        "exp2_short",
        "exp2(r) = 1 + r·P(r)",
        lambda r: (mp.mpf(2) ** r - 1) / r if r else ln2,
        lambda r: r / mp.mpf(2) ** r,
        -0.501,
        0.501,
        0,
        28.5,
    )
    row(
        "exp_short",
        "exp(r) = 1 + r + r²·P(r)",
        lambda r: (mp.exp(r) - 1 - r) / r**2 if r else mp.mpf(1) / 2,
        lambda r: r**2 / mp.exp(r),
        -ln2 / 2 * 1.01,
        ln2 / 2 * 1.01,
        0,
        33,
    )
    row(
        "log_long",
        "log((1 + s)/(1 - s)) = 2·s + 2/3·s³ + s³·z·P(z), z = s²",
        lambda z: ((2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z - mp.mpf(2) / 3) / z,
        lambda z: z * z / 2,
        tiny,
        ((half - 1) / (half + 1)) ** 2,
        0,
        67,
    )
    return rows


def _parts(value: Any, dtype: str, *bits: int) -> list[float]:
    """A constant as a sum: parts of so many leading bits, then the rest in the working precision."""
    parts: list[Any] = []
    for count in bits:
        rest = value - sum(parts)
        unit = mp.mpf(2) ** (int(mp.floor(mp.log(abs(rest), 2))) + 1 - count)
        parts.append(mp.nint(rest / unit) * unit)
    parts.append(rounded(value - sum(parts), dtype))
    return [float(p) for p in parts]


def _constants() -> list[tuple[str, str, str, list[float]]]:
    """(name, dtype, meaning, parts)."""
    rows: list[tuple[str, str, str, list[float]]] = []

    def row(name: str, meaning: str, value: Any, f32: tuple[int, ...], f64: tuple[int, ...]) -> None:
        for dtype, bits in (("f32", f32), ("f64", f64)):
            rows.append((name, dtype, meaning, _parts(value, dtype, *bits)))

    row("ln2", "log(2): times an exponent, the first part is exact", mp.log(2), (15,), (41,))
    row("log2_e", "1/log(2)", 1 / mp.log(2), (24,), (53,))
    row("log10_2", "log10(2): times an exponent, the first part is exact", mp.log10(2), (15,), (41,))
    row("log10_e", "1/log(10)", 1 / mp.log(10), (24,), (53,))
    row("pi_fused", "pi, for fused multiply-adds", mp.pi, (24, 24), (53, 53))
    row(
        "pi_short",
        "pi: times an integer up to 2^12 (f32) or 2^19 (f64), all parts but the last are exact",
        mp.pi,
        (11, 11, 11),
        (33, 33, 33),
    )
    row("pi_inverse", "1/pi", 1 / mp.pi, (), ())
    row("pi_over_4", "pi/4", mp.pi / 4, (24,), (53,))
    row("two_thirds", "2/3", mp.mpf(2) / 3, (24,), (53,))
    return rows


def turns() -> list[int]:
    """64 zeros, then the bits of 1/(2·pi) after the point, in words of 32 bits, the highest first.

    The double with the largest exponent needs bits 972 to 972 + 192.
    """
    count = 40
    with mp.workprec(32 * count + 64):
        whole = int(mp.floor(mp.mpf(2) ** (32 * (count - 2)) / (2 * mp.pi)))
    return [(whole >> (32 * (count - 1 - i))) & 0xFFFFFFFF for i in range(count)]


HEADER = '''"""Coefficients and constants of the elementary functions. Written by tools/fit_polynomials.py.

``POLYNOMIALS[name][dtype]`` holds a polynomial's coefficients, the lowest first; ``CONSTANTS`` numbers
as sums of parts, the largest first; ``TURNS`` the bits of 1/(2·pi).
"""

from __future__ import annotations

from collections.abc import Mapping

'''


def main() -> None:
    """Write the file."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    OUTPUT.write_text(generated())


def generated() -> str:
    """The text of coefficients.py."""
    mp.mp.dps = 60
    lines = [HEADER, "POLYNOMIALS: Mapping[str, Mapping[str, tuple[float, ...]]] = {\n"]
    by_name: dict[str, list[Fit]] = {}
    for fit in _fits():
        by_name.setdefault(fit.name, []).append(fit)
    for name, fits in by_name.items():
        lines.append(f'    "{name}": {{\n')
        for fit in fits:
            coefficients, bits = solve(fit)
            lines += [
                f"        # {fit.meaning}; to {bits:.1f} bits\n",
                f'        "{fit.dtype}": {_tuple(coefficients)},\n',
            ]
        lines.append("    },\n")
    lines.append("}\n\nCONSTANTS: Mapping[str, Mapping[str, tuple[float, ...]]] = {\n")
    names: dict[str, list[tuple[str, str, list[float]]]] = {}
    for name, dtype, meaning, parts in _constants():
        names.setdefault(name, []).append((dtype, meaning, parts))
    for name, rows in names.items():
        lines.append(f'    # {rows[0][1]}\n    "{name}": {{\n')
        lines += [f'        "{dtype}": {_tuple(parts)},\n' for dtype, _, parts in rows]
        lines.append("    },\n")
    lines.append("}\n\nTURNS: tuple[int, ...] = (\n")
    lines += [f"    0x{word:08X},\n" for word in turns()]
    lines.append(")\n")
    return "".join(lines)


def _tuple(values: list[float]) -> str:
    if len(values) == 1:
        return f"({values[0]!r},)"
    return "(\n" + "".join(f"            {v!r},\n" for v in values) + "        )"


if __name__ == "__main__":
    main()
