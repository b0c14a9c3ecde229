"""The user's way: a function is called, compiled, saved, loaded; a source file becomes a module."""

from __future__ import annotations

import dataclasses
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tcc
from tcc import api, pipeline
from tcc.errors import TccError, UserError

rng = np.random.default_rng(0)
W = rng.normal(size=(3, 2)).astype("f4")


@tcc.function(x="f32[n, 3]")
def layer(x):
    """A layer."""
    return np.maximum(x @ W, 0)


X = rng.normal(size=(5, 3)).astype("f4")
EXPECTED = np.maximum(X @ W, 0)


def test_a_call_compiles_and_agrees_with_eager() -> None:
    np.testing.assert_allclose(layer(X), EXPECTED, rtol=1e-6)
    np.testing.assert_allclose(layer(x=X[:1]), EXPECTED[:1], rtol=1e-6)
    with tcc.eager():
        assert np.array_equal(layer(X), EXPECTED)


def test_stages_can_be_printed_saved_and_loaded(tmp_path: Path) -> None:
    traced = tcc.trace(layer)
    assert "func layer(%x: f32[n, 3])" in str(traced)
    lowered = traced.lower(prefix="net")
    assert "entry layer(n)" in str(lowered)
    files = lowered.compile().save(tmp_path / "model.so")
    assert [f.name for f in files] == ["model.so", "model.h"]
    assert "net_layer" in files[1].read_text()
    library = tcc.load(files[0])
    np.testing.assert_allclose(library.layer(X), EXPECTED, rtol=1e-6)
    assert library.layer.__doc__ == "A layer."


def test_what_is_lowered_is_scheduled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lowered = tcc.trace(layer).lower()
    monkeypatch.delattr(pipeline, "schedule_all")
    compiled = lowered.compile()
    np.testing.assert_allclose(tcc.load(compiled.save(tmp_path / "model.so")[0]).layer(X), EXPECTED, rtol=1e-6)
    np.testing.assert_allclose(compiled.layer(X), EXPECTED, rtol=1e-6)


def test_compile_takes_several_functions() -> None:
    @tcc.function(x="f64[n]")
    def twice(x):
        return x * 2

    compiled = tcc.compile([layer, twice])
    assert compiled.twice(np.arange(3.0)).tolist() == [0, 2, 4]
    np.testing.assert_allclose(compiled.layer(X), EXPECTED, rtol=1e-6)


def test_tolerance_allows_faster_convolutions() -> None:
    rng = np.random.default_rng(0)
    x, k = (rng.standard_normal(shape).astype("f4") for shape in ((1, 24, 24, 16), (3, 3, 16, 16)))

    @tcc.function(x="f32[1, 24, 24, 16]")
    def convolved(x):
        return tcc.convolution(x, k, padding="SAME")

    plain, fast = (tcc.compile(convolved, tolerance=t).convolved(x) for t in (0.0, 1e-4))
    assert np.any(plain != fast)
    np.testing.assert_allclose(fast, plain, rtol=0, atol=1e-4 * np.abs(plain).max())


@pytest.mark.parametrize("given", [-1e-9, float("nan"), float("inf"), "1e-4", True, None], ids=str)
def test_wrong_tolerances_are_named(given: Any) -> None:
    with pytest.raises(UserError, match="'tolerance' is") as raised:
        tcc.compile(layer, tolerance=given)
    assert "expected" in str(raised.value)
    assert repr(given) in str(raised.value)


def test_two_functions_of_one_name() -> None:
    with pytest.raises(UserError, match="two functions are called 'layer'"):
        tcc.compile([layer, layer])


def test_what_is_no_tcc_function() -> None:
    with pytest.raises(UserError, match="'sqrt' is no tcc function"):
        tcc.compile([np.sqrt])  # pyright: ignore[reportArgumentType]


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(UserError, match="'x'") as raised:
        layer(X.astype("f8"))
    assert "f32" in str(raised.value)
    with pytest.raises(UserError, match="'x'"):
        layer(X[:, :2])
    with pytest.raises(UserError, match="x"):
        layer()


