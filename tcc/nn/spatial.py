"""Layers over images: x has the axes N, height, width, channels."""

from __future__ import annotations

from collections.abc import Sequence

from tcc import ops
from tcc.errors import UserError
from tcc.ir.graph import Value
from tcc.ops.operands import Operand, value
from tcc.ops.sliding import Padding


def conv2d(
    x: Operand,
    kernel: Operand,
    strides: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Value:
    """Convolution of x (N, H, W, C) with a kernel (h, w, C/groups, O).

    ``padding`` is SAME, VALID, a number, or (low, high) for each of the two axes.
    """
    return ops.convolution(_images("conv2d", x), kernel, strides, padding, 1, dilation, groups)


def max_pool2d(
    x: Operand,
    window: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
) -> Value:
    """The greatest element under a window over H and W; ``strides`` are the window's size if None."""
    return ops.max_pool(_images("max_pool2d", x), window, strides, padding, dilation)


def avg_pool2d(
    x: Operand,
    window: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    count_include_pad: bool = False,
) -> Value:
    """The mean under a window over H and W; places of the padding do not count unless ``count_include_pad``."""
    return ops.avg_pool(_images("avg_pool2d", x), window, strides, padding, count_include_pad)


def _images(name: str, x: Operand) -> Value:
    images = value(x)
    if images.type.rank != 4:
        raise UserError(
            f"{name}: the operand is {images.type}",
            where=images.location.place(),
            why="expected four dimensions: N, height, width, channels",
            fix="add one for a single image: x[None]; np.moveaxis(x, 1, -1) puts channels last",
        )
    return images
