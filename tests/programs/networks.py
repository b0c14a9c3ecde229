"""Networks and their training: layers, losses, optimisers, language models, half precision."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

import tcc
from tests.programs.program import Programs

PROGRAMS = Programs()
rng = np.random.default_rng(3)
TABLE = rng.normal(size=(11, 8)).astype("f4")
WQKV = rng.normal(size=(8, 24)).astype("f4") * 0.3
WO = rng.normal(size=(8, 8)).astype("f4") * 0.3


def layers(r, *sizes):
    return [
        {"w": r.normal(size=(a, b)).astype("f4") / np.float32(a) ** 0.5, "b": r.normal(size=b).astype("f4")}
        for a, b in itertools.pairwise(sizes)
    ]


def mlp(p, x):
    for layer in p[:-1]:
        x = np.tanh(x @ layer["w"] + layer["b"])
    return x @ p[-1]["w"] + p[-1]["b"]


def cross_entropy(p, x, labels):
    logp = tcc.nn.log_softmax(mlp(p, x))
    return -np.take_along_axis(logp, labels[:, None], axis=1).mean()


MLP = [{"w": "f32[5, h]", "b": "f32[h]"}, {"w": "f32[h, 3]", "b": "f32[3]"}]


@PROGRAMS.add(
    lambda r, n: (layers(r, 5, 6, 3), r.normal(size=(n, 5)).astype("f4"), r.integers(0, 3, n)),
    (1, 2, 17),
    tolerance=1e-4,
    p=MLP,
    x="f32[n, 5]",
    labels="i64[n]",
)
def sgd_step(p, x, labels):
    """A step of gradient descent on nested parameters, and the accuracy before it."""
    loss, g = tcc.value_and_grad(cross_entropy)(p, x, labels)
    new = [{k: layer[k] - np.float32(0.1) * d[k] for k in layer} for layer, d in zip(p, g, strict=True)]
    return new, loss, (mlp(p, x).argmax(axis=1) == labels).mean()


@dataclass
class Adam:
    m: Any
    v: Any
    t: Any


@PROGRAMS.add(
    lambda r, n: (
        r.normal(size=(n, 3)).astype("f4"),
        Adam(np.zeros((n, 3), "f4"), np.zeros((n, 3), "f4"), np.int32(0)),
        r.normal(size=(n, 3)).astype("f4"),
    ),
    (0, 1, 4),
    w="f32[n, 3]",
    state=Adam("f32[n, 3]", "f32[n, 3]", "i32[]"),
    target="f32[n, 3]",
)
def adam_step(w, state, target):
    """Adam with its state in a dataclass."""
    g = tcc.grad(lambda w: 0.5 * np.sum((w - target) ** 2))(w)
    t = state.t + 1
    m = 0.9 * state.m + 0.1 * g
    v = 0.999 * state.v + 0.001 * g * g
    scale = np.sqrt(1 - np.float32(0.999) ** t) / (1 - np.float32(0.9) ** t)
    return (w - 0.01 * scale * m / (np.sqrt(v) + 1e-8)).astype("f4"), Adam(m, v, t)


@PROGRAMS.add(
    lambda r, n: (r.integers(0, 11, (2, n)), np.array([n, n // 2])),
    (1, 2, 5),
    tokens="i64[batch, time]",
    length="i64[batch]",
    tolerance=1e-4,
)
def attention_block(tokens, length):
    """Embedding, causal multi-head attention that ignores padding, a residual and a layer norm, by hand."""
    x = tcc.take(TABLE, tokens, axis=0)
    b, t, d = x.shape
    q, k, v = (y.reshape(b, t, 2, 4).transpose(0, 2, 1, 3) for y in np.split(x @ WQKV, 3, axis=-1))
    scores = np.einsum("bhqd,bhkd->bhqk", q, k) / np.float32(2)
    places = tcc.arange(t)
    seen = (places[None, :] <= places[:, None]) & (places < length[:, None, None, None])
    weights = tcc.nn.softmax(np.where(seen, scores, np.float32(-1e9)))
    y = (weights @ v).transpose(0, 2, 1, 3).reshape(b, t, d) @ WO + x
    centred = y - y.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(1e-5)), weights.max(axis=-1)


@PROGRAMS.add(
    lambda r, n: tuple(r.normal(size=(2, h, n, 4)).astype("f4") for h in (3, 3, 3)),
    (1, 4, 9),
    q="f32[b, h, t, 4]",
    k="f32[b, h, t, 4]",
    v="f32[b, h, t, 4]",
    tolerance=1e-4,
)
def rotary_attention(q, k, v):
    """Rotary embeddings, then tcc.nn.attention with a sliding window of three."""
    t, d = q.shape[2], q.shape[3]
    half = d // 2
    angle = tcc.arange(t)[:, None] * (np.float32(10000.0) ** (-tcc.arange(half) / half))
    cos, sin = np.cos(angle).astype("f4"), np.sin(angle).astype("f4")

    def rotated(x):
        a, b = x[..., :half], x[..., half:]
        return np.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)

    i = tcc.arange(t)
    near = (i[:, None] >= i) & (i[:, None] - i < 3)
    return tcc.nn.attention(rotated(q), rotated(k), v, mask=near)


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, 6, 4)).astype("f4"), *(r.uniform(0.5, 2, 4).astype("f4") for _ in range(2))),
    (1, 5),
    x="f32[n, t, 4]",
    gain="f32[4]",
    bias="f32[4]",
    tolerance=1e-4,
)
def norms(x, gain, bias):
    """Layer, RMS, batch, instance and group normalisation."""
    layer = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + np.float32(1e-5)) * gain + bias
    rms = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(1e-6)) * gain
    mean, var = x.mean(axis=(0, 1)), x.var(axis=(0, 1))
    batch = (x - mean) / np.sqrt(var + np.float32(1e-5)) * gain + bias
    g = x.reshape(x.shape[0], x.shape[1], 2, 2)
    group = (
        (g - g.mean(axis=(1, 3), keepdims=True)) / np.sqrt(g.var(axis=(1, 3), keepdims=True) + np.float32(1e-5))
    ).reshape(x.shape)
    running = np.float32(0.9) * bias + np.float32(0.1) * mean
    return layer, rms, batch, group, running


class Latent(NamedTuple):
    mean: Any
    logvar: Any


def vae_loss(p, x, noise):
    h = np.tanh(x @ p["enc"])
    z = Latent(h @ p["mean"], h @ p["logvar"])
    sample = z.mean + np.exp(0.5 * z.logvar) * noise
    logits = np.tanh(sample @ p["dec"]) @ p["out"]
    fit = np.sum(np.maximum(logits, 0) - logits * x + np.log1p(np.exp(-np.abs(logits))), axis=1)
    kl = -0.5 * np.sum(1 + z.logvar - z.mean**2 - np.exp(z.logvar), axis=1)
    return (fit + kl).mean(), (z, fit)


@PROGRAMS.add(
    lambda r, n: (
        {
            k: r.normal(size=s) * 0.3
            for k, s in {"enc": (6, 5), "mean": (5, 2), "logvar": (5, 2), "dec": (2, 5), "out": (5, 6)}.items()
        },
        r.uniform(size=(n, 6)),
        r.normal(size=(n, 2)),
    ),
    (1, 2, 9),
    tolerance=1e-10,
    p={"enc": "f64[x, h]", "mean": "f64[h, z]", "logvar": "f64[h, z]", "dec": "f64[z, h]", "out": "f64[h, x]"},
    x="f64[n, x]",
    noise="f64[n, z]",
)
def vae(p, x, noise):
    """Loss, latent variables (a NamedTuple) and gradient of a variational autoencoder."""
    return tcc.value_and_grad(vae_loss, has_aux=True)(p, x, noise)


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, 8)).astype("f4"), r.random((n, 8)) < 0.8, 0.8),
    x="f32[n, d]",
    keep="bool[n, d]",
    rate="f32[]",
)
def dropout(x, keep, rate):
    return np.where(keep, x / rate, 0)


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, 8)).astype("f2"), r.normal(size=(8, 5)).astype("f2")),
    x="f16[n, 8]",
    w="f16[8, m]",
    tolerance=4e-3,
)
def half_precision(x, w):
    h = np.maximum(x @ w, 0)
    return h, tcc.nn.softmax(h), h.mean(axis=1), h.astype(np.float32).var(axis=1)


def bf(r, *shape):
    return r.normal(size=shape).astype(ml_dtypes.bfloat16)


@PROGRAMS.add(lambda r, n: (bf(r, n, 8), bf(r, 8, 5)), x="bf16[n, 8]", w="bf16[8, m]", tolerance=2e-2)
def brain_floats(x, w):
    h = tcc.nn.gelu(tcc.matmul(x, w))
    return h, h + 1, np.maximum(x, 0) * 2


def triplet(anchor, positive, negative):
    def cosine(a, b):
        return np.sum(a * b, axis=-1) / np.sqrt(np.sum(a * a, axis=-1) * np.sum(b * b, axis=-1) + 1e-8)

    return np.maximum(0.2 - cosine(anchor, positive) + cosine(anchor, negative), 0).sum()


@PROGRAMS.add(lambda r, n: tuple(r.normal(size=(n, 4)) for _ in range(3)), a="f64[n, d]", p="f64[n, d]", q="f64[n, d]")
def contrastive(a, p, q):
    """A triplet loss's gradients by three arguments, and InfoNCE."""
    logits = a @ p.T
    info = -np.diagonal(tcc.nn.log_softmax(logits, axis=1)).sum()
    return tcc.grad(triplet, argnums=(0, 1, 2))(a, p, q), info


