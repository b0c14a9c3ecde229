"""Sizes and indices: one canonical integer expression for both.

A `Size` is a plain ``int`` when constant, else a `Dim`: a polynomial with integer coefficients over
atoms. Atoms are symbols (sizes named in a type, loop axes, index-typed lets), floor divisions and
minima/maxima. Two equal polynomials compare equal. ``a % b`` is kept as ``a - b*(a//b)``, so that an
index that is taken apart and put together again cancels (a reshape of a reshape, say).

Bounds live in the symbols, so that simplification needs no context: ``(n*i + j)//n`` is ``i`` when
``j`` is an axis of extent ``n``. Divisors are taken to be positive: an index is computed only where
its space is not empty.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import gcd
from typing import Union

Size = Union[int, "Dim"]


@dataclass(frozen=True)
class Symbol:
    """A named integer: a size, a loop axis or an index-typed let.

    ``lower`` ≤ value ≤ ``upper`` (None: unbounded). An axis of extent ``e`` has upper ``e - 1``.
    Symbols are equal when their names are: a name has one range within a function or kernel.
    """

    name: str
    lower: int = field(default=0, compare=False)
    upper: Size | None = field(default=None, compare=False)

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class FloorDiv:
    """``numerator // denominator``, rounded to minus infinity, denominator positive."""

    numerator: Size
    denominator: Size

    @cached_property
    def _text(self) -> str:
        return f"{_factor(self.numerator)}//{_factor(self.denominator)}"

    def __str__(self) -> str:
        return self._text


@dataclass(frozen=True)
class Extremum:
    """``min`` or ``max`` of two or more sizes."""

    kind: str
    arguments: tuple[Size, ...]

    @cached_property
    def _text(self) -> str:
        return f"{self.kind}({', '.join(map(str, self.arguments))})"

    def __str__(self) -> str:
        return self._text


Atom = Union[Symbol, FloorDiv, Extremum]
Monomial = tuple[tuple[Atom, int], ...]
Terms = dict[Monomial, int]


@lru_cache(maxsize=1 << 14)
def _order(monomial: Monomial) -> tuple[int, tuple[tuple[str, int], ...]]:
    return (-sum(p for _, p in monomial), tuple((str(a), p) for a, p in monomial))


@dataclass(frozen=True, eq=False)
class Dim:
    """A size that is not a constant. Made by arithmetic on symbols, never directly; see `symbol`."""

    terms: tuple[tuple[Monomial, int], ...]

    @cached_property
    def atoms(self) -> tuple[Atom, ...]:
        """The atoms, without those nested in other atoms."""
        return tuple(dict.fromkeys(a for m, _ in self.terms for a, _ in m))

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """Every symbol, nested ones included, each once, in order of appearance."""
        return tuple(dict.fromkeys(s for atom in self.atoms for s in symbols(atom)))

    @cached_property
    def _hash(self) -> int:
        return hash(self.terms)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and self.terms == other.terms

    def __add__(self, other: Size) -> Size:
        return _add(self, other)

    __radd__ = __add__

    def __neg__(self) -> Size:
        return _scale(self, -1)

    def __sub__(self, other: Size) -> Size:
        return _add(self, _scale(other, -1))

    def __rsub__(self, other: Size) -> Size:
        return _add(other, _scale(self, -1))

    def __mul__(self, other: Size) -> Size:
        return _multiply(self, other)

    __rmul__ = __mul__

    def __floordiv__(self, other: Size) -> Size:
        return floordiv(self, other)

    def __mod__(self, other: Size) -> Size:
        return mod(self, other)

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        text = ""
        for monomial, coefficient in self.terms:
            factors = [f"{a}" if p == 1 else "*".join([_atom(a)] * p) for a, p in monomial]
            size = abs(coefficient)
            alone = len(monomial) == 1 and size == 1 and (bool(text) or coefficient > 0)
            factors = [f if "//" not in f or alone else f"({f})" for f in factors]
            body = "*".join(([str(size)] if size != 1 or not factors else []) + factors)
            sign = "-" if coefficient < 0 else "+"
            text += (f" {sign} " if text else ("-" if sign == "-" else "")) + body
        return text

    def __repr__(self) -> str:
        return f"Dim({self})"


