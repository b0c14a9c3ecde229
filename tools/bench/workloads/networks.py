"""Whole networks and a training step."""
# pyright: basic
# Bodies are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

from tools.bench.workload import Workload, integers, normal, weight

_MLP = {
    "W1": weight(784, 512),
    "b1": normal(512),
    "W2": weight(512, 512),
    "b2": normal(512),
    "W3": weight(512, 10),
    "b3": normal(10),
}
_MLP_FLOPS = 2 * (784 * 512 + 512 * 512 + 512 * 10)


def _mlp(xp, x, W1, b1, W2, b2, W3, b3):
    h = xp.relu(xp.matmul(x, W1) + b1)
    h = xp.relu(xp.matmul(h, W2) + b2)
    return xp.softmax(xp.matmul(h, W3) + b3)


def _loss(xp, p, x, y):
    h = xp.maximum(xp.matmul(x, p["W1"]) + p["b1"], 0)
    h = xp.maximum(xp.matmul(h, p["W2"]) + p["b2"], 0)
    return -xp.sum(y * xp.log_softmax(xp.matmul(h, p["W3"]) + p["b3"])) / x.shape[0]


def _step_by_gradient(xp, x, y, *parameters):
    p = dict(zip(_MLP, parameters, strict=True))
    loss, gradient = xp.value_and_grad(lambda p: _loss(xp, p, x, y))(p)
    return (loss, *(p[k] - 0.01 * gradient[k] for k in _MLP))


def _step_by_hand(xp, x, y, W1, b1, W2, b2, W3, b3):
    z1 = xp.matmul(x, W1) + b1
    h1 = xp.relu(z1)
    z2 = xp.matmul(h1, W2) + b2
    h2 = xp.relu(z2)
    logits = xp.log_softmax(xp.matmul(h2, W3) + b3)
    loss = -xp.sum(y * logits) / x.shape[0]
    d3 = (xp.exp(logits) * xp.sum(y, axis=1, keepdims=True) - y) / x.shape[0]
    d2 = xp.where(z2 > 0, xp.matmul(d3, W3.T), 0.0)
    d1 = xp.where(z1 > 0, xp.matmul(d2, W2.T), 0.0)
    return (
        loss,
        W1 - 0.01 * xp.matmul(x.T, d1),
        b1 - 0.01 * xp.sum(d1, axis=0),
        W2 - 0.01 * xp.matmul(h1.T, d2),
        b2 - 0.01 * xp.sum(d2, axis=0),
        W3 - 0.01 * xp.matmul(h2.T, d3),
        b3 - 0.01 * xp.sum(d3, axis=0),
    )


def _digits(xp, image, K1, b1, K2, b2, W, b):
    x = xp.relu(xp.conv2d(image, K1, b1, padding=1))
    x = xp.max_pool2d(x, 2, 2)
    x = xp.relu(xp.conv2d(x, K2, b2, padding=1))
    x = xp.max_pool2d(x, 2, 2)
    return xp.softmax(xp.matmul(xp.flat_images(x), W) + b)


def _residual(xp, x, K0, b0, K1, b1, K2, b2, K3, b3, K4, b4, W, b):
    x = xp.relu(xp.conv2d(x, K0, b0, padding=1))
    x = xp.relu(x + xp.conv2d(xp.relu(xp.conv2d(x, K1, b1, padding=1)), K2, b2, padding=1))
    x = xp.relu(xp.conv2d(x, K3, b3, strides=2, padding=1))
    x = xp.relu(xp.conv2d(x, K4, b4, padding=1))
    return xp.matmul(xp.image_mean(x), W) + b


def _kernel(n, i, o):
    return weight(n, n, i, o, layout="kernel")


_RESIDUAL = {
    "K0": _kernel(3, 3, 32), "b0": normal(32), "K1": _kernel(3, 32, 32), "b1": normal(32),
    "K2": _kernel(3, 32, 32), "b2": normal(32), "K3": _kernel(3, 32, 64), "b3": normal(64),
    "K4": _kernel(3, 64, 64), "b4": normal(64), "W": weight(64, 10), "b": normal(10),
}  # fmt: skip
_RESIDUAL_FLOPS = 2 * 9 * (1024 * (3 * 32 + 2 * 32 * 32) + 256 * (32 * 64 + 64 * 64))


