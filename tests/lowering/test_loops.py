"""Loop programs written by hand, as machine code, against NumPy."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from tcc.errors import InternalError
from tcc.ir.dim import symbol
from tcc.ir.dtype import BY_NAME, F32, I64
from tcc.ir.scalar import Const, Name
from tcc.loops.interpret import run_entry
from tcc.loops.parse import parse
from tcc.loops.program import Kernel, Let, Load, Loop, Parameter, Position, Program, Store
from tcc.loops.verify import verify
from tcc.lowering.module import Options, lower, to_llvm_ir
from tcc.targets.llvm import compile_outputs, host
from tests.guarded import guarded
from tests.lowering.running import FACTS, Machine

RNG = np.random.default_rng(7)


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def machine(text: str) -> Machine:
    program = parse(text)
    verify(program)
    return Machine(program)


SOFTMAX = """
kernel softmax(X: f32 read, Y: f32 write; m, n)
  for i in 0..m parallel 2
    alloc e: f32[1024] scratch
    for j in 0..n within 0..1024 lanes {lanes} copies {copies}
      reduce r: f32 = f32(-inf) <max> X[i*n + j]
    for j in 0..n within 0..1024 lanes {lanes} copies {copies}
      reduce s: f32 = f32(0.0) <add> v
      let v = exp(X[i*n + j] - r)
      e[j] = v
    for j in 0..n within 0..1024 lanes {lanes} copies {copies}
      Y[i*n + j] = e[j] / s
entry f(m, n)
  buffer x: f32[m*n] argument
  buffer y: f32[m*n] argument
  inputs x
  outputs y
  workspace 0
  worker_bytes 0
  body
    call softmax(x, y; m, n)
"""


@pytest.mark.parametrize(("m", "n"), [(3, 1000), (1, 1), (0, 4), (5, 64), (2, 65), (7, 15)])
def test_softmax(m: int, n: int) -> None:
    code = machine(SOFTMAX.format(lanes=16, copies=4))
    x = floats(m, n)
    e = np.exp(x - x.max(axis=1, keepdims=True, initial=-np.inf))
    for workers in (0, 2):
        status, (y,) = code.run("f", [x], {"m": m, "n": n}, workers=workers)
        assert status == 0
        np.testing.assert_allclose(y.reshape(m, n), e / e.sum(axis=1, keepdims=True), rtol=3e-6)


def test_results_do_not_depend_on_the_vector_width() -> None:
    splits = [(16, 4), (8, 8), (4, 16), (2, 32), (1, 64)]
    x = floats(3, 777)
    results = [
        machine(SOFTMAX.format(lanes=w, copies=u)).run("f", [x], {"m": 3, "n": 777})[1][0].tobytes() for w, u in splits
    ]
    assert len(set(results)) == 1


def test_running_sums_do_not_depend_on_the_vector_width() -> None:
    text = """
kernel k(X: f32 read, Y: f32 write; n)
  for i in 0..n lanes {} copies {}
    scan r: f32 = f32(0.0) <add> X[i]
    Y[i] = r
entry f(n)
  buffer x: f32[n] argument
  buffer y: f32[n] argument
  inputs x
  outputs y
  workspace 0
  worker_bytes 0
  body
    call k(x, y; n)
"""
    x = floats(333)
    results = [machine(text.format(w, u)).run("f", [x], {"n": 333})[1][0] for w, u in [(16, 4), (4, 16), (1, 64)]]
    assert len({r.tobytes() for r in results}) == 1
    np.testing.assert_allclose(results[0][1:], np.cumsum(x)[:-1], rtol=1e-3, atol=1e-4)


PRODUCT = """
kernel product(A: f32 read, B: f32 read, C: f32 write; m, n, k)
  for i in 0..m copies 4
    for j in 0..n lanes 16 copies 2
      for l in 0..k
        carry acc: f32 = f32(0.0) -> fma(A[i*k + l], B[l*n + j], acc)
      C[i*n + j] = acc
entry f(m, n, k)
  buffer a: f32[m*k] argument
  buffer b: f32[k*n] argument
  buffer c: f32[m*n] argument
  inputs a, b
  outputs c
  workspace 0
  worker_bytes 0
  body
    call product(a, b, c; m, n, k)
