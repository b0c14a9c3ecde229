"""One step of Lloyd's algorithm (1982) for k-means."""

import numpy as np

import tcc


@tcc.function(points="f32[n, d]", centres="f32[k, d]")
def step(points, centres):
    """The nearest centre of each point (i64[n]) and the new centres (f32[k, d]).

    A centre without points stays where it is.
    """
    distances = (centres * centres).sum(axis=1) - 2 * (points @ centres.T)
    nearest = np.argmin(distances, axis=1)
    belongs = (nearest[:, np.newaxis] == tcc.arange(centres.shape[0])).astype("f4")
    counts = belongs.sum(axis=0)[:, np.newaxis]
    sums = belongs.T @ points
    return {"nearest": nearest, "centres": np.where(counts > 0, sums / np.maximum(counts, 1), centres)}
