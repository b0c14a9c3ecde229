"""The network of `model.py` and `train.py`: two convolutions with pooling, then a linear layer."""

import numpy as np

import tcc


def network(p, image):
    """f32[batch, 8, 8] → logits f32[batch, 10]"""
    x = image[:, :, :, np.newaxis] / 16
    x = np.maximum(tcc.nn.conv2d(x, p["K1"], padding="SAME") + p["b1"], 0)
    x = tcc.nn.max_pool2d(x, (2, 2))
    x = np.maximum(tcc.nn.conv2d(x, p["K2"], padding="SAME") + p["b2"], 0)
    x = tcc.nn.max_pool2d(x, (2, 2))
    return x.reshape(x.shape[0], -1) @ p["W"] + p["b"]
