"""Gravitational accelerations of n bodies on each other, softened (Plummer)."""

import numpy as np

import tcc


@tcc.function(position="f32[n, 3]", mass="f32[n]")
def accelerations(position, mass):
    """f32[n, 3]: the sum over j of m_j (x_j - x_i) / (|x_j - x_i|² + ε²)^1.5, with ε = 0.01."""
    offset = position[np.newaxis, :, :] - position[:, np.newaxis, :]
    squared = (offset * offset).sum(axis=2) + 1e-4
    weight = mass / (squared * np.sqrt(squared))
    return (weight[:, :, np.newaxis] * offset).sum(axis=1)
