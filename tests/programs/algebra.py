"""Linear algebra, graphs, search and sorting."""

from __future__ import annotations

import numpy as np

import tcc
from tests.programs.program import Programs

PROGRAMS = Programs()


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, 4)),), (4, 5, 12), a="f64[n, 4]", tolerance=1e-10)
def gram_schmidt(a):
    """The modified algorithm of Gram and Schmidt over four columns: Q and R."""
    q, r = [], []
    for j in range(4):
        v = a[:, j]
        row = []
        for u in q:
            c = u @ v
            row.append(c)
            v = v - c * u
        size = np.sqrt(v @ v)
        q.append(v / size)
        r.append(np.stack([*row, size, *[np.zeros_like(size)] * (3 - j)]))
    return np.stack(q, axis=1), np.stack(r, axis=1)


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, 3, 3)) + 3 * np.eye(3),), a="f64[n, 3, 3]", tolerance=1e-11)
def small_matrices(a):
    """Determinant, inverse by cofactors, trace, powers, symmetric parts of batches of 3×3 matrices."""
    rows = [a[:, i] for i in range(3)]
    cross = [
        np.stack(
            [
                x[:, 1] * y[:, 2] - x[:, 2] * y[:, 1],
                x[:, 2] * y[:, 0] - x[:, 0] * y[:, 2],
                x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0],
            ],
            axis=1,
        )
        for x, y in ((rows[1], rows[2]), (rows[2], rows[0]), (rows[0], rows[1]))
    ]
    det = np.sum(rows[0] * cross[0], axis=1)
    inverse = np.stack(cross, axis=2) / det[:, None, None]
    return det, inverse @ a, np.trace(a, axis1=1, axis2=2), a @ a @ a, 0.5 * (a + a.mT), np.tril(a) + np.triu(a, 1)


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, n)), r.normal(size=(n, 2))),
    (1, 2, 5, 9),
    a="f64[n, n]",
    b="f64[n, m]",
    tolerance=1e-9,
)
def gauss(a, b):
    """Elimination with partial pivoting as a scan over the columns."""
    n = a.shape[0]
    both = np.concatenate([a, b], axis=1)
    places = tcc.arange(n)

    def eliminate(m, k):
        column = np.take(m, k, axis=1)
        p = np.argmax(np.where(places >= k, np.abs(column), -1.0))
        top, at = np.take(m, k, axis=0), np.take(m, p, axis=0)
        m = np.where((places == p)[:, None], top, np.where((places == k)[:, None], at, m))
        row = np.take(m, k, axis=0) / np.take(np.take(m, k, axis=0), k)
        factor = np.take(m, k, axis=1)
        return np.where((places == k)[:, None], row, m - factor[:, None] * row), p

    solved, pivots = tcc.scan(eliminate, both, places)
    return solved[:, n:], pivots


@PROGRAMS.add(lambda r, n: ((r.random((n, n)) < 0.4).astype("f8"),), (1, 2, 8), adjacency="f64[n, n]")
def pagerank(adjacency):
    """Twenty steps of PageRank with dangling pages, degrees, the normalised Laplacian, triangles."""
    n = adjacency.shape[0]
    out = adjacency.sum(axis=1)
    p = np.where(out[:, None] > 0, adjacency / np.maximum(out, 1)[:, None], 1 / n)
    rank = tcc.scan(lambda x, _: (0.85 * (x @ p) + 0.15 / n, None), tcc.full(n, 1 / n), length=20)[0]
    s = np.minimum(adjacency + adjacency.T, 1)
    degree = s.sum(axis=1)
    root = np.where(degree > 0, 1 / np.sqrt(np.maximum(degree, 1)), 0)
    laplacian = tcc.eye(n) - root[:, None] * s * root
    return rank, laplacian, np.einsum("ij,jk,ki->", s, s, s), np.cumsum(degree)


@PROGRAMS.add(
    lambda r, n: (r.integers(0, 6, n), r.integers(0, 6, n), r.normal(size=(6, 3))),
    source="i64[e]",
    target="i64[e]",
    h="f64[n, d]",
)
def message_passing(source, target, h):
    """A graph layer: gather along edges, scatter-add to nodes, mean by in-degree, and its gradient."""

    def layer(h):
        total = tcc.scatter_add(np.zeros_like(h), target, np.take(h, source, axis=0))
        count = tcc.scatter_add(tcc.zeros(h.shape[0], "f64"), target, 1.0)
        return np.tanh(h + total / np.maximum(count, 1)[:, None])

    return layer(h), tcc.grad(lambda h: np.sum(layer(layer(h)) ** 2))(h)


