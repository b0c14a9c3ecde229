"""Statistics: densities, posteriors and their gradients, moments, quantiles, resampling."""

from __future__ import annotations

import numpy as np
from scipy import special

import tcc
from tests.programs.program import Programs

PROGRAMS = Programs()


def bernoulli_posterior(beta, x, y):
    logits = x @ beta
    return np.sum(y * logits - np.logaddexp(0, logits)) - 0.5 * np.sum(beta**2) / 10


@PROGRAMS.add(
    lambda r, n: (r.normal(size=3), r.normal(size=(n, 3)), r.integers(0, 2, n).astype("f8")),
    beta="f64[d]",
    x="f64[n, d]",
    y="f64[n]",
)
def logistic_posterior(beta, x, y):
    """Log-posterior of logistic regression and its gradient."""
    return tcc.value_and_grad(bernoulli_posterior)(beta, x, y)


@PROGRAMS.add(
    lambda r, n: (r.normal(size=3), r.normal(size=(n, 3)), r.integers(0, 2, n).astype("f8")),
    beta="f64[d]",
    x="f64[n, d]",
    y="f64[n]",
)
def logistic_hessian(beta, x, y):
    """Hessian-vector product along the gradient: a gradient of a gradient."""
    gradient = tcc.grad(bernoulli_posterior)
    direction = gradient(beta, x, y)
    return tcc.grad(lambda b: np.dot(gradient(b, x, y), direction))(beta)


def poisson_loglik(p, x, counts):
    rate = x @ p["w"] + p["b"]
    return np.sum(counts * rate - np.exp(rate))


@PROGRAMS.add(
    lambda r, n: ({"w": r.normal(size=2) * 0.1, "b": np.array(0.3)}, r.normal(size=(n, 2)), r.poisson(2, n)),
    p={"w": "f64[d]", "b": "f64[]"},
    x="f64[n, d]",
    counts="i64[n]",
)
def poisson_regression(p, x, counts):
    """Gradient of the log-likelihood by nested parameters, and the step uphill."""
    g = tcc.grad(poisson_loglik)(p, x, counts)
    return g, {k: p[k] + 0.01 * g[k] for k in p}


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, 4)).astype("f4"), r.normal(size=4).astype("f4"), r.uniform(0.5, 2, 4).astype("f4")),
    x="f32[n, d]",
    mean="f32[d]",
    std="f32[d]",
)
def gaussian_logpdf(x, mean, std):
    z = (x - mean) / std
    return (-0.5 * z**2 - np.log(std) - 0.5 * float(np.log(2 * np.pi))).sum(axis=-1)


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, 2)), r.normal(size=(3, 2)), r.uniform(0.5, 2, (3, 2)), r.dirichlet(np.ones(3))),
    x="f64[n, d]",
    mu="f64[k, d]",
    sigma="f64[k, d]",
    weight="f64[k]",
)
def mixture_responsibilities(x, mu, sigma, weight):
    """The E step of a Gaussian mixture, and the weights, means and deviations of the M step."""
    z = (x[:, None, :] - mu) / sigma
    logp = np.log(weight) - 0.5 * np.sum(z**2, axis=2) - np.sum(np.log(sigma), axis=1)
    r = tcc.nn.softmax(logp, axis=1)
    total = r.sum(axis=0) + 1e-12
    means = r.T @ x / total[:, None]
    deviations = np.sqrt(np.einsum("nk,nkd->kd", r, (x[:, None, :] - means) ** 2) / total[:, None] + 1e-9)
    return r, total / (x.shape[0] + 1e-9), means, deviations


@PROGRAMS.add(lambda r, n: (r.normal(size=(n, 3)) * 5 + 100,), (3, 50), x="f64[n, d]", tolerance=1e-12)
def moments(x):
    """Mean, variance, skewness, kurtosis, covariance, correlation."""
    centred = x - x.mean(axis=0)
    var = x.var(axis=0, ddof=1)
    std = x.std(axis=0)
    cov = centred.T @ centred / (x.shape[0] - 1)
    return {
        "mean": x.mean(axis=0),
        "var": var,
        "std": std,
        "skew": (centred**3).mean(axis=0) / std**3,
        "kurtosis": np.mean(centred**4, axis=0) / std**4 - 3,
        "cov": cov,
        "corr": cov / np.sqrt(np.outer(np.diagonal(cov), np.diagonal(cov))),
    }


