"""Winograd's minimal filters F(m, 3): m neighbouring results of a window of three by m + 2 products in place of 3·m.

Results are values of polynomials' products: both factors are evaluated at the points 0, ±a, … and ∞, multiplied
there, and the product is interpolated (Toom and Cook; Winograd, "Arithmetic Complexity of Computations", 1980;
Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016). As points come in pairs of both
signs, each transform is one of even and odd parts, and their sums and differences: two sparse matrices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tcc.ir.dtype import DType

WINDOW = 3
"""Elements of a window along an axis."""

Rows = tuple[tuple[float, ...], ...]
"""A matrix: factors of one sum, row by row."""


@dataclass(frozen=True)
class Filter:
    """F(``made``, 3) along one axis, by Lavin and Gray's matrices, each a product of sparse ones, the first of which
    is applied first.

    ``seen`` is their Bᵀ, from a tile's elements; ``weighed`` their G, from a kernel's; ``results`` their Aᵀ, from
    the products. ``growth``: by how much it multiplies the error that `added_error` states.
    """

    made: int
    growth: float
    seen: tuple[Rows, ...]
    weighed: tuple[Rows, ...]
    results: tuple[Rows, ...]

    @property
    def tile(self) -> int:
        """Elements of a tile, and products."""
        return self.made + WINDOW - 1

    @property
    def wide(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Their G as one matrix, f64."""
        found = np.eye(WINDOW)
        for rows in self.weighed:
            found = np.array(rows) @ found
        return found


def _filter(points: Sequence[float], growth: float) -> Filter:
    """The filter of the points 0, plus and minus each of ``points``, and ∞."""
    made, tile = 2 * len(points), 2 * len(points) + 2
    seen, weighed, results = (np.zeros(shape) for shape in ((tile, tile), (tile, WINDOW), (made, tile)))
    through_all = np.poly1d([p for point in points for p in (point, -point)], True)
    at_zero = through_all(0)
    # Signs are those of Lavin and Gray's F(2, 3): no kernel's sum is negated.
    _write(seen[0], through_all * np.sign(at_zero))
    weighed[0, 0] = 1 / abs(at_zero)
    results[0, 0] = 1
    for k, point in enumerate(points):
        even, odd = 2 * k + 1, 2 * k + 2
        others = np.poly1d([p for other in points if other != point for p in (other, -other)], True)
        _write(seen[even], others * np.poly1d([1, 0, 0]))
        _write(seen[odd], others * np.poly1d([point, 0]))
        scale = 2 * point**2 * others(point)
        weighed[even] = 1 / scale, 0, point**2 / scale
        weighed[odd] = 0, point / scale, 0
        results[0::2, even] = [point**n for n in range(0, made, 2)]
        results[1::2, odd] = [point**n for n in range(1, made, 2)]
    _write(seen[-1], through_all * np.poly1d([1, 0]))
    weighed[-1, -1] = 1
    results[-1, -1] = 1
    both = np.eye(tile)
    for k in range(1, tile - 1, 2):
        both[k : k + 2, k : k + 2] = (1, 1), (1, -1)
    return Filter(
        made, growth, (_rows(seen), _rows(both)), (_rows(weighed), _rows(both)), (_rows(both), _rows(results))
    )


def _write(row: np.ndarray[tuple[int], np.dtype[np.float64]], polynomial: np.poly1d) -> None:
    """A polynomial's coefficients, the constant first."""
    row[: len(polynomial.coeffs)] = polynomial.coeffs[::-1]


def _rows(matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Rows:
    return tuple(tuple(float(v) for v in row) for row in matrix + 0.0)


F2 = _filter((1.0,), 1.0)
"""Lavin and Gray's own: all factors are 1, -1 and ½."""
F4 = _filter((0.6875, 1.5), 2.5)
"""Of sixteenths from ½ to 1 and eighths from 1 to 2 these points have the smallest error, less than half of that of
1 and 2, which Lavin and Gray take. All factors of `seen` and `results` are exact in f32."""
FILTERS = (F2, F4)
"""All of them, the most exact first."""


def added_error(filters: Sequence[Filter], channels: int, dtype: DType) -> float:
    """The error that filters along some axes add to that of sums of products, relative to the largest magnitude of the
    results: √channels times the dtype's epsilon, times the growth of each; nothing where none has any.

    Measured on random kernels and operands (normal, rectified, uniform from 0 to 1, Student's t with three degrees of
    freedom, nearly constant along the spatial axes, and one in twenty not 0) of 16 to 1024 channels in f32 and 32 in
    f64, against sums in twice the precision, the largest error of all results was, in units of √channels · epsilon:

        windows of three      1.0 by products, 0.6 by F2, 2.0 by F4
        windows of 3 × 3      1.7 by products, 0.7 by F2 × F2, 1.0 by F4 × F2, 2.3 by F4 × F4

    F2 is never worse than products, so that it adds nothing. The growth of F4 leaves a margin of 1.25 along one axis,
    where 16 channels with outliers are the worst, and of 2.6 along two. It is no proof: results that are small
    everywhere, as large products cancel out, have a larger relative error, as they have by products.
    """
    growth = math.prod(f.growth for f in filters)
    return 0.0 if growth <= 1 else growth * math.sqrt(channels) * float(np.finfo(dtype.numpy).eps)
