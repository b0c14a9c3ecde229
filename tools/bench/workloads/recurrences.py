"""Loops over time: recurrent cells, filters, chaotic maps."""
# pyright: basic
# Bodies are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

from tools.bench.workload import TRANSCENDENTAL, Workload, normal, uniform, weight
from tools.bench.workloads import loops


def _lstm(xp, x, Wx, Wh, b):
    return xp.lstm(x, Wx, Wh, b)


def _gru(xp, x, Wx, Wh, b, bh):
    return xp.gru(x, Wx, Wh, b, bh)


def _recurrence(xp, x, u):
    def step(h, row):
        h = 0.9 * h + xp.tanh(row) * 0.1
        return h, h

    return xp.scan(step, x, u)[1]


def _map(xp, x, u):
    def step(h, row):
        return 3.7 * h * (1 - h) * row, None

    return xp.scan(step, x, u)[0]


def _cell(*shape):
    return weight(*shape, layout="cell")


def lstm(name, steps, batch, inputs, hidden):
    """A layer of LSTM cells from zero states, all hidden states returned."""
    weights = {"Wx": _cell(inputs, 4 * hidden), "Wh": _cell(hidden, 4 * hidden), "b": _cell(4 * hidden)}
    flops = steps * batch * 8 * hidden * (inputs + hidden)
    return Workload(name, _lstm, {"x": normal(steps, batch, inputs)}, weights, flops=flops, tolerance=1e-3)


def gru(name, steps, batch, inputs, hidden):
    """A layer of GRU cells from zero states, all hidden states returned."""
    weights = {
        "Wx": _cell(inputs, 3 * hidden),
        "Wh": _cell(hidden, 3 * hidden),
        "b": _cell(3 * hidden),
        "bh": _cell(3 * hidden),
    }
    flops = steps * batch * 6 * hidden * (inputs + hidden)
    return Workload(
        name, _gru, {"x": normal(steps, batch, inputs)}, weights, flops=flops, tolerance=1e-3, without=_UNROLLED
    )


_UNROLLED = {"torch.compile": "it unrolls the steps and compiles for minutes"}

WORKLOADS = (
    lstm("LSTM seq 128, batch 16, hidden 256", 128, 16, 256, 256),
    lstm("LSTM seq 50, batch 1, hidden 100", 50, 1, 100, 100),
    gru("GRU seq 100, batch 8, hidden 128", 100, 8, 128, 128),
    Workload(
        "recurrence with tanh, 1000 steps on 64 lanes",
        _recurrence,
        {"x": normal(64), "u": normal(1000, 64)},
        flops=64_000 * (3 + TRANSCENDENTAL),
        without=_UNROLLED,
        tolerance=1e-3,
    ),
    Workload(
        "recurrence, 10,000 steps on 64 lanes",
        _map,
        {"x": uniform(64, low=0.2, high=0.8), "u": uniform(10_000, 64, low=0.6, high=0.8)},
        flops=64e4 * 4,
        own={"numba": loops.logistic_map},
        without=_UNROLLED,
        tolerance=1e-2,
    ),
)