@PROGRAMS.add(
    lambda r, n: (layers(r, 4, 5, 1), r.normal(size=(n, 4)).astype("f4")),
    (0, 1, 6),
    p=[{"w": "f32[4, h]", "b": "f32[h]"}, {"w": "f32[h, 1]", "b": "f32[1]"}],
    x="f32[n, 4]",
    tolerance=1e-4,
)
def per_example_gradients(p, x):
    """Norms of the gradient for each example (vmap of grad over nested parameters), clipped mean."""
    one = tcc.grad(lambda p, x: mlp(p, x[None])[0, 0] ** 2)
    g = tcc.vmap(one, in_axes=(None, 0))(p, x)
    squares = sum(np.sum(v * v, axis=tuple(range(1, v.ndim))) for layer in g for v in layer.values())
    scale = np.minimum(1, 1 / np.sqrt(squares + np.float32(1e-9)))
    return squares, [{k: np.tensordot(scale, v, axes=1) for k, v in layer.items()} for layer in g]


@PROGRAMS.add(
    lambda r, n: (r.integers(0, 5, n), r.normal(size=(5, 3)).astype("f4")), label="i64[n]", centre="f32[5, d]"
)
def embedding_gradient(label, centre):
    """The gradient of a lookup is a scatter-add; one-hot products give the same."""
    f = lambda c: np.sum(np.take(c, label, axis=0) ** 2)  # noqa: E731
    hot = tcc.nn.one_hot(label, 5, dtype="f32")
    return tcc.grad(f)(centre), 2 * hot.T @ (hot @ centre), hot.sum(axis=0)


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(n, 6)), r.normal(size=6), np.float64(0.5)),
    (0, 2, 9),
    x="f64[n, d]",
    w="f64[d]",
    l1="f64[]",
)
def proximal_step(x, w, l1):
    """ISTA: a gradient step and soft thresholding; Huber and pinball losses."""
    r = x @ w - 1
    step = w - 0.01 * (x.T @ r)
    soft = np.sign(step) * np.maximum(np.abs(step) - 0.01 * l1, 0)
    huber = np.where(np.abs(r) < 1, 0.5 * r**2, np.abs(r) - 0.5).sum()
    return soft, huber, np.maximum(0.9 * r, -0.1 * r).sum()


