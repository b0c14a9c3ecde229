"""Rearrangements: nothing is computed, everything is moved."""
# pyright: basic
# Bodies are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

from tools.bench.workload import Workload, normal
from tools.bench.workloads import loops


def _transpose(xp, x):
    return xp.transpose(x, (1, 0)) + 0


def _transposed_sum(xp, x, y):
    return x + y.T


def _channels_first(xp, x):
    return xp.transpose(x, (0, 3, 1, 2))


def _permute(xp, x):
    return _channels_first(xp, x) * 2.0


def _concatenate(xp, x, y):
    return xp.concatenate([x, y, x], axis=1)


def _pad(xp, x):
    return xp.pad(x, ((1, 1), (1, 1)))


def _flip(xp, x):
    return xp.flip(x, axis=1) * 2.0


def _heads_apart(xp, x):
    return xp.transpose(x.reshape(512, 3, 12, 64), (1, 2, 0, 3))


def _heads(xp, x):
    return _heads_apart(xp, x) * 2.0


def _in_order(permuted):
    """For NumPy and torch, whose elementwise results keep the operand's layout: nothing would be moved."""
    return {
        "numpy": lambda xp, x: xp.multiply(permuted(xp, x), xp.float32(2.0), order="C"),
        "torch": lambda xp, x: (permuted(xp, x) * 2.0).contiguous(),
        "torch.compile": lambda xp, x: (permuted(xp, x) * 2.0).contiguous(),
    }


_COPIES = {
    "numpy": lambda xp, x: xp.ascontiguousarray(x.T),
    "torch": lambda xp, x: x.T.contiguous(),
    "torch.compile": lambda xp, x: x.T.contiguous(),
    "onnxruntime": lambda xp, x: xp.transpose(x, (1, 0)),
    "openvino": lambda xp, x: xp.transpose(x, (1, 0)),
    "jax": lambda xp, x: x.T,
    "tcc": lambda xp, x: x.T,
}


WORKLOADS = (
    Workload(
        "transpose 4096²", _transpose, {"x": normal(4096, 4096)}, own={**_COPIES, "numba": loops.transpose}, quick=True
    ),
    Workload("transpose 1000×1003", _transpose, {"x": normal(1000, 1003)}, own=_COPIES),
    Workload("transpose 2000² f64", _transpose, {"x": normal(2000, 2000, dtype="f8")}, own=_COPIES, peak="f64"),
    Workload("x + yᵀ 2048²", _transposed_sum, {"x": normal(2048, 2048), "y": normal(2048, 2048)}),
    Workload("NHWC → NCHW 16×56×56×64", _permute, {"x": normal(16, 56, 56, 64)}, own=_in_order(_channels_first)),
    Workload("heads apart, 512×(3·12·64)", _heads, {"x": normal(512, 3 * 12 * 64)}, own=_in_order(_heads_apart)),
    Workload("concatenate 1024×(512+300+512)", _concatenate, {"x": normal(1024, 512), "y": normal(1024, 300)}),
    Workload("pad 2047×2045 by 1", _pad, {"x": normal(2047, 2045)}),
    Workload("flip rows of 2048²", _flip, {"x": normal(2048, 2048)}),
)
