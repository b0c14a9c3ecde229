"""Loops that carry something: filters, recurrent networks, integrators, iterated maps."""

from __future__ import annotations

import numpy as np

import tcc
from tests.programs.program import Programs

PROGRAMS = Programs()
rng = np.random.default_rng(1)
HIDDEN = 6
LSTM_W = rng.normal(size=(4 + HIDDEN, 4 * HIDDEN)).astype("f4") * 0.3
LSTM_B = rng.normal(size=4 * HIDDEN).astype("f4")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_cell(carry, x):
    h, c = carry
    i, f, g, o = np.split(np.concatenate([x, h], axis=-1) @ LSTM_W + LSTM_B, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return (h, c), h


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, 3, 4)).astype("f4"),), x="f32[time, batch, 4]")
def lstm(x):
    """All hidden states and the last one of an LSTM over a batch of sequences."""
    zero = tcc.zeros((x.shape[1], HIDDEN), dtype="f4")
    (h, _), hs = tcc.scan(lstm_cell, (zero, zero), x)
    return {"last": h, "all": hs}


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, 4)), r.normal(size=5), *(r.normal(size=(9, 5)) * 0.3 for _ in range(3))),
    xs="f64[time, i]",
    h="f64[h]",
    wz="f64[i + h, h]",
    wr="f64[i + h, h]",
    wh="f64[i + h, h]",
)
def gru(xs, h, wz, wr, wh):
    """A GRU whose weights are arguments; returns the sequence of states."""

    def step(h, x):
        both = np.concatenate([x, h])
        z, r = sigmoid(both @ wz), sigmoid(both @ wr)
        new = (1 - z) * h + z * np.tanh(np.concatenate([x, r * h]) @ wh)
        return new, new

    return tcc.scan(step, h, xs)[1]


def kalman_inverse(s):
    return np.stack([np.stack([s[1, 1], -s[0, 1]]), np.stack([-s[1, 0], s[0, 0]])]) / (
        s[0, 0] * s[1, 1] - s[0, 1] * s[1, 0]
    )


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, 2)),), z="f64[n, 2]")
def kalman(z):
    """A Kalman filter of position and speed in the plane, and the log-likelihood of its innovations."""
    dt = 0.1
    F = np.block([[np.eye(2), dt * np.eye(2)], [np.zeros((2, 2)), np.eye(2)]])
    H = np.eye(2, 4)
    Q, R = 0.01 * np.eye(4), 0.5 * np.eye(2)

    def step(carry, observed):
        m, P, total = carry
        m, P = F @ m, F @ P @ F.T + Q
        S = H @ P @ H.T + R
        inverse = kalman_inverse(S)
        residual = observed - H @ m
        K = P @ H.T @ inverse
        determinant = S[0, 0] * S[1, 1] - S[0, 1] * S[1, 0]
        total = total - 0.5 * (residual @ inverse @ residual + np.log(determinant * (2 * np.pi) ** 2))
        m = m + K @ residual
        P = (np.eye(4) - K @ H) @ P
        return (m, P, total), m

    (m, P, total), path = tcc.scan(step, (np.zeros(4), np.eye(4), 0.0), z)
    return m, P, total, path


@PROGRAMS.add(
    lambda r, n: (r.dirichlet(np.ones(5), 5), r.dirichlet(np.ones(3), 5), r.integers(0, 3, n)),
    transition="f64[k, k]",
    emission="f64[k, m]",
    seen="i64[n]",
)
def hmm_forward(transition, emission, seen):
    """log P(observations) of a hidden Markov model by the forward algorithm in logarithms."""
    log_t, log_e = np.log(transition), np.log(emission)
    start = tcc.full(transition.shape[0], -np.log(transition.shape[0]))

    def step(alpha, o):
        alpha = tcc.nn.logsumexp(alpha[:, None] + log_t, axis=0) + log_e[:, o]
        return alpha, alpha.max()

    alpha, best = tcc.scan(step, start, seen)
    return tcc.nn.logsumexp(alpha), best


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, 3)), r.normal(size=(3, 3))), (1, 2, 9), score="f64[n, k]", transition="f64[k, k]"
)
def viterbi(score, transition):
    """The best path through a trellis, with back-pointers followed by a scan in reverse."""

    def forward(best, s):
        candidates = best[:, None] + transition
        return candidates.max(axis=0) + s, candidates.argmax(axis=0)

    last, pointers = tcc.scan(forward, score[0], score[1:])
    end = last.argmax()

    def back(state, pointer):
        return pointer[state], state

    first, rest = tcc.scan(back, end, pointers, reverse=True)
    return np.concatenate([first[None], rest]), last.max()


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, 3)), 0.01), (0, 1, 5), start="f64[n, 3]", dt="f64[]")
def lorenz(start, dt):
    """Fifty steps of RK4 through the Lorenz system, from many starting points."""

    def velocity(p):
        x, y, z = p[..., 0], p[..., 1], p[..., 2]
        return np.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z], axis=-1)

    def step(p, _):
        k1 = velocity(p)
        k2 = velocity(p + dt / 2 * k1)
        k3 = velocity(p + dt / 2 * k2)
        k4 = velocity(p + dt * k3)
        return p + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4), np.abs(p).max(axis=-1)

    return tcc.scan(step, start, length=50)