def _atom(atom: Atom) -> str:
    text = str(atom)
    return f"({text})" if isinstance(atom, FloorDiv) else text


def _factor(size: Size) -> str:
    text = str(size)
    return text if text.replace("_", "").isalnum() or (isinstance(size, int) and size >= 0) else f"({text})"


def _terms(size: Size) -> Terms:
    if isinstance(size, Dim):
        return dict(size.terms)
    return {(): int(size)} if size else {}


def _make(terms: Terms) -> Size:
    kept = {m: c for m, c in terms.items() if c}
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return kept[()]
    if len(kept) == 1:
        return Dim(tuple(kept.items()))
    return Dim(tuple(sorted(kept.items(), key=lambda item: _order(item[0]))))


def symbol(name: str, lower: int = 0, upper: Size | None = None) -> Dim:
    """The size that a symbol stands for."""
    result = of_atom(Symbol(name, lower, upper))
    assert isinstance(result, Dim)
    return result


def axis(name: str, extent: Size) -> Dim:
    """A loop axis: 0 ≤ axis < extent."""
    return symbol(name, 0, extent - 1)


def of_atom(atom: Atom) -> Size:
    """The size consisting of one atom."""
    return Dim(((((atom, 1),), 1),))


def _add(a: Size, b: Size) -> Size:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    terms = _terms(a)
    for monomial, coefficient in _terms(b).items():
        terms[monomial] = terms.get(monomial, 0) + coefficient
    return _make(terms)


def _scale(a: Size, factor: int) -> Size:
    if isinstance(a, int):
        return a * factor
    return Dim(tuple((m, c * factor) for m, c in a.terms)) if factor else 0


def _times(a: Monomial, b: Monomial) -> Monomial:
    powers: dict[Atom, int] = dict(a)
    for atom, power in b:
        powers[atom] = powers.get(atom, 0) + power
    return tuple(sorted(((x, p) for x, p in powers.items() if p), key=lambda item: str(item[0])))


def _multiply(a: Size, b: Size) -> Size:
    if isinstance(a, int):
        return a * b if isinstance(b, int) else _scale(b, a)
    if isinstance(b, int):
        return _scale(a, b)
    terms: Terms = {}
    for ma, ca in a.terms:
        for mb, cb in b.terms:
            monomial = _times(ma, mb)
            terms[monomial] = terms.get(monomial, 0) + ca * cb
    return _make(terms)


def product(sizes: Iterable[Size]) -> Size:
    """The product of sizes; 1 for none."""
    result: Size = 1
    for size in sizes:
        result = result * size
    return result


def _monomial_quotient(a: Monomial, b: Monomial) -> Monomial | None:
    powers = dict(a)
    for atom, power in b:
        if powers.get(atom, 0) < power:
            return None
        powers[atom] -= power
    return tuple((x, p) for x, p in a if powers[x] for p in [powers[x]])


