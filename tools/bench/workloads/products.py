"""Matrix products: square, skinny, batched, transposed, of other dtypes, with epilogues."""
# pyright: basic
# Bodies are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

import math

from tools.bench.workload import Workload, integers, normal, weight


def _matmul(xp, a, b):
    return xp.matmul(a, b)


def _matmul_out(xp, a, b, out):
    xp.matmul(a, b, out=out)


def gemm(m, n, k, dtype="f4", peak="f32", name="", **more):
    """a [m, k] times b [k, n]."""
    label = name or (f"gemm {m}³" if m == n == k else f"gemm {m}×{k}×{n}")
    inputs = {"a": normal(m, k, dtype=dtype), "b": normal(k, n, dtype=dtype, scale=1 / math.sqrt(k))}
    return Workload(label, _matmul, inputs, flops=2 * m * n * k, peak=peak, out=_matmul_out, **more)


def _batched(name, batch, m, n, k, **more):
    inputs = {"a": normal(batch, m, k), "b": normal(batch, k, n)}
    return Workload(name, _matmul, inputs, flops=2 * batch * m * n * k, out=_matmul_out, **more)


def _integers(xp, a, b):
    return xp.matmul(a, b)


def _integers_wide(xp, a, b):
    return xp.matmul(a.astype("i4"), b.astype("i4"))


def _integers_torch(xp, a, b):
    return xp._int_mm(a, b)


def _integers_jax(xp, a, b):
    return xp.matmul(a, b, preferred_element_type="int32")


def _transposed_a(xp, a, b):
    return xp.matmul(a.T, b)


def _transposed_b(xp, a, b):
    return xp.matmul(a, b.T)


def _linear(xp, x, W, b):
    return xp.matmul(x, W) + b


def _linear_gelu(xp, x, W, b):
    return xp.gelu(xp.matmul(x, W) + b)


def _linear_residual(xp, x, r, W, b):
    return r + xp.relu(xp.matmul(x, W) + b)


def _scores(xp, q, k):
    return xp.einsum("bqhd,bkhd->bhqk", q, k)


def _bilinear(xp, x, W, y):
    return xp.einsum("bi,ijk,bj->bk", x, W, y)


_NO_BF16 = dict.fromkeys(("onnxruntime", "openvino"), "no product of this dtype on the CPU")
_NO_COMPLEX = dict.fromkeys(("onnxruntime", "openvino"), "no complex numbers")
_LAYER = {"W": weight(768, 3072), "b": normal(3072)}
_FLOPS = 2 * 128 * 768 * 3072

WORKLOADS = (
    gemm(100, 100, 100),
    gemm(256, 256, 256, quick=True),
    gemm(512, 512, 512),
    gemm(1024, 1024, 1024, quick=True),
    gemm(2048, 2048, 2048),
    gemm(127, 511, 253),
    gemm(33, 65, 129),
    gemm(8, 3072, 768, quick=True),
    gemm(3, 1000, 1000),
    gemm(64, 64, 65536, tolerance=1e-3),
    gemm(512, 512, 512, name="gemm 512³, sizes at run time", specs={"a": "f32[m, k]", "b": "f32[k, n]"}),
    gemm(1024, 1024, 1024, "f8", "f64", "gemm 1024³ f64", tolerance=1e-10),
    gemm(1024, 1024, 1024, "bf16", "bf16", "gemm 1024³ bf16", tolerance=1e-2, without={"numpy": "no BLAS", **_NO_BF16}),
    gemm(512, 512, 512, "c8", "f32", "gemm 512³ c64", without=_NO_COMPLEX),
    Workload(
        "gemm 1024³ int8",
        _integers,
        {
            "a": integers(1024, 1024, low=-64, high=64, dtype="i1"),
            "b": integers(1024, 1024, low=-64, high=64, dtype="i1"),
        },
        flops=2 * 1024**3,
        peak="int8",
        tolerance=0,
        own={
            "tcc": _integers_wide,
            "numpy": _integers_wide,
            "torch": _integers_torch,
            "torch.compile": _integers_torch,
            "jax": _integers_jax,
        },
        without={"numpy": "no BLAS"},
    ),
    Workload("gemm aᵀ·b 512³", _transposed_a, {"a": normal(512, 512), "b": normal(512, 512)}, flops=2 * 512**3),
    Workload("gemm a·bᵀ 512³", _transposed_b, {"a": normal(512, 512), "b": normal(512, 512)}, flops=2 * 512**3),
    Workload(
        "gemv 4096²",
        _matmul,
        {"a": normal(4096, 4096), "b": normal(4096)},
        flops=2 * 4096**2,
        out=_matmul_out,
        quick=True,
    ),
    Workload("gevm 4096²", _matmul, {"a": normal(4096), "b": normal(4096, 4096)}, flops=2 * 4096**2, out=_matmul_out),
    Workload(
        "gemv 1000×300 f64",
        _matmul,
        {"a": normal(1000, 300, dtype="f8"), "b": normal(300, dtype="f8")},
        flops=6e5,
        peak="f64",
    ),
    _batched("batched 64×(128×64·64×128)", 64, 128, 128, 64),
    _batched("batched 256×16³", 256, 16, 16, 16),
    _batched("batched 10000×4³", 10000, 4, 4, 4),
    Workload("linear 128×768→3072, weights known", _linear, {"x": normal(128, 768)}, _LAYER, flops=_FLOPS),
    Workload(
        "linear + gelu 128×768→3072", _linear_gelu, {"x": normal(128, 768)}, _LAYER, flops=_FLOPS + 128 * 3072 * 25
    ),
    Workload(
        "linear + relu + residual",
        _linear_residual,
        {"x": normal(128, 768), "r": normal(128, 3072)},
        _LAYER,
        flops=_FLOPS,
    ),
    Workload(
        "einsum bqhd,bkhd→bhqk",
        _scores,
        {"q": normal(4, 256, 8, 64), "k": normal(4, 256, 8, 64)},
        flops=2 * 4 * 8 * 256 * 256 * 64,
    ),
    Workload(
        "einsum bi,ijk,bj→bk",
        _bilinear,
        {"x": normal(64, 96), "W": weight(96, 80, 72), "y": normal(64, 80)},
        flops=2 * 64 * 96 * 80 * 72,
    ),
)
