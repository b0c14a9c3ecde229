"""Bodies as ONNX models: the layers and loops that bodies use, images in NCHW, and the model's bytes."""
# pyright: basic, reportMissingImports=false
# Bodies and namespaces are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from tools.bench.peers.onnx_graph import TYPES, Builder
from tools.bench.peers.onnx_value import Value

OPSET = 20


class Layers(Builder):
    """The namespace with layers."""

    def layer_norm(self, x, gain, bias):
        return self.node("LayerNormalization", [x, gain, bias], (x.shape, x.dtype), axis=-1, epsilon=1e-5)

    def attention(self, q, k, v, causal=False):
        scores = q @ self.swapaxes(k, -1, -2) * q.shape[-1] ** -0.5
        if causal:
            scores = scores + np.triu(np.full(scores.shape[-2:], -np.inf, q.dtype), 1)
        return self.softmax(scores) @ v

    def conv2d(self, x, kernel, bias=None, strides=1, padding=0, groups=1):
        sizes = [(s + 2 * padding - k) // strides + 1 for s, k in zip(x.shape[2:], kernel.shape[2:], strict=True)]
        return self.node(
            "Conv",
            [x, kernel] if bias is None else [x, kernel, bias],
            ((x.shape[0], kernel.shape[0], *sizes), x.dtype),
            strides=[strides] * 2,
            pads=[padding] * 4,
            group=groups,
        )

    def max_pool2d(self, x, window, strides, padding=0):
        sizes = [(s + 2 * padding - window) // strides + 1 for s in x.shape[2:]]
        attributes = {"kernel_shape": [window] * 2, "strides": [strides] * 2, "pads": [padding] * 4}
        return self.node("MaxPool", [x], ((*x.shape[:2], *sizes), x.dtype), **attributes)

    def batch_norm(self, x, gain, bias):
        mean = self.mean(x, (0, 2, 3), True)
        centred = x - mean
        variance = self.mean(centred * centred, (0, 2, 3), True)
        return centred / self.unary("Sqrt", variance + 1e-5) * gain[:, None, None] + bias[:, None, None]

    def image_mean(self, x):
        return self.mean(x, (2, 3))

    def flat_images(self, x):
        return self.reshape(self.transpose(x, (0, 2, 3, 1)), (x.shape[0], -1))

    # --- loops ---

    def scan(self, step, init, xs):
        carry = Value(self, self.fresh(), init.shape, init.dtype)
        x = Value(self, self.fresh(), xs.shape[1:], xs.dtype)
        self.frames.append([])
        new, row = step(carry, x)
        rows = [] if row is None else [row]
        outputs = [self.node("Identity", [v], (v.shape, v.dtype)) for v in (new, *rows)]
        body = helper.make_graph(self.frames.pop(), "step", [info(carry), info(x)], [info(v) for v in outputs])
        types = [(new.shape, new.dtype), *(((xs.shape[0], *r.shape), r.dtype) for r in rows)]
        results = self.node("Scan", [init, xs], *types, body=body, num_scan_inputs=1)
        return (results, None) if not rows else tuple(results)

    def lstm(self, x, Wx, Wh, b):
        hidden = Wh.shape[0]
        steps, batch, _ = x.shape
        order = np.r_[0:hidden, 3 * hidden : 4 * hidden, hidden : 2 * hidden, 2 * hidden : 3 * hidden]
        return self._cell("LSTM", x, Wx[:, order], Wh[:, order], np.r_[b[order], 0 * b], hidden, steps, batch)

    def gru(self, x, Wx, Wh, b, bh):
        hidden = Wh.shape[0]
        steps, batch, _ = x.shape
        order = np.r_[hidden : 2 * hidden, 0:hidden, 2 * hidden : 3 * hidden]
        biases = np.r_[b[order], bh[order]]
        return self._cell("GRU", x, Wx[:, order], Wh[:, order], biases, hidden, steps, batch, linear_before_reset=1)

    def _cell(self, op, x, Wx, Wh, biases, hidden, steps, batch, **attributes):
        operands = [x, Wx.T[None], Wh.T[None], biases[None]]
        y = self.node(op, operands, ((steps, 1, batch, hidden), x.dtype), hidden_size=hidden, **attributes)
        return self.reshape(y, (steps, batch, hidden))


def info(value):
    """The value's type as ONNX writes it."""
    return helper.make_tensor_value_info(value.name, TYPES[value.dtype], value.shape)


def model(workload, peer, inputs, weights):
    """The workload's body as the bytes of an ONNX model; operands are in NCHW where they are images."""
    builder = Layers()
    arguments = [Value(builder, n, a.shape, a.dtype) for n, a in inputs.items()]
    constants = {n: a if workload.weights[n].layout == "cell" else builder.value(a) for n, a in weights.items()}
    result = workload.body_for(peer)(builder, *arguments, **constants)
    outputs = result if isinstance(result, tuple) else (result,)
    results = [builder.node("Identity", [v], (v.shape, v.dtype)) for v in outputs]
    graph = helper.make_graph(
        builder.frames[0], "bench", [info(v) for v in arguments], [info(v) for v in results], builder.initializers
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(made)
    return made.SerializeToString(), [(v.name, v.shape, v.dtype) for v in results]
