"""Loops in machine functions of their own.

What such a loop keeps in registers between its iterations (a polynomial's coefficients) then takes none
from the loops around it: LLVM hoists it no farther than out of the function. Long ones go to modules of their
own (see `tcc.lowering.divide`).
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from tcc.errors import InternalError
from tcc.loops.program import Loop
from tcc.lowering import loop
from tcc.lowering.captured import Captured
from tcc.lowering.carried import Run
from tcc.lowering.frame import Frame
from tcc.lowering.function import call


def emit(frame: Frame, node: Loop, run: Run) -> None:
    """Defines the loop's function and calls it."""
    if frame.copies or frame.lanes or frame.mask is not None:
        raise InternalError(f"the loop over {node.axis} is a function of its own inside of lanes, copies or a mask")
    captured = Captured(frame, node)
    apart = frame.function.shared.apart
    symbol = captured.symbol(f"part{len(apart)}")
    apart.append(symbol)
    with captured.function(symbol) as (inner, _):
        loop.emit(inner, node, run)
    call(symbol, captured.values)
