"""A small convolutional network for the 8×8 handwritten digits."""

from pathlib import Path

import numpy as np
from network import network

import tcc

weights = dict(np.load(Path(__file__).resolve().parent / "weights.npz"))


@tcc.function(image="f32[batch, 8, 8]")
def classify(image):
    """Probabilities of the ten digits for images of pixels 0…16."""
    return tcc.nn.softmax(network(weights, image))