def test_without_specs_each_kind_of_call_is_compiled() -> None:
    traces = []

    @tcc.function
    def scaled(x, factor=2, *more):
        traces.append(x.dtype)
        return x * factor + sum(more)

    assert scaled(np.ones(3, "f4")).dtype == np.float32
    assert scaled(np.ones(3, "f4")).tolist() == [2, 2, 2]
    assert scaled(np.ones(3), 3).tolist() == [3, 3, 3]
    assert scaled(np.ones(3), 3, np.ones(3), np.ones(3)).tolist() == [5, 5, 5]
    assert len(traces) == 3


def test_static_parameters_stay_python_values() -> None:
    @tcc.function(x="f32[n]")
    def power(x, exponent=2, *, offset=0.0):
        assert isinstance(exponent, int)
        result = x
        for _ in range(exponent - 1):
            result = result * x
        return result + offset

    x = np.array([1, 2, 3], "f4")
    assert power(x).tolist() == [1, 4, 9]
    assert power(x, 3).tolist() == [1, 8, 27]
    assert power(x, offset=1.0).tolist() == [2, 5, 10]
    assert power(x).tolist() == [1, 4, 9]


@dataclasses.dataclass
class Result:
    total: Any
    parts: Any


def test_nested_arguments_and_results() -> None:
    @tcc.function(p={"a": "f32[n]", "b": ["f32[]", "f32[n]"]})
    def combine(p):
        return Result(p["a"].sum() * p["b"][0], {"first": p["a"][:1], "rest": (p["b"][1],)})

    a = np.array([1, 2], "f4")
    found = combine({"b": [np.float32(3), a], "a": a})
    assert isinstance(found, Result)
    assert found.total == 9
    assert found.parts["rest"][0].tolist() == [1, 2]
    with pytest.raises(UserError, match="'p'"):
        combine({"a": a})


def test_states_live_in_their_variables() -> None:
    total = tcc.state(np.zeros(2, "f4"), name="total")

    @tcc.function(x="f32[2]")
    def add(x):
        total.value = total.value + x
        return total.value * 10

    assert add(np.ones(2, "f4")).tolist() == [10, 10]
    assert add(np.ones(2, "f4")).tolist() == [20, 20]
    assert total.value.tolist() == [2, 2]
    total.value = np.zeros(2, "f4")
    assert add(np.ones(2, "f4")).tolist() == [10, 10]
    with pytest.raises(UserError, match="another type"):
        total.value = np.zeros(2)


def test_a_counter_library(tmp_path: Path) -> None:
    total = tcc.state(np.zeros(3, "f4"))

    @tcc.function(x="f32[3]")
    def step(x):
        total.value = total.value + x
        return total.value

    library = tcc.load(tcc.compile(step).save(tmp_path / "counter.so")[0])
    one, two = library.new(), library.new()
    assert one.step(np.ones(3, "f4")).tolist() == [1, 1, 1]
    assert one.step(np.ones(3, "f4")).tolist() == [2, 2, 2]
    assert two.step(np.ones(3, "f4")).tolist() == [1, 1, 1]
    assert total.value.tolist() == [0, 0, 0]


def test_threads_may_call_at_once() -> None:
    @tcc.function(x="f32[n]")
    def f(x):
        return np.exp(x)

    inputs = [np.full(100, i / 8, "f4") for i in range(8)]
    results: list[Any] = [None] * 8

    def run(i: int) -> None:
        results[i] = f(inputs[i])

    threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for x, result in zip(inputs, results, strict=True):
        np.testing.assert_allclose(result, np.exp(x), rtol=1e-6)


# --- the pipeline --------------------------------------------------------------------------------


