"""Branches and loops on values, alone and within one another, mapped and differentiated."""

from __future__ import annotations

import numpy as np

import tcc
from tests.programs.program import Programs

PROGRAMS = Programs()


def vector(r, n):
    return (r.normal(size=n).astype("f4"),)


@PROGRAMS.add(lambda r, n: (r.normal(size=n).astype("f4"), r.normal(size=(n, 3))), x="f32[n]", m="f64[n, 3]")
def branch_on_a_sum(x, m):
    """One of two formulas for all elements, with what both share and what only one uses."""
    shared = np.tanh(x)
    return tcc.cond(
        x.sum() > 0,
        lambda v: {"v": v + shared, "m": m @ m.T, "k": 1.0 * v[:1]},
        lambda v: {"v": v * 2, "m": np.ones_like(m @ m.T), "k": shared[:1]},
        x,
    )


@PROGRAMS.add(lambda r, n: (np.int32(n - 2), r.normal(size=(n, 2))), k="i32[]", x="f64[n, 2]")
def switch_of_four(k, x):
    """A branch by number; numbers out of range are the first and the last."""
    return tcc.switch(k, [lambda v: v, lambda v: -v, lambda v: np.sort(v, axis=0), lambda v: np.cumsum(v, axis=0)], x)


@PROGRAMS.add(lambda r, n: (np.float64(n + 0.5),), a="f64[]")
def newton(a):
    """A square root by iteration until it is exact enough, and the number of steps."""
    return tcc.while_loop(
        lambda s: (np.abs(s[0] * s[0] - a) > 1e-9) & (s[1] < 60), lambda s: (0.5 * (s[0] + a / s[0]), s[1] + 1), (a, 0)
    )


@PROGRAMS.add(lambda r, n: (np.abs(r.normal(size=n)) * 10,), x="f64[n]", reference=lambda x: np.floor(np.log2(x + 1)))
def steps_of_each(x):
    """A loop that every element leaves at its own time."""

    def count(v):
        return tcc.while_loop(lambda s: s[0] >= 2.0, lambda s: (s[0] * 0.5, s[1] + 1.0), (v + 1, 0.0))[1]

    return tcc.vmap(count)(x)


@PROGRAMS.add(lambda r, n: (r.integers(1, 60, size=n),), n="i64[m]")
def collatz(n):
    """A loop over a vector until all of it is done: parity decides, element by element."""

    def step(s):
        v, count = s
        return np.where(v == 1, v, np.where(v % 2 == 0, v // 2, 3 * v + 1)), count + (v != 1)

    return tcc.while_loop(lambda s: np.any(s[0] != 1), step, (n, np.zeros_like(n)))


@PROGRAMS.add(
    lambda r, n: (np.int64(n), r.normal(size=(3, 3)) * 0.4, r.normal(size=(3, 3))),
    k="i64[]",
    a="f64[3, 3]",
    b="f64[3, 3]",
)
def power_of_a_matrix(k, a, b):
    """As many products as a number says, known only at the call."""
    return tcc.fori_loop(0, k, lambda i, s: s @ a + i * b, np.eye(3))


@PROGRAMS.add(lambda r, n: (r.normal(size=n),), x="f64[n]")
def counted_by_a_size(x):
    """As many steps as there are elements, each changing one of them by those before."""

    def step(i, s):
        return s.at[i].set(s[i] + 0.5 * s[i - 1])

    return tcc.fori_loop(1, x.shape[0], step, x)


@PROGRAMS.add(lambda r, n: (r.normal(size=n).astype("f4"), np.int64(n)), x="f32[n]", k="i64[]")
def nested(x, k):
    """A branch in a loop in a scan, and a loop in a branch."""

    def step(carry, row):
        even = tcc.cond(
            row % 2 == 0,
            lambda c: tcc.fori_loop(0, row, lambda i, s: s * 0.5 + i.astype("f4"), c),
            lambda c: c + x,
            carry,
        )
        return even, even.sum()

    last, sums = tcc.scan(step, x, tcc.arange(5))
    deep = tcc.cond(
        k > 2, lambda v: tcc.while_loop(lambda s: s.sum() < 100, lambda s: s * 2 + 1, v), lambda v: v, x * x
    )
    return last, sums, deep


def loss_by_branch(x):
    return tcc.cond(x.sum() > 0, lambda v: (v**3).sum(), lambda v: (v * 2).sum(), x)


@PROGRAMS.add(vector, x="f32[n]", reference=lambda x: (3 * x**2 if x.sum() > 0 else np.full_like(x, 2),) * 2)
def gradient_of_branches(x):
    """The gradient is that of the branch taken."""
    return tcc.grad(loss_by_branch)(x), tcc.vjp(loss_by_branch, x)[1](np.float32(1))[0]


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, 4)),),
    x="f64[n, 4]",
    reference=lambda x: np.where((x.sum(1) > 0)[:, None], 2 * x, -np.sin(x)),
)
def gradients_mapped(x):
    """Every example takes its own branch, and is differentiated through it."""

    def loss(v):
        return tcc.cond(v.sum() > 0, lambda v: (v * v).sum(), lambda v: np.cos(v).sum(), v)

    return tcc.vmap(tcc.grad(loss))(x)


@PROGRAMS.add(
    lambda r, n: (r.normal(size=n), r.normal(size=(n, 5))),
    w="f64[n]",
    x="f64[n, 5]",
    reference=lambda w, x: w**3 * 4 * (x.sum(1)) + 0.0,
)
def gradient_of_a_count(w, x):
    """Through four steps whose number is known: w·w·w·w·x."""

    def loss(w):
        return tcc.fori_loop(0, 4, lambda i, s: s * w[:, None], x).sum()

    return tcc.grad(loss)(w)


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, 2, 2)) * 0.5, r.normal(size=(2, 2))), a="f64[n, 2, 2]", s="f64[2, 2]")
def matrices(a, s):
    """A state that is a matrix, carried through products; and the Gram matrix of the rows."""

    def step(carry, m):
        state, gram = carry
        state = m @ state @ m.T + s
        return (state, gram + np.outer(m[0], m[0])), state[0, 1]

    return tcc.scan(step, (s, np.zeros((2, 2))), a)


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, 3)),), x="f64[n, 3]")
def scan_in_a_scan(x):
    """Rows from the first to the last, each from its end to its beginning."""

    def row(carry, values):
        inner, ys = tcc.scan(lambda c, v: (c * 0.5 + v, c - v), carry, values, reverse=True)
        return inner, (ys, inner)

    return tcc.scan(row, np.float64(1.0), x)
