"""A pre-norm transformer block (Vaswani et al. 2017; Xiong et al. 2020) with fixed random weights."""

import numpy as np

import tcc

HEADS, WIDTH, HIDDEN = 4, 64, 256
rng = np.random.default_rng(0)


def matrix(rows, columns):
    return (rng.normal(size=(rows, columns)) / np.sqrt(rows)).astype("f4")


Wq, Wk, Wv, Wo = (matrix(WIDTH, WIDTH) for _ in range(4))
W1, W2 = matrix(WIDTH, HIDDEN), matrix(HIDDEN, WIDTH)
gain1, gain2 = np.ones(WIDTH, "f4"), np.ones(WIDTH, "f4")
bias1, bias2 = np.zeros(WIDTH, "f4"), np.zeros(WIDTH, "f4")


def heads(x):
    """[seq, width] → [heads, seq, width/heads]"""
    return x.reshape(x.shape[0], HEADS, WIDTH // HEADS).transpose(1, 0, 2)


@tcc.function(x="f32[seq, 64]")
def block(x):
    """Self-attention with four heads, then a two-layer perceptron, each with a residual."""
    n = tcc.nn.layer_norm(x, gain1, bias1)
    a = tcc.nn.attention(heads(n @ Wq), heads(n @ Wk), heads(n @ Wv))
    x = x + a.transpose(1, 0, 2).reshape(x.shape[0], WIDTH) @ Wo
    n = tcc.nn.layer_norm(x, gain2, bias2)
    return x + tcc.nn.gelu(n @ W1) @ W2