def test_dump_writes_numbered_stages(tmp_path: Path) -> None:
    stages: list[str] = []
    options = pipeline.Options(dump=tmp_path / "stages")
    pipeline.compile_to(tcc.trace(layer).module, tmp_path / "m.so", options, stages.append)
    files = sorted(f.name for f in (tmp_path / "stages").iterdir())
    assert files[0] == "00-trace.tcc"
    assert [f.partition("-")[0] for f in files] == [f"{i:02}" for i in range(len(files))]
    assert {"schedule.loops", "lower.mlir", "llvm.ll", "code.s"} <= {f.partition("-")[2] for f in files}
    assert stages[0] == "trace"
    assert stages[-1] == "link"


def test_source_lines_do_not_hold_the_folder(tmp_path: Path) -> None:
    pipeline.compile_to(tcc.trace(layer).module, tmp_path / "m.so", pipeline.Options())
    data = (tmp_path / "m.so").read_bytes()
    assert b"test_api.py" in data
    assert str(Path(__file__).parent).encode() not in data


# --- source files --------------------------------------------------------------------------------

SOURCE = """
import numpy as np
import tcc
from helper import scale, imported

@tcc.function(x="f32[n]")
def second(x):
    return x * scale

@tcc.function(x="f32[n]")
def first(x):
    return np.sum(second(x) ** 2)

slope = tcc.grad(first)

@tcc.function
def untyped(x):
    return x

if __name__ == "__main__":
    raise SystemExit("run as a program")
"""
HELPER = """
import tcc
scale = 3

@tcc.function(x="f32[n]")
def imported(x):
    return x
"""


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str, name: str = "model.py") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_a_source_file_gives_its_functions_in_order(source: Callable[..., Path]) -> None:
    source(HELPER, "helper.py")
    path = source(SOURCE)
    module = api.module_from_source(path)
    assert [f.name for f in module.functions] == ["second", "first", "slope"]
    assert [f.name for f in api.module_from_source(path, ("first",)).functions] == ["first"]
    text = source(str(api.Traced(module)), "model.tcc")
    assert [f.name for f in api.module_from_source(text).functions] == ["second", "first", "slope"]


def test_a_source_may_be_called_like_a_library(source: Callable[..., Path]) -> None:
    path = source("import json, tcc\n@tcc.function(x='f32[n]')\ndef f(x): return x + len(json.dumps(1))\n", "json.py")
    assert [f.name for f in api.module_from_source(path).functions] == ["f"]


BAD = {
    "syntax": ("import tcc\ndef f(x:\n    return x\n", "model.py"),
    "raises": ("import tcc\ndef g():\n    return 1 / 0\ng()\n", "model.py"),
    "exits": ("raise SystemExit(3)\n", "model.py"),
    "missing_import": ("import no_such_module\n", "model.py"),
    "no_functions": ("import tcc\ndef f(x):\n    return x\n", "model.py"),
    "untyped": ("import tcc\n@tcc.function\ndef f(x):\n    return x\n", "model.py"),
    "wrong_spec": ('import tcc\n@tcc.function(x="f32[n]")\ndef f(y):\n    return y\n', "model.py"),
    "body_raises": ('import tcc\n@tcc.function(x="f32[n]")\ndef f(x):\n    return {}["a"] + x\n', "model.py"),
    "branch": ('import tcc\n@tcc.function(x="f32[n]")\ndef f(x):\n    if x[0] > 0: x = -x\n    return x\n', "model.py"),
    "unknown_kind": ("hello", "model.txt"),
    "bad_text": ("func f(%x: f32[n]) -> out: f32[n] {\n  %0: f32[n] = frobnicate(%x)\n  return %0\n}\n", "model.tcc"),
}