"""


@pytest.mark.parametrize(("m", "n", "k"), [(4, 32, 7), (9, 70, 33), (1, 1, 1), (3, 5, 0), (13, 31, 8)])
def test_product(m: int, n: int, k: int) -> None:
    a, b = floats(m, k), floats(k, n)
    _, (c,) = machine(PRODUCT).run("f", [a, b], {"m": m, "n": n, "k": k})
    np.testing.assert_allclose(c.reshape(m, n), a @ b, rtol=1e-4, atol=1e-5)


def test_a_register_tile_is_in_registers() -> None:
    """The innermost loop of a product holds copies × vectors of sums, each a fused multiply-add, and one
    broadcast for each row: nothing is broadcast before it must be."""
    text = compile_outputs(machine(PRODUCT).text, host(), ("llvm",))["llvm"].decode()
    bodies = re.split(r"\n[-$.\w]+:", text.split("@p__product")[1])
    widest = max(bodies, key=lambda body: body.count("@llvm.fma.v16f32"))
    assert widest.count("call <16 x float> @llvm.fma.v16f32") == 8
    assert widest.count("load float") == 4
    assert widest.count("load <16 x float>") == 2
    assert widest.count("phi <16 x float>") == 8
    assert "store" not in widest


def test_argmax_takes_the_first_and_prefers_nan() -> None:
    code = machine("""
kernel k(X: f32 read, V: f32 write, I: i64 write; n)
  for i in 0..n lanes 8 copies 4
    reduce (v: f32, j: i64) = (f32(-inf), i64(0)) <argmax> (X[i], position[i64](i))
  V[0] = v
  I[0] = j
entry f(n)
  buffer x: f32[n] argument
  buffer v: f32[1] argument
  buffer i: i64[1] argument
  inputs x
  outputs v, i
  workspace 0
  worker_bytes 0
  body
    call k(x, v, i; n)
""")
    x = RNG.integers(0, 9, 500).astype(np.float32)
    for n in (1, 31, 33, 500):
        _, (value, at) = code.run("f", [x[:n]], {"n": n})
        assert (value[0], at[0]) == (x[:n].max(), x[:n].argmax())
    x[[77, 130]] = np.nan
    _, (value, at) = code.run("f", [x], {"n": 500})
    assert np.isnan(value[0])
    assert at[0] == 77


@pytest.mark.parametrize("place", ["-i + n - 1", "i + m", "2*i", "i//2", "m*i"])
def test_argmax_of_positions_in_any_order(place: str) -> None:
    """Of equal values the lower position counts, not the earlier iteration."""
    program = f"""
kernel k(X: f32 read, I: i64 write; m, n)
  for i in 0..n lanes 4 copies 2
    reduce (v: f32, j: i64) = (f32(-inf), i64(0)) <argmax> (X[i], position[i64]({place}))
  I[0] = j
entry f(m, n)
  buffer x: f32[n] argument
  buffer i: i64[1] argument
  inputs x
  outputs i
  workspace 0
  worker_bytes 0
  body
    call k(x, i; m, n)
"""
    x = RNG.integers(0, 3, 50).astype(np.float32)
    at = np.array([eval(place, {"i": i, "n": 50, "m": 3}) for i in range(50)])
    _, (found,) = machine(program).run("f", [x], {"m": 3, "n": 50})
    assert found[0] == at[x == x.max()].min()


TRANSPOSE = """
kernel k(X: f32 read, Y: f32 write; m, n)
  for j in 0..n{outer}
    for i in 0..m{inner}
      Y[j*m + i] = X[i*n + j]
entry f(m, n)
  buffer x: f32[m*n] argument
  buffer y: f32[m*n] argument
  inputs x
  outputs y
  workspace 0
  worker_bytes 0
  body
    call k(x, y; m, n)
"""


@pytest.mark.parametrize(
    ("outer", "inner"), [(" copies 16", " lanes 16"), (" lanes 8", " copies 16"), (" copies 8", " lanes 4 copies 2")]
)
def test_transpose(outer: str, inner: str) -> None:
    code = machine(TRANSPOSE.format(outer=outer, inner=inner))
    whole = code.text.split("@p__k(")[1].split("\n}")[0]
    assert whole.count("shufflevector") >= 4 * 2 * 2
    for m, n in [(16, 16), (50, 33), (1, 1), (15, 17), (64, 48)]:
        x = floats(m, n)
        _, (y,) = code.run("f", [x], {"m": m, "n": n})
        np.testing.assert_array_equal(y.reshape(n, m), x.T)


@pytest.mark.parametrize("text", ["3*i - 7", "11 - 2*i", "i - n", "5 - i", "n - 3 - i"])
def test_comparisons_of_positions(text: str) -> None:
    code = machine(f"""
