"""Softmax, norms and the losses built on them."""
# pyright: basic
# Bodies are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

from tools.bench.workload import TRANSCENDENTAL, Workload, integers, normal
from tools.bench.workloads import loops


def _softmax(xp, x):
    return xp.softmax(x, axis=-1)


def _softmax0(xp, x):
    return xp.softmax(x, axis=0)


def _layer_norm(xp, x, gain, bias):
    return xp.layer_norm(x, gain, bias)


def _rms_norm(xp, x, gain):
    return x / xp.sqrt(xp.mean(x * x, axis=-1, keepdims=True) + 1e-6) * gain


def _batch_norm(xp, x, gain, bias):
    return xp.relu(xp.batch_norm(x, gain, bias))


def _cross_entropy(xp, x, y):
    picked = xp.take_along_axis(xp.log_softmax(x, axis=-1), y[:, None], axis=1)
    return -xp.mean(picked)


def _rows(name, m, n, body=_softmax, each=4 + TRANSCENDENTAL, dtype="f4", **more):
    return Workload(name, body, {"x": normal(m, n, dtype=dtype)}, flops=m * n * each, **more)


_GAINS = {"gain": normal(768), "bias": normal(768)}

WORKLOADS = (
    _rows("softmax 4096×1024", 4096, 1024, own={"numba": loops.softmax}, quick=True),
    _rows("softmax 4096×1000, columns", 4096, 1000, _softmax0),
    _rows("softmax 100,000×10", 100_000, 10),
    _rows("softmax 8×50257", 8, 50257),
    _rows("softmax 4096×1024 f64", 4096, 1024, dtype="f8", peak="f64", tolerance=1e-12),
    Workload(
        "layernorm 4096×768",
        _layer_norm,
        {"x": normal(4096, 768)},
        _GAINS,
        flops=4096 * 768 * 8,
        quick=True,
        own={"numba": loops.layer_norm},
    ),
    Workload("rmsnorm 2048×768", _rms_norm, {"x": normal(2048, 768)}, {"gain": normal(768)}, flops=2048 * 768 * 4),
    Workload(
        "batch norm (of the batch) + relu, 32×28×28×64",
        _batch_norm,
        {"x": normal(32, 28, 28, 64, layout="image")},
        {"gain": normal(64), "bias": normal(64)},
        flops=32 * 28 * 28 * 64 * 8,
        image_result=True,
    ),
    Workload(
        "cross-entropy 4096×1000",
        _cross_entropy,
        {"x": normal(4096, 1000), "y": integers(4096, high=1000)},
        flops=4096e3 * (3 + TRANSCENDENTAL),
    ),
)
