"""Every record of the table, by its own samples: types, form, expansion, gradient, batching, documentation.

A new record is tested here without a line being added.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from tcc import ops
from tcc.ir import dtype as dt
from tcc.ir import interpret
from tcc.ir.forms import Control, Elementwise, Opaque
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.location import Location, located
from tcc.ir.op import NotDifferentiable, Op, Sample
from tcc.ir.types import TensorType
from tcc.ops.samples import dtype_cases
from tcc.passes.batch import batch
from tcc.passes.differentiate import vjp
from tests.compare import assert_close
from tests.ops import form_oracle

Array = np.ndarray[Any, Any]
HERE = Location(__file__, 1)
RECORDS = [pytest.param(op, id=name) for name, op in ops.TABLE.items()]


def samples(op: Op, wanted: Callable[[tuple[dt.DType, ...]], bool] = lambda _: True) -> Iterator[Sample]:
    for dtypes in dtype_cases(op):
        if wanted(dtypes):
            seed = zlib.crc32(" ".join([op.name, *map(str, dtypes)]).encode())
            yield from op.samples(dtypes, np.random.default_rng(seed))


def applied(op: Op, arrays: Sequence[Array], attributes: Any) -> tuple[Node, tuple[Value, ...]]:
    inputs = tuple(
        Value(TensorType(dt.of(a.dtype), a.shape), HERE, name=f"x{i}") for i, a in enumerate(map(np.asarray, arrays))
    )
    op.check_operands([v.type for v in inputs])
    return Node(op, inputs, attributes, HERE), inputs


def references(op: Op, arrays: Sequence[Array], attributes: Any) -> tuple[Array, ...]:
    with np.errstate(all="ignore"):
        answer = op.reference(*arrays, **attributes)
    return tuple(map(np.asarray, answer)) if isinstance(answer, (tuple, list)) else (np.asarray(answer),)


def size_of(*arrays: Array) -> float:
    """The greatest finite magnitude: what rounding errors of sums are relative to."""
    largest = [np.abs(a[np.isfinite(a)]).max(initial=0) for a in arrays if a.dtype.kind in "fVc"]
    return float(max(largest, default=0))


@pytest.mark.parametrize("op", RECORDS)
def test_documented(op: Op) -> None:
    assert ops.TABLE[op.name] is op
    assert op.doc.endswith(".")
    assert len(op.doc) > 15
    assert any(True for _ in samples(op)), "a record needs samples"
    assert op.batch is not None or not op.operands or op.expand is not None or isinstance(op.form, Control)


@pytest.mark.parametrize("op", RECORDS)
def test_types_agree_with_the_reference(op: Op) -> None:
    for sample in samples(op):
        node, _ = applied(op, sample.operands, sample.attributes)
        expected = references(op, sample.operands, sample.attributes)
        assert len(expected) == len(node.results)
        for value, array in zip(node.results, expected, strict=True):
            found = (array.shape, array.dtype)
            assert (value.type.shape, value.type.dtype.numpy) == found, sample.label


@pytest.mark.parametrize("op", [p for p in RECORDS if p.values[0].form is not None])
def test_form_agrees_with_the_reference(op: Op) -> None:
    if isinstance(op.form, (Control, Opaque)):
        pytest.skip("a program, not a description of elements")
    for sample in samples(op):
        node, _ = applied(op, sample.operands, sample.attributes)
        found = form_oracle.run(node, sample.operands)
        assert found is not None
        expected = references(op, sample.operands, sample.attributes)
        # NumPy's own functions err by a unit or two, and a half float's are computed in f32 and rounded.
        scale = 0.0 if isinstance(op.form, Elementwise) else size_of(*sample.operands, *expected)
        for f, e in zip(found, expected, strict=True):
            assert_close(f, e, max(op.tolerance, 1.0), scale=scale, what=f"{op.name} {sample.label} {e.dtype}")


@pytest.mark.parametrize("op", [p for p in RECORDS if p.values[0].expand is not None])
def test_expansion_agrees_with_the_reference(op: Op) -> None:
    for sample in samples(op):
        node, inputs = applied(op, sample.operands, sample.attributes)
        assert op.expand is not None
        with located(HERE):
            made = op.expand(*inputs, **sample.attributes)
        outputs = (made,) if isinstance(made, Value) else tuple(made)
        assert [v.type for v in outputs] == [v.type for v in node.results]
        found = interpret.run_graph(Graph("expansion", inputs, outputs), sample.operands)
        expected = references(op, sample.operands, sample.attributes)
        for f, e in zip(found, expected, strict=True):
            scale = size_of(*sample.operands, e) if e.dtype.kind in "fVc" else 0
            assert_close(f, e, op.tolerance, scale=min(scale, 1.0), what=f"{op.name} {sample.label} {e.dtype}")


def _differentiable(op: Op) -> bool:
    return not isinstance(op.gradient, NotDifferentiable) and op.form != Control("while")


@pytest.mark.parametrize("op", [p for p in RECORDS if _differentiable(p.values[0])])
def test_gradient_agrees_with_differences(op: Op) -> None:
    """The vector-Jacobian product for random cotangents, against central differences."""
    checked = 0
    rng = np.random.default_rng(7)
    for sample in samples(op, lambda dtypes: any(d in (dt.F64, dt.C128) for d in dtypes) or not dtypes):
        wrt = [i for i, a in enumerate(sample.operands) if a.dtype.kind in "fc"]
        node, inputs = applied(op, sample.operands, sample.attributes)
        if not sample.gradient or not all(v.type.dtype in (dt.F64, dt.C128) for v in node.results):
            continue
        if any(sample.operands[i].dtype not in (np.float64, np.complex128) for i in wrt):
            continue
        graph = vjp(Graph(op.name, inputs, node.results), wrt)
        seeds = [_noise(rng, v.type) for v in node.results]
        found = interpret.run_graph(graph, [*sample.operands, *seeds])[len(node.results) :]
        for i, cotangent in zip(wrt, found, strict=True):
            expected = _by_differences(op, sample, i, seeds)
            scale = max(1.0, size_of(expected))
            np.testing.assert_allclose(cotangent, expected, rtol=2e-5, atol=2e-6 * scale, err_msg=f"{sample.label} {i}")
            checked += 1
    assert checked, "no sample checks the gradient"


def _noise(rng: np.random.Generator, type: TensorType) -> Array:
    shape = tuple(int(s) for s in type.shape)  # pyright: ignore[reportArgumentType]
    real = rng.uniform(0.5, 1.5, shape)
    return real + 1j * rng.uniform(0.5, 1.5, shape) if type.dtype.is_complex else real


def _by_differences(op: Op, sample: Sample, which: int, seeds: Sequence[Array]) -> Array:
    """d Re(Σ seed·result) for each element; of a complex x = a + ib the cotangent is d/da - i·d/db."""
    base = sample.operands[which]
    result = np.zeros(base.shape, base.dtype)
    for place in np.ndindex(base.shape):
        for direction in (1.0, 1j) if base.dtype.kind == "c" else (1.0,):
            step = 1e-6 * max(1.0, float(np.abs(base[place])))
            ends: list[float] = []
            for sign in (1, -1):
                moved = base.copy()
                moved[place] += sign * step * direction
                arrays = [moved if i == which else a for i, a in enumerate(sample.operands)]
                results = references(op, arrays, sample.attributes)
                ends.append(sum(float(np.real(np.sum(s * r))) for s, r in zip(seeds, results, strict=True)))
            slope = (ends[0] - ends[1]) / (2 * step)
            result[place] += slope if direction == 1.0 else -1j * slope
    return result


@pytest.mark.parametrize("op", [p for p in RECORDS if p.values[0].operands])
def test_batching_agrees_with_a_loop(op: Op) -> None:
    for sample in _few(samples(op, _usual)):
        arrays = list(map(np.asarray, sample.operands))
        count = len(arrays)
        for flags in {(True,) * count, *(tuple(i == k for i in range(count)) for k in range(count))}:
            if not any(flags):
                continue
            stacked = [
                np.stack([a, a[..., ::-1]]) if b and a.ndim else np.stack([a, a]) if b else a
                for a, b in zip(arrays, flags, strict=True)
            ]
            node, inputs = applied(op, arrays, sample.attributes)
            graph = batch(Graph(op.name, inputs, node.results), flags, 2)
            found = interpret.run_graph(graph, stacked)
            rows = [
                references(op, [s[i] if b else s for s, b in zip(stacked, flags, strict=True)], sample.attributes)
                for i in range(2)
            ]
            for f, parts in zip(found, zip(*rows, strict=True), strict=True):
                expected = np.stack(parts)
                scale = size_of(*arrays, expected)
                assert_close(f, expected, max(op.tolerance, 1), scale=scale, what=f"{op.name} {sample.label} {flags}")


def _usual(dtypes: tuple[dt.DType, ...]) -> bool:
    return all(d in (dt.F32, dt.I32, dt.I64, dt.BOOL, dt.C64) for d in dtypes)


def _few(found: Iterator[Sample]) -> list[Sample]:
    """Some samples: the edge values are the form's business."""
    return [s for s in found if "edges" not in s.label][:12]