kernel k(Y: bool write; n)
  for i in 0..n lanes 8 copies 2
    Y[4*i] = position[i64]({text}) >= i64(0)
    Y[4*i + 1] = position[i64]({text}) > i64(2)
    Y[4*i + 2] = i64(-1) <= position[i64]({text})
    Y[4*i + 3] = position[i64](i + 1) < position[i64]({text})
entry f(n)
  buffer y: bool[4*n] argument
  inputs
  outputs y
  workspace 0
  worker_bytes 0
  body
    call k(y; n)
""")
    n = 45
    _, (y,) = code.run("f", [], {"n": n})
    value = np.array([eval(text, {"i": i, "n": n}) for i in range(n)])
    expected = np.stack([value >= 0, value > 2, value >= -1, np.arange(n) + 1 < value], axis=1)
    np.testing.assert_array_equal(y.reshape(n, 4), expected)


def test_a_gather_checks_its_indices() -> None:
    code = machine("""
message 0 "x is negative"
message 1 "index out of range"
kernel k(X: f32 read, I: i64 read, Y: f32 write; n, m within 1..)
  for i in 0..n lanes 8 copies 2 parallel 16
    let inside = (I[i] >= i64(0)) & (I[i] < position[i64](m))
    check 1: inside
    let j within 0..m = select(inside, I[i], i64(0))
    check 0: X[j] >= f32(0.0)
    Y[i] = X[j]
entry f(n, m within 1..)
  buffer x: f32[m] argument
  buffer i: i64[n] argument
  buffer y: f32[n] argument
  inputs x, i
  outputs y
  workspace 0
  worker_bytes 0
  body
    call k(x, i, y; n, m)
""")
    x, index = np.abs(floats(20)), RNG.integers(0, 20, 77)
    for workers in (0, 3):
        status, (y,) = code.run("f", [x, index], {"n": 77, "m": 20}, workers=workers)
        assert status == 0
        np.testing.assert_array_equal(y, x[index])
        for place in (0, 40, 76):
            wrong = index.copy()
            wrong[place] = 20
            assert code.run("f", [x, wrong], {"n": 77, "m": 20}, workers=workers)[0] == 2
            wrong[(place + 30) % 77] = -1
            assert code.run("f", [-x, wrong], {"n": 77, "m": 20}, workers=workers)[0] == 1


@pytest.mark.parametrize("gather", [True, False])
@pytest.mark.parametrize("dtype", ["bool", "u8", "bf16", "f32", "f64", "c64"])
def test_gathers_and_their_loads_one_by_one(dtype: str, gather: bool) -> None:
    """At places that are data, and at a stride; with a last part of the lanes."""
    code = Machine(
        parse(f"""
kernel k(X: {dtype} read, I: i32 read, Y: {dtype} write, Z: {dtype} write; n, m within 1.., s within 1..)
  for i in 0..n lanes 16 copies 2
    let j within 0..m = I[i]
    Y[i] = X[j]
    Z[i] = X[s*i]
entry f(n, m within 1.., s within 1..)
  buffer x: {dtype}[m] argument
  buffer i: i32[n] argument
  buffer y: {dtype}[n] argument
  buffer z: {dtype}[n] argument
  inputs x, i
  outputs y, z
  workspace 0
  worker_bytes 0
  body
    call k(x, i, y, z; n, m, s)
"""),
        facts=replace(FACTS, gather=gather),
    )
    x = floats(500).astype(BY_NAME[dtype].numpy)
    index = RNG.integers(0, 500, 45).astype("i4")
    status, (y, z) = code.run("f", [x, index], {"n": 45, "m": 500, "s": 11})
    assert status == 0
    np.testing.assert_array_equal(y, x[index])
    np.testing.assert_array_equal(z, x[: 45 * 11 : 11])


def test_scatter_add_hits_one_element_often() -> None:
    code = machine("""
