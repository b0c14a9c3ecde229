"""A pass judged by what graphs compute: its input and its output are run on sampled values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tcc.errors import InternalError
from tcc.ir import dim, interpret, verify
from tcc.ir.graph import Graph, Value
from tcc.ir.op import Array
from tcc.ir.text import graph_symbols, to_text

Pass = Callable[[Graph], Graph]


def validated(name: str, change: Pass, seed: int = 0, ulps: float = 0.0) -> Pass:
    """The pass, verified and checked on sampled values each time that it runs.

    InternalError shows both graphs when an output differs by more than ``ulps`` units in the last
    place of its dtype, relative to the output's largest element.
    """

    def run(graph: Graph) -> Graph:
        changed = change(graph)
        verify.verify_graph(changed)
        sizes = sample_sizes(graph, seed)
        inputs = sample_inputs(graph.inputs, sizes, seed)
        before = interpret.run_graph(graph, inputs, sizes)
        after = interpret.run_graph(changed, inputs, sizes)
        for index, (a, b) in enumerate(zip(before, after, strict=True)):
            if not agree(a, b, ulps):
                texts = f"{to_text(graph)}became\n{to_text(changed)}"
                raise InternalError(f"the pass '{name}' changed output {index}", why=f"{a}\nbecame\n{b}\n{texts}")
        return changed

    return run


def sample_sizes(graph: Graph, seed: int) -> dict[str, int]:
    """A small number for every symbol in a graph, different ones where their ranges allow."""
    rng = np.random.default_rng(seed)
    sizes: dict[str, int] = {}
    for symbol in graph_symbols(graph):
        upper = None if symbol.upper is None else dim.evaluate(symbol.upper, sizes)
        low = max(symbol.lower, min(2, upper if upper is not None else 2))
        high = low + 4 if upper is None else min(low + 4, upper)
        sizes[symbol.name] = int(rng.integers(low, high + 1))
    return sizes


def sample_inputs(values: Sequence[Value], sizes: dict[str, int], seed: int) -> list[Array]:
    """Arrays of the values' types: floats around 0, small integers that are valid indices."""
    rng = np.random.default_rng(seed)
    arrays: list[Array] = []
    for value in values:
        kind, shape = value.type.dtype, interpret.shape_of(value.type, sizes)
        if kind.is_complex:
            array = rng.normal(size=shape) + 1j * rng.normal(size=shape)
        elif kind.is_float:
            array = rng.normal(size=shape)
        else:
            array = rng.integers(0, 2, size=shape)
        arrays.append(np.asarray(array).astype(kind.numpy))
    return arrays


def agree(a: Array, b: Array, ulps: float = 0.0) -> bool:
    """Whether two arrays are equal: to the bit but for nans' payloads, or within ``ulps`` of the largest element."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind == "c":
        return agree(np.real(a), np.real(b), ulps) and agree(np.imag(a), np.imag(b), ulps)
    if a.dtype.kind in "biu":
        return bool((a == b).all())
    nan = np.isnan(a)
    if not (nan == np.isnan(b)).all():
        return False
    x, y = a[~nan], b[~nan]
    if ulps == 0:
        return bool((x == y).all() and (np.signbit(x) == np.signbit(y)).all())
    finite = np.isfinite(x)
    if not (finite == np.isfinite(y)).all() or not (x[~finite] == y[~finite]).all():
        return False
    wide = [v[finite].astype(np.float64) for v in (x, y)]
    largest = np.abs(wide[0]).max(initial=0.0)
    step = float(np.spacing(np.asarray(largest).astype(a.dtype)))
    return bool((np.abs(wide[0] - wide[1]) <= ulps * step).all())
