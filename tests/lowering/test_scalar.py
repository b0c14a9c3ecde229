"""Every scalar op, for every dtype it takes, against NumPy, as scalars and as vectors of several lengths."""

from __future__ import annotations

import functools
import math
import struct
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from tcc.ir import dtype as dt
from tcc.ir.dtype import BOOL, DType
from tcc.ir.scalar import TABLE
from tcc.lowering.polynomials import TABLE as POLYNOMIALS
from tcc.targets.llvm import compile_object
from tests.lowering.compiled import FACTS, NO_FMA, TIERS, Case, Compiled, llvm_text

Array = np.ndarray[Any, Any]
REAL = tuple(d for d in dt.ALL if not d.is_complex)
HALF = (dt.F16, dt.BF16)
ELSEWHERE = ("real", "imag", "conj", "complex")
VARIANTS = {"scalar": (None, FACTS), "vector": (16, FACTS), "odd": (3, FACTS), "no-fma": (8, NO_FMA)}


def cases(dtype: DType, lanes: int | None) -> list[Case]:
    """All ops on operands of one dtype."""
    made: list[Case] = []
    for name, row in TABLE.items():
        if row.takes and row.takes[-1] == dtype:
            made.append(Case(name, row.takes, dtype, lanes))
        if name in ELSEWHERE or dtype.kind not in row.kinds:
            continue
        if name == "cast":
            made += [Case(name, (dtype,), to, lanes) for to in REAL]
        elif name == "bitcast":
            made += [Case(name, (dtype,), to, lanes) for to in REAL if to.bits == dtype.bits and to != BOOL]
        elif name == "select":
            made.append(Case(name, (BOOL, dtype, dtype), dtype, lanes))
        else:
            made.append(Case(name, (dtype,) * row.arity, BOOL if row.result == "bool" else dtype, lanes))
    return made


@functools.cache
def compiled(dtype: DType, variant: str) -> Compiled:
    lanes, facts = VARIANTS[variant]
    return Compiled(cases(dtype, lanes), facts)


