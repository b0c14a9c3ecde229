"""Prices of European options by the formula of Black and Scholes (1973)."""

import numpy as np
from scipy.special import erf

import tcc


def normal_cdf(x):
    return 0.5 * (1 + erf(x * np.sqrt(0.5).astype("f4")))


@tcc.function(spot="f32[n]", strike="f32[n]", years="f32[n]", rate="f32[]", volatility="f32[]")
def price(spot, strike, years, rate, volatility):
    """Call and put prices; rate and volatility per year."""
    deviation = volatility * np.sqrt(years)
    d1 = (np.log(spot / strike) + (rate + 0.5 * volatility * volatility) * years) / deviation
    d2 = d1 - deviation
    discounted = strike * np.exp(-rate * years)
    call = spot * normal_cdf(d1) - discounted * normal_cdf(d2)
    return {"call": call, "put": call - spot + discounted}