kernel k(I: i32 read, U: f32 read, Y: f32 update; n, w, m)
  for i in 0..n
    let j within 0..m = I[i]
    for c in 0..w lanes 8
      shared Y[j*w + c] <add>= U[i*w + c]
entry f(n, w, m)
  buffer i: i32[n] argument
  buffer u: f32[n*w] argument
  buffer y: f32[m*w] state
  inputs i, u
  outputs
  workspace 0
  worker_bytes 0
  body
    call k(i, u, y; n, w, m)
""")
    index, updates = RNG.integers(0, 5, 40).astype(np.int32), floats(40, 11)
    y = np.zeros((5, 11), np.float32)
    code.run("f", [index, updates], {"n": 40, "w": 11, "m": 5}, states=[y])
    expected = np.zeros((5, 11), np.float32)
    np.add.at(expected, index, updates)
    np.testing.assert_array_equal(y, expected)


def test_a_recurrence_over_rows_with_lanes_over_columns() -> None:
    code = machine("""
kernel k(A: f64 read, B: f64 read, Y: f64 write; t, n)
  for i in 0..n lanes 8 copies 2
    for s in 0..t
      carry h: f64 = f64(0.0) -> v
      let v = A[s*n + i] * h + B[s*n + i]
      Y[s*n + i] = v
entry f(t, n)
  buffer a: f64[t*n] argument
  buffer b: f64[t*n] argument
  buffer y: f64[t*n] argument
  inputs a, b
  outputs y
  workspace 0
  worker_bytes 0
  body
    call k(a, b, y; t, n)
""")
    a, b = RNG.normal(size=(2, 9, 37))
    _, (y,) = code.run("f", [a, b], {"t": 9, "n": 37})
    h = np.zeros(37)
    for step in range(9):
        h = a[step] * h + b[step]
        np.testing.assert_array_equal(y.reshape(9, 37)[step], h)


def test_branches_under_lanes_touch_no_memory_that_they_must_not() -> None:
    code = machine("""
kernel k(X: f32 read, Y: f32 update; n)
  for i in 0..n lanes 16
    if X[i] > f32(0.0)
      Y[i] = X[i] + (X[i - 3] if position[i64](i - 3) >= i64(0) else 0)
    else
      Y[2*i + n] = f32(2.0)
entry f(n)
  buffer x: f32[n] argument
  buffer y: f32[3*n] state
  inputs x
  outputs
  workspace 0
  worker_bytes 0
  body
    call k(x, y; n)
""")
    x, y = floats(45), np.full(135, 9, np.float32)
    code.run("f", [x], {"n": 45}, states=[y])
    expected = np.full(135, 9, np.float32)
    shifted = np.concatenate([np.zeros(3, np.float32), x[:-3]])
    expected[:45][x > 0] = (x + shifted)[x > 0]
    expected[45::2][x <= 0] = 2
    np.testing.assert_array_equal(y, expected)


HOST = """
weight w digest
kernel scale(X: f32 read, W: f32 read, Y: f32 write; n)
  for i in 0..n lanes 8 copies 2
    Y[i] = X[i] * W[0]
kernel add(X: f32 read, Y: f32 update; n)
  for i in 0..n lanes 8
    Y[i] <add>= X[i]
