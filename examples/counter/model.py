"""A library with state: a running sum that lives in an object the caller makes and frees."""

import numpy as np

import tcc

total = tcc.state(np.zeros(3, "f4"))


@tcc.function(x="f32[3]")
def step(x):
    """Adds ``x`` to the running sum and returns it."""
    total.value = total.value + x
    return total.value
