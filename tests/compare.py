"""Comparison of a compiled result with NumPy's, in units in the last place of the result's dtype."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, Any]


def assert_close(found: Array, expected: Array, ulps: float, *, scale: float = 0.0, what: str = "") -> None:
    """Equal shape and dtype; integers and bools equal; floats within ``ulps`` of the larger of |expected|
    and ``scale``, with nan and infinities in the same places."""
    assert found.shape == expected.shape, f"{what}: shape {found.shape}, expected {expected.shape}"
    assert found.dtype == expected.dtype, f"{what}: dtype {found.dtype}, expected {expected.dtype}"
    if found.dtype.kind == "c":
        for part in ("real", "imag"):
            size = max(scale, float(np.max(np.abs(expected[np.isfinite(expected)]), initial=0)))
            assert_close(getattr(found, part), getattr(expected, part), ulps, scale=size, what=f"{what} {part}")
        return
    if found.dtype.kind in "biu":
        np.testing.assert_array_equal(found, expected, err_msg=what)
        return
    spacing = float(ml_dtypes.finfo(found.dtype).eps)
    tiny = float(ml_dtypes.finfo(found.dtype).smallest_subnormal)
    f, e = found.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(e)
    np.testing.assert_array_equal(f[~finite], e[~finite], err_msg=f"{what}: nan and inf")
    error = np.abs(f[finite] - e[finite])
    allowed = ulps * (spacing * np.maximum(np.abs(e[finite]), scale) + tiny)
    worst = np.argmax(error - allowed) if error.size else 0
    assert error.size == 0 or bool((error <= allowed).all()), (
        f"{what}: {f[finite].flat[worst]!r}, expected {e[finite].flat[worst]!r}, allowed {ulps} ULP of {scale:g}"
    )
