"""The loop IR's interpreter against NumPy, and what it refuses."""

from __future__ import annotations

import time

import numpy as np
import pytest

from tcc.errors import InternalError, UserError
from tcc.ir import dim
from tcc.ir.dtype import ALL, BOOL, DType
from tcc.ir.scalar import COMBINES, TABLE, apply
from tcc.loops.interpret import run_entry, run_kernel
from tcc.loops.program import Kernel, Load, Loop, Parameter, Store
from tcc.loops.text import parse
from tests.loops.accesses import data
from tests.loops.programs import generate, run, same

RNG = np.random.default_rng(0)


def _run(text: str, sizes: dict[str, int], **buffers: np.ndarray) -> int:
    return run_kernel(parse(text).kernels[0], buffers, sizes)


# --- scalar operations ------------------------------------------------------------------------------

GIVEN = {"cast", "bitcast", "complex", "select", "real", "imag"}
ROWS = [(op, d) for op, row in TABLE.items() if op not in GIVEN for d in ALL if d.kind in row.kinds]


@pytest.mark.parametrize(("op", "dtype"), ROWS, ids=lambda x: str(x))
def test_scalar_operations_are_numpys(op: str, dtype: DType) -> None:
    row = TABLE[op]
    rng = np.random.default_rng(0)
    arrays = [data(rng, dtype, 200, special=True) for _ in range(row.arity)]
    if op in ("shl", "shr"):
        arrays[1] = (np.abs(arrays[1].astype(np.int64)) % (dtype.bits + 1)).astype(dtype.numpy)
    if op == "pow" and dtype.is_integer:
        arrays[1] = np.abs(arrays[1] % 4).astype(dtype.numpy)
    i = dim.axis("i", dim.symbol("n"))
    expr = apply(op, *(Load(dtype, f"X{k}", i) for k in range(row.arity)))
    parameters = [Parameter(f"X{k}", dtype, "read") for k in range(row.arity)]
    loop = Loop("i", 0, dim.symbol("n"), (Store("Y", i, expr),), 4, 2)
    kernel = Kernel("k", (*parameters, Parameter("Y", expr.dtype, "write")), ("n",), (loop,))
    found = np.zeros(200, expr.dtype.numpy)
    assert run_kernel(kernel, {**{f"X{k}": a for k, a in enumerate(arrays)}, "Y": found}, {"n": 200}) == 0
    with np.errstate(all="ignore"):
        if dtype.name in ("f16", "bf16"):
            arrays = [a.astype(np.float32) for a in arrays]
        expected = np.asarray(row.numpy(*arrays)).astype(expr.dtype.numpy)
    if dtype.name in ("f32", "f64", "c64", "c128") and op not in EXACT:
        np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype.bits // (1 + dtype.is_complex) == 32 else 1e-13)
    else:
        assert same(found, expected).all()


EXACT = {
    "add",
    "sub",
    "mul",
    "max",
    "min",
    "neg",
    "abs",
    "sign",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "copysign",
    "eq",
    "lt",
}


def test_select_complex_parts_casts_and_bits() -> None:
    a, b = (RNG.normal(size=9).astype(np.float32) for _ in range(2))
    z, y, k = np.zeros(9, np.complex64), np.zeros(9, np.float32), np.zeros(9, np.int32)
    text = """
kernel k(A: f32 read, B: f32 read, Z: c64 write, Y: f32 write, K: i32 write; n)
  for i in 0..n
    let z = complex[c64](A[i], B[i])
    Z[i] = conj(z)
    Y[i] = select(real(z) < imag(z), abs(z), cast[f32](cast[i32](A[i] * f32(100.0))))
    K[i] = bitcast[i32](A[i])
"""
    _run(text, {"n": 9}, A=a, B=b, Z=z, Y=y, K=k)
    np.testing.assert_array_equal(z, np.conj(a + 1j * b))
    np.testing.assert_allclose(y, np.where(a < b, np.abs(a + 1j * b), np.trunc(a * 100)), rtol=1e-6)
    np.testing.assert_array_equal(k, a.view(np.int32))


@pytest.mark.parametrize("target", [d for d in ALL if not d.is_inexact], ids=str)
def test_casts_are_numpys(target: DType) -> None:
    for source in ALL:
        x = data(RNG, source, 50, special=False)
        y = np.zeros(50, target.numpy)
        text = f"kernel k(X: {source} read, Y: {target} write; n)\n  for i in 0..n\n    Y[i] = cast[{target}](X[i])\n"
        _run(text, {"n": 50}, X=x, Y=y)
        real = x.real if source.is_complex and target != BOOL else x
        expected = real != 0 if target == BOOL else real.astype(target.numpy)
        np.testing.assert_array_equal(y, expected)