def _heads(xp, x, heads):
    seq, width = x.shape
    return xp.transpose(x.reshape(seq, heads, width // heads), (1, 0, 2))


def _block(xp, x, p, heads, causal):
    n = xp.layer_norm(x, p["g1"], p["c1"])
    q, k, v = (_heads(xp, xp.matmul(n, p[w]) + p[b], heads) for w, b in (("Wq", "bq"), ("Wk", "bk"), ("Wv", "bv")))
    a = xp.transpose(xp.attention(q, k, v, causal=causal), (1, 0, 2)).reshape(*x.shape)
    x = x + xp.matmul(a, p["Wo"]) + p["bo"]
    n = xp.layer_norm(x, p["g2"], p["c2"])
    return x + xp.matmul(xp.gelu(xp.matmul(n, p["W1"]) + p["b1"]), p["W2"]) + p["b2"]


def _block_weights(d):
    square = {f"W{k}": weight(d, d) for k in "qkvo"} | {f"b{k}": normal(d) for k in "qkvo"}
    norms = {k: normal(d) for k in ("g1", "c1", "g2", "c2")}
    return square | norms | {"W1": weight(d, 4 * d), "b1": normal(4 * d), "W2": weight(4 * d, d), "b2": normal(d)}


def _transformer(heads, causal):
    def transformer(xp, x, **p):
        layers = 1 + max((int(k.split("_")[1]) for k in p), default=0)
        for i in range(layers):
            x = _block(xp, x, {k.split("_")[0]: v for k, v in p.items() if k.endswith(f"_{i}")}, heads, causal)
        return x

    return transformer


def _blocks(name, d, seq, layers, heads, causal, **more):
    weights = {f"{k}_{i}": v for i in range(layers) for k, v in _block_weights(d).items()}
    flops = layers * (2 * seq * 12 * d * d + 4 * seq * seq * d)
    return Workload(
        name, _transformer(heads, causal), {"x": normal(seq, d)}, weights, flops=flops, tolerance=1e-3, **more
    )


_BY_GRADIENT = {"tcc": _step_by_gradient, "jax": _step_by_gradient}

WORKLOADS = (
    Workload("mlp 784-512-512-10, batch 1", _mlp, {"x": normal(1, 784)}, _MLP, flops=_MLP_FLOPS),
    Workload("mlp, batch 128", _mlp, {"x": normal(128, 784)}, _MLP, flops=128 * _MLP_FLOPS, quick=True),
    Workload(
        "mlp, batch at run time (37)",
        _mlp,
        {"x": normal(37, 784)},
        _MLP,
        flops=37 * _MLP_FLOPS,
        specs={"x": "f32[batch, 784]"},
    ),
    Workload(
        "mlp training step, batch 128",
        _step_by_hand,
        {"x": normal(128, 784), "y": integers(128, 10, high=2, dtype="f4"), **_MLP},
        flops=128 * (3 * _MLP_FLOPS - 2 * 784 * 512),
        own=_BY_GRADIENT,
        quick=True,
    ),
    Workload(
        "cnn of the digits example, batch 64",
        _digits,
        {"image": normal(64, 8, 8, 1, layout="image")},
        {
            "K1": _kernel(3, 1, 16),
            "b1": normal(16),
            "K2": _kernel(3, 16, 32),
            "b2": normal(32),
            "W": weight(128, 10),
            "b": normal(10),
        },
        flops=64 * 2 * 9 * (64 * 16 + 16 * 16 * 32),
    ),
    Workload(
        "residual cnn 32×32, batch 4",
        _residual,
        {"x": normal(4, 32, 32, 3, layout="image")},
        _RESIDUAL,
        flops=4 * _RESIDUAL_FLOPS,
    ),
    _blocks("transformer block d 768, seq 128", 768, 128, 1, 12, False),
    _blocks("transformer block d 256, seq 50, causal", 256, 50, 1, 4, True),
    _blocks("GPT-2-small-like, 12 layers, seq 64", 768, 64, 12, 12, True),
)
