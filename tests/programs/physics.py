"""Physics and numerics on grids: stencils, cellular automata, finite differences, interpolation."""

from __future__ import annotations

import numpy as np

import tcc
from tests.programs.program import Programs

PROGRAMS = Programs()


@PROGRAMS.add(lambda r, n: (r.normal(size=n), 0.1), (2, 3, 8, 65), u="f64[n]", k="f64[]")
def heat_1d(u, k):
    """Five explicit steps with fixed ends."""
    for _ in range(5):
        u = np.concatenate([u[:1], u[1:-1] + k * (u[2:] - 2 * u[1:-1] + u[:-2]), u[-1:]])
    return u


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, n + 1)).astype("f4"),), (1, 2, 5, 20), u="f32[h, w]")
def heat_2d_periodic(u):
    """Thirty steps on a torus, as a scan of rolls; keeps the total of each step."""

    def step(u, _):
        around = np.roll(u, 1, 0) + np.roll(u, -1, 0) + np.roll(u, 1, 1) + np.roll(u, -1, 1)
        return u + np.float32(0.1) * (around - 4 * u), u.sum()

    return tcc.scan(step, u, length=30)


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, n + 1, n + 2)),), (1, 2, 6), u="f64[a, b, c]")
def heat_3d(u):
    """A step in three dimensions with edges repeated."""
    p = np.pad(u, 1, mode="edge")
    laplacian = (
        p[:-2, 1:-1, 1:-1]
        + p[2:, 1:-1, 1:-1]
        + p[1:-1, :-2, 1:-1]
        + p[1:-1, 2:, 1:-1]
        + p[1:-1, 1:-1, :-2]
        + p[1:-1, 1:-1, 2:]
        - 6 * u
    )
    return u + 0.05 * laplacian


@PROGRAMS.add(lambda r, n: (r.integers(0, 2, (n, n + 3)).astype("u1"),), (1, 2, 6, 17), world="u8[h, w]")
def life(world):
    """Eight generations of Conway's game on a torus."""

    def generation(w, _):
        shifted = [np.roll(w, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
        n = sum(shifted)
        new = ((n == 3) | ((w == 1) & (n == 2))).astype(np.uint8)
        return new, new.sum()

    return tcc.scan(generation, world, length=8)


@PROGRAMS.add(lambda r, n: (r.integers(0, 2, n).astype(bool),), (1, 2, 40), row="bool[n]")
def rule_110(row):
    """Rule 110 of Wolfram's cellular automata."""

    def step(row, _):
        left, right = np.roll(row, 1), np.roll(row, -1)
        new = (row ^ right) | (row & ~left)
        return new, new

    return tcc.scan(step, row, length=12)[1]


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, n)).astype("f4"), r.normal(size=(n, n)).astype("f4")),
    (3, 4, 16),
    u="f32[n, n]",
    before="f32[n, n]",
)
def wave(u, before):
    """A step of the wave equation with absorbing corners, by padding with constants."""
    inner = u[1:-1, 1:-1]
    lap = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * inner
    return np.pad(2 * inner - before[1:-1, 1:-1] + 0.25 * lap, ((1, 1), (1, 1)), constant_values=0.5), u


@PROGRAMS.add(
    lambda r, n: (np.sort(r.normal(size=n)), r.normal(size=n), r.normal(size=5) * 0.5),
    (2, 3, 30),
    xp="f64[n]",
    fp="f64[n]",
    x="f64[m]",
    reference=lambda xp, fp, x: np.interp(x, xp, fp),
)
def linear_interpolation(xp, fp, x):
    """np.interp by counting and gathering."""
    i = np.clip((xp[None, :] <= x[:, None]).sum(axis=1) - 1, 0, xp.shape[0] - 2)
    t = np.clip((x - xp[i]) / (xp[i + 1] - xp[i]), 0, 1)
    return fp[i] + t * (fp[i + 1] - fp[i])


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, 7)), r.uniform(0, 1, (4, 2))), (2, 5), image="f64[h, w]", at="f64[k, 2]")
def bilinear_sampling(image, at):
    """Samples of an image at places in the unit square."""
    p = at[:, 0] * (image.shape[0] - 1), at[:, 1] * (image.shape[1] - 1)
    i, j = (np.minimum(np.floor(x).astype(int), size - 2) for x, size in zip(p, image.shape, strict=True))
    f = np.stack([p[0] - i, p[1] - j], axis=-1)
    top = image[i, j] * (1 - f[:, 1]) + image[i, j + 1] * f[:, 1]
    bottom = image[i + 1, j] * (1 - f[:, 1]) + image[i + 1, j + 1] * f[:, 1]
    return top * (1 - f[:, 0]) + bottom * f[:, 0]


