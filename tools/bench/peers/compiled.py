"""tcc: the body traced, compiled to a library, and the library loaded."""
# pyright: basic, reportMissingImports=false
# Bodies and namespaces are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np

import tcc
from tools.bench.peers.prepared import Prepared
from tools.bench.workload import leaves

LIBRARIES = Path("build/bench/libraries")


class Namespace:
    """NumPy's functions, which work on traced values, then tcc's and those of tcc.nn."""

    def __getattr__(self, name):
        for place in (np, tcc.nn, tcc):
            if hasattr(place, name):
                return getattr(place, name)
        raise AttributeError(name)

    def astype(self, x, dtype):
        return x.astype(dtype)

    def attention(self, q, k, v, causal=False):
        return tcc.nn.attention(q, k, v, causal=causal)

    def conv2d(self, x, kernel, bias=None, strides=1, padding=0, groups=1):
        y = tcc.nn.conv2d(x, kernel, strides=strides, padding=padding, groups=groups)
        return y if bias is None else y + bias

    def max_pool2d(self, x, window, strides, padding=0):
        return tcc.nn.max_pool2d(x, window, strides, padding)

    def batch_norm(self, x, gain, bias):
        mean, variance = np.mean(x, axis=(0, 1, 2)), np.var(x, axis=(0, 1, 2))
        return (x - mean) / np.sqrt(variance + 1e-5) * gain + bias

    def image_mean(self, x):
        return np.mean(x, axis=(1, 2))

    def flat_images(self, x):
        return x.reshape(x.shape[0], -1)

    def take(self, x, indices, axis=0):
        return tcc.take(x, indices, axis=axis)

    def value_and_grad(self, loss):
        return tcc.value_and_grad(loss)

    def lstm(self, x, Wx, Wh, b):
        hidden = Wh.shape[0]
        start = tcc.zeros((x.shape[1], hidden), x.dtype)

        def step(carry, gates):
            h, c = carry
            i, f, g, o = np.split(gates + h @ Wh, 4, axis=-1)
            c = tcc.sigmoid(f) * c + tcc.sigmoid(i) * np.tanh(g)
            h = tcc.sigmoid(o) * np.tanh(c)
            return (h, c), h

        return tcc.scan(step, (start, start), x @ Wx + b)[1]

    def gru(self, x, Wx, Wh, b, bh):
        def step(h, gates):
            r, z, n = np.split(gates, 3, axis=-1)
            hr, hz, hn = np.split(h @ Wh + bh, 3, axis=-1)
            z = tcc.sigmoid(z + hz)
            h = (1 - z) * np.tanh(n + tcc.sigmoid(r + hr) * hn) + z * h
            return h, h

        return tcc.scan(step, tcc.zeros((x.shape[1], Wh.shape[0]), x.dtype), x @ Wx + b)[1]


def traceable(workload, inputs, weights):
    """The workload as a tcc function of its inputs, with the weights captured."""
    body, xp = workload.body_for("tcc"), Namespace()

    def run(*arguments):
        return body(xp, *arguments, **weights)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    run.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in inputs])
    run.__name__ = "run"
    specs = {n: f"{_dtype(a.dtype)}[{', '.join(map(str, a.shape))}]" for n, a in inputs.items()}
    return tcc.function(**{**specs, **workload.specs})(run)


def _dtype(dtype):
    name = dtype.name
    short = re.sub(r"^(float|int|uint|complex|bfloat)(\d+)$", lambda m: f"{m[1][0]}{m[2]}", name)
    return {"b16": "bf16"}.get(short, short)


class Tcc:
    """Called from Python with the caller's arrays for the results."""

    version = tcc.__version__

    def __init__(self, threads):
        self.threads = threads

    def prepare(self, workload, inputs, weights, results):
        LIBRARIES.mkdir(parents=True, exist_ok=True)
        stem = re.sub(r"\W+", "_", f"w_{workload.name}", flags=re.ASCII)
        path = LIBRARIES / f"{stem}_{self.threads}.so"
        path.unlink(missing_ok=True)
        tcc.compile([traceable(workload, inputs, weights)], prefix="bench").save(path)
        function = tcc.load(path.resolve(), threads=self.threads).run
        arguments = list(inputs.values())
        made = [np.empty_like(a) for a in leaves(function(*arguments))]
        out = made[0] if len(made) == 1 else tuple(made)

        def call():
            function(*arguments, out=out)

        return Prepared(call, lambda: made, owned=True)


def make(_name, threads):
    """tcc with at most ``threads`` threads a call."""
    return Tcc(threads)