# --- the order of combinations ----------------------------------------------------------------------


SUM = """
kernel k(X: f32 read, Y: f32 write; n)
  for i in 0..n SPLIT
    reduce s: f32 = f32(0.1) <add> X[i]
  Y[0] = s
"""


def _ordered_sum(x: np.ndarray, init: np.float32, lanes: int, copies: int) -> np.float32:
    """The order of docs/loop-ir.md, written as array operations."""
    count = lanes * copies
    if count == 1:
        total = init
        for value in x:
            total = total + value
        return total
    parts = np.zeros(count, np.float32)
    for start in range(0, len(x), count):
        block = x[start : start + count]
        parts[: len(block)] = parts[: len(block)] + block
    while count > lanes:
        half = -(-(count // lanes) // 2) * lanes
        parts[: count - half] = parts[: count - half] + parts[half:count]
        count = half
    while count > 1:
        count //= 2
        parts[:count] = parts[:count] + parts[count : 2 * count]
    return init + parts[0]


@pytest.mark.parametrize(("lanes", "copies"), [(1, 1), (1, 4), (1, 3), (4, 1), (8, 4), (16, 3), (4, 6), (2, 5)])
@pytest.mark.parametrize("n", [0, 1, 5, 31, 64, 200])
def test_sums_are_bit_exact(lanes: int, copies: int, n: int) -> None:
    x, y = RNG.normal(size=n).astype(np.float32), np.zeros(1, np.float32)
    split = (f" lanes {lanes}" if lanes > 1 else "") + (f" copies {copies}" if copies > 1 else "")
    _run(SUM.replace(" SPLIT", split), {"n": n}, X=x, Y=y)
    assert y[0] == _ordered_sum(x, np.float32(0.1), lanes, copies)


def test_orders_with_as_many_partials_agree() -> None:
    x, results = RNG.normal(size=1000).astype(np.float32), []
    for lanes, copies in ((8, 4), (16, 2), (32, 1), (2, 16)):
        y = np.zeros(1, np.float32)
        split = f" lanes {lanes}" + (f" copies {copies}" if copies > 1 else "")
        _run(SUM.replace(" SPLIT", split), {"n": 1000}, X=x, Y=y)
        results.append(y[0])
    assert len(set(results)) == 1


def test_prefix_under_lanes_is_bit_exact() -> None:
    x, y = RNG.normal(size=37).astype(np.float32), np.zeros(37, np.float32)
    text = """
kernel k(X: f32 read, Y: f32 write, Z: f32 write; n)
  for i in 0..n lanes 4 copies 3
    scan r: f32 = f32(0.1) <add> v
    let v = X[i]
    Y[i] = r
  Z[0] = r
"""
    z = np.zeros(1, np.float32)
    _run(text, {"n": 37}, X=x, Y=y, Z=z)
    running, expected = np.float32(0.1), []
    for start in range(0, 37, 12):
        s = np.zeros(12, np.float32)
        s[: len(x[start : start + 12])] = x[start : start + 12]
        for d in (1, 2, 4, 8):
            s[d:] = s[d:] + s[:-d]
        expected += [running, *(running + v for v in s[:-1])]
        running = running + s[-1]
    expected = expected[:37]
    np.testing.assert_array_equal(y, np.array(expected, np.float32))
    assert z[0] == running


@pytest.mark.parametrize("combine", [name for name, c in COMBINES.items() if c.arity == 1])
@pytest.mark.parametrize("dtype", ["i32", "u8", "bool", "f64"])
def test_reductions_and_prefixes_are_numpys(combine: str, dtype: str) -> None:
    functions = {
        "add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum,
        "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    }  # fmt: skip
    if (dtype == "f64" and combine in ("and", "or", "xor")) or (dtype == "bool" and combine in ("add", "mul")):
        pytest.skip("the combine takes no such dtype")
    kind = next(d for d in ALL if d.name == dtype)
    x = data(RNG, kind, 45, special=False)
    y, s, p = (np.zeros(n, kind.numpy) for n in (45, 1, 45))
    start = COMBINES[combine].identity((kind,))[0]
    init = f"{dtype}({float(start) if kind.is_float else int(start)})"
    text = f"""
kernel k(X: {dtype} read, Y: {dtype} write, S: {dtype} write, P: {dtype} write; n)
  for i in 0..n lanes 8 copies 3
    reduce s: {dtype} = {init} <{combine}> X[i]
  S[0] = s
  for i in 0..n lanes 4
    scan p: {dtype} = {init} <{combine}> X[i]
    P[i] = p
  Y[0] = p
"""
    _run(text, {"n": 45}, X=x, Y=y, S=s, P=p)
    expected = functions[combine].accumulate(x, dtype=kind.numpy)
    np.testing.assert_allclose(s[0], expected[-1], rtol=1e-12)
    np.testing.assert_allclose(y[0], expected[-1], rtol=1e-12)
    np.testing.assert_allclose(p[1:], expected[:-1], rtol=1e-12)


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_arg_reductions(name: str, special: bool) -> None:
    for n in (1, 7, 64, 100):
        x = data(RNG, next(d for d in ALL if d.name == "f32"), n, special)
        y = np.zeros(1, np.int64)
        first = "-inf" if name == "argmax" else "inf"
        text = f"""
kernel k(X: f32 read, Y: i64 write; n)
  for i in 0..n lanes 4 copies 2
    reduce (v: f32, j: i64) = (f32({first}), i64(0)) <{name}> (X[i], position[i64](i))
  Y[0] = j
"""
        _run(text, {"n": n}, X=x, Y=y)
        assert y[0] == getattr(np, name)(x)


# --- whole kernels ----------------------------------------------------------------------------------


def test_layer_norm_with_scratch() -> None:
    x, y = RNG.normal(size=(5, 33)), np.zeros(5 * 33)
    text = """
kernel norm(X: f64 read, Y: f64 write; m, n)
  for i in 0..m parallel 2
    alloc t: f64[64] scratch
    for j in 0..n within 0..64 lanes 4 copies 2
      reduce s: f64 = f64(0.0) <add> X[i*n + j]
    let mean = s / cast[f64](position[i64](n))
    for j in 0..n within 0..64 lanes 4 copies 2
      reduce q: f64 = f64(0.0) <add> c * c
      let c = X[i*n + j] - mean
      t[j] = c
    let scale = rsqrt(q / cast[f64](position[i64](n)))
    for j in 0..n within 0..64 lanes 4
      Y[i*n + j] = t[j] * scale
"""
    _run(text, {"m": 5, "n": 33}, X=x.reshape(-1), Y=y)
    expected = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    np.testing.assert_allclose(y.reshape(5, 33), expected, rtol=1e-10)


def test_speed() -> None:
    """Ten thousand elements of a three-pass row kernel in well under a second."""
    x, y = RNG.normal(size=10_000), np.zeros(10_000)
    text = """
kernel k(X: f64 read, Y: f64 write; n)
  for i in 0..n lanes 8 copies 4
    reduce r: f64 = f64(-inf) <max> X[i]
  for i in 0..n lanes 8 copies 4
    reduce s: f64 = f64(0.0) <add> exp(X[i] - r)
  for i in 0..n lanes 8 copies 4
    Y[i] = exp(X[i] - r) / s
"""
    start = time.perf_counter()
    _run(text, {"n": 10_000}, X=x, Y=y)
    assert time.perf_counter() - start < 2
    np.testing.assert_allclose(y, np.exp(x) / np.exp(x).sum())


@pytest.mark.parametrize("seed", range(40))
def test_a_random_program_runs_twice_alike(seed: int) -> None:
    case = generate(seed)
    (status, first), (again, second) = run(case), run(generate(seed))
    assert status == again
    for name, array in first.items():
        assert same(array, second[name]).all()


# --- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("Y[n] = X[0]", "store of 'Y' at element 4 of 4"),
        ("Y[0] = X[n]", "load of 'X' at element 4 of 4"),
        ("Y[0] = X[-1]", "load of 'X' at element -1 of 4"),
        ("Z[n] <add>= X[0]", "combine of 'Z' at element 4 of 4"),
        ("alloc t: f32[2] scratch\nY[0] = t[0]", "load of 't' at element 0, which nobody wrote"),
        (
            "for i in 0..2\n  alloc t: f32[2] scratch\n  if position[i64](i) < i64(1)\n    t[0] = X[0]\n  Y[i] = t[0]",
            "nobody wrote",
        ),
        ("Y[0] = X[n//(n - 4)]", "divides by a number below 1"),
        ("let j within 0..3 = I[0]\nY[0] = X[j]", "'j' is 3 in kernel 'k', out of its range"),
        ("for i in 0..n within 0..3\n  Y[i] = X[i]", "'i' is 0..3 in kernel 'k', out of its range"),
    ],
)
def test_refused(body: str, why: str) -> None:
    text = "kernel k(X: f32 read, I: i64 read, Y: f32 write, Z: f32 update; n)\n"
    text += "".join(f"  {line}  @1\n" if "alloc" not in line else f"  {line}\n" for line in body.splitlines())
    text += 'location 1 "model.py" 12 "f"\n'
    four = np.zeros(4, np.float32)
    with pytest.raises(InternalError) as error:
        _run(text, {"n": 4}, X=four, I=np.full(4, 3), Y=four.copy(), Z=four.copy())
    assert why in str(error.value)
    assert "kernel 'k'" in str(error.value)
    assert "model.py:12 in f" in str(error.value)


def test_wrong_arrays_are_refused() -> None:
    text = "kernel k(X: f32 read)\n"
    with pytest.raises(InternalError, match="1-D array of f32"):
        _run(text, {}, X=np.zeros(4))


def test_the_lowest_failed_message_is_the_status() -> None:
    text = 'message 0 "a"\nmessage 1 "b"\nmessage 2 "c"\n'
    text += "kernel k(X: f32 read; n)\n  for i in 0..n\n    check 2: X[i] > f32(1.0)\n    check 1: X[i] > f32(0.0)\n"
    for values, status in (([2, 3], 0), ([1, 2], 3), ([1, 0], 2), ([0, 1], 2)):
        assert _run(text, {"n": 2}, X=np.array(values, np.float32)) == status


# --- entries ----------------------------------------------------------------------------------------

ENTRY = """
message 0 "x is negative"
weight w 00
kernel scale(X: f32 read, W: f32 read, Y: f32 write; n)
  for i in 0..n lanes 4
    check 0: X[i] >= f32(0.0)
    Y[i] = X[i] * W[0]
kernel count(C: i64 update)
  C[0] = C[0] + i64(1)
entry f(n)
  buffer x: f32[n] argument
  buffer y: f32[2*n] argument
  buffer w: f32[1] weight
  buffer c: i64[1] state
  buffer t: f32[n] arena at 0
  buffer u: f32[n] arena at START
  inputs x
  outputs y
  workspace 256
  worker_bytes 0
  body
    call scale(x, w, t; n)
    let many = position[i64](n) > i64(2)
    if many
      call scale(t, w, u; n)
    else
      copy n: u[0] = t[0]
    for k in 0..2
      carry s: i64 = i64(0) -> s + i64(1)
      switch k
        case 0
          copy n: y[0] = u[0]
        case 1
          call scale(u, w, y[n]; n)
    call count(c)
"""


def _entry(text: str, n: int, fill: float = 1.0) -> tuple[list[np.ndarray], np.ndarray]:
    state = np.zeros(1, np.int64)
    x = np.full((n, 1), fill, np.float32)
    outputs = run_entry(parse(text), "f", [x], {"n": n}, {"00": np.array([2], np.float32)}, {"c": state})
    return outputs, state


def test_entry() -> None:
    for n in (2, 3):
        (y,), state = _entry(ENTRY.replace("START", "128"), n)
        once = 4 if n > 2 else 2
        np.testing.assert_array_equal(y, [once] * n + [2 * once] * n)
        assert state[0] == 1


def test_entry_with_a_failed_check() -> None:
    with pytest.raises(UserError, match="x is negative"):
        _entry(ENTRY.replace("START", "128"), 2, -1.0)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("at START", "at 0", "share memory"),
        ("at START", "at 256", "the workspace has 256 bytes"),
        ("call scale(u, w, y[n]; n)", "call scale(u, w, y[n + 1]; n)", "store of 'Y'"),
        ("call scale(u, w, y[n]; n)", "copy n: y[0] = u[0]", "unwritten"),
        ("copy n: y[0] = u[0]", "copy n + 1: y[0] = u[0]", "copy in entry 'f' starts at element 0 of 'u'"),
        ("call scale(t, w, u; n)", "call scale(x, w, y; n)", "elements of 'u' that nobody wrote"),
    ],
)
def test_wrong_entries(old: str, new: str, why: str) -> None:
    text = ENTRY.replace(old, new).replace("START", "128")
    with pytest.raises(InternalError) as error:
        _entry(text, 3)
    assert why in str(error.value)


def test_a_dead_buffers_bytes_are_unknown() -> None:
    """What shares bytes with a buffer that was written may no longer be read."""
    text = """
kernel one(Y: f32 write; n)
  for i in 0..n
    Y[i] = f32(1.0)
entry f(n)
  buffer y: f32[n] argument
  buffer t: f32[n] arena at 0
  buffer u: f32[n] arena at 0
  inputs
  outputs y
  workspace 64
  worker_bytes 0
  body
    call one(t; n)
    call one(u; n)
    copy n: y[0] = t[0]
"""
    with pytest.raises(InternalError, match="elements of 't' that nobody wrote"):
        run_entry(parse(text), "f", [], {"n": 4})
    (y,) = run_entry(parse(text.replace("= t[0]", "= u[0]")), "f", [], {"n": 4})
    np.testing.assert_array_equal(y, np.ones(4))