def divide(a: Size, b: Size) -> tuple[Size, Size]:
    """``(q, r)`` with ``a == q*b + r``: multivariate division by the leading term of ``b``."""
    if isinstance(a, int) and isinstance(b, int):
        return divmod(a, b)
    leading, scale = next(iter(_terms(b).items()))
    quotient: Size = 0
    rest = a
    for _ in range(64):
        for monomial, coefficient in _terms(rest).items():
            shared = _monomial_quotient(monomial, leading)
            if shared is not None and coefficient // scale and (coefficient % scale == 0 or isinstance(b, int)):
                step = _make({shared: coefficient // scale})
                quotient, rest = quotient + step, rest - step * b
                break
        else:
            break
    return quotient, rest


def floordiv(a: Size, b: Size) -> Size:
    """``a // b`` for positive ``b``, simplified with the bounds of the symbols in it."""
    if isinstance(b, int):
        if b == 1:
            return a
        if isinstance(a, int):
            return a // b
    quotient, rest = divide(a, b)
    if rest == 0:
        return quotient
    if nonnegative(rest) and nonnegative(b - rest - 1):
        return quotient
    if nonnegative(-rest - 1) and nonnegative(rest + b):
        return quotient - 1
    rest, b = _cancel(rest, b)
    if isinstance(rest, int) and isinstance(b, int):
        return quotient + rest // b
    for monomial, coefficient in _terms(rest).items():
        if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1 and isinstance(monomial[0][0], FloorDiv):
            inner = monomial[0][0]
            others = rest - of_atom(inner)
            return quotient + floordiv(inner.numerator + others * inner.denominator, b * inner.denominator)
    return quotient + of_atom(FloorDiv(rest, b))


def _cancel(a: Size, b: Size) -> tuple[Size, Size]:
    """Both sizes with their common integer factor and common symbols taken out."""
    both = [*_terms(a).items(), *_terms(b).items()]
    factor = gcd(*(c for _, c in both))
    common = dict(both[0][0])
    for monomial, _ in both[1:]:
        powers = dict(monomial)
        common = {x: min(p, powers[x]) for x, p in common.items() if x in powers}
    shared: Monomial = tuple((x, p) for x, p in common.items() if p)

    def reduced(size: Size) -> Size:
        return _make({(_monomial_quotient(m, shared) or ()): c // factor for m, c in _terms(size).items()})

    return reduced(a), reduced(b)


def mod(a: Size, b: Size) -> Size:
    """``a - b*(a//b)``."""
    return a - b * floordiv(a, b)


def ceildiv(a: Size, b: Size) -> Size:
    """``a / b`` rounded up."""
    return floordiv(a + b - 1, b)


def minimum(*sizes: Size) -> Size:
    """The least of some sizes."""
    return _extremum("min", sizes, lambda a, b: nonnegative(b - a))


def maximum(*sizes: Size) -> Size:
    """The greatest of some sizes."""
    return _extremum("max", sizes, lambda a, b: nonnegative(a - b))


def _extremum(kind: str, sizes: Iterable[Size], beats: Callable[[Size, Size], bool]) -> Size:
    flat: list[Size] = []
    for size in sizes:
        atom = sole_atom(size)
        flat += atom.arguments if isinstance(atom, Extremum) and atom.kind == kind else (size,)
    kept: list[Size] = []
    for size in flat:
        if any(beats(k, size) for k in kept):
            continue
        kept = [k for k in kept if not beats(size, k)] + [size]
    if len(kept) == 1:
        return kept[0]
    return of_atom(Extremum(kind, tuple(sorted(kept, key=str))))


def sole_atom(size: Size) -> Atom | None:
    """The atom that a size consists of, if it is nothing but one."""
    if isinstance(size, Dim) and len(size.terms) == 1:
        monomial, coefficient = size.terms[0]
        if coefficient == 1 and len(monomial) == 1 and monomial[0][1] == 1:
            return monomial[0][0]
    return None


def atoms(size: Size) -> tuple[Atom, ...]:
    """The atoms of a size, without those nested in other atoms."""
    return size.atoms if isinstance(size, Dim) else ()


def symbols(size: Size | Atom) -> tuple[Symbol, ...]:
    """Every symbol in a size or an atom, nested ones included, each once, in order of appearance."""
    if isinstance(size, (Dim, int)):
        return size.symbols if isinstance(size, Dim) else ()
    if isinstance(size, Symbol):
        return (size,)
    parts = (size.numerator, size.denominator) if isinstance(size, FloorDiv) else size.arguments
    return tuple(dict.fromkeys(s for part in parts for s in symbols(part)))


def substitute(size: Size, values: Mapping[str, Size]) -> Size:
    """The size with symbols replaced by name; symbols not named stay."""
    return _substituted(size, values, {})


def _substituted(size: Size, values: Mapping[str, Size], done: dict[Atom, Size]) -> Size:
    """``done`` are the compound atoms met so far: simplifying one may take proofs, and a count of
    operations holds the same few in hundreds of terms."""
    if isinstance(size, int) or not any(s.name in values for s in symbols(size)):
        return size

    def replaced(atom: Atom) -> Size:
        if isinstance(atom, Symbol):
            return values.get(atom.name, of_atom(atom))
        if atom not in done:
            done[atom] = simplified(atom)
        return done[atom]

    def simplified(atom: FloorDiv | Extremum) -> Size:
        if isinstance(atom, FloorDiv):
            numerator, denominator = (_substituted(part, values, done) for part in (atom.numerator, atom.denominator))
            return floordiv(numerator, denominator)
        parts = [_substituted(part, values, done) for part in atom.arguments]
        return minimum(*parts) if atom.kind == "min" else maximum(*parts)

    total: Terms = {}
    for monomial, coefficient in size.terms:
        factor = product(replaced(a) for a, p in monomial for _ in range(p))
        for m, c in _terms(factor).items():
            total[m] = total.get(m, 0) + coefficient * c
    return _make(total)


def evaluate(size: Size, values: Mapping[str, int]) -> int:
    """The number that a size is, given its symbols by name. KeyError names a missing one."""
    if isinstance(size, int):
        return size

    def number(atom: Atom) -> int:
        if isinstance(atom, Symbol):
            return values[atom.name]
        if isinstance(atom, FloorDiv):
            denominator = evaluate(atom.denominator, values)
            return evaluate(atom.numerator, values) // denominator if denominator else 0
        return (min if atom.kind == "min" else max)(evaluate(a, values) for a in atom.arguments)

    total = 0
    for monomial, coefficient in size.terms:
        for atom, power in monomial:
            coefficient *= number(atom) ** power
        total += coefficient
    return total


class _Effort(threading.local):
    """How many steps are left to the proof that runs in this thread; None: none runs."""

    left: int | None = None


_effort = _Effort()
_STEPS = 200


def nonnegative(size: Size) -> bool:
    """Whether ``size >= 0`` can be proved from the bounds of its symbols. False: not known.

    The effort is bounded: a proof that takes more than some hundred steps is given up.
    """
    if isinstance(size, int):
        return size >= 0
    if _effort.left is not None:
        return _prove(size, 6)
    return _proved(size, _ranges(size))


@lru_cache(maxsize=1 << 14)
def _proved(size: Dim, _of: object) -> bool:
    """A proof from the start. The same few are asked for again and again while a program is made.

    ``_of`` are the ranges of its symbols, which are not compared when sizes are.
    """
    _effort.left = _STEPS
    try:
        return _prove(size, 6)
    finally:
        _effort.left = None


def _ranges(size: Size) -> tuple[object, ...]:
    """The bounds of all symbols of a size, and of the symbols in these."""
    return tuple((s.name, s.lower, s.upper, _ranges(s.upper or 0)) for s in symbols(size))


def _prove(size: Size, depth: int) -> bool:
    if isinstance(size, int):
        return size >= 0
    if depth == 0 or not _effort.left:
        return False
    _effort.left -= 1
    if all(c >= 0 for _, c in size.terms) and all(_atom_nonnegative(a, depth) for a in atoms(size)):
        return True
    for atom in sorted(atoms(size), key=_elimination_order):
        coefficient, rest = _linear_in(size, atom)
        if coefficient is None:
            continue
        if isinstance(atom, FloorDiv) and coefficient in (1, -1):
            n, d = atom.numerator, atom.denominator
            if _prove(n + rest * d if coefficient == 1 else (rest + 1) * d - 1 - n, depth - 1):
                return True
        for bounds in _bounds_of(atom, coefficient, depth):
            if all(_prove(rest + b, depth - 1) for b in bounds):
                return True
        if isinstance(atom, Symbol) and isinstance(atom.upper, Dim):
            return False
    return False


def positive(size: Size) -> bool:
    """Whether ``size > 0`` can be proved."""
    return nonnegative(size - 1)


def _elimination_order(atom: Atom) -> int:
    """Compound atoms first (their bounds hold axes), then axes (theirs hold sizes), then sizes."""
    if isinstance(atom, Symbol):
        return 2 if isinstance(atom.upper, Dim) else 3
    return 0 if isinstance(atom, Extremum) else 1


def _atom_nonnegative(atom: Atom, depth: int) -> bool:
    if isinstance(atom, Symbol):
        return atom.lower >= 0
    if isinstance(atom, FloorDiv):
        return _prove(atom.numerator, depth - 1)
    check = any if atom.kind == "max" else all
    return check(_prove(a, depth - 1) for a in atom.arguments)


def _linear_in(size: Dim, atom: Atom) -> tuple[Size | None, Size]:
    """``(q, r)`` with ``size == q*atom + r``; ``q`` None when ``atom`` is not linear in it."""
    inside: Terms = {}
    outside: Terms = {}
    for monomial, coefficient in size.terms:
        powers = dict(monomial)
        if atom not in powers:
            outside[monomial] = coefficient
        elif powers[atom] == 1:
            inside[tuple((x, p) for x, p in monomial if x != atom)] = coefficient
        else:
            return None, 0
    return _make(inside), _make(outside)


def _bounds_of(atom: Atom, coefficient: Size, depth: int) -> list[list[Size]]:
    """Ways to bound ``coefficient*atom`` from below: each a list of sizes that must all do."""
    rising = _prove(coefficient, depth - 1)
    falling = not rising and _prove(-coefficient, depth - 1)
    if isinstance(atom, Symbol):
        if rising:
            return [[coefficient * atom.lower]]
        return [[coefficient * atom.upper]] if falling and atom.upper is not None else []
    if isinstance(atom, FloorDiv):
        quotient, rest = divide(coefficient, atom.denominator)
        ways: list[list[Size]] = []
        if rest == 0 and rising:
            ways.append([quotient * (atom.numerator - atom.denominator + 1)])
        if rest == 0 and falling:
            ways.append([quotient * atom.numerator])
        part, rest = divide(atom.denominator, coefficient if rising else -coefficient)
        if rest == 0 and rising:
            ways.append([floordiv(atom.numerator, part) - coefficient + 1])
        if rest == 0 and falling:
            ways.append([-floordiv(atom.numerator, part)])
        if rising and _prove(atom.numerator, depth - 1):
            ways.append([0])
        if falling and _prove(atom.numerator, depth - 1):
            ways.append([coefficient * atom.numerator])
        return ways
    options = [coefficient * a for a in atom.arguments]
    if (rising and atom.kind == "max") or (falling and atom.kind == "min"):
        return [[o] for o in options]
    return [options] if rising or falling else []


def bounds(size: Size) -> tuple[int | None, int | None]:
    """Constant lower and upper bound of a size by interval arithmetic; None where unbounded."""
    if isinstance(size, int):
        return size, size
    low: int | None = 0
    high: int | None = 0
    for monomial, coefficient in size.terms:
        a: int | None = 1
        b: int | None = 1
        for atom, power in monomial:
            x, y = _atom_bounds(atom)
            for _ in range(power):
                a, b = _interval_product(a, b, x, y)
        a, b = _interval_product(a, b, coefficient, coefficient)
        low = None if low is None or a is None else low + a
        high = None if high is None or b is None else high + b
    return low, high


def _interval_product(a: int | None, b: int | None, x: int | None, y: int | None) -> tuple[int | None, int | None]:
    if a is not None and b is not None and x is not None and y is not None:
        corners = (a * x, a * y, b * x, b * y)
        return min(corners), max(corners)
    if a is not None and x is not None and a >= 0 and x >= 0:
        return a * x, (0 if b == 0 or y == 0 else None)
    if x is not None and x == y and x < 0:
        return (None if b is None else b * x), (None if a is None else a * x)
    return None, None


def _atom_bounds(atom: Atom) -> tuple[int | None, int | None]:
    if isinstance(atom, Symbol):
        return atom.lower, None if atom.upper is None else bounds(atom.upper)[1]
    if isinstance(atom, FloorDiv):
        (a, b), (c, d) = bounds(atom.numerator), bounds(atom.denominator)
        low = None if a is None else (a // d if a >= 0 and d is not None else 0 if a >= 0 else a // max(c or 1, 1))
        return low, None if b is None else max(b // max(c or 1, 1), 0 if b >= 0 else -1)
    lows, highs = zip(*(bounds(a) for a in atom.arguments), strict=True)
    pick = min if atom.kind == "min" else max
    known_low = [x for x in lows if x is not None]
    known_high = [x for x in highs if x is not None]
    if atom.kind == "min":
        return (pick(known_low) if len(known_low) == len(lows) else None), (pick(known_high) if known_high else None)
    return (pick(known_low) if known_low else None), (pick(known_high) if len(known_high) == len(highs) else None)