@PROGRAMS.add(lambda r, n: (r.normal(size=n), r.normal(size=4)), x="f64[n]", c="f64[k]")
def polynomials(x, c):
    """Horner's rule over symbolic many coefficients, Vandermonde by powers, Chebyshev by recurrence."""
    horner = tcc.scan(lambda acc, a: (acc * x + a, None), np.zeros_like(x), c, reverse=True)[0]
    vander = x[:, None] ** tcc.arange(c.shape[0])
    t0, t1 = np.ones_like(x), x
    for _ in range(3):
        t0, t1 = t1, 2 * x * t1 - t0
    return horner, vander @ c, t1


@PROGRAMS.add(lambda r, n: (np.cumsum(r.uniform(0.1, 1, n)), r.normal(size=n)), (2, 3, 50), x="f64[n]", y="f64[n]")
def calculus(x, y):
    """Central differences at unequal steps, trapezoids, cumulative integral, second differences."""
    h = np.diff(x)
    s = np.diff(y) / h
    mid = (h[:-1] * s[1:] + h[1:] * s[:-1]) / (h[:-1] + h[1:])
    area = 0.5 * (y[1:] + y[:-1]) * h
    return (
        np.concatenate([s[:1], mid, s[-1:]]),
        area.sum(),
        np.concatenate([tcc.zeros(1, "f64"), np.cumsum(area)]),
        np.diff(y, n=2),
    )


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, 2)), r.uniform(1, 2, n)), (0, 1, 2, 12), q="f64[n, 2]", m="f64[n]")
def nbody_energy(q, m):
    """Potential energy of masses in the plane, and the forces as its negative gradient."""

    def potential(q):
        d = q[:, None, :] - q[None, :, :]
        r = np.sqrt((d * d).sum(-1) + 1e-3)
        return -0.5 * np.sum(m[:, None] * m[None, :] / r)

    u, g = tcc.value_and_grad(potential)(q)
    return u, -g


@PROGRAMS.add(lambda r, n: (r.choice([-1, 1], (n, n + 1)).astype("i1"),), (1, 2, 9), spins="i8[h, w]")
def ising(spins):
    """Energy and magnetisation of the Ising model, and a checkerboard of local fields in small integers."""
    field = np.roll(spins, 1, 0) + np.roll(spins, -1, 0) + np.roll(spins, 1, 1) + np.roll(spins, -1, 1)
    energy = -(spins * field).sum() // 2
    i, j = tcc.arange(spins.shape[0])[:, None], tcc.arange(spins.shape[1])
    black = (i + j) % 2 == 0
    return energy, spins.mean(), np.where(black, field, 0), np.where(black & (field < 0), -spins, spins)


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, n)), r.normal(size=n)), (1, 2, 5, 12), a="f64[n, n]", b="f64[n]", tolerance=1e-9
)
def jacobi_and_conjugate_gradients(a, b):
    """Two iterative solvers of a diagonally dominant, symmetric system."""
    n = a.shape[0]
    s = a + a.T + 4 * n * tcc.eye(n)
    d = np.diagonal(s)
    x = tcc.scan(lambda x, _: ((b - s @ x + d * x) / d, None), np.zeros_like(b), length=20)[0]

    def step(carry, _):
        y, r, p, rr = carry
        q = s @ p
        alpha = rr / (p @ q + 1e-300)
        y, r = y + alpha * p, r - alpha * q
        new = r @ r
        return (y, r, r + new / (rr + 1e-300) * p, new), np.sqrt(new)

    (y, *_), residuals = tcc.scan(step, (np.zeros_like(b), b, b, b @ b), length=6)
    return x, y, residuals


@PROGRAMS.add(
    lambda r, n: (r.normal(size=n), r.normal(size=n) + 4, r.normal(size=n), r.normal(size=n)),
    (2, 3, 20),
    lower="f64[n]",
    main="f64[n]",
    upper="f64[n]",
    d="f64[n]",
)
def thomas(lower, main, upper, d):
    """A tridiagonal system: elimination forward, substitution backward."""

    def down(carry, row):
        c0, d0 = carry
        a, b, c, y = row
        w = b - a * c0
        new = (c / w, (y - a * d0) / w)
        return new, new

    _, (c, e) = tcc.scan(down, (0.0, 0.0), (lower, main, upper, d))
    return tcc.scan(lambda x, row: (row[1] - row[0] * x,) * 2, 0.0, (c, e), reverse=True)[1]
