"""torch, eager or through torch.compile; images in NCHW."""
# pyright: basic, reportMissingImports=false
# Bodies and namespaces are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

import ml_dtypes
import numpy as np
import torch
from torch.nn import functional as F

from tools.bench.peers.prepared import Prepared, from_nchw, to_nchw
from tools.bench.workload import leaves


class Namespace:
    """torch's functions under NumPy's names."""

    def __getattr__(self, name):
        return getattr(torch, name)

    erf = staticmethod(torch.special.erf)
    max = staticmethod(torch.amax)
    min = staticmethod(torch.amin)
    transpose = staticmethod(torch.permute)
    logsumexp = staticmethod(lambda x, axis=-1: torch.logsumexp(x, axis))
    softmax = staticmethod(lambda x, axis=-1: F.softmax(x, axis))
    log_softmax = staticmethod(lambda x, axis=-1: F.log_softmax(x, axis))
    gelu = staticmethod(F.gelu)
    silu = staticmethod(F.silu)
    sort = staticmethod(lambda x, axis=-1: torch.sort(x, axis).values)
    argsort = staticmethod(lambda x, axis=-1: torch.argsort(x, dim=axis, stable=True))
    flip = staticmethod(lambda x, axis: torch.flip(x, (axis,)))
    expand_dims = staticmethod(torch.unsqueeze)
    concatenate = staticmethod(lambda xs, axis=0: torch.cat(xs, axis))
    take_along_axis = staticmethod(lambda x, i, axis: torch.take_along_dim(x, i, axis))

    def astype(self, x, dtype):
        return x.to(_DTYPES[np.dtype(dtype)])

    def maximum(self, a, b):
        return torch.maximum(a, b) if isinstance(b, torch.Tensor) else torch.clamp_min(a, b)

    def minimum(self, a, b):
        return torch.minimum(a, b) if isinstance(b, torch.Tensor) else torch.clamp_max(a, b)

    def var(self, x, axis):
        return torch.var(x, axis, correction=0)

    def pad(self, x, widths):
        return F.pad(x, [n for pair in reversed(widths) for n in pair])

    def layer_norm(self, x, gain, bias):
        return F.layer_norm(x, gain.shape, gain, bias)

    def attention(self, q, k, v, causal=False):
        return F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=causal)[0]

    def conv2d(self, x, kernel, bias=None, strides=1, padding=0, groups=1):
        return F.conv2d(x, kernel, bias, strides, padding, 1, groups)

    def max_pool2d(self, x, window, strides, padding=0):
        return F.max_pool2d(x, window, strides, padding)

    def batch_norm(self, x, gain, bias):
        return F.batch_norm(x, None, None, gain, bias, training=True)

    def image_mean(self, x):
        return x.mean((2, 3))

    def flat_images(self, x):
        return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1)

    def take(self, x, indices, axis=0):
        return torch.index_select(x, axis, indices)

    def scatter_add(self, x, indices, updates):
        return torch.index_add(x, 0, indices, updates)

    def scan(self, step, init, xs):
        carry, rows = init, []
        for x in xs:
            carry, row = step(carry, x)
            rows.append(row)
        return carry, torch.stack(rows) if rows and rows[0] is not None else None

    def lstm(self, x, Wx, Wh, b):
        zeros = torch.zeros(1, x.shape[1], Wh.shape[-1], dtype=x.dtype)
        return torch.lstm(x, (zeros, zeros), (Wx, Wh, b, torch.zeros_like(b)), True, 1, 0.0, False, False, False)[0]

    def gru(self, x, Wx, Wh, b, bh):
        zeros = torch.zeros(1, x.shape[1], Wh.shape[-1], dtype=x.dtype)
        return torch.gru(x, zeros, (Wx, Wh, b, bh), True, 1, 0.0, False, False, False)[0]


_DTYPES = {torch.empty(0, dtype=t).numpy().dtype: t for t in (torch.float32, torch.float64, torch.int32, torch.int64)}


def tensor(array):
    """A tensor on the array's memory."""
    array = np.ascontiguousarray(array)
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def array_of(result):
    """NumPy's view of a tensor."""
    if result.dtype == torch.bfloat16:
        return result.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return result.numpy()


class Torch:
    """The body in inference mode."""

    version = torch.__version__

    def __init__(self, compiled):
        self.compiled = compiled

    def prepare(self, workload, inputs, weights, results):
        xp = Namespace()
        arguments = [tensor(to_nchw(a, workload.inputs[n].layout)) for n, a in inputs.items()]
        constants = {n: tensor(to_nchw(a, workload.weights[n].layout)) for n, a in weights.items()}
        constants |= {n: t.T.contiguous() for n, t in constants.items() if workload.weights[n].layout == "cell"}
        last = []
        guard = torch.inference_mode if not self.compiled else torch.no_grad
        if workload.out is not None and not self.compiled and workload.body is workload.body_for("torch"):
            write = workload.out
            owned = tensor(np.empty_like(results[0]))
            last = [owned]

            def call():
                with guard():
                    write(xp, *arguments, out=owned)

            return Prepared(call, lambda: from_nchw([array_of(owned)], workload.image_result), owned=True)
        body = workload.body_for("torch")

        def run(*arguments):
            return body(xp, *arguments, **constants)

        if self.compiled:
            torch._dynamo.reset()
            run = torch.compile(run, dynamic=False)

        def compute():
            with guard():
                last[:] = [run(*arguments)]

        def found():
            return from_nchw([array_of(t) for t in leaves(last[0])], workload.image_result)

        return Prepared(compute, found, owned=False)


def make(name, threads):
    """torch with its own threads and MKL's set."""
    torch.set_num_threads(threads)
    return Torch(name == "torch.compile")
