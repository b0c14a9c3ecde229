"""Loops in plain Python for Numba: inputs and weights first, then the arrays for the results."""
# pyright: basic
# Numba compiles them for the types that they are called with.

from __future__ import annotations

import math

import numpy as np


def add(a, b, out):
    """out = a + b"""
    for i in range(a.size):
        out[i] = a[i] + b[i]


def chain(x, a, b, out):
    """tanh(x·a+b), times its exp."""
    for i in range(x.size):
        y = math.tanh(x[i] * a[i] + b[i])
        out[i] = y * math.exp(y)


def axpy(x, y, out):
    """2.5 x + y"""
    for i in range(x.size):
        out[i] = np.float32(2.5) * x[i] + y[i]


def sum0(x, out):
    """Sums of columns."""
    out[:] = 0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[j] += x[i, j]


def sum1(x, out):
    """Sums of rows."""
    for i in range(x.shape[0]):
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            total += x[i, j]
        out[i] = total


def max1(x, out):
    """Maxima of rows."""
    for i in range(x.shape[0]):
        top = x[i, 0]
        for j in range(x.shape[1]):
            top = max(top, x[i, j])
        out[i] = top


def argmax1(x, out):
    """Positions of the maxima of rows."""
    for i in range(x.shape[0]):
        top, at = x[i, 0], 0
        for j in range(x.shape[1]):
            if x[i, j] > top:
                top, at = x[i, j], j
        out[i] = at


def cumsum1(x, out):
    """Running sums of rows."""
    for i in range(x.shape[0]):
        total = np.float32(0)
        for j in range(x.shape[1]):
            total += x[i, j]
            out[i, j] = total


def softmax(x, out):
    """Softmax of rows."""
    for i in range(x.shape[0]):
        top = x[i, 0]
        for j in range(x.shape[1]):
            top = max(top, x[i, j])
        total = np.float32(0)
        for j in range(x.shape[1]):
            e = math.exp(x[i, j] - top)
            out[i, j] = e
            total += e
        scale = np.float32(1) / total
        for j in range(x.shape[1]):
            out[i, j] *= scale


def layer_norm(x, gain, bias, out):
    """Rows normalised."""
    n = x.shape[1]
    for i in range(x.shape[0]):
        total = np.float32(0)
        for j in range(n):
            total += x[i, j]
        mean = total / np.float32(n)
        squares = np.float32(0)
        for j in range(n):
            squares += (x[i, j] - mean) * (x[i, j] - mean)
        scale = np.float32(1) / np.sqrt(squares / np.float32(n) + np.float32(1e-5))
        for j in range(n):
            out[i, j] = (x[i, j] - mean) * scale * gain[j] + bias[j]


def transpose(x, out):
    """In tiles of 32."""
    rows, columns = x.shape
    for ii in range(0, rows, 32):
        for jj in range(0, columns, 32):
            for j in range(jj, min(jj + 32, columns)):
                for i in range(ii, min(ii + 32, rows)):
                    out[j, i] = x[i, j]


def take(table, ids, out):
    """Rows by number."""
    for i in range(ids.size):
        row = ids[i]
        for j in range(table.shape[1]):
            out[i, j] = table[row, j]


def scatter_add(x, ids, updates, out):
    """Rows added by number."""
    out[:] = x
    for i in range(ids.size):
        row = ids[i]
        for j in range(x.shape[1]):
            out[row, j] += updates[i, j]


def logistic_map(x, u, out):
    """The state after all steps."""
    out[:] = x
    for t in range(u.shape[0]):
        for i in range(x.size):
            out[i] = np.float32(3.7) * out[i] * (np.float32(1) - out[i]) * u[t, i]


def black_scholes(spot, strike, years, call, put):
    """Prices of European options."""
    one = spot.dtype.type(1)
    rate, volatility, half, root = one * 0.03, one * 0.25, one * 0.5, one * 0.7071067811865476
    for i in range(spot.size):
        deviation = volatility * math.sqrt(years[i])
        d1 = (math.log(spot[i] / strike[i]) + (rate + half * volatility * volatility) * years[i]) / deviation
        d2 = d1 - deviation
        discounted = strike[i] * math.exp(-rate * years[i])
        price = spot[i] * (half + half * math.erf(d1 * root)) - discounted * (half + half * math.erf(d2 * root))
        call[i] = price
        put[i] = price - spot[i] + discounted


def nbody(position, mass, out):
    """Softened gravity."""
    n = mass.size
    soft = mass.dtype.type(1e-4)
    columns = position.T.copy()
    x, y, z = columns[0], columns[1], columns[2]
    for i in range(n):
        ax = ay = az = mass.dtype.type(0)
        for j in range(n):
            dx, dy, dz = x[j] - x[i], y[j] - y[i], z[j] - z[i]
            squared = dx * dx + dy * dy + dz * dz + soft
            pull = mass[j] / (squared * np.sqrt(squared))
            ax += pull * dx
            ay += pull * dy
            az += pull * dz
        out[i, 0], out[i, 1], out[i, 2] = ax, ay, az


def jacobi(u, out):
    """Ten sweeps between two padded planes."""
    n, m = u.shape
    quarter = u.dtype.type(0.25)
    now = np.zeros((n + 2, m + 2), u.dtype)
    after = np.zeros((n + 2, m + 2), u.dtype)
    now[1:-1, 1:-1] = u
    for _ in range(10):
        for i in range(1, n + 1):
            for j in range(1, m + 1):
                after[i, j] = quarter * (now[i - 1, j] + now[i + 1, j] + now[i, j - 1] + now[i, j + 1])
        now, after = after, now
    out[:] = now[1:-1, 1:-1]


def kmeans(points, centres, nearest, moved):
    """One step of Lloyd's algorithm."""
    k, d = centres.shape
    counts = np.zeros(k, points.dtype)
    sums = np.zeros((k, d), points.dtype)
    for i in range(points.shape[0]):
        best, at = np.float32(np.inf), 0
        for c in range(k):
            distance = np.float32(0)
            for j in range(d):
                distance += (points[i, j] - centres[c, j]) ** 2
            if distance < best:
                best, at = distance, c
        nearest[i] = at
        counts[at] += 1
        for j in range(d):
            sums[at, j] += points[i, j]
    for c in range(k):
        for j in range(d):
            moved[c, j] = sums[c, j] / counts[c] if counts[c] > 0 else centres[c, j]
