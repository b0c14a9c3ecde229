"""A small convolutional network for the 8×8 handwritten digits."""

from pathlib import Path

import numpy as np

import tcc

weights = np.load(Path(__file__).resolve().parent / "weights.npz")


def network(p, image):
    """f32[batch, 8, 8] → logits f32[batch, 10]"""
    x = image[:, :, :, np.newaxis] / 16
    x = np.maximum(tcc.nn.conv2d(x, p["K1"], padding="SAME") + p["b1"], 0)
    x = tcc.nn.max_pool2d(x, (2, 2))
    x = np.maximum(tcc.nn.conv2d(x, p["K2"], padding="SAME") + p["b2"], 0)
    x = tcc.nn.max_pool2d(x, (2, 2))
    return x.reshape(x.shape[0], -1) @ p["W"] + p["b"]


@tcc.function(image="f32[batch, 8, 8]")
def classify(image):
    """Probabilities of the ten digits for images of pixels 0…16."""
    return tcc.nn.softmax(network({k: weights[k] for k in weights}, image))
