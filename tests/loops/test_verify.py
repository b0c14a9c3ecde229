"""The loop IR's verifier: it accepts what is valid, and each broken rule is named."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tcc.errors import InternalError
from tcc.ir import dim
from tcc.ir.dtype import BOOL, F32, F64
from tcc.ir.scalar import Apply, Const, Expr, Name
from tcc.loops.program import Alloc, Block, Buffer, Call, Let, Load, Loop, Parallel, Store, Switch
from tcc.loops.text import parse
from tcc.loops.verify import verify
from tests.loops.programs import generate


@pytest.mark.parametrize("seed", range(300))
def test_random_programs_are_valid(seed: int) -> None:
    verify(generate(seed).program)


KERNEL = "kernel k(X: f32 read, I: i64 read, Y: f32 write, Z: f32 update; n, m)\n"

BROKEN = [
    ("Y[i] = f32(1.0)", "'i' in the index 'i' is not defined here"),
    ("for i in 0..n\n  Y[i] = X[i]\nY[i] = X[0]", "'i' in the index"),
    ("for i in 0..n\n  let v = X[i]\n  let v = X[i]\n  Y[i] = v", "'v' is defined where it is visible already"),
    ("for i in 0..n\n  for i in 0..n\n    Y[i] = X[i]", "'i' is defined where it is visible"),
    ("let n = X[0]\nY[0] = n", "'n' is defined where it is visible"),
    ("X[0] = f32(1.0)", "only read"),
    ("Y[0] = Y[1]", "only written"),
    ("Y[0] <add>= X[0]", "only written"),
    ("Y[0] = f64(1.0)", "the buffer is f32"),
    ("Z[0] <argmax>= X[0]", "combine 'argmax' of 1 values"),
    ("Z[0] <and>= X[0]", "combine 'and' of f32"),
    ("Z[0] <fold>= X[0]", "no such combine"),
    ("let j = X[0]\nY[j] = X[0]", "'j' in the index 'j' is not defined"),
    ("if X[0]\n  Y[0] = X[0]", "the condition of if is f32"),
    ("check 0: X[0]", "the condition of check is f32"),
    ("prefetch Q[0]", "there is no such buffer here"),
    ("prefetch write Y[q]", "'q' in the index 'q' is not defined"),
    ("check 5: X[0] < X[1]", "the program has 1 messages"),
    ("Y[0] = X[0] if X[1] else 0", "the guard of a load of 'X' is f32"),
    ("Y[0] = cast[f32](position[f32](n))", "a position is an integer"),
    ("Y[0] = cast[f32](i64(9223372036854775808))", "it has no such value"),
    ("Y[0] = cast[f32](bitcast[i64](X[0]))", "bitcast of f32 to i64"),
    ("Y[0] = cast[f32](complex[c128](X[0], X[1]))", "parts"),
    ("for i in 0..n lanes 3\n  Y[i] = X[i]", "lanes is a power of two"),
    ("for i in 0..n lanes 4\n  for j in 0..m lanes 4\n    Y[i*m + j] = X[i]", "a loop around it has lanes already"),
    ("for i in 0..n lanes 4\n  Y[0] = X[i]", "the loop over 'i' is split and the index does not depend on it"),
    ("for i in 0..n copies 2\n  Y[0] = X[i]", "the index does not depend on it"),
    ("for i in 0..n parallel 1\n  Y[0] = X[i]", "the index does not depend on it"),
    ("for i in 0..n\n  for j in 0..m parallel 1\n    Y[i*m + j] = X[i]", "it is inside another loop"),
    ("for i in 0..n parallel 1\n  Y[i] = X[i]\nZ[0] = X[0]", "not the kernel's last statement"),
    ("for i in 0..n parallel 1\n  reduce r: f32 = f32(0.0) <add> X[i]\n  Y[i] = X[i]", "has carries"),
    ("for i in 0..n parallel q\n  Y[i] = X[i]", "'q' in the index"),
    ("for i in 0..n lanes 2\n  carry s: f32 = f32(0.0) -> s + X[i]\nY[0] = s", "it carries state"),
    ("for i in 0..n\n  reduce s: f32 = f32(0.0) <add> X[i]\n  Z[i] = s\nY[0] = s", "'s' is used as f32"),
    ("for i in 0..n\n  carry s: f32 = f64(0.0) -> X[i]\nY[0] = s", "the carry 's' is f32"),
    ("for i in 0..n\n  carry s: f32 = f32(0.0) -> f64(0.0)\nY[0] = s", "the carry 's' is f32"),
    ("for i in 0..n\n  carry s: f32 = X[i] -> s\nY[0] = s", "'i' in the index"),
    ("for i in 0..n\n  reduce s: f32 = f32(0.0) <argmax> X[i]\nY[0] = s", "combine 'argmax' of 1 values"),
    (
        "for i in 0..n\n  scan s: f32 = f32(0.0) <add> v\n  let w = s * f32(2.0)\n  let v = X[i]\n  Y[i] = w",
        "the update of the prefix 's' needs 'v'",
    ),
    ("for i in 0..n\n  scan s: f32 = f32(0.0) <add> s\n  Y[i] = s", "needs 's'"),
    ("for i in 0..n\n  carry s: f32 = f32(0.0) -> s\n  while s\n  Y[i] = s", "a condition is bool"),
    ("for i in 0..n\n  while X[i] < f32(1.0)\n  Y[i] = X[i]", "'i' in the index"),
    ("for i in 0..n lanes 4\n  while X[0] < f32(1.0)\n  Y[i] = X[i]", "it has a while"),
    ("for i in 0..n unrolled\n  Y[i] = X[i]", "is unrolled over n"),
    ("for i in 0..65 unrolled\n  Y[i] = X[i]", "is unrolled over 65"),
    ("for i in 0..n lanes 4\n  for j in 0..i\n    Z[i] <add>= X[j]", "depends on 'i', whose loop has lanes or copies"),
    ("for i in 0..n copies 2\n  let j = I[i]\n  for l in 0..j\n    Z[i] <add>= X[l]", "depends on 'i'"),
    ("for i in 0..n lanes 4\n  switch i\n    case 0\n      Y[i] = X[i]", "depends on 'i'"),
    ("switch n", "a switch without cases"),
    ("alloc t: f32[4097] scratch", "at most 16384"),
    ("alloc t: f32[n] scratch", "a static size"),
    ("alloc t: f32[n] arena", "is not made by an alloc"),
    ("alloc X: f32[4] scratch", "buffer 'X' is defined twice"),
    ("for i in 0..n lanes 2\n  alloc t: f32[4] scratch\n  Y[i] = X[i]", "inside a loop with lanes or copies"),
    ("\n".join(f"alloc t{k}: f64[2000] scratch" for k in range(5)), "80000 bytes of scratch"),
    ("for i in 0..n lanes 4\n  let j = I[i]\n  shared Z[j] <add>= X[i]", "the index is not c·i + rest"),
    ("for i in 0..n lanes 4\n  let j = I[i]\n  shared Z[i + j] <add>= X[i]", "the index is not c·i + rest"),
    ("for i in 0..n lanes 4\n  shared Z[i//2] <add>= X[i]", "the index is not c·i + rest"),
    ("for i in 0..n parallel 4\n  shared Z[i] <add>= X[i]", "not the innermost one"),
    ("for i in 0..n copies 2\n  for j in 0..m\n    shared Z[i + j] <add>= X[i]", "not the innermost one"),
    ("for i in 0..n lanes 128\n  Y[i] = X[i]", "outside of blocks there are at most 64"),
    ("for b in 0..n blocks 48\n  Y[b] = X[b]", "a block is 1 to 32 warps of 32"),
    ("for b in 0..n blocks 64\n  for i in 0..m lanes 32\n    Y[b*m + i] = X[i]", "the threads around it are 64"),
    ("for b in 0..n blocks 64\n  for w in 0..3 warps\n    Y[3*b + w] = X[w]", "the block has 2 warps"),
    ("for b in 0..n blocks 64\n  for w in 0..2 copies 2 warps\n    Y[2*b + w] = X[w]", "one of warps"),
    ("for w in 0..2 warps\n  Y[w] = X[w]", "it is not for all threads of a block"),
    ("for i in 0..n copies 2\n  for j in 0..m apart\n    Y[i*m + j] = X[j]", "inside of lanes or copies"),
    ("for i in 0..n apart\n  reduce r: f32 = f32(0.0) <add> X[i]\nY[0] = r", "it has carries"),
    ("for b in 0..n blocks 32\n  Y[0] = X[b]", "the index does not depend on it"),
    ("for b in 0..n blocks 32\n  Y[b] = X[b]\nZ[0] = X[0]", "not the kernel's last statement"),
    ("barrier", "it is not for all threads of a block"),
    ("for b in 0..n blocks 32\n  for i in 0..m lanes 32\n    barrier\n    Y[b*m + i] = X[i]", "not for all threads"),
    ("alloc t: f32[4] shared", "shared memory is made inside of blocks"),
    ("for b in 0..n blocks 32\n  alloc t: f32[20000] shared", "a block has 49152"),
    ("for b in 0..n blocks 32\n  alloc t: f32[9000] register", "a thread has 1020 in registers"),
    ("tile Z[0; 8, 1] += X[0; 16, 1] @ X[0; 8, 1] 16x8x8", "of shape (16, 8, 8)"),
    ("tile Z[0; 8, 1] += X[0; 16, 1] @ X[0; 8, 1] 16x8x16", "not inside of warps"),
    (
        "for b in 0..n blocks 64\n  for v in 0..2 warps\n    for w in 0..1 warps\n      Y[2*b + v] = X[w]",
        "it is not for all threads of a block",
    ),
    (
        "for b in 0..1 blocks 64\n  for w in 0..2 warps\n    tile Z[w; 8, 1] += X[0; 16, 1] @ X[0; 8, 1] 16x8x16",
        "that is no buffer of bf16 to read",
    ),
    ("copy n: Y[0] = X[0]", "they are for entries only"),
    ("call k(X, I, Y, Z; n, m)", "they are for entries only"),
]


@pytest.mark.parametrize(("body", "why"), BROKEN, ids=[f"{k}" for k in range(len(BROKEN))])
def test_broken_kernels(body: str, why: str) -> None:
    text = 'message 0 "no"\n' + KERNEL + "".join(f"  {line}\n" for line in body.splitlines())
    with pytest.raises(InternalError) as error:
        verify(parse(text))
    assert why in str(error.value)
    assert "kernel 'k'" in str(error.value)


VALID = [
    "for i in 0..n lanes 4\n  shared Z[2*i + m] <add>= X[i]",
    "for i in 0..n\n  let j = I[i]\n  for l in 0..m lanes 4 copies 2\n    shared Z[j*m + l] <add>= X[l]",
    "for i in 0..n lanes 8\n  let j = I[i]\n  Z[j] <add>= X[i]",
    "for i in 0..n\n  Y[i] = X[i]\nfor i in 0..n lanes 4\n  Z[i] = X[i]",
    "for i in 0..n\n  scan s: f32 = f32(0.0) <add> v\n  let v = X[i]\n  Y[i] = s + v",
    "for i in 0..n lanes 4\n  scan s: f32 = X[0] <add> X[i]\n  reduce t: f32 = X[0] <max> s\n  Y[i] = s\nZ[0] = t",
    "for i in 0..n\n  let v = X[i]\n  Y[i] = v\nlet v = I[0]\nZ[v] = X[0]",
]


@pytest.mark.parametrize("body", VALID)
def test_valid_kernels(body: str) -> None:
    verify(parse(KERNEL + "".join(f"  {line}\n" for line in body.splitlines())))


ENTRY = """
message 0 "no"
weight w 00
kernel k(X: f32 read, W: f32 read, Y: f32 write; n)
  for i in 0..n
    Y[i] = X[i] * W[0]
