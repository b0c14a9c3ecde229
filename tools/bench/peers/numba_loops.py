"""Numba: only workloads that have loops written for it (`workloads/loops.py`), with fast-math."""
# pyright: basic, reportMissingImports=false
# Bodies and namespaces are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

import numba
import numpy as np

from tools.bench.peers.prepared import Prepared


class Numba:
    """Loops that write into the caller's arrays."""

    version = numba.__version__

    def prepare(self, workload, inputs, weights, results):
        compiled = numba.njit(fastmath=True)(workload.own["numba"])
        arguments = [*inputs.values(), *weights.values()]
        made = [np.empty_like(r) for r in results]

        def call():
            compiled(*arguments, *made)

        return Prepared(call, lambda: made, owned=True)


def make(_name, threads):
    """Loops of one thread; more threads change nothing."""
    numba.set_num_threads(threads)
    return Numba()
