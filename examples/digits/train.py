"""Trains the classifier of `model.py` and writes `weights.npz`.

Plain NumPy: softmax cross-entropy, Adam (Kingma and Ba, 2015), seed 0. About ten seconds.

    python examples/digits/train.py
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
TRAINING_ROWS = 1347


def load() -> tuple[np.ndarray, np.ndarray]:
    """Images as f32[1797, 64] in 0…16, and digits as i64[1797]."""
    table = np.loadtxt(HERE / "digits.csv", delimiter=",", dtype=np.float32)
    return table[:, :64], table[:, 64].astype(np.int64)


def forward(p: dict[str, np.ndarray], x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    h1 = np.maximum(x / 16 @ p["W1"] + p["b1"], 0)
    h2 = np.maximum(h1 @ p["W2"] + p["b2"], 0)
    return h1, h2, h2 @ p["W3"] + p["b3"]


def gradients(p: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    h1, h2, logits = forward(p, x)
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    d3 = (e / e.sum(axis=1, keepdims=True) - np.eye(10, dtype="f4")[y]) / len(x)
    d2 = (d3 @ p["W3"].T) * (h2 > 0)
    d1 = (d2 @ p["W2"].T) * (h1 > 0)
    return {
        "W1": (x / 16).T @ d1, "b1": d1.sum(0), "W2": h1.T @ d2, "b2": d2.sum(0), "W3": h2.T @ d3, "b3": d3.sum(0),
    }  # fmt: skip


def train(epochs: int = 60, batch: int = 32, rate: float = 2e-3, decay: float = 1e-4) -> dict[str, np.ndarray]:
    images, digits = load()
    images, digits = images[:TRAINING_ROWS], digits[:TRAINING_ROWS]
    rng = np.random.default_rng(0)
    sizes = [("1", 64, 128), ("2", 128, 64), ("3", 64, 10)]
    p = {f"W{n}": (rng.normal(size=(i, o)) * np.sqrt(2 / i)).astype("f4") for n, i, o in sizes}
    p |= {f"b{n}": np.zeros(o, "f4") for n, _, o in sizes}
    first = {k: np.zeros_like(v) for k, v in p.items()}
    second = {k: np.zeros_like(v) for k, v in p.items()}
    step = 0
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for rows in np.array_split(order, len(order) // batch):
            step += 1
            for k, g in gradients(p, images[rows], digits[rows]).items():
                first[k] = 0.9 * first[k] + 0.1 * g
                second[k] = 0.999 * second[k] + 0.001 * g * g
                unbiased = first[k] / (1 - 0.9**step), second[k] / (1 - 0.999**step)
                p[k] = (p[k] * (1 - rate * decay) - rate * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)).astype("f4")
    return p


if __name__ == "__main__":
    weights = train()
    images, digits = load()
    held_out = slice(TRAINING_ROWS, None)
    right = forward(weights, images[held_out])[2].argmax(axis=1) == digits[held_out]
    np.savez(HERE / "weights.npz", **weights)
    print(f"accuracy on the {right.size} held-out digits: {right.mean():.2%}")
