"""Logistic regression: the probability that a handwritten digit is even."""

from pathlib import Path

import numpy as np
from scipy.special import expit

import tcc

weights = np.load(Path(__file__).resolve().parent / "weights.npz")
w, b = weights["w"], weights["b"]


@tcc.function(x="f64[batch, 64]")
def probability(x):
    """f64[batch]: the probability that the image shows an even digit; pixels 0…16."""
    return expit(x / 16 @ w + b)
