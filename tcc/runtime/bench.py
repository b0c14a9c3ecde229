"""How fast the functions of a library are, and their steps, beside what the machine can do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tcc.artifact import Function as Signature
from tcc.artifact.expression import evaluate
from tcc.errors import UserError
from tcc.runtime.arguments import Array
from tcc.runtime.element import numpy_dtype
from tcc.runtime.library import Library
from tcc.runtime.profile import Profile
from tcc.tree import unflatten

DEFAULT_SIZE = 1024
ROUNDS = 7
"""How often everything is measured; the fastest round counts, since others only ever make it slower."""


@dataclass(frozen=True)
class Limits:
    """What the machine can do: additions and multiplications a second in fused multiply-adds by dtype,
    and bytes read or written a second in copying."""

    operations: Mapping[str, float]
    copy: float

    def share(self, seconds: float, operations: int, compulsory: int, dtype: str) -> tuple[float, str]:
        """The larger of the two shares of a limit that a run comes to, and which one it is."""
        name = "f64" if dtype in ("f64", "c128") else "f32"
        computing = operations / seconds / self.operations[name]
        copying = compulsory / seconds / self.copy
        return (computing, f"FMA {name}") if computing >= copying else (copying, "copy")


@dataclass(frozen=True)
class Measured:
    """A function or one of its steps: seconds of one run, runs in a call, and its figures for one run.

    ``share`` of ``limit`` is how near the machine's limit it is; a step whose data stays in the caches can
    be beyond the limit of copying.
    """

    name: str
    line: str
    seconds: float
    runs: float
    operations: int
    moved: int | None
    compulsory: int
    dtype: str
    share: float
    limit: str

    @property
    def operations_per_second(self) -> float:
        return self.operations / self.seconds

    @property
    def bytes_per_second(self) -> float:
        """By the compulsory bytes."""
        return self.compulsory / self.seconds

    def to_json(self) -> dict[str, Any]:
        """As plain data, with the two rates."""
        return {
            **asdict(self),
            "operations_per_second": self.operations_per_second,
            "bytes_per_second": self.bytes_per_second,
        }


@dataclass(frozen=True)
class Report:
    """A function at some sizes: the whole call as Python makes it, and its steps."""

    function: str
    sizes: Mapping[str, int]
    whole: Measured
    steps: tuple[Measured, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "function": self.function,
            "sizes": dict(self.sizes),
            "whole": self.whole.to_json(),
            "steps": [s.to_json() for s in self.steps],
        }

    def described(self) -> list[tuple[str, ...]]:
        """Rows of a table: name, line, time, share of the call, GFLOP/s, GB/s, share of the limit."""
        total = sum(s.seconds * s.runs for s in self.steps)
        rows = [_row(s, f"{s.seconds * s.runs / total:.0%}" if total else "") for s in self.steps]
        sizes = ", ".join(f"{n}={v}" for n, v in self.sizes.items())
        return [_row(self.whole, "", f"{self.function}({sizes})"), *rows]


HEADS = ("", "line", "time", "runs", "of call", "GFLOP/s", "GB/s", "of the limit")


def _row(m: Measured, part: str, name: str = "") -> tuple[str, ...]:
    shown = f"{m.share:.0%} {m.limit}" if m.share < 1 else f"beyond {m.limit}: in cache"
    return (
        name or f"  {m.name}",
        m.line,
        duration(m.seconds),
        "" if name else f"{m.runs:g}",
        part,
        f"{m.operations_per_second / 1e9:.3g}",
        f"{m.bytes_per_second / 1e9:.3g}",
        shown,
    )


def duration(seconds: float) -> str:
    """A time as a reader wants it."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def sizes_for(function: Signature, given: Mapping[str, int]) -> dict[str, int]:
    """A value for each of a function's sizes: the one given, else `DEFAULT_SIZE` or the nearest allowed."""
    names = {s.name for s in function.symbols}
    unknown = [n for n in given if n not in names]
    if unknown:
        why = f"its sizes are {', '.join(sorted(names))}" if names else "it has no sizes"
        raise UserError(f"{function.name} has no size '{unknown[0]}'", why=why, fix="--size takes these names")
    sizes: dict[str, int] = {}
    for symbol in function.symbols:
        upper = DEFAULT_SIZE if symbol.upper is None else min(DEFAULT_SIZE, symbol.upper)
        sizes[symbol.name] = given.get(symbol.name, max(symbol.lower, upper))
    return sizes