def values(dtype: DType, rng: np.random.Generator) -> Array:
    """Edge values and random ones."""
    t = dtype.numpy
    if dtype == BOOL:
        return np.array([False, True])
    if dtype.is_integer:
        info = np.iinfo(t)
        edges = [0, 1, 2, 3, 5, 7, 8, 15, 16, 31, 32, 63, 64, 100, info.max, info.max - 1, info.max // 2, info.min]
        edges += [-1, -2, -3, -7, -8, -64, info.min + 1] if dtype.kind == "int" else []
        return np.concatenate([np.array(edges, t), rng.integers(info.min, info.max, 15, t, endpoint=True)])
    info = ml_dtypes.finfo(t)
    edges = [0.0, 0.5, 1.0, 1.5, 2.5, 3.0, 7.25, 100.0, 1e4, math.inf, float(info.max), float(info.tiny)]
    edges += [float(info.smallest_subnormal), 3 * float(info.smallest_subnormal)]
    with np.errstate(all="ignore"):
        random = np.concatenate([rng.normal(size=10), rng.normal(size=10) * 2.0 ** rng.integers(-20, 20, 10)])
        return np.concatenate([np.array([*edges, *(-e for e in edges), math.nan]).astype(t), random.astype(t)])


def operands(case: Case, rng: np.random.Generator) -> list[Array]:
    """All pairs of values; for three operands random triples."""
    if TABLE[case.op].takes:
        return words(case, rng)
    pools = [values(d, rng) for d in case.dtypes]
    if len(pools) == 3:
        return [rng.choice(p, 3000) for p in pools]
    return [grid.ravel() for grid in np.meshgrid(*pools)]


def words(case: Case, rng: np.random.Generator) -> list[Array]:
    """Words of any bits; of bf16 numbers without subnormal ones, which machines may take for zeros."""
    bits = [rng.integers(0, 1 << 32, 3000, np.uint32) for _ in range(2)]
    if not case.result.is_float:
        return [*bits, rng.integers(-(1 << 31), 1 << 31, 3000, np.int32)]
    near = [(x & np.uint32(0x9FFF9FFF)) | np.uint32(0x20002000) for x in bits]
    return [*near, rng.normal(size=3000).astype(np.float32)]


def expected(case: Case, args: list[Array]) -> Array:
    """NumPy's answer; where NumPy has none or leaves it to C, what `tcc.lowering.scalar` promises."""
    dtype = case.dtypes[-1]
    if case.op == "cast":
        return cast(args[0], case.dtypes[0], case.result)
    if case.op == "bitcast":
        return args[0].view(case.result.numpy)
    if case.op == "fma":
        return fused(args, dtype)
    if case.op == "pow" and dtype.kind == "int":
        return np.array([power(int(x), int(y), dtype) for x, y in zip(*args, strict=True)], dtype.numpy)
    if case.op == "select" or dtype not in HALF:
        return TABLE[case.op].numpy(*args)
    wide = TABLE[case.op].numpy(*(a.astype(np.float32) for a in args))
    return wide if case.result == BOOL else wide.astype(case.result.numpy)


def cast(x: Array, source: DType, to: DType) -> Array:
    if source.is_float and to.is_integer:
        info = np.iinfo(to.numpy)

        def convert(v: float) -> int:
            return 0 if math.isnan(v) else int(max(min(v, info.max), info.min))

        return np.array([convert(float(v)) for v in x], to.numpy)
    if source == dt.F64 and to == dt.BF16:
        return np.array([nearest_bfloat16(float(v)) for v in x], to.numpy)
    return x.astype(to.numpy)


def nearest_bfloat16(x: float) -> Any:
    """Rounded once; ml_dtypes goes by way of f32."""
    with np.errstate(all="ignore"):
        narrow = np.float32(x)
        if np.isfinite(narrow) and float(narrow) != x and not int(narrow.view(np.uint32)) & 1:
            narrow = np.nextafter(narrow, np.float32(math.copysign(math.inf, x - float(narrow))))
        return narrow.astype(ml_dtypes.bfloat16)


def fused(args: list[Array], dtype: DType) -> Array:
    """a·b + c with one rounding."""
    t = np.float64 if dtype == dt.F64 else np.float32
    out: list[Any] = []
    for a, b, c in zip(*(x.astype(float).tolist() for x in args), strict=True):
        if not np.isfinite([a, b, c]).all() or a == 0 or b == 0:
            # Finite factors have a finite product, which may be too large for a double.
            out.append(t(c if math.isfinite(a) and math.isfinite(b) and math.isinf(c) else a * b + c))
            continue
        exact = Fraction(a) * Fraction(b) + Fraction(c)
        try:
            near = float(exact) if exact else a * b + c
        except OverflowError:
            near = math.inf if exact > 0 else -math.inf
        if t is np.float32 and math.isfinite(near) and Fraction(near) != exact and not struct.pack("<d", near)[0] & 1:
            # Rounded to odd, a second rounding does no harm.
            near = math.nextafter(near, math.inf if exact > Fraction(near) else -math.inf)
        out.append(t(near))
    return np.array(out, t).astype(dtype.numpy)


def power(x: int, y: int, dtype: DType) -> int:
    if y < 0:
        return x ** (-y & 1) if abs(x) == 1 else 0
    wrapped = pow(x, y, 1 << dtype.bits)
    return wrapped - (wrapped >> (dtype.bits - 1) << dtype.bits)


def assert_same(case: Case, got: Array, want: Array, args: list[Array], zeros: bool, ulps: float = 0) -> None:
    """Equal, nan like nan, signs of zeros too if asked for."""
    assert got.dtype == want.dtype
    if not case.result.is_float:
        ok = got == want
    else:
        with np.errstate(all="ignore"):
            a, b = got.astype(np.float64), want.astype(np.float64)
            near = np.abs(a - b) <= ulps * np.abs(np.spacing(want)).astype(np.float64) if ulps else a == b
        ok = (
            (near & ((np.signbit(a) == np.signbit(b)) | (not zeros) | (b != 0)))
            | (np.isnan(a) & np.isnan(b))
            | (np.isinf(b) & (a == b))
        )
    assert ok.all(), (case.symbol, [(*(x[i] for x in args), got[i], want[i]) for i in np.flatnonzero(~ok)[:5]])


@pytest.mark.parametrize("variant", list(VARIANTS))
@pytest.mark.parametrize("dtype", REAL, ids=str)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_against_numpy(dtype, variant):
    rng = np.random.default_rng(5)
    for case in cases(dtype, VARIANTS[variant][0]):
        if case.op in POLYNOMIALS and dtype in (dt.F32, dt.F64) and case.op != "pow":
            continue  # test_polynomials has them
        args = operands(case, rng)
        want = expected(case, args)
        if case.op == "fma" and not VARIANTS[variant][1].fma:
            want = expected(Case("add", case.dtypes[:2], case.result, None), [args[0] * args[1], args[2]])
            if dtype in HALF:
                wide = [a.astype(np.float32) for a in args]
                want = (wide[0] * wide[1] + wide[2]).astype(dtype.numpy)
        # The sign of zero: which of two zeros is the larger is left open by NumPy.
        zeros = case.op not in ("max", "min", "fmax", "fmin")
        ulps = 1 if case.op in POLYNOMIALS and dtype.is_float else 0
        assert_same(case, compiled(dtype, variant).run(case, *args), want, args, zeros, ulps)


@pytest.mark.parametrize("variant", ["vector", "no-fma"])
@pytest.mark.parametrize("half", HALF, ids=str)
def test_half_floats_round_to_nearest_even(half, variant):
    """All half floats and the doubles just around the midpoints between them."""
    lanes, _ = VARIANTS[variant]
    all_bits = np.arange(1 << 16, dtype=np.uint16).view(half.numpy)
    wide = compiled(half, variant).run(Case("cast", (half,), dt.F32, lanes), all_bits)
    assert np.array_equal(wide, all_bits.astype(np.float32), equal_nan=True)
    finite = np.unique(np.abs(wide[np.isfinite(wide)].astype(np.float64)))
    middle = (finite[1:] + finite[:-1]) / 2
    for x in (middle, np.nextafter(middle, 0), np.nextafter(middle, np.inf)):
        index = np.arange(len(middle)) + 1
        even = all_bits[:0x8000][np.isfinite(wide[:0x8000])].view(np.uint16)
        up = {True: index, False: index - 1}
        want = np.where(even[index] % 2 == 0, up[True], up[False])
        if x is not middle:
            want = up[bool((x > middle).all())]
        got = compiled(dt.F64, variant).run(Case("cast", (dt.F64,), half, lanes), x)
        assert np.array_equal(got.astype(np.float64), finite[want])
        got = compiled(dt.F64, variant).run(Case("cast", (dt.F64,), half, lanes), -x)
        assert np.array_equal(got.astype(np.float64), -finite[want])


@pytest.mark.parametrize("dtype", [dt.F32, dt.F64], ids=str)
@pytest.mark.parametrize("variant", ["vector", "no-fma"])
@pytest.mark.parametrize("op", ["rem", "mod", "floordiv"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_remainders_of_any_two_floats(op, variant, dtype):
    rng = np.random.default_rng(8)
    bits = np.dtype(f"u{dtype.bytes}")
    top = int(np.array(np.inf, dtype.numpy).view(bits))
    x, y = (rng.integers(1, top, 2000).astype(bits).view(dtype.numpy) for _ in range(2))
    x, y = x * rng.choice([-1, 1], 2000).astype(dtype.numpy), y * rng.choice([-1, 1], 2000).astype(dtype.numpy)
    case = Case(op, (dtype, dtype), dtype, VARIANTS[variant][0])
    assert_same(case, compiled(dtype, variant).run(case, x, y), TABLE[op].numpy(x, y), [x, y], True)


@pytest.mark.parametrize("tier", list(TIERS))
def test_nothing_is_called(tier):
    """No function of libm or of a compiler's run-time library is left, for any op, on any tier."""
    machine, facts = TIERS[tier]
    # The integers between differ from these in width only.
    dtypes = [dt.I8, dt.U32, dt.I64, dt.F16, dt.BF16, dt.F32, dt.F64]
    made = [case for dtype in dtypes for case in cases(dtype, 4)]
    made += [case for dtype in dtypes if dtype.bits != 32 for case in cases(dtype, None)]
    assert undefined_symbols(compile_object(llvm_text(made, facts), machine)) <= {"_GLOBAL_OFFSET_TABLE_"}


def undefined_symbols(elf: bytes) -> set[str]:
    """Names that an ELF64 object file refers to and does not define."""
    offset, entry, count = struct.unpack_from("<Q", elf, 40)[0], *struct.unpack_from("<HH", elf, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", elf, offset + i * entry) for i in range(count)]
    names: set[str] = set()
    for section in sections:
        if section[1] == 2:  # SHT_SYMTAB
            strings = sections[section[6]][4]
            for position in range(section[4] + 24, section[4] + section[5], 24):
                name, _, _, home = struct.unpack_from("<IBBH", elf, position)
                if home == 0:
                    start = strings + name
                    names.add(elf[start : elf.index(b"\0", start)].decode())
    return names


def test_undefined_symbols_are_found():
    text = (
        "declare float @expf(float)\ndefine float @f(float %x) {\n  %y = call float @expf(float %x)\n  ret float %y\n}"
    )
    assert undefined_symbols(compile_object(text, TIERS["x86-64-v3"][0])) == {"expf"}