entry f(n)
  buffer x: f32[n] argument
  buffer y: f32[n] argument
  buffer w: f32[1] weight
  buffer t: f32[64] arena at 0
  inputs x
  outputs y
  workspace 256
  worker_bytes 0
  body
    call k(x, w, t; n)
    call k(t, w, y; n)
"""


def test_valid_entry() -> None:
    verify(parse(ENTRY))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("call k(t, w, y; n)", "call k(t, w, x; n)", "'x' is written"),
        ("call k(t, w, y; n)", "call k(t, t, w; n)", "'w' is written"),
        ("call k(t, w, y; n)", "call k(y, w, y; n)", "'y' is given twice"),
        ("call k(t, w, y; n)", "call q(t, w, y; n)", "there is no such kernel"),
        ("call k(t, w, y; n)", "call k(t, y; n)", "the kernel takes 3 and 1"),
        ("call k(t, w, y; n)", "call k(t, w, y; q)", "'q' in the index"),
        ("call k(t, w, y; n)", "copy n: x[0] = t[0]", "'x' is written"),
        ("call k(t, w, y; n)", "copy n: u[0] = t[0]", "there is no such buffer"),
        ("call k(t, w, y; n)", "y[0] = f32(1.0)", "an entry has none"),
        ("call k(t, w, y; n)", "for i in 0..n lanes 4\n      call k(t, w, y; n)", "an entry's loops are serial"),
        ("buffer t: f32[64]", "buffer t: f64[32]", "'t' is f64"),
        ("arena at 0", "arena at 32", "multiples of 64"),
        ("arena at 0", "arena", "no offset"),
        ("workspace 256", "workspace 192", "the workspace has 192"),
        ("outputs y", "outputs", "not the argument buffers"),
        ("inputs x", "inputs x, w", "not the argument buffers"),
        ("weight w 00", "weight v 00", "no weight of that name"),
        ("f32[1] weight", "f32[1] scratch", "no buffers in space 'scratch'"),
        ("kernel k(", "kernel k(T: f32 read)\nkernel k(", "two kernel names 'k'"),
    ],
)
def test_broken_entries(old: str, new: str, why: str) -> None:
    assert old in ENTRY
    with pytest.raises(InternalError) as error:
        verify(parse(ENTRY.replace(old, new)))
    assert why in str(error.value)


# --- random mutations: each breaks a rule by construction -------------------------------------------


def _edit(block: Block, wanted: Callable[[object], bool], change: Callable[[object], object]) -> Iterator[Block]:
    """The block with one statement at a time changed, at any depth."""
    for k, s in enumerate(block):
        if wanted(s):
            yield (*block[:k], change(s), *block[k + 1 :])  # type: ignore[arg-type]
        if isinstance(s, Loop):
            for body in _edit(s.body, wanted, change):
                yield (*block[:k], replace(s, body=body), *block[k + 1 :])


def _wrong(dtype: object) -> Expr:
    return Const(F64, 1.0) if dtype != F64 else Const(F32, 1.0)


MUTATIONS: dict[str, tuple[Callable[[object], bool], Callable[[object], object]]] = {
    "a store of another dtype": (lambda s: isinstance(s, Store), lambda s: replace(s, value=_wrong(s.value.dtype))),
    "a store to no buffer": (lambda s: isinstance(s, Store), lambda s: replace(s, buffer="NONE")),
    "an index of no axis": (lambda s: isinstance(s, Store), lambda s: replace(s, index=s.index + dim.symbol("zz"))),
    "a name of another dtype": (
        lambda s: isinstance(s, Store),
        lambda s: replace(
            s, value=Apply(s.value.dtype, "select", (Const(BOOL, True), s.value, Name(s.value.dtype, "zz")))
        ),
    ),
    "a name that is no name": (lambda s: isinstance(s, Let), lambda s: replace(s, name="a.b")),
    "an axis defined twice": (
        lambda s: isinstance(s, Loop) and not isinstance(s.mapping, Parallel),
        lambda s: Loop(s.axis, 0, 1, (s,)),
    ),
    "three lanes": (lambda s: isinstance(s, Loop), lambda s: replace(s, lanes=3)),
    "no copies": (lambda s: isinstance(s, Loop), lambda s: replace(s, copies=0)),
    "a carry of another dtype": (
        lambda s: isinstance(s, Loop) and bool(s.carries),
        lambda s: replace(s, carries=(replace(s.carries[0], init=tuple(_wrong(d) for d in s.carries[0].dtypes)),)),
    ),
    "an operation of another dtype": (
        lambda s: isinstance(s, Store),
        lambda s: replace(s, value=Apply(s.value.dtype, "add", (s.value, _wrong(s.value.dtype)))),
    ),
    "a load from no buffer": (
        lambda s: isinstance(s, Store),
        lambda s: replace(s, value=Load(s.value.dtype, "NONE", 0)),
    ),
    "a call in a kernel": (lambda s: isinstance(s, Store), lambda s: Call("k", (), ())),
    "an empty switch": (lambda s: isinstance(s, Store), lambda s: Switch(0, ())),
    "too much scratch": (
        lambda s: isinstance(s, Alloc),
        lambda s: Alloc(Buffer(s.buffer.name, s.buffer.dtype, 1 << 15, "scratch")),
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutations_are_rejected(name: str) -> None:
    wanted, change = MUTATIONS[name]
    rng = random.Random(name)
    found = 0
    for seed in range(200):
        program = generate(seed).program
        (kernel,) = program.kernels
        bodies = list(_edit(kernel.body, wanted, change))
        for body in rng.sample(bodies, min(2, len(bodies))):
            found += 1
            with pytest.raises(InternalError):
                verify(replace(program, kernels=(replace(kernel, body=body),)))
    assert found >= 5


def test_a_name_has_one_range() -> None:
    a, b = dim.symbol("i", 0, 7), dim.symbol("i", 0, 9)
    loops = (Loop("i", 0, 8, (Store("Y", a, Const(F32, 1.0)),)), Loop("i", 0, 10, (Store("Y", b, Const(F32, 1.0)),)))
    program = parse("kernel k(Y: f32 write)\n")
    broken = replace(program, kernels=(replace(program.kernels[0], body=loops),))
    with pytest.raises(InternalError, match="a name has one range"):
        verify(broken)
