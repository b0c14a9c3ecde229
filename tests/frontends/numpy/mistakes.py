"""Programs that are wrong, each in one way. Their messages are in golden/mistakes.txt."""

from __future__ import annotations

import numpy as np
from scipy import special

import tcc

W = np.ones((4, 3), "f4")
total = tcc.state(np.zeros(3, "f4"), name="total")


def branch(x):
    if x.sum() > 0:
        return x
    return -x


def loop(x):
    while np.any(x > 1):
        x = x / 2
    return x


def both(x):
    return x * (x > 0 and x < 1)


def to_int(x):
    return np.arange(int(x[0, 0]))


def to_float(x):
    return x * float(x[0, 0])


def as_index(x):
    return W[x.astype("i64")]


def in_range(x):
    return sum(x[i] for i in range(x[0, 0].astype("i64")))


def iterate(x):
    return [row * 2 for row in x]


def length(x):
    return x / len(x)


def assign(x):
    x[0] = 1
    return x


def in_place(x):
    y = np.zeros(3, "f4")
    y += x[0]
    return y


def into_array(x):
    y = np.zeros(3)
    y[0] = x[0, 0]
    return y


def add_at(x):
    np.add.at(x, 0, 1)
    return x


def out_argument(x):
    return np.exp(x, out=np.empty((2, 3), "f4"))


def where_argument(x):
    return np.exp(x, where=x > 0)


def unknown_function(x):
    return np.fft.fft(x)


def misspelt_method(x):
    return x.sums()


def unknown_method(x):
    return x.partition(3)


def unsupported_keyword(x):
    return np.sum(x, where=x > 0)


def unknown_ufunc(x):
    return special.jv(0, x)


def scipy_function(x):
    return special.softmax(x)


def array_method(x):
    return W.dot(x)


def symbolic_arange(x):
    return np.arange(x.shape[0])


def symbolic_zeros(x):
    return np.zeros((x.shape[0], 3)) + x


def symbolic_int(x):
    return x / int(x.shape[0])


def symbolic_if(x):
    return x if x.shape[0] > 10 else -x


def undecided_sizes(x, y):
    return x if x.shape[0] == y.shape[0] else -x


def sizes_differ(x, y):
    return x + y


def products_differ(x):
    return x @ W


def no_such_axis(x):
    return x.sum(axis=2)


def reshape_wrong(x):
    return x.reshape(5, -1)


def bad_dtype(x):
    return x.astype("float31")


def bitwise_float(x):
    return x & 1


def object_array(x):
    return x + np.array([None, 1, 2])


def nothing(x):
    x + 1


def text_result(x):
    return {"name": "x", "value": x}


def state_of_other_type(x):
    total.value = x


def state_in_scan(x):
    def step(carry, row):
        total.value = row
        return carry, None

    return tcc.scan(step, x[0], x)[0]


def scan_changes_carry(x):
    return tcc.scan(lambda carry, row: (carry[1:], None), x[0], x)[0]


def scan_returns_one(x):
    return tcc.scan(lambda carry, row: carry + row, x[0], x)[0]


def branches_of_two_types(x):
    return tcc.cond(x[0, 0] > 0, lambda v: {"a": v, "b": v}, lambda v: {"a": v, "b": v.astype("f8")}, x)


def branches_of_two_nestings(x):
    return tcc.cond(x[0, 0] > 0, lambda v: (v, v), lambda v: v, x)


def branch_on_an_array(x):
    return tcc.cond(x > 0, lambda v: v, lambda v: -v, x)


def while_changes_its_state(x):
    return tcc.while_loop(lambda s: s["n"] < 3, lambda s: {"n": s["n"] + 1, "x": s["x"][1:]}, {"n": 0, "x": x})


def while_on_an_array(x):
    return tcc.while_loop(lambda s: s > 0, lambda s: s - 1, x)


def gradient_of_while(x):
    return tcc.grad(lambda v: tcc.while_loop(lambda s: s < 9, lambda s: s * s, v))(x[0, 0])


def gradient_of_vector(x):
    return tcc.grad(lambda v: v * 2)(x)


def gradient_of_integers(x):
    return tcc.grad(lambda v: np.sum(v) * 1.0)(x.astype("i64"))


def vmap_sizes(x, y):
    return tcc.vmap(lambda a, b: a[0] + b[0])(x, y)


def leaked(x):
    kept = []

    def step(carry, row):
        kept.append(row)
        return carry, None

    tcc.scan(step, x[0], x)
    return kept[0] + 1


def slice_bound(x):
    return x[: x[0, 0].astype("i64")]


def take_from_constant(x):
    return np.take(W, x.astype(np.int64))
