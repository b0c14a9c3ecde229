"""Each form scheduled, interpreted and compared, over sizes 0, 1, odd and long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tcc.ops as ops
from tcc.ir import types
from tcc.ir.build import graph_input
from tcc.ir.graph import Constant, Graph, State, Value
from tcc.loops.interpret import run_entry
from tcc.loops.program import Alloc, Call, Copy, Loop, Parallel, Program
from tcc.loops.verify import verify
from tcc.loops.walk import statements
from tcc.schedule import schedule
from tests.schedule.scheduled import AVX2, AVX512, check, compare, module_of, program_of
from tests.schedule.test_schedule_golden import CASES

SIZES = [{"n": 0, "m": 3, "k": 2}, {"n": 1, "m": 1, "k": 1}, {"n": 5, "m": 17, "k": 0}, {"n": 67, "m": 3, "k": 9}]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_golden_programs_compute(name: str, sizes: dict[str, int]) -> None:
    build, specs = CASES[name]
    module = module_of(build, specs)
    used = {s for spec in specs for s in "nmk" if s in spec}
    if "n:1.." in "".join(specs) and sizes["n"] == 0:
        pytest.skip("n is at least 1")
    inputs = None
    if name == "take":
        rng = np.random.default_rng(0)
        n, k = sizes["n"], sizes["k"]
        inputs = [rng.normal(size=(n, 64)).astype("f4"), rng.integers(-n, n, k)]
    if name == "call_put":
        inputs = [np.linspace(1, 2, sizes["n"], dtype="f4") + j for j in range(3)]
    for facts in (AVX512, AVX2):
        program = schedule(module, facts)
        verify(program)
        compare(module, program, {s: sizes[s] for s in used}, inputs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("extent", [63, 64, 65, 16384, 16385, 40000])
def test_long_reductions_do_not_depend_on_the_vector_width(extent: int) -> None:
    module = module_of(lambda x: (ops.sum(x, axis=1), ops.max(x, axis=1)), ["f32[2, n]"])
    x = np.random.default_rng(1).normal(size=(2, extent)).astype("f4")
    results = [run_entry(schedule(module, facts), "f", [x], {"n": extent}) for facts in (AVX512, AVX2)]
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(results[0][0], x.astype("f8").sum(1), rtol=1e-4, atol=1e-3)


def test_a_long_chain_and_its_diamonds_stay_linear() -> None:
    def build(x: Value) -> Value:
        for _ in range(100):
            x = ops.add(ops.multiply(x, x), x)
            x = ops.multiply(x, 0.1)
        return x

    program = check(build, "f64[n]", sizes={"n": 5})
    (kernel,) = program.kernels
    (loop,) = kernel.body
    assert isinstance(loop, Loop)
    assert len(loop.body) == 302


def test_a_very_long_chain() -> None:
    def build(x: Value) -> Value:
        for _ in range(1500):
            x = ops.multiply(ops.add(x, 1.0), 0.5)
        return x

    check(build, "f64[n]", sizes={"n": 3})


def test_an_intermediate_that_dies_is_overwritten() -> None:
    def build(x: Value, w: Value) -> Value:
        hidden = ops.matmul(x, w)
        return ops.matmul(ops.multiply(hidden, ops.sum(hidden)), w)

    program = check(build, "f32[n, 8]", "f32[8, 8]", sizes={"n": 5})
    (entry,) = program.entries
    assert len([b for b in entry.buffers if b.space == "arena" and b.size != 1]) == 1


def test_arena_slots_are_shared() -> None:
    def build(x: Value, w: Value) -> Value:
        for _ in range(6):
            x = ops.tanh(ops.matmul(x, w))
        return x

    program = check(build, "f32[n, 8]", "f32[8, 8]", sizes={"n": 3})
    (entry,) = program.entries
    assert len({offset for _, offset in entry.offsets}) == 2


def test_outputs_that_are_inputs_constants_or_twice() -> None:
    def build(x: Value) -> list[Value]:
        y = ops.exp(x)
        c = ops.literal(np.arange(3.0))
        s = ops.literal(np.full(4, 2.5))
        return [x, y, y, c, s, c]

    check(build, "f64[n]", sizes={"n": 4})


def test_state_is_updated_in_place() -> None:
    state = State("total", types.parse("f64[3]"), Constant.of(np.zeros(3)))
    module = module_of(
        lambda x, t: [ops.add(x, t), ops.add(x, t)], ["f64[3]"], [state], reads=["total"], writes=["total"]
    )
    program = schedule(module, AVX512)
    verify(program)
    held = {"total": np.array([1.0, 2.0, 3.0])}
    (out,) = run_entry(program, "f", [np.ones(3)], {}, states=held)
    np.testing.assert_array_equal(out, [2, 3, 4])
    np.testing.assert_array_equal(held["total"], [2, 3, 4])


def test_states_exchange() -> None:
    kept = [State(n, types.parse("f64[2]"), Constant.of(np.zeros(2))) for n in ("a", "b")]
    module = module_of(lambda a, b: [b, a], [], kept, reads=["a", "b"], writes=["a", "b"])
    program = schedule(module, AVX512)
    verify(program)
    held = {"a": np.array([1.0, 2.0]), "b": np.array([3.0, 4.0])}
    run_entry(program, "f", [], {}, states=held)
    np.testing.assert_array_equal(held["a"], [3, 4])
    np.testing.assert_array_equal(held["b"], [1, 2])


def test_a_state_alone_is_updated_without_a_copy() -> None:
    state = State("t", types.parse("f64[3]"), Constant.of(np.zeros(3)))
    module = module_of(lambda x, t: [ops.multiply(ops.add(x, t), 2.0)], ["f64[3]"], [state], reads=["t"], writes=["t"])
    program = schedule(module, AVX512)
    verify(program)
    assert not any(isinstance(s, Copy) for s in program.entries[0].body)
    held = {"t": np.array([1.0, 2.0, 3.0])}
    run_entry(program, "f", [np.ones(3)], {}, states=held)
    np.testing.assert_array_equal(held["t"], [4, 6, 8])


def scan_module(reverse: bool) -> Any:
    symbols: dict[str, Any] = {}
    h, w, x = (
        graph_input(types.parse(s, symbols), n) for s, n in (("f64[b, 4]", "h"), ("f64[4, 4]", "w"), ("f64[b, 4]", "x"))
    )
    new = ops.tanh(ops.add(ops.matmul(h, w), x))
    body = Graph("step", (h, w, x), (new, ops.sum(new, axis=1)))

    def build(h0: Value, w0: Value, xs: Value) -> Any:
        return list(ops.scan(body, [h0], [w0], [xs], xs.type.shape[0], reverse))

    return module_of(build, ["f64[b, 4]", "f64[4, 4]", "f64[t, b, 4]"])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    "sizes", [{"b": 3, "t": 4}, {"b": 2, "t": 1}, {"b": 1, "t": 0}, {"b": 0, "t": 2}, {"b": 2, "t": 5}], ids=str
)
def test_scan(sizes: dict[str, int], reverse: bool) -> None:
    module = scan_module(reverse)
    program = schedule(module, AVX512)
    verify(program)
    compare(module, program, sizes)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(0, 3), (3, 1), (5, 40), (2, 33)], ids=str)
@pytest.mark.parametrize("function", [ops.sort, ops.argsort, ops.cumsum])
def test_along_an_axis(function: Callable[..., Value], shape: tuple[int, int], axis: int) -> None:
    x = np.random.default_rng(2).integers(-5, 5, shape).astype("f8")
    if function is not ops.cumsum and x.size:
        x[0, -1] = np.nan
    check(lambda v: function(v, axis=axis), "f64[n, m]", sizes=dict(zip("nm", shape, strict=True)), inputs=[x])


def test_out_of_range_indices_are_reported() -> None:
    module = module_of(lambda x, i: ops.take(x, i, axis=0), ["f32[n, 3]", "i64[k]"])
    program = schedule(module, AVX512)
    x, sizes = np.zeros((4, 3), "f4"), {"n": 4, "k": 2}
    run_entry(program, "f", [x, np.array([-4, 3])], sizes)
    with pytest.raises(Exception, match="range"):
        run_entry(program, "f", [x, np.array([0, 4])], sizes)


def test_embedding_gradient_has_lanes() -> None:
    def build(x: Value, u: Value, i: Value) -> Value:
        return ops.scatter_add(x, i, u)

    program = check(
        build,
        "f32[n, 64]",
        "f32[k, 64]",
        "i64[k]",
        sizes={"n": 5, "k": 7},
        inputs=[np.zeros((5, 64), "f4"), np.ones((7, 64), "f4"), np.array([0, 1, 1, 4, 4, 4, 0])],
    )
    loops = [s for s in program.kernels[-1].body if isinstance(s, Loop)]
    (inner,) = [s for s in loops[0].body if isinstance(s, Loop)]
    assert inner.lanes == 16


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_convolution_and_pool(sizes: dict[str, int]) -> None:
    shape = {"n": sizes["n"], "h": sizes["m"] + 3}

    def build(x: Value, w: Value) -> Value:
        return ops.max_pool(ops.maximum(ops.convolution(x, w, padding="SAME"), 0), 2)

    check(build, "f32[n, h, 6, 2]", "f32[3, 3, 2, 5]", sizes=shape)


def test_kernels_call_only_what_they_need() -> None:
    program = program_of(lambda x, y: (ops.sum(x), ops.exp(y)), "f32[n]", "f32[m]")
    calls = [s for s in program.entries[0].body if isinstance(s, Call)]
    assert [len(c.buffers) for c in calls] == [2, 2, 2]


@pytest.mark.parametrize("extent", [0, 1, 16384, 50000])
def test_a_reduction_of_everything_is_shared_among_workers(extent: int) -> None:
    program = check(
        lambda x: (ops.mean(x), ops.argmax(ops.concatenate([x, ops.zeros((1,))], axis=0))),
        "f64[n]",
        sizes={"n": extent},
        rtol=1e-9,
    )
    parallel = [k for k in program.kernels if isinstance(k.body[-1], Loop) and isinstance(k.body[-1].mapping, Parallel)]
    assert len(parallel) >= 2


@pytest.mark.parametrize("spec", ["f32[m]", "c128[m]"])
def test_a_row_of_scratch_belongs_to_one_point(spec: str) -> None:
    """What a second pass needs of a product's operand is kept, also where several rows at once could run, or
    where a vector holds a single element."""

    def build(x: Value, b: Value) -> Value:
        y = ops.divide(ops.add(x, b), ops.add(ops.multiply(x, x), 2.0))
        y = ops.tanh(y) if spec[0] == "f" else y
        total = ops.matmul(y, b)
        return ops.sum(ops.square(ops.add(y, ops.expand_dims(total, 1))), axis=1)

    for sizes in SIZES:
        check(build, spec.replace("m", "n, m"), spec, sizes={s: sizes[s] for s in "nm"}, rtol=1e-4, atol=1e-4)


def _rooms(program: Program) -> list[str]:
    """Where the rows of its kernels are."""
    return [s.buffer.space for k in program.kernels for s in statements(k.body) if isinstance(s, Alloc)]


def test_a_long_row_is_kept_in_the_place_of_the_result() -> None:
    """Unless it is not of its dtype, has other elements, or is written past the caches."""
    soft = ops.softmax
    for spec in ("f32[3, 5000]", "f32[64, 2, 5000]"):
        assert not _rooms(check(soft, spec, sizes={}, rtol=1e-5))
    assert _rooms(check(soft, "f32[3, 500]", sizes={}, rtol=1e-5)) == ["scratch"]
    assert _rooms(check(lambda x: ops.astype(soft(x), "f64"), "f32[3, 5000]", sizes={}, rtol=1e-5)) == ["worker"]
    assert _rooms(check(lambda x: ops.max(soft(x), 1), "f32[3, 5000]", sizes={}, rtol=1e-5)) == ["worker"]
    assert _rooms(program_of(soft, "f32[4096, 5000]")) == ["worker"]


def test_a_row_in_the_place_of_the_result_may_be_over_the_operand() -> None:
    program = check(lambda x: ops.sort(ops.softmax(ops.sort(x))), "f32[3, 5000]", sizes={}, rtol=1e-5)
    (entry,) = program.entries
    assert sum(b.space == "arena" for b in entry.buffers) == 1
    (kernel,) = (k for k in program.kernels if "softmax" in k.name or "multiply" in k.name)
    assert not [s for s in statements(kernel.body) if isinstance(s, Alloc)]


def test_two_rows_and_one_result() -> None:
    def build(x: Value) -> Value:
        a, b = ops.exp(x), ops.tanh(x)
        return ops.add(ops.divide(a, ops.sum(a, 1, keepdims=True)), ops.multiply(b, ops.max(b, 1, keepdims=True)))

    assert _rooms(check(build, "f32[3, 5000]", sizes={}, rtol=1e-5)) == ["worker"]


def test_a_sum_over_nothing() -> None:
    check(lambda x, y: ops.sum(ops.astype(ops.less(x, y), "int32"), 1), "f32[41, 0]", "f32[41, 0]")


@pytest.mark.parametrize("length", [0, 1, 2, 3, 6])
def test_a_loop_of_known_length_copies_no_state(length: int) -> None:
    a, b, w = (graph_input(types.parse(spec, {}), spec) for spec in ("f64[5, 60]", "f64[5, 60]", "f64[60, 60]"))
    body = Graph("step", (a, b, w), (ops.matmul(b, w), ops.tanh(a), ops.matmul(a, w)))

    def build(a0: Value, w0: Value) -> Any:
        x, y, rows = ops.scan(body, [a0, a0], [w0], [], length, False)
        return [x, ops.add(y, x), rows]

    program = check(build, "f64[5, 60]", "f64[60, 60]", sizes={})
    assert any(isinstance(s, Copy) for s in statements(program.entries[0].body)) == (length == 0)
