"""The peers, each in a file: its functions under NumPy's names, and how it is handed a workload."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

FILES: Mapping[str, str] = {
    "tcc": "compiled",
    "numpy": "numpy_arrays",
    "torch": "torch_tensors",
    "torch.compile": "torch_tensors",
    "onnxruntime": "onnx_runtimes",
    "openvino": "onnx_runtimes",
    "jax": "jax_arrays",
    "numba": "numba_loops",
}
"""The file of each peer, in the order of the tables' columns."""

PACKAGES: Mapping[str, str] = {
    "numpy": "numpy",
    "torch": "torch",
    "torch.compile": "torch",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "jax": "jax",
    "numba": "numba",
}
"""The package that must be installed for a peer; tcc is the one that is measured."""


def peer(name: str, threads: int) -> Any:
    """The peer, set up for this process: ``version`` and ``prepare(workload, inputs, weights, results)``."""
    return importlib.import_module(f"tools.bench.peers.{FILES[name]}").make(name, threads)
