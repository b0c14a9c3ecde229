"""Classic numerical kernels."""
# pyright: basic
# Bodies are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

from tools.bench.workload import TRANSCENDENTAL, Workload, normal, uniform, weight
from tools.bench.workloads import loops

MEGA = 1 << 20


def _black_scholes(xp, spot, strike, years):
    rate, volatility = 0.03, 0.25
    deviation = volatility * xp.sqrt(years)
    d1 = (xp.log(spot / strike) + (rate + 0.5 * volatility * volatility) * years) / deviation
    d2 = d1 - deviation
    discounted = strike * xp.exp(-rate * years)
    call = spot * (0.5 + 0.5 * xp.erf(d1 * 0.7071067811865476)) - discounted * (
        0.5 + 0.5 * xp.erf(d2 * 0.7071067811865476)
    )
    return call, call - spot + discounted


def _nbody(xp, position, mass):
    offset = position[None, :, :] - position[:, None, :]
    squared = xp.sum(offset * offset, axis=2) + 1e-4
    pull = mass / (squared * xp.sqrt(squared))
    return xp.sum(pull[:, :, None] * offset, axis=1)


def _jacobi(xp, u):
    for _ in range(10):
        p = xp.pad(u, ((1, 1), (1, 1)))
        u = 0.25 * (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:])
    return u


def _kmeans(xp, points, centres):
    distances = xp.sum(centres * centres, axis=1) - 2 * xp.matmul(points, centres.T)
    nearest = xp.argmin(distances, axis=1)
    belongs = xp.astype(nearest[:, None] == xp.arange(centres.shape[0]), "f4")
    counts = xp.sum(belongs, axis=0)[:, None]
    sums = xp.matmul(belongs.T, points)
    return nearest, xp.where(counts > 0, sums / xp.maximum(counts, 1.0), centres)


def _assign(xp, points, centres):
    return xp.argmin(xp.sum(centres * centres, axis=1) - 2 * xp.matmul(points, centres.T), axis=1)


def _logistic(xp, x, w, b):
    return xp.sigmoid(xp.matmul(x, w) + b)


def _logistic_gradient(xp, x, y, w):
    p = xp.sigmoid(xp.matmul(x, w))
    return xp.matmul(x.T, p - y)


def _filter(xp, x, h):
    n = x.shape[0] - 15
    return sum((x[i : i + n] * h[i] for i in range(1, 16)), x[:n] * h[0])


def _wave(xp, now, before):
    p = xp.pad(now, ((1, 1), (1, 1), (1, 1)))
    near = (
        p[:-2, 1:-1, 1:-1]
        + p[2:, 1:-1, 1:-1]
        + p[1:-1, :-2, 1:-1]
        + p[1:-1, 2:, 1:-1]
        + p[1:-1, 1:-1, :-2]
        + p[1:-1, 1:-1, 2:]
    )
    return 2 * now - before + 0.1 * (near - 6 * now)


def _pairs(xp, x, y):
    d = x[:, None, :] - y[None, :, :]
    return xp.exp(-0.5 * xp.sum(d * d, axis=2))


def _bodies(name, n, dtype="f4", **more):
    inputs = {"position": normal(n, 3, dtype=dtype), "mass": uniform(n, dtype=dtype)}
    return Workload(name, _nbody, inputs, flops=n * n * 20.0, own={"numba": loops.nbody}, tolerance=1e-3, **more)


def _options(name, n, dtype="f4", **more):
    inputs = {
        "spot": uniform(n, low=80, high=120, dtype=dtype),
        "strike": uniform(n, low=80, high=120, dtype=dtype),
        "years": uniform(n, low=0.2, high=2, dtype=dtype),
    }
    return Workload(
        name, _black_scholes, inputs, flops=n * (20 + 5 * TRANSCENDENTAL), own={"numba": loops.black_scholes}, **more
    )


def _plate(name, n, dtype="f4", **more):
    return Workload(
        name, _jacobi, {"u": normal(n, n, dtype=dtype)}, flops=40.0 * n * n, own={"numba": loops.jacobi}, **more
    )


_POINTS = {"points": normal(100_000, 16), "centres": normal(32, 16)}

WORKLOADS = (
    _options("Black-Scholes 1 M", MEGA, quick=True),
    _options("Black-Scholes 1 M f64", MEGA, "f8", peak="f64", tolerance=1e-10),
    _bodies("n-body 2048", 2048, quick=True),
    _bodies("n-body 1000 f64", 1000, "f8", peak="f64"),
    _plate("Jacobi 2-D 2048², 10 sweeps", 2048, quick=True),
    _plate("Jacobi 2-D 500² f64, 10 sweeps", 500, "f8", peak="f64"),
    Workload(
        "wave equation 3-D 128³",
        _wave,
        {"now": normal(128, 128, 128), "before": normal(128, 128, 128)},
        flops=11 * 128**3,
    ),
    Workload(
        "k-means step, 100,000×16, 32 centres",
        _kmeans,
        _POINTS,
        flops=4 * 1e5 * 16 * 32,
        own={"numba": loops.kmeans},
    ),
    Workload("nearest centre, 100,000×16, 32 centres", _assign, _POINTS, flops=2 * 1e5 * 16 * 32, tolerance=0),
    Workload(
        "logistic prediction 100,000×64 f64",
        _logistic,
        {"x": normal(100_000, 64, dtype="f8")},
        {"w": weight(64, dtype="f8"), "b": normal(dtype="f8")},
        flops=15e6,
        peak="f64",
    ),
    Workload(
        "logistic gradient 20,000×100",
        _logistic_gradient,
        {"x": normal(20_000, 100), "y": uniform(20_000), "w": weight(100)},
        flops=8e6,
        tolerance=1e-3,
    ),
    Workload("FIR filter of 16 taps on 1 M", _filter, {"x": normal(MEGA), "h": normal(16)}, flops=32 * MEGA),
    Workload(
        "Gaussian kernel matrix 1000×1000×8",
        _pairs,
        {"x": normal(1000, 8), "y": normal(1000, 8)},
        flops=1e6 * (25 + TRANSCENDENTAL),
    ),
)