def random_inputs(function: Signature, sizes: Mapping[str, int], seed: int = 0) -> list[Array]:
    """An array for each leaf of a function's arguments: real numbers in 0..1, integers 0 and 1 (valid as
    indices into anything with two elements)."""
    generator = np.random.default_rng(seed)
    arrays: list[Array] = []
    for tensor in function.arguments:
        dtype = numpy_dtype(tensor.dtype)
        shape = tuple(evaluate(e, sizes) for e in tensor.shape)
        whole = dtype.kind in "biu"
        values: Any = generator.integers(0, 2, shape) if whole else generator.random(shape)
        arrays.append(np.asarray(values).astype(dtype))
    return arrays


def measure(library: Library, function: str, sizes: Mapping[str, int], limits: Limits, budget: float = 1.0) -> Report:
    """Times a function and its steps at some sizes; ``budget`` is about how many seconds it may take."""
    signature = library.manifest.function(function)
    sizes = sizes_for(signature, sizes)
    arguments = unflatten(signature.arguments_tree, random_inputs(signature, sizes))
    with library.new() if signature.states else nullcontext(library) as owner:
        run = owner[function]
        out = run(*arguments)
        once = _fastest(lambda: run(*arguments, out=out), 1, 3)
        calls = max(1, min(10000, int(budget / 2 / ROUNDS / max(once, 1e-7))))
        seconds = _fastest(lambda: run(*arguments, out=out), calls, ROUNDS)
        steps = _steps(owner.profile(function), arguments, out, calls, sizes, limits)
    operations = sum(round(s.operations * s.runs) for s in steps)
    known = [s.moved for s in steps if s.moved is not None]
    moved = round(sum(m * s.runs for m, s in zip(known, steps, strict=True))) if len(known) == len(steps) else None
    least = evaluate(signature.compulsory, sizes)
    dtype = max((s.dtype for s in steps), default="", key=lambda d: (d in ("f64", "c128"), d))
    share = limits.share(seconds, operations, least, dtype)
    whole = Measured(function, "", seconds, 1, operations, moved, least, dtype, *share)
    return Report(function, sizes, whole, steps)


def _fastest(run: Callable[[], object], calls: int, rounds: int) -> float:
    """Seconds of one call in the fastest round."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(calls):
            run()
        best = min(best, (time.perf_counter() - start) / calls)
    return best


def _steps(
    profile: Profile, arguments: Sequence[Any], out: Any, calls: int, sizes: Mapping[str, int], limits: Limits
) -> tuple[Measured, ...]:
    """The steps that ran, each at its fastest round."""
    rounds: list[list[tuple[float, float]]] = []
    for _ in range(ROUNDS):
        profile.reset()
        for _ in range(calls):
            profile(*arguments, out=out)
        rounds.append([(t.seconds / t.runs if t.runs else 0.0, t.runs / calls) for t in profile.times()])
    found: list[Measured] = []
    for number, step in enumerate(profile.signature.steps):
        seconds, runs = min(r[number] for r in rounds)
        if not runs:
            continue
        # A clock may stand still over a copy of a few bytes.
        seconds = max(seconds, 1e-9)
        operations, least = evaluate(step.operations, sizes), evaluate(step.compulsory, sizes)
        moved = evaluate(step.moved, sizes) if step.moved else None
        share = limits.share(seconds, operations, least, step.dtype)
        found.append(Measured(step.name, step.line, seconds, runs, operations, moved, least, step.dtype, *share))
    return tuple(found)