@PROGRAMS.add(lambda r, n: ((r.normal(size=(n, 3)) + 1j * r.normal(size=(n, 3))).astype("c8"),), c="c64[h, w]")
def mandelbrot_c64(c):
    """How many of 30 steps stay within |z| ≤ 2, in complex arithmetic."""

    def step(carry, _):
        z, count = carry
        inside = np.abs(z) <= 2
        return (np.where(inside, z * z + c, z), count + inside.astype("i4")), None

    (_, count), _ = tcc.scan(
        step,
        (np.zeros_like(c), tcc.zeros(c.shape, "i4")),
        length=30,
    )
    return count


@PROGRAMS.add(
    lambda r, n: (np.linspace(-2, 1, n, dtype="f4"), np.linspace(-1, 1, 5, dtype="f4")), re="f32[w]", im="f32[h]"
)
def mandelbrot_f32(re, im):
    """The same in pairs of reals over a grid."""
    x0, y0 = re[None, :] + 0 * im[:, None], im[:, None] + 0 * re[None, :]

    def step(carry, _):
        x, y, n = carry
        inside = x * x + y * y < 4
        return (np.where(inside, x * x - y * y + x0, x), np.where(inside, 2 * x * y + y0, y), n + inside), None

    zero = np.zeros_like(x0)
    return tcc.scan(step, (zero, zero, np.zeros_like(x0, dtype="i8")), length=20)[0][2]


@PROGRAMS.add(
    lambda r, n: (r.normal(size=n), np.array([0.2, 0.3, 0.1]), np.array([1.0, -0.5, 0.25])),
    x="f64[n]",
    b="f64[3]",
    a="f64[3]",
)
def iir_filter(x, b, a):
    """A second-order filter in transposed direct form II, as scipy.signal.lfilter."""

    def step(z, v):
        y = b[0] * v + z[0]
        return np.stack([b[1] * v + z[1] - a[1] * y, b[2] * v - a[2] * y]), y

    return tcc.scan(step, np.zeros(2), x)[1]


@PROGRAMS.add(lambda r, n: (r.uniform(1, 4, n),), x="f64[n]")
def newton_cube_root(x):
    """Newton iterations written as a Python loop, which unrolls."""
    y = x
    for _ in range(8):
        y = y - (y * y * y - x) / (3 * y * y)
    return y


@PROGRAMS.add(lambda r, n: (r.integers(0, 50, (n, 3)),), x="i64[n, m]")
def running_extremes(x):
    """Running maximum, minimum and count of records down each column."""

    def step(carry, row):
        high, low, records = carry
        new = (np.maximum(high, row), np.minimum(low, row), records + (row > high))
        return new, {"range": new[0] - new[1], "records": new[2]}

    start = (tcc.full(x.shape[1:], -1), tcc.full(x.shape[1:], 99), tcc.zeros(x.shape[1:], "int8"))
    return tcc.scan(step, start, x)


def unrolled_loss(w, xs):
    def step(h, x):
        h = np.tanh(w @ h + x)
        return h, np.sum(h * h)

    _, losses = tcc.scan(step, np.zeros(3), xs)
    return losses.sum()


@PROGRAMS.add(lambda r, n: (r.normal(size=(3, 3)) * 0.5, r.normal(size=(n, 3))), w="f64[3, 3]", xs="f64[n, 3]")
def through_time(w, xs):
    """The gradient of a recurrent loss: back-propagation through time."""
    return tcc.value_and_grad(unrolled_loss, argnums=(0, 1))(w, xs)


@PROGRAMS.add(lambda r, n: (r.normal(size=(3, 3)) * 0.5, r.normal(size=(n, 4, 3))), w="f64[3, 3]", xs="f64[b, n, 3]")
def through_time_of_each(w, xs):
    """vmap of the gradient of a scan."""
    return tcc.vmap(tcc.grad(unrolled_loss), in_axes=(None, 0))(w, xs)


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, 4)).astype("f4"), 0.9), x="f32[n, m]", decay="f32[]")
def discounted_returns(x, decay):
    """Returns of reinforcement learning: a reversed scan."""
    return tcc.scan(lambda g, r: (r + decay * g,) * 2, tcc.zeros(x.shape[1:], "f4"), x, reverse=True)[1]


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, n)),), (1, 2, 6), a="f64[n, n]")
def power_iteration(a):
    """The largest eigenvalue of AᵀA by 25 iterations, and its vector."""
    s = a.T @ a

    def step(v, _):
        w = s @ v
        return w / np.sqrt(np.sum(w * w)), None

    v, _ = tcc.scan(step, tcc.ones(a.shape[0], "f8"), length=25)
    return v @ s @ v, v


@PROGRAMS.add(lambda r, n: (r.normal(size=(4, 3)), r.normal(size=(n, 2))), (0, 1, 3), a="f64[4, 3]", b="f64[n, 2]")
def nested_scans(a, b):
    """A scan in a scan, with captured values of both levels."""

    def outer(total, x):
        def inner(c, y):
            return c * 0.5 + x.sum() + y.sum() * total, c

        final, cs = tcc.scan(inner, total, b)
        return final, (cs.sum(), final)

    return tcc.scan(outer, 1.0, a)
