"""grad, value_and_grad, vjp, vmap and scan: on NumPy arrays, inside traced functions, on tcc functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tcc
from tcc.errors import UserError

rng = np.random.default_rng(0)
A = rng.normal(size=(4, 3))
B = rng.normal(size=3)


def loss(w, x):
    return np.sum(np.tanh(x @ w) ** 2)


def slope(f: Any, x: np.ndarray, *rest: Any) -> np.ndarray:
    """Central differences."""
    result = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = 1e-6
        result[index] = (f(x + step, *rest) - f(x - step, *rest)) / 2e-6
    return result


def test_grad_on_arrays() -> None:
    np.testing.assert_allclose(tcc.grad(loss)(B, A), slope(loss, B, A), rtol=1e-6)
    gw, gx = tcc.grad(loss, argnums=(0, 1))(B, A)
    np.testing.assert_allclose(gw, slope(loss, B, A), rtol=1e-6)
    np.testing.assert_allclose(gx, slope(lambda x: loss(B, x), A), rtol=1e-5, atol=1e-8)


def test_grad_of_a_python_number() -> None:
    assert tcc.grad(lambda x: x * x)(3.0) == 6.0


def test_value_and_grad_with_auxiliary_results_and_nested_arguments() -> None:
    def f(p, x):
        y = x @ p["w"] + p["b"]
        return np.sum(y**2), {"y": y}

    p = {"w": B, "b": np.float64(0.5)}
    (value, aux), gradient = tcc.value_and_grad(f, has_aux=True)(p, A)
    y = A @ B + 0.5
    np.testing.assert_allclose(value, np.sum(y**2))
    np.testing.assert_allclose(aux["y"], y)
    np.testing.assert_allclose(gradient["w"], 2 * A.T @ y)
    np.testing.assert_allclose(gradient["b"], 2 * y.sum())


def test_grad_inside_a_traced_function_and_of_one() -> None:
    @tcc.function(w="f64[m]", x="f64[n, m]")
    def compiled_loss(w, x):
        return loss(w, x)

    @tcc.function(w="f64[m]", x="f64[n, m]")
    def descend(w, x):
        for _ in range(2):
            w = w - 0.1 * tcc.grad(compiled_loss)(w, x)
        return w

    expected = B
    for _ in range(2):
        expected = expected - 0.1 * slope(loss, expected, A)
    np.testing.assert_allclose(descend(B, A), expected, rtol=1e-6)
    gradient = tcc.grad(compiled_loss)
    assert gradient.name == "grad_compiled_loss"
    np.testing.assert_allclose(gradient(B, A), slope(loss, B, A), rtol=1e-6)
    with tcc.eager():
        np.testing.assert_allclose(gradient(B, A), slope(loss, B, A), rtol=1e-6)


def test_a_value_from_outside_is_a_constant_of_the_gradient() -> None:
    @tcc.function(x="f64[3]")
    def f(x):
        y = x * x
        return tcc.grad(lambda v: np.sum(v * y))(x)

    np.testing.assert_allclose(f(B), B * B)


def test_second_derivative() -> None:
    def cube(x):
        return x * x * x

    assert tcc.grad(tcc.grad(cube))(2.0) == pytest.approx(12.0)


def test_vjp() -> None:
    y, pull = tcc.vjp(lambda x, w: np.sin(x) @ w, A, B)
    np.testing.assert_allclose(y, np.sin(A) @ B)
    gx, gw = pull(np.ones(4))
    np.testing.assert_allclose(gx, np.cos(A) * B)
    np.testing.assert_allclose(gw, np.sin(A).sum(axis=0))

    @tcc.function(x="f64[n, 3]")
    def f(x):
        y, pull, aux = tcc.vjp(lambda v: (v @ B, v.sum()), x, has_aux=True)
        return pull(y)[0], aux

    found, aux = f(A)
    np.testing.assert_allclose(found, np.outer(A @ B, B))
    np.testing.assert_allclose(aux, A.sum())


def test_vmap() -> None:
    def f(x, y):
        return {"dot": np.dot(x, y), "scaled": x * 2}

    found = tcc.vmap(f, in_axes=(0, None), out_axes={"dot": 0, "scaled": 1})(A, B)
    np.testing.assert_allclose(found["dot"], A @ B)
    np.testing.assert_allclose(found["scaled"], 2 * A.T)
    np.testing.assert_allclose(tcc.vmap(lambda x: x.sum(), in_axes=1)(A), A.sum(axis=0))
    np.testing.assert_allclose(tcc.vmap(tcc.vmap(lambda x: x * x))(A), A * A)
    np.testing.assert_allclose(
        tcc.vmap(tcc.grad(loss), in_axes=(None, 0))(B, A[:, None]).sum(axis=0), slope(loss, B, A)
    )


def test_vmap_over_a_symbolic_size() -> None:
    @tcc.function(x="f64[n, m]", w="f64[m]")
    def f(x, w):
        return tcc.vmap(lambda row: np.dot(row, w) / row.shape[0])(x)

    np.testing.assert_allclose(f(A, B), A @ B / 3)


def running(x, reverse=False):
    def step(carry, row):
        carry = {"sum": carry["sum"] * 0.5 + row, "count": carry["count"] + 1}
        return carry, (carry["sum"].sum(), row[0])

    return tcc.scan(step, {"sum": np.zeros(3), "count": 0}, x, reverse=reverse)


@pytest.mark.parametrize("reverse", [False, True])
def test_scan(reverse: bool) -> None:
    with tcc.eager():
        carry, (sums, firsts) = running(A, reverse)
    found, (found_sums, found_firsts) = running(A, reverse)
    compiled = tcc.function(x="f64[n, 3]")(running)
    for c, (s, f) in ((found, (found_sums, found_firsts)), compiled(A, reverse)):
        np.testing.assert_allclose(c["sum"], carry["sum"])
        assert c["count"] == carry["count"] == 4
        np.testing.assert_allclose(s, sums)
        np.testing.assert_allclose(f, firsts)


def test_scan_over_nothing_and_by_length() -> None:
    carry, ys = tcc.scan(lambda c, _: (c * 2.0, c), 1.0, length=4)
    assert carry == 16
    assert ys.tolist() == [1, 2, 4, 8]
    with tcc.eager():
        _, ys = tcc.scan(lambda c, x: (c, x * 2), 0.0, np.zeros((0, 2)))
    assert ys.shape == (0, 2)
    with pytest.raises(UserError, match="number of steps"):
        tcc.scan(lambda c, x: (c, x), 0.0, (np.zeros(3), np.zeros(4)))


def test_a_python_number_takes_the_dtype_of_the_carry() -> None:
    carry, _ = tcc.scan(lambda c, x: (c + x, None), 0.0, np.ones(3, "f4"))
    assert carry.dtype == np.float32


def test_gradient_of_a_scan() -> None:
    def f(w, x):
        carry, ys = tcc.scan(lambda c, row: (np.tanh(c * w + row), c.sum()), np.zeros(3), x)
        return np.sum(carry) + np.sum(ys**2)

    np.testing.assert_allclose(tcc.grad(f)(B, A), slope(lambda w: f(w, A), B), rtol=1e-5)
    compiled = tcc.grad(tcc.function(w="f64[m]", x="f64[n, m]")(f_of_size))
    np.testing.assert_allclose(compiled(B, A), slope(lambda w: f(w, A), B), rtol=1e-5)


def f_of_size(w, x):
    carry, ys = tcc.scan(lambda c, row: (np.tanh(c * w + row), c.sum()), tcc.zeros_like(w), x)
    return np.sum(carry) + np.sum(ys**2)


def test_wrong_uses() -> None:
    with pytest.raises(UserError, match="argnums=2"):
        tcc.grad(loss, argnums=2)(B, A)
    with pytest.raises(UserError, match=r"must return \(value, aux\)"):
        tcc.grad(loss, has_aux=True)(B, A)
    with pytest.raises(UserError, match="only a scalar has a gradient"):
        tcc.grad(lambda x: (x.sum(), x))(B)
    with pytest.raises(UserError, match="axis 3"):
        tcc.vmap(loss, in_axes=(None, 3))(B, A)
    with pytest.raises(UserError, match="nested differently"):
        tcc.vmap(loss, in_axes=(0, 0, 0))(B, A)


def test_a_scan_of_no_steps_computes_on_arrays() -> None:
    """The step sees arrays, not traced values, so that it may index NumPy arrays with them."""
    table = np.arange(6.0).reshape(2, 3)
    with tcc.eager():
        carry, ys = tcc.scan(lambda c, i: (c + table[0, i], {"y": c > 1}), 0, np.zeros(0, "i8"))
    assert (carry.dtype, carry.shape, ys["y"].dtype, ys["y"].shape) == (np.float64, (), np.bool_, (0,))


def test_the_gradient_of_a_power_is_products():
    @tcc.function(x="f32[n, 8]")
    def derived(x):
        return tcc.grad(lambda v: np.sum(v**3 + v**2.5))(x)

    assert "pow(" not in str(tcc.trace(derived).lower("native"))
    x = np.linspace(0, 2, 24, dtype=np.float32).reshape(3, 8)
    np.testing.assert_allclose(derived(x), 3 * x**2 + 2.5 * x**1.5, rtol=1e-6)
