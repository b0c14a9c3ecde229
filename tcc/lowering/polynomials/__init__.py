"""Own approximations of the elementary functions, at full vector width and without branches but for
large trigonometric arguments. Each takes f32 or f64 lanes, and gives the same bits on all machines with
fused multiply-adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tcc.lowering.lanes import Lanes
from tcc.lowering.polynomials.error_function import erf, erfc
from tcc.lowering.polynomials.exponential import cosh, exp, exp2, expm1, sinh, tanh
from tcc.lowering.polynomials.logarithm import arccosh, arcsinh, arctanh, log, log1p, log2, log10
from tcc.lowering.polynomials.power import cbrt, power
from tcc.lowering.polynomials.trigonometric import arccos, arcsin, arctan, arctan2, cos, sin, tan

# The function of each name, and the bounds on its error in f32 and in f64, in units in the last place of
# the true result: a little above the largest found among a million samples over the whole domain, with
# and without fused multiply-adds.
_ROWS: tuple[tuple[str, Callable[..., Lanes], float, float], ...] = (
    ("exp", exp, 1.1, 1.1),
    ("exp2", exp2, 1.2, 1.2),
    ("expm1", expm1, 1.5, 2.1),
    ("log", log, 1.0, 1.0),
    ("log2", log2, 1.2, 1.2),
    ("log10", log10, 1.1, 1.1),
    ("log1p", log1p, 1.0, 1.0),
    ("sin", sin, 2.0, 2.5),
    ("cos", cos, 2.0, 2.5),
    ("tan", tan, 1.4, 2.2),
    ("arcsin", arcsin, 1.5, 1.5),
    ("arccos", arccos, 1.3, 1.3),
    ("arctan", arctan, 2.0, 2.0),
    ("arctan2", arctan2, 2.0, 2.0),
    ("sinh", sinh, 1.8, 1.8),
    ("cosh", cosh, 1.6, 1.6),
    ("tanh", tanh, 1.5, 1.5),
    ("arcsinh", arcsinh, 1.4, 1.4),
    ("arccosh", arccosh, 1.4, 1.4),
    ("arctanh", arctanh, 1.1, 1.1),
    ("erf", erf, 1.3, 1.3),
    ("erfc", erfc, 0.6, 3.0),
    ("cbrt", cbrt, 0.6, 0.6),
    ("pow", power, 0.6, 1.3),
)

TABLE: Mapping[str, Callable[..., Lanes]] = {name: function for name, function, _, _ in _ROWS}

BOUNDS: Mapping[str, Mapping[str, float]] = {name: {"f32": f32, "f64": f64} for name, _, f32, f64 in _ROWS}
"""The accuracy of each function, by dtype, in units in the last place."""