entry f(m, n)
  buffer x: f32[m*n] argument
  buffer y: f32[n] argument
  buffer w: f32[1] weight
  buffer s: f32[n] state
  buffer t: f32[n] arena at 0
  buffer u: f32[2*n] arena at 64*((4*n + 63)//64)
  inputs x
  outputs y
  workspace 64*((4*n + 63)//64) + 64*((8*n + 63)//64)
  worker_bytes 0
  body
    copy n: t[0] = s[0]
    for i in 0..m
      call scale(x[i*n], w, u[n]; n)
      switch i
        case 0
          call add(u[n], t; n)
        case 1
          call add(t, s; n)
    copy n: y[0] = t[0]
"""


def test_host_loops_views_weights_and_states() -> None:
    program = parse(HOST)
    verify(program)
    weights = {"digest": np.array([3], np.float32)}
    code = Machine(program, weights)
    x, state = floats(4, 21), floats(21)
    mine, theirs = state.copy(), state.copy()
    sizes = {"m": 4, "n": 21}
    status, (y,) = code.run("f", [x], sizes, states=[mine])
    expected = run_entry(program, "f", [x], sizes, weights, {"s": theirs})
    assert status == 0
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(mine, theirs)


def test_complex_arithmetic() -> None:
    code = machine("""
kernel k(X: c64 read, Z: c64 read, Y: c64 write, A: f32 write; n)
  for i in 0..n lanes 8
    let q = X[i] / Z[2*i]
    Y[n - 1 - i] = q * conj(Z[2*i]) - complex[c64](real(q), f32(1.0))
    A[i] = abs(X[i])
entry f(n)
  buffer x: c64[n] argument
  buffer z: c64[2*n] argument
  buffer y: c64[n] argument
  buffer a: f32[n] argument
  inputs x, z
  outputs y, a
  workspace 0
  worker_bytes 0
  body
    call k(x, z, y, a; n)
""")
    x, z = (floats(n) + 1j * floats(n) for n in (19, 38))
    x[3], x[4], z[8] = 3e30 + 4e30j, 1e30 - 2e30j, 5e30 + 3e30j
    _, (y, a) = code.run("f", [x, z], {"n": 19})
    with np.errstate(all="ignore"):
        q = x / z[::2]
        expected = q * z[::2].conj() - (q.real + 1j).astype(np.complex64)
    np.testing.assert_allclose(y[::-1], expected, rtol=1e-5)
    np.testing.assert_allclose(a, np.hypot(x.real, x.imag), rtol=1e-6)


def test_every_way_to_store_stays_inside() -> None:
    """Tails of all widths at the end of a buffer, next to bytes that must not change."""
    code = machine("""
kernel k(X: i32 read, Y: u8 write, Z: i16 write, B: bool write; )
  for i in 0..9 lanes 8
    Y[i] = cast[u8](X[i])
    Z[i] = cast[i16](X[i])
    B[i] = X[i] > i32(2)
entry f()
  buffer x: i32[9] argument
  buffer y: u8[9] argument
  buffer z: i16[9] argument
  buffer b: bool[9] argument
  inputs x
  outputs y, z, b
  workspace 0
  worker_bytes 0
  body
    call k(x, y, z, b; )
""")
    x = RNG.integers(-(2**31), 2**31, 9).astype(np.int32)
    rows = [np.full(30, 77, np.uint8), np.full(30, 77, np.int16), np.full(30, 1, np.bool_)]
    code.run("f", [x], {}, rows)
    np.testing.assert_array_equal(rows[0][:9], x.astype(np.uint8))
    np.testing.assert_array_equal(rows[1][:9], x.astype(np.int16))
    np.testing.assert_array_equal(rows[2][:9], x > 2)
    assert (rows[0][9:] == 77).all()
    assert (rows[1][9:] == 77).all()
    assert rows[2][9:].all()


@pytest.mark.parametrize("when", ["1", "n - 100"])
def test_streaming_stores(when: str) -> None:
    """At every alignment, for sizes that stream and sizes that do not, nothing but the result is written."""
    code = machine(
        """
kernel k(X: f32 read, Y: f32 write; n)
  for i in 0..n lanes 16 copies 4
    nontemporal(WHEN) Y[i] = X[i] + f32(1.0)
entry f(n)
  buffer x: f32[n] argument
  buffer y: f32[n] argument
  inputs x
  outputs y
  workspace 0
  worker_bytes 0
  body
    call k(x, y; n)
""".replace("WHEN", when)
    )
    assert "sfence" in code.text
    for start in range(20):
        for n in (0, 1, 5, 17, 64, 100, 101, 200):
            memory = np.zeros(260, np.float32)
            x = floats(n)
            code.run("f", [x], {"n": n}, [memory[start : start + n]])
            np.testing.assert_array_equal(memory[start : start + n], x + np.float32(1))
            assert not memory[:start].any()
            assert not memory[start + n :].any()


MANY = """
kernel pick(x: f32 read, y: f32 write; which, n)
  for i in 0..n
    switch which
{cases}
entry f(n, which)
  buffer x: f32[n] argument
  buffer y: f32[n] argument
  inputs x
  outputs y
  workspace 0
  worker_bytes 0
  body
    call pick(x, y; which, n)
"""


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_last_case_is_for_all_other_numbers(count: int) -> None:
    cases = "".join(f"      case {k}\n        y[i] = x[i] + f32({k}.0)\n" for k in range(count))
    code = machine(MANY.format(cases=cases))
    # Nested branches would cost the compiler the square of their number.
    assert code.text.count("switch i") == (count > 2)
    x = floats(7)
    for which in (*range(count), count, 1 << 32, -1):
        _, (y,) = code.run("f", [x], {"n": 7, "which": which})
        np.testing.assert_array_equal(y, x + np.float32(which if 0 <= which < count else count - 1))


def test_lines_of_the_source_are_kept() -> None:
    text = PRODUCT.replace("C[i*n + j] = acc", "C[i*n + j] = acc  @1") + 'location 1 "/home/u/model.py" 12 "f"\n'
    written = to_llvm_ir(lower(parse(text), Options("p", FACTS, files={"/home/u/model.py": "model.py"})))
    assert 'filename: "model.py"' in written
    assert "/home" not in written
    assert "line: 12" in written


def test_the_same_program_gives_the_same_text() -> None:
    first, second = (machine(SOFTMAX.format(lanes=16, copies=4)).text for _ in range(2))
    assert first == second


def test_a_broken_program_ends_in_a_message() -> None:
    kernel = Kernel("k", (), (), (Let("a", Load(F32, "nowhere", 0)),))
    with pytest.raises(InternalError, match="unknown buffer 'nowhere'"):
        lower(Program((kernel,), ()), Options("p", FACTS))
    kernel = Kernel("k", (), (), (Loop("i", 0, 8, (Let("a", Name(F32, "s")),), 4),))
    with pytest.raises(InternalError, match="'s' where nothing binds it"):
        lower(Program((kernel,), ()), Options("p", FACTS))


def test_iterations_side_by_side_cannot_share_an_element() -> None:
    i = symbol("i")
    for store in (Store("y", 0, Position(I64, i)), Store("y", 0, Const(I64, 1), "add")):
        kernel = Kernel("k", (Parameter("y", I64, "update"),), (), (Loop("i", 0, 8, (store,), 4),))
        with pytest.raises(InternalError, match="side by side"):
            lower(Program((kernel,), ()), Options("p", FACTS))


STRIDED = """
kernel strided(X: {dtype} read, Y: {dtype} write, Z: {dtype} write; n)
  for i in 0..n lanes {lanes} copies 2
    let a = X[{load}]
    Y[i] = a
    for k in 0..{step} copies {step}
      Z[{store}] = X[{load} - {phase} + k] + a
entry f(n)
  buffer x: {dtype}[{step}*n] argument
  buffer y: {dtype}[n] argument
  buffer z: {dtype}[{step}*n] argument
  inputs x
  outputs y, z
  workspace 0
  worker_bytes 0
  body
    call strided(x, y, z; n)
"""


@pytest.mark.parametrize("turned", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("step", [2, 3, 5, 8])
@pytest.mark.parametrize("dtype", ["u8", "i16", "f32", "f64"])
def test_small_strides(dtype: str, step: int, turned: bool) -> None:
    """Elements a few places apart, from both ends, in buffers between pages that may not be touched."""
    phase = step - 1
    first = f"{step}*n - {step}*i - {step}" if turned else f"{step}*i"
    store = f"{first} + {phase} - k" if turned else f"{first} + k"
    text = STRIDED.format(dtype=dtype, step=step, lanes=16, load=f"{first} + {phase}", phase=phase, store=store)
    program = parse(text)
    verify(program)
    code = Machine(program)
    for n, at_end in itertools.product((0, 1, 16, 31, 32, 33, 96, 100), (False, True)):
        x = RNG.integers(0, 100, step * n).astype(BY_NAME[dtype].numpy)
        z = guarded(np.zeros_like(x), writable=True)
        y = guarded(np.zeros(n, x.dtype), writable=True)
        status, _ = code.run("f", [guarded(x, at_end=at_end)], {"n": n}, [y, z])
        rows = x.reshape(n, step)[::-1] if turned else x.reshape(n, step)
        np.testing.assert_array_equal(y, rows[:, phase])
        want = rows + rows[:, phase:]
        np.testing.assert_array_equal(z, (want[:, ::-1][::-1] if turned else want).reshape(-1))
        assert status == 0
