"""Programs that the general fusion rules must give, as text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

import tcc.ops as ops
from tcc.ir.build import map_functions
from tcc.ir.graph import Value
from tcc.loops.text import to_text
from tcc.loops.verify import verify
from tcc.passes.cse import cse
from tcc.schedule import schedule
from tests.schedule.scheduled import AVX512, module_of

Golden = Callable[[str], Callable[[str], None]]


def softmax(x: Value) -> Value:
    e = ops.exp(ops.subtract(x, ops.max(x, axis=-1, keepdims=True)))
    return ops.divide(e, ops.sum(e, axis=-1, keepdims=True))


def layer_norm(x: Value, scale: Value, shift: Value) -> Value:
    centred = ops.subtract(x, ops.mean(x, axis=-1, keepdims=True))
    variance = ops.mean(ops.multiply(centred, centred), axis=-1, keepdims=True)
    return ops.add(ops.multiply(ops.multiply(centred, ops.rsqrt(ops.add(variance, 1e-5))), scale), shift)


def n_body(p: Value, mass: Value) -> Value:
    n = p.type.shape[0]
    d = ops.subtract(ops.reshape(p, (1, n, 3)), ops.reshape(p, (n, 1, 3)))
    square = ops.add(ops.sum(ops.multiply(d, d), axis=2), 1e-3)
    pull = ops.multiply(ops.power(square, -1.5), mass)
    return ops.sum(ops.multiply(d, ops.reshape(pull, (n, n, 1))), axis=1)


def transposes(x: Value, y: Value) -> Value:
    turned = ops.transpose(ops.add(ops.transpose(ops.exp(x)), ops.transpose(y)))
    return ops.reshape(ops.multiply(turned, 2.0), (-1,))


def mean_var(x: Value) -> tuple[Value, Value]:
    return ops.mean(x, axis=1), ops.var(x, axis=1)


def dense(x: Value, w: Value, b: Value) -> Value:
    return ops.maximum(ops.add(ops.matmul(x, w), b), 0)


def two_layers(x: Value, w: Value, v: Value) -> Value:
    return softmax(ops.matmul(ops.tanh(ops.matmul(x, w)), v))


def joined(x: Value, y: Value) -> Value:
    return ops.concatenate([ops.exp(x), y], axis=0)


def call_put(s: Value, k: Value, t: Value) -> tuple[Value, Value]:
    root = ops.multiply(ops.sqrt(t), 0.3)
    d1 = ops.divide(ops.add(ops.log(ops.divide(s, k)), ops.multiply(t, 0.1)), root)
    d2 = ops.subtract(d1, root)

    def normal(x: Value) -> Value:
        return ops.multiply(ops.add(ops.erf(ops.multiply(x, 0.70710678)), 1.0), 0.5)

    discounted = ops.multiply(k, ops.exp(ops.multiply(t, -0.1)))
    call = ops.subtract(ops.multiply(s, normal(d1)), ops.multiply(discounted, normal(d2)))
    put = ops.subtract(ops.multiply(discounted, normal(ops.negative(d2))), ops.multiply(s, normal(ops.negative(d1))))
    return call, put


def jacobi(x: Value) -> Value:
    padded = ops.pad(x, ((1, 1), (1, 1)))
    n, m = x.type.shape
    near = [ops.getitem(padded, (slice(a, a + n), slice(b, b + m))) for a, b in ((0, 1), (2, 1), (1, 0), (1, 2))]
    return ops.multiply(ops.add(ops.add(near[0], near[1]), ops.add(near[2], near[3])), 0.25)


CASES: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "softmax": (softmax, ("f32[192, 1000]",)),
    "softmax_symbolic": (softmax, ("f32[n:1.., m:1..]",)),
    "softmax_columns": (lambda x: ops.transpose(softmax(ops.transpose(x))), ("f32[n:1.., m]",)),
    "layer_norm": (layer_norm, ("f32[n, 768]", "f32[768]", "f32[768]")),
    "n_body": (n_body, ("f32[n, 3]", "f32[n]")),
    "transposes": (transposes, ("f32[n, m]", "f32[n, m]")),
    "transpose": (lambda x: ops.transpose(x), ("f32[n, m]",)),
    "sum_columns": (lambda x: ops.sum(x, axis=0), ("f32[n, m]",)),
    "mean_var": (mean_var, ("f32[n, 512]",)),
    "dense": (dense, ("f32[n, k]", "f32[k, m]", "f32[m]")),
    "two_layers": (two_layers, ("f32[n, 64]", "f32[64, 128]", "f32[128, 10]")),
    "joined": (joined, ("f32[n, m]", "f32[k, m]")),
    "call_put": (call_put, ("f32[n]", "f32[n]", "f32[n]")),
    "total": (lambda x: ops.sum(x), ("f32[n, m]",)),
    "argmax": (lambda x: ops.argmax(x, axis=1), ("f32[n, 10]",)),
    "take": (lambda x, i: ops.exp(ops.take(x, i, axis=0)), ("f32[n:1.., 64]", "i64[k]")),
    "cumsum": (lambda x: ops.cumsum(x, axis=0), ("f32[n, m]",)),
    "sort": (lambda x: ops.sort(x, axis=1), ("f32[n, m]",)),
    "jacobi": (jacobi, ("f32[n:1.., m:1..]",)),
    "half": (lambda x: ops.add(ops.multiply(x, x), 1.0), ("bf16[n]",)),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, golden: Golden) -> None:
    build, specs = CASES[name]
    program = schedule(map_functions(module_of(build, specs), cse), AVX512)
    verify(program)
    text = re.sub(r"(?m)^location (\d+) .*\n", "", to_text(program))
    golden(f"golden/{name}.txt")(re.sub(r"  @\d+$", "", text, flags=re.M))