def physics_informed(p, t):
    def u(t):
        return np.sum(np.tanh(t * p["a"] + p["b"]) * p["c"])

    return (tcc.grad(tcc.grad(u))(t) + u(t)) ** 2


@PROGRAMS.add(
    lambda r, n: ({k: r.normal(size=5) for k in "abc"}, r.normal(size=n)), p=dict.fromkeys("abc", "f64[k]"), t="f64[n]"
)
def third_derivatives(p, t):
    """Gradient by parameters of a loss with a second derivative in it, over many points."""
    return tcc.value_and_grad(lambda p: np.sum(tcc.vmap(physics_informed, in_axes=(None, 0))(p, t)))(p)


@PROGRAMS.add(
    lambda r, n: (r.normal(size=(40, 8)).astype("f4"), r.integers(0, 40, n)),
    (1, 5, 20),
    table="f32[40, 8]",
    ids="i64[n]",
    tolerance=1e-5,
)
def embedding_of_a_layer(table, ids):
    """What an embedding gets from a layer after it, and how often each row was used."""

    def loss(table):
        return np.mean(np.tanh(tcc.take(table, ids, axis=0) @ WO) ** 2)

    uses = tcc.scatter_add(np.zeros(40, "f4"), ids, np.float32(1))
    return tcc.grad(loss)(table), uses


LAYERS = [rng.normal(size=s).astype("f4") / 6 for s in ((37, 51), (51, 61), (61, 152), (152, 103), (103, 20))]


@PROGRAMS.add(lambda r, n: (r.normal(size=(1, 37)).astype("f4"),), (1,), x="f32[1, 37]", tolerance=1e-4)
def layers_of_odd_widths(x):
    """Known weights whose columns are no whole vectors, for a batch of one."""
    for layer in LAYERS:
        x = np.maximum(x @ layer + layer[0], np.float32(0))
    return x
