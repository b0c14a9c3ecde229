"""JAX: the body under jax.jit, the weights as arguments on the device."""
# pyright: basic, reportMissingImports=false
# Bodies and namespaces are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from tools.bench.peers.prepared import Prepared
from tools.bench.workload import leaves


class Namespace:
    """jax.numpy, jax.nn and jax.lax under the bodies' names."""

    def __getattr__(self, name):
        return getattr(jnp, name) if hasattr(jnp, name) else getattr(jax.nn, name)

    erf = staticmethod(jax.scipy.special.erf)
    logsumexp = staticmethod(jax.nn.logsumexp)
    value_and_grad = staticmethod(jax.value_and_grad)
    scan = staticmethod(jax.lax.scan)

    def astype(self, x, dtype):
        return x.astype(dtype)

    def gelu(self, x):
        return jax.nn.gelu(x, approximate=False)

    def layer_norm(self, x, gain, bias):
        centred = x - x.mean(axis=-1, keepdims=True)
        return centred * jax.lax.rsqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-5) * gain + bias

    def attention(self, q, k, v, causal=False):
        q, k, v = (t.swapaxes(0, 1)[None] for t in (q, k, v))
        return jax.nn.dot_product_attention(q, k, v, is_causal=causal)[0].swapaxes(0, 1)

    def conv2d(self, x, kernel, bias=None, strides=1, padding=0, groups=1):
        y = jax.lax.conv_general_dilated(
            x,
            kernel,
            (strides, strides),
            [(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )
        return y if bias is None else y + bias

    def max_pool2d(self, x, window, strides, padding=0):
        edges = [(0, 0), (padding, padding), (padding, padding), (0, 0)]
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, window, window, 1), (1, strides, strides, 1), edges)

    def batch_norm(self, x, gain, bias):
        mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
        return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * gain + bias

    def image_mean(self, x):
        return x.mean(axis=(1, 2))

    def flat_images(self, x):
        return x.reshape(x.shape[0], -1)

    def take(self, x, indices, axis=0):
        return jnp.take(x, indices, axis=axis, mode="clip")

    def scatter_add(self, x, indices, updates):
        return x.at[indices].add(updates)

    def lstm(self, x, Wx, Wh, b):
        start = jnp.zeros((x.shape[1], Wh.shape[0]), x.dtype)

        def step(carry, gates):
            h, c = carry
            i, f, g, o = jnp.split(gates + h @ Wh, 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        return jax.lax.scan(step, (start, start), x @ Wx + b)[1]

    def gru(self, x, Wx, Wh, b, bh):
        def step(h, gates):
            r, z, n = jnp.split(gates, 3, axis=-1)
            hr, hz, hn = jnp.split(h @ Wh + bh, 3, axis=-1)
            z = jax.nn.sigmoid(z + hz)
            h = (1 - z) * jnp.tanh(n + jax.nn.sigmoid(r + hr) * hn) + z * h
            return h, h

        return jax.lax.scan(step, jnp.zeros((x.shape[1], Wh.shape[0]), x.dtype), x @ Wx + b)[1]


class Jax:
    """A jitted function; results are fresh arrays of the device."""

    version = jax.__version__

    def prepare(self, workload, inputs, weights, results):
        xp, body = Namespace(), workload.body_for("jax")
        arguments = [jnp.asarray(a) for a in inputs.values()]
        constants = {n: jnp.asarray(a) for n, a in weights.items()}
        run = jax.jit(lambda arguments, constants: body(xp, *arguments, **constants))
        compiled = run.lower(arguments, constants).compile()
        last = []

        def call():
            last[:] = [jax.block_until_ready(compiled(arguments, constants))]

        return Prepared(call, lambda: [np.asarray(a) for a in leaves(last[0])], owned=False)


def make(_name, _threads):
    """The parent sets XLA's threads in the environment."""
    jax.config.update("jax_enable_x64", True)
    return Jax()
