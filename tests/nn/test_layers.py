"""The layers as a user calls them, on NumPy values, against NumPy and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import signal, special

import tcc.nn
from tcc.errors import UserError

RNG = np.random.default_rng(2)
X = RNG.normal(size=(2, 6, 5, 3))
K = RNG.normal(size=(3, 2, 3, 4))


def test_every_name_is_a_function_with_a_doc() -> None:
    for name in tcc.nn.__all__:
        assert callable(getattr(tcc.nn, name))
        assert len(getattr(tcc.nn, name).__doc__) > 10, name


@pytest.mark.parametrize("mode", ["valid", "same"])
def test_conv2d_is_correlation(mode: str) -> None:
    found = tcc.nn.conv2d(X, K, padding=mode.upper())
    expected = np.zeros((2, 6, 5, 4) if mode == "same" else (2, 4, 4, 4))
    for n in range(2):
        for o in range(4):
            for c in range(3):
                image = np.pad(X[n, :, :, c], ((1, 1), (0, 1))) if mode == "same" else X[n, :, :, c]
                expected[n, :, :, o] += signal.correlate2d(image, K[:, :, c, o], "valid")
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_depthwise_convolution() -> None:
    kernel = RNG.normal(size=(2, 2, 1, 3))
    found = tcc.nn.conv2d(X, kernel, groups=3)
    for c in range(3):
        single = tcc.nn.conv2d(X[..., c : c + 1], kernel[..., c : c + 1])
        np.testing.assert_allclose(found[..., c : c + 1], single, rtol=1e-12, atol=1e-12)


def test_pooling() -> None:
    blocks = X[:, :6, :4].reshape(2, 3, 2, 2, 2, 3)
    np.testing.assert_array_equal(tcc.nn.max_pool2d(X, (2, 2)), blocks.max((2, 4)))
    np.testing.assert_allclose(tcc.nn.avg_pool2d(X, 2), blocks.mean((2, 4)), rtol=1e-12)
    # At a corner of SAME padding three of nine places are missing in each direction.
    corner = tcc.nn.avg_pool2d(X, 3, 1, "SAME")[:, 0, 0]
    np.testing.assert_allclose(corner, X[:, :2, :2].mean((1, 2)), rtol=1e-12)
    padded = tcc.nn.avg_pool2d(X, 3, 1, "SAME", count_include_pad=True)[:, 0, 0]
    np.testing.assert_allclose(padded, X[:, :2, :2].sum((1, 2)) / 9, rtol=1e-12)


def test_activations() -> None:
    x = np.linspace(-20, 20, 41)
    functions: dict[str, Any] = {
        "relu": np.maximum(x, 0),
        "leaky_relu": np.where(x > 0, x, 0.01 * x),
        "elu": np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        "gelu": x * special.ndtr(x),
        "silu": x * special.expit(x),
        "sigmoid": special.expit(x),
        "softplus": np.logaddexp(x, 0),
        "softmax": special.softmax(x),
        "log_softmax": special.log_softmax(x),
        "logsumexp": special.logsumexp(x),
    }
    for name, expected in functions.items():
        np.testing.assert_allclose(getattr(tcc.nn, name)(x), expected, rtol=1e-10, atol=1e-13, err_msg=name)


def test_layer_norm() -> None:
    found = tcc.nn.layer_norm(X, np.arange(3.0), np.ones(3), epsilon=0.1)
    centred = X - X.mean(-1, keepdims=True)
    expected = centred / np.sqrt(X.var(-1, keepdims=True) + 0.1) * np.arange(3.0) + 1
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_attention() -> None:
    q, k, v = (RNG.normal(size=s) for s in ((2, 1, 4, 8), (1, 3, 5, 8), (1, 3, 5, 6)))
    mask = RNG.integers(0, 2, (4, 5)).astype(bool)
    mask[0] = False
    scores = np.where(mask, q @ np.swapaxes(k, -1, -2) / np.sqrt(8), -np.inf)
    weights = np.where(mask.any(1)[:, None], special.softmax(np.where(mask.any(1)[:, None], scores, 0), -1), 0)
    np.testing.assert_allclose(tcc.nn.attention(q, k, v, mask), weights @ v, rtol=1e-12, atol=1e-12)
    mask[0] = True
    added = tcc.nn.attention(q, k, v, np.where(mask, 0.0, -1e30))
    np.testing.assert_allclose(added, tcc.nn.attention(q, k, v, mask), rtol=1e-12, atol=1e-12)


def test_one_hot() -> None:
    np.testing.assert_array_equal(tcc.nn.one_hot(np.array([0, 2, 5]), 3), [[1, 0, 0], [0, 0, 1], [0, 0, 0]])


def test_images_have_four_dimensions() -> None:
    with pytest.raises(UserError, match="max_pool2d"):
        tcc.nn.max_pool2d(np.zeros((4, 4)), 2)