def test_messages_of_sources(
    source: Callable[..., Path], tmp_path: Path, golden: Callable[[str], Callable[[str], None]]
) -> None:
    texts: list[str] = []
    for name, (text, file) in BAD.items():
        path = source(text, file)
        with pytest.raises(TccError) as raised:
            api.module_from_source(path)
        texts.append(f"--- {name}\n{raised.value}\n".replace(str(tmp_path) + "/", ""))
        assert raised.value.why
        assert raised.value.fix
    with pytest.raises(TccError) as raised:
        api.module_from_source(tmp_path / "missing.py")
    texts.append(f"--- missing\n{raised.value}\n".replace(str(tmp_path) + "/", ""))
    source(HELPER, "helper.py")
    with pytest.raises(TccError) as raised:
        api.module_from_source(source(SOURCE), ("third",))
    texts.append(f"--- unknown_function\n{raised.value}\n".replace(str(tmp_path) + "/", ""))
    golden("golden/source_errors.txt")(re.sub(r"tcc_source_\w+", "model", "\n".join(texts)))


def test_eager_bodies_change_elements_as_traced_ones_do() -> None:
    total = tcc.state(np.zeros(3), name="total")

    @tcc.function(x="f64[n, 3]", i="i64[k]")
    def changed(x, i):
        y = np.where(x > 0, x, 0)
        total.value = total.value.at[0].add(1.0)
        return {
            "set": y.at[1:, ::2].set(-1),
            "add": np.stack([y, y]).at[:, i].add(x[0]),
            "zeros": tcc.zeros(3).at[i].set(1),
        }

    x, i = rng.normal(size=(4, 3)), np.array([0, 2, 0])
    compiled = changed(x, i)
    with tcc.eager():
        eager = changed(x, i)
    assert total.value.tolist() == [2, 0, 0]
    for name, array in compiled.items():
        assert type(eager[name]) is np.ndarray
        np.testing.assert_allclose(eager[name], array)


def test_what_control_flow_hands_on_can_be_changed_in_eager_bodies() -> None:
    """States and rows as they are given, and results; NumPy's own arrays have no ``at``."""
    first = np.zeros(3)

    @tcc.function(x="f64[n, 3]")
    def changed(x):
        def step(carry, row):
            return carry.at[0].add(row[0]), row.at[1].set(carry[0])

        last, rows = tcc.scan(step, first, x)
        _, none = tcc.scan(step, first, x[:0])
        return {
            "scan": rows.at[0].set(last),
            "none": none.at[:].set(1),
            "fori": tcc.fori_loop(0, 3, lambda i, s: s.at[i].set(i), first).at[0].add(1),
            "while": tcc.while_loop(lambda s: s[0] < 3, lambda s: s.at[0].add(1), first).at[1].set(2),
            "cond": tcc.cond(x[0, 0] > 9, lambda s: s, lambda s: s.at[1].set(5), first).at[2].set(1),
            "switch": tcc.switch(1, [lambda s: s, lambda s: s.at[1].set(5)], first).at[2].set(1),
        }

    x = rng.normal(size=(4, 3))
    compiled = changed(x)
    with tcc.eager():
        eager = changed(x)
    for name, array in compiled.items():
        np.testing.assert_allclose(eager[name], array, err_msg=name)


def test_any_text_is_a_key_of_arguments_and_results(tmp_path: Path) -> None:
    """The names in C are as near to the keys as can be, and distinct."""
    keys = ["fc1.weight", "a-b", "a_b", "größe", "a.b", "1", "a b"]

    @tcc.function(p=dict.fromkeys(keys, "f32[n]"))
    def f(p):
        return {f"{k}!": v * 2 for k, v in p.items()}

    p = {k: np.full(2, i, "f4") for i, k in enumerate(keys)}
    result = f(p)
    assert {k: v.tolist() for k, v in result.items()} == {f"{k}!": [2 * i] * 2 for i, k in enumerate(keys)}
    _, header = tcc.compile(f).save(tmp_path / "model.so")
    assert "const float *p_fc1_weight, const float *p_a_b, const float *p_a_b_," in header.read_text()
    names = [t.name for t in tcc.load(tmp_path / "model.so").manifest.functions[0].arguments]
    assert names[:3] == ["p.fc1.weight", "p.a_b", "p.a_b_"]
