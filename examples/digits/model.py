"""A classifier of handwritten digits: images in, probabilities and the most likely digit out."""

from pathlib import Path

import numpy as np

import tcc

weights = np.load(Path(__file__).resolve().parent / "weights.npz")
W1, b1, W2, b2, W3, b3 = (weights[k] for k in ("W1", "b1", "W2", "b2", "W3", "b3"))


@tcc.function(x="f32[batch, 64]")
def classify(x):
    """Probabilities of the ten digits for 8×8 images of pixels 0…16."""
    h = np.maximum(x / 16 @ W1 + b1, 0)
    h = np.maximum(h @ W2 + b2, 0)
    return tcc.nn.softmax(h @ W3 + b3)


@tcc.function(x="f32[batch, 64]")
def digit(x):
    """The most likely digit of each image."""
    return np.argmax(classify(x), axis=1)