@PROGRAMS.add(lambda r, n: (r.random((n, n)) * 10,), (1, 2, 7), d="f64[n, n]")
def shortest_paths(d):
    """Floyd and Warshall: a scan over the nodes in the middle."""
    return tcc.scan(
        lambda d, k: (np.minimum(d, np.take(d, k, axis=1)[:, None] + np.take(d, k, axis=0)), None),
        d,
        tcc.arange(d.shape[0]),
    )[0]


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, 3)).astype("f4"), r.normal(size=(9, 3)).astype("f4"), r.integers(0, 3, 9)),
    x="f32[n, d]",
    known="f32[m:3.., d]",
    label="i64[m:3..]",
)
def nearest_neighbours(x, known, label):
    """The three nearest of each point and their majority label."""
    distance = np.sum((x[:, None] - known) ** 2, axis=2)
    nearest = np.argsort(distance, axis=1)[:, :3]
    votes = np.sum(np.take(label, nearest)[:, :, None] == np.arange(3), axis=1)
    return nearest, np.sqrt(np.take_along_axis(distance, nearest, axis=1)), votes.argmax(axis=1)


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, 9)),), x="f64[n, m:5..]")
def top_five(x):
    """The five largest with their places, ranks of all, a mask of them, nucleus probabilities."""
    order = np.argsort(-x, axis=1, stable=True)
    ranks = np.argsort(order, axis=1)
    p = tcc.nn.softmax(x)
    ordered = np.flip(np.sort(p, axis=1), axis=1)
    kept = np.cumsum(ordered, axis=1) - ordered < 0.7
    return np.take_along_axis(x, order[:, :5], axis=1), order[:, :5], ranks < 5, kept.sum(axis=1)


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, 4)), r.normal(size=(5, 4))), x="f64[n, d]", y="f64[m, d]", tolerance=1e-11
)
def distances(x, y):
    """Euclidean, Manhattan, Chebyshev, cosine distances, an RBF kernel, a centred Gram matrix."""
    diff = x[:, None, :] - y
    square = np.maximum((x**2).sum(1)[:, None] - 2 * x @ y.T + (y**2).sum(1), 0)
    cosine = x @ y.T / (np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(y, axis=1))
    return square, np.abs(diff).sum(2), np.abs(diff).max(2), 1 - cosine, np.exp(-0.5 * square)


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, 3, 4)), r.normal(size=(4, 3)), r.normal(size=(n, 4))),
    a="f64[n, i, j]",
    b="f64[j, i]",
    c="f64[n, j]",
)
def einsums(a, b, c):
    return (
        np.einsum("nij,ji->n", a, b),
        np.einsum("nij,nj->ni", a, c),
        np.einsum("nij->jin", a),
        np.einsum("nij,nkj->nik", a, a),
        np.einsum("ij,nj,nij->", b.T, c, a),
        np.einsum("nij,nj,ji->ni", a, c, b),
        np.einsum("...ij,ji->...", a, b),
        np.einsum("nj,nk->njk", c, c),
        np.einsum("ij,jk->ik", b, b.T),
    )


@PROGRAMS.add(
    lambda r, n: (
        r.normal(size=(n, 1, 3, 4)).astype("f4"),
        r.normal(size=(2, 4, 5)).astype("f4"),
        r.normal(size=4).astype("f4"),
    ),
    a="f32[n, 1, i, j]",
    b="f32[2, j, k]",
    v="f32[j]",
)
def broadcast_products(a, b, v):
    return (
        a @ b,
        a @ v,
        v @ b,
        np.vdot(v, v),
        np.inner(a, v),
        np.tensordot(a, b, axes=([3], [1])),
        np.dot(a, v),
        np.outer(v, v),
        np.matmul(a[:, 0], b[0]),
    )


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, 2)) + 1j * r.normal(size=(n, 2)), 0.3), z="c128[n, 2]", angle="f64[]")
def complex_planes(z, angle):
    """Rotations, Möbius maps, Hermitian products, phases."""
    turn = np.cos(angle) + 1j * np.sin(angle)
    return (
        z * turn,
        (z + 1) / (z * (1 + 2j) + 5),
        z.conj().T @ z,
        np.abs(z),
        z.real * z.imag,
        z.sum(axis=0),
        z == z.conj(),
        np.where(z.real > 0, z, -z),
        z * 2 - 1j,
    )


@PROGRAMS.add(
    lambda r, n: (r.integers(0, 9, n), r.integers(0, 9, 4)),
    x="i64[n]",
    queries="i64[m]",
    reference=lambda x, q: (
        np.searchsorted(np.sort(x), q),
        np.searchsorted(np.sort(x), q, side="right"),
        np.bincount(x, minlength=9),
        np.isin(q, x),
        len(np.unique(x)),
    ),
)
def searching(x, queries):
    """searchsorted, bincount, isin and the number of distinct values, by comparison and scatter."""
    s = np.sort(x)
    counts = tcc.scatter_add(tcc.zeros(9, "i64"), x, 1)
    return (
        (s[None, :] < queries[:, None]).sum(axis=1),
        (s[None, :] <= queries[:, None]).sum(axis=1),
        counts,
        (x[None, :] == queries[:, None]).any(axis=1),
        (counts > 0).sum(),
    )


@PROGRAMS.add(
    lambda r, n: (np.arange(2 * n + 1.0), r.normal(size=(n, n + 2))),
    (0, 1, 4),
    x="f64[2*n + 1]",
    y="f64[n, n + 2]",
)
def size_arithmetic(x, y):
    """Sizes that depend on each other: slices, reshapes and joins that only fit because of it."""
    n = y.shape[0]
    return (
        x[:n] + x[n + 1 :],
        x[1::2] - x[:-1:2],
        np.concatenate([y, y[:, :1]], axis=1).reshape(-1),
        y[:, :n] @ y[:, 2:],
        x.reshape(1, -1) * n,
        tcc.arange(3 * n + 1),
    )


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, 3)),), x="f64[n, 3]")
def layouts(x):
    """Interleaving, tiling, rolling, splitting, flipping, diagonals, blocks: what NumPy code does with axes."""
    a, b, c = np.split(x, 3, axis=1)
    return (
        np.stack([x, -x], axis=2).reshape(x.shape[0], 6),
        np.tile(x, (2, 1)),
        np.roll(x, 2, axis=1),
        np.hstack([c, a, b]),
        x[::-1, ::-2],
        np.repeat(x, 2, axis=0),
        np.vstack([x, x[:1]]),
        np.moveaxis(x[None], 0, 2),
        x.T.ravel(),
        np.pad(x, ((2, 1), (0, 0)), constant_values=7),
        x[:, [2, 0]],
        x[..., None] * x[:, None, :],
        np.eye(3) * x[:, None, :],
    )