@PROGRAMS.add(
    lambda r, n: (r.normal(size=n).astype("f4"), r.uniform(size=4).astype("f4")),
    (1, 2, 7, 100),
    x="f32[n:1..]",
    q="f32[k]",
)
def quantiles(x, q):
    """Quantiles by linear interpolation between sorted elements; the median, interquartile range and MAD."""
    s = np.sort(x)
    position = q * (x.shape[0] - 1)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, x.shape[0] - 1)
    at = s[low] + (position - low) * (s[high] - s[low])
    middle = (s[(x.shape[0] - 1) // 2] + s[x.shape[0] // 2]) / 2
    deviation = np.sort(np.abs(x - middle))
    return at, middle, (deviation[(x.shape[0] - 1) // 2] + deviation[x.shape[0] // 2]) / 2


@PROGRAMS.add(
    lambda r, n: (r.normal(size=n), r.integers(0, max(n, 1), (6, n))), (1, 5, 20), x="f64[n]", draws="i64[b, n]"
)
def bootstrap(x, draws):
    """Bootstrap means and their standard error, by gathers."""
    means = x[draws].mean(axis=1)
    return means, means.std(ddof=1), np.sort(means)[2]


@PROGRAMS.add(lambda r, n: (r.uniform(-3, 3, n),), x="f64[n]")
def normal_distribution(x):
    """cdf, survival function, log-density; probit-like logistic forms by scipy.special."""
    cdf = 0.5 * special.erfc(-x / np.sqrt(2))
    return cdf, 1 - cdf, special.expit(x), special.erf(x), np.log1p(np.exp(-np.abs(x))), np.hypot(x, 1.0)


@PROGRAMS.add(lambda r, n: (r.integers(0, 6, n), r.normal(size=n)), group="i64[n]", value="f64[n]")
def group_by(group, value):
    """Counts, sums and means by group: scatter-add into bins."""
    zero = tcc.zeros(6, dtype="f64")
    counts = tcc.scatter_add(tcc.zeros(6, dtype="i64"), group, 1)
    sums = tcc.scatter_add(zero, group, value)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return counts, sums, means, value - means[group]


@PROGRAMS.add(lambda r, n: (r.uniform(0, 1, n).astype("f4"),), x="f32[n]")
def histogram(x):
    """A histogram of ten bins, its cumulative form, and equalised values."""
    bins = np.clip((x * 10).astype("i4"), 0, 9)
    counts = (bins[:, None] == np.arange(10)).sum(axis=0)
    cdf = np.cumsum(counts) / np.maximum(counts.sum(), 1)
    return counts, cdf, np.take(cdf, bins)


def neg_elbo(p, x, eps):
    mu, log_sigma = p
    z = mu + np.exp(log_sigma) * eps
    fit = np.mean((x - z.sum()) ** 2)
    kl = np.sum(-log_sigma + 0.5 * (np.exp(2 * log_sigma) + mu**2) - 0.5)
    return fit + kl, {"fit": fit, "kl": kl}


@PROGRAMS.add(
    lambda r, n: ((r.normal(size=4), r.normal(size=4) * 0.1), r.normal(size=n), r.normal(size=4)),
    (1, 2, 30),
    p=("f64[k]", "f64[k]"),
    x="f64[n]",
    eps="f64[k]",
)
def variational_step(p, x, eps):
    """A step of variational inference; the loss has auxiliary results."""
    (loss, parts), (g_mu, g_sigma) = tcc.value_and_grad(neg_elbo, has_aux=True)(p, x, eps)
    return (p[0] - 0.1 * g_mu, p[1] - 0.1 * g_sigma), loss, parts


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, 2)), r.normal(size=(n, 2)), r.uniform(size=n)),
    (0, 1, 5),
    q="f64[n, 2]",
    momentum="f64[n, 2]",
    uniform="f64[n]",
)
def hamiltonian_step(q, momentum, uniform):
    """Leapfrog and acceptance of Hamiltonian Monte Carlo for n chains at once (vmap of a gradient)."""

    def energy(q):
        return 0.5 * np.sum(q * q * np.array([1.0, 4.0])) + 0.1 * np.sum(q**4)

    force = tcc.vmap(tcc.grad(energy))
    many = tcc.vmap(energy)

    def leap(carry, _):
        q, p = carry
        p = p - 0.05 * force(q)
        q = q + 0.1 * p
        return (q, p - 0.05 * force(q)), None

    (q1, p1), _ = tcc.scan(leap, (q, momentum), length=8)
    change = many(q) + 0.5 * np.sum(momentum**2, axis=1) - many(q1) - 0.5 * np.sum(p1**2, axis=1)
    accept = np.log(uniform) < change
    return np.where(accept[:, None], q1, q), accept


@PROGRAMS.add(
    lambda r, n: (
        np.where(r.random((n, 4)) < 0.2, np.nan, r.normal(size=(n, 4))),
        r.normal(size=(n, 3)),
        r.normal(size=4),
    ),
    (1, 2, 7, 30),
    x="f64[n:1.., 4]",
    y="f64[n:1.., m:1..]",
    weights="f64[4]",
)
def summaries(x, y, weights):
    """Medians, averages and extremes that pass over nan, and the other everyday functions of NumPy."""
    middle = np.median(y, axis=0)
    return {
        "median": middle,
        "mad": np.median(np.abs(y - middle), axis=0),
        "of all": np.median(y),
        "rows": np.median(x, axis=1),
        "mean": np.nanmean(x, axis=0),
        "range": np.nanmax(x, axis=0) - np.nanmin(x, axis=0),
        "average": np.average(np.nan_to_num(x), axis=1, weights=weights),
        "area": np.trapezoid(y, axis=0),
        "ranks": np.searchsorted(np.sort(y[:, 0]), y[:, 1]),
        "grid": np.meshgrid(y[:, 0], weights),
        "kron": np.kron(y, weights),
        "sign": np.select([y < -0.5, y < 0.5], [-1, 0], 1),
    }
