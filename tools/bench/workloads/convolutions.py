"""Convolutions and pooling; images in each peer's own order."""
# pyright: basic
# Bodies are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

from tools.bench.workload import Workload, normal, weight


def conv(name, n, size, c, o, k, strides=1, groups=1, **more):
    """One convolution with bias and relu, padded so that stride 1 keeps the size."""
    padding = k // 2

    def body(xp, x, K, b):
        return xp.relu(xp.conv2d(x, K, b, strides=strides, padding=padding, groups=groups))

    height, width = size if isinstance(size, tuple) else (size, size)
    out = ((height - 1) // strides + 1) * ((width - 1) // strides + 1)
    return Workload(
        name,
        body,
        {"x": normal(n, height, width, c, layout="image")},
        {"K": weight(k, k, c // groups, o, layout="kernel"), "b": normal(o)},
        flops=2 * n * out * o * k * k * c / groups,
        image_result=True,
        **more,
    )


def _pool(xp, x):
    return xp.max_pool2d(x, 3, 2, 1)


WORKLOADS = (
    conv("conv 3×3, 56×56×64→64", 1, 56, 64, 64, 3, quick=True),
    conv("conv 3×3, 8×(28×28×128→128)", 8, 28, 128, 128, 3),
    conv("conv 3×3, 27×29×33→47", 1, (27, 29), 33, 47, 3),
    conv("conv 3×3 stride 2, 56×56×64→128", 1, 56, 64, 128, 3, 2),
    conv("conv 1×1, 56×56×64→256", 1, 56, 64, 256, 1),
    conv("conv 7×7 stride 2, 224×224×3→64", 1, 224, 3, 64, 7, 2),
    conv("conv 5×5, 14×14×96→64", 1, 14, 96, 64, 5),
    conv("grouped conv 3×3 (4), 28×28×128→128", 1, 28, 128, 128, 3, groups=4),
    conv("depthwise conv 3×3, 56×56×128", 1, 56, 128, 128, 3, groups=128, quick=True),
    conv("depthwise conv 5×5 stride 2, 28×28×120", 1, 28, 120, 120, 5, 2, groups=120),
    Workload(
        "max pool 3×3 stride 2, 112×112×64", _pool, {"x": normal(1, 112, 112, 64, layout="image")}, image_result=True
    ),
)
