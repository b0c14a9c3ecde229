"""Trains the network of `model.py` with its compiled gradient; writes `weights.npz`.

Softmax cross-entropy, Adam (Kingma and Ba, 2015), seed 0.

    python examples/cnn/train.py
"""

from pathlib import Path

import numpy as np
from network import network

import tcc

HERE = Path(__file__).resolve().parent
TRAINING_ROWS = 1347
SHAPES = {"K1": (3, 3, 1, 8), "b1": (8,), "K2": (3, 3, 8, 16), "b2": (16,), "W": (64, 10), "b": (10,)}
SPECS = {name: f"f32[{', '.join(map(str, shape))}]" for name, shape in SHAPES.items()}


def loss(p, image, target):
    return -(tcc.nn.log_softmax(network(p, image)) * target).sum(axis=1).mean()


@tcc.function(p=SPECS, image="f32[batch, 8, 8]", target="f32[batch, 10]")
def step(p, image, target):
    """The loss and its gradient."""
    return tcc.value_and_grad(loss)(p, image, target)


def main() -> None:
    table = np.loadtxt(HERE.parent / "digits" / "digits.csv", delimiter=",", dtype=np.float32)
    images, digits = table[:, :64].reshape(-1, 8, 8), table[:, 64].astype(int)
    targets = np.eye(10, dtype="f4")[digits]
    rng = np.random.default_rng(0)
    p = {k: (rng.normal(size=s) * np.sqrt(2 / np.prod(s[:-1]))).astype("f4") for k, s in SHAPES.items()}
    p |= {k: np.zeros(SHAPES[k], "f4") for k in ("b1", "b2", "b")}
    first = {k: np.zeros_like(v) for k, v in p.items()}
    second = {k: np.zeros_like(v) for k, v in p.items()}
    count = 0
    for epoch in range(40):
        total = 0.0
        order = rng.permutation(TRAINING_ROWS)
        for rows in np.array_split(order, TRAINING_ROWS // 32):
            count += 1
            value, gradient = step(p, images[rows], targets[rows])
            total += float(value) * len(rows)
            for k, g in gradient.items():
                first[k] = 0.9 * first[k] + 0.1 * g
                second[k] = 0.999 * second[k] + 0.001 * g * g
                unbiased = first[k] / (1 - 0.9**count), second[k] / (1 - 0.999**count)
                p[k] = (p[k] - 2e-3 * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)).astype("f4")
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: loss {total / TRAINING_ROWS:.4f}")
    np.savez(HERE / "weights.npz", **p)


if __name__ == "__main__":
    main()
