"""Own approximations of the elementary functions, at full vector width."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tcc.lowering.lanes import Lanes
from tcc.lowering.polynomials.error_function import erf, erfc
from tcc.lowering.polynomials.exponential import cosh, exp, exp2, expm1, sinh, tanh
from tcc.lowering.polynomials.logarithm import arccosh, arcsinh, arctanh, log, log1p, log2, log10
from tcc.lowering.polynomials.power import cbrt, power
from tcc.lowering.polynomials.trigonometric import arccos, arcsin, arctan, arctan2, cos, sin, tan

TABLE: Mapping[str, Callable[..., Lanes]] = {
    "pow": power,
    **{
        f.__name__: f
        for f in (
            *(exp, exp2, expm1, log, log2, log10, log1p),
            *(sin, cos, tan, arcsin, arccos, arctan, arctan2),
            *(sinh, cosh, tanh, arcsinh, arccosh, arctanh),
            *(erf, erfc, cbrt),
        )
    },
}
