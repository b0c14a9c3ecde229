"""Trains `model.py`: ridge-penalised logistic regression by Newton's method; writes `weights.npz`.

python examples/logistic/train.py
"""

from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
TRAINING_ROWS = 1347


def main() -> None:
    table = np.loadtxt(HERE.parent / "digits" / "digits.csv", delimiter=",")
    x = np.hstack([table[:, :64] / 16, np.ones((len(table), 1))])
    even = (table[:, 64] % 2 == 0).astype(float)
    theta = np.zeros(65)
    for _ in range(20):
        rows = x[:TRAINING_ROWS]
        p = 1 / (1 + np.exp(-rows @ theta))
        gradient = rows.T @ (p - even[:TRAINING_ROWS]) + theta
        hessian = (rows * (p * (1 - p))[:, None]).T @ rows + np.eye(65)
        theta -= np.linalg.solve(hessian, gradient)
    np.savez(HERE / "weights.npz", w=theta[:64], b=theta[64])
    right = ((x[TRAINING_ROWS:] @ theta > 0) == even[TRAINING_ROWS:]).mean()
    print(f"accuracy on the {len(x) - TRAINING_ROWS} held-out digits: {right:.2%}")


if __name__ == "__main__":
    main()
