"""Element types at run time: the NumPy dtype of each name in a manifest."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np

_NUMPY = {
    "bool": "?",
    **{f"{kind}{bits}": f"{kind}{bits // 8}" for kind in "iuf" for bits in (8, 16, 32, 64) if (kind, bits) != ("f", 8)},
    "c64": "c8",
    "c128": "c16",
}


@cache
def numpy_dtype(name: str) -> np.dtype[Any]:
    """The dtype of arrays of that element type; bf16 without ml_dtypes installed is its bits as uint16."""
    if name != "bf16":
        return np.dtype(_NUMPY[name])
    try:
        return np.dtype(importlib.import_module("ml_dtypes").bfloat16)
    except ImportError:
        return np.dtype(np.uint16)
