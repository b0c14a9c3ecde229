"""Loops: each kind has a file of its own."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from tcc.errors import InternalError
from tcc.loops.program import Loop
from tcc.lowering import streaming
from tcc.lowering.carried import Run
from tcc.lowering.frame import Frame
from tcc.lowering.sequential import Sequential, unrolled
from tcc.lowering.split import Split


def emit(frame: Frame, loop: Loop, run: Run) -> None:
    """The whole loop; its carries' names are bound after it. ``run`` emits a statement."""
    if loop.lanes > 1 and frame.lanes:
        raise InternalError(f"the loop over {loop.axis} has lanes inside of another loop with lanes")
    if streaming.differs(loop):
        streaming.versions(frame, loop, lambda: _emit(frame, loop, run))
    else:
        _emit(frame, loop, run)


def _emit(frame: Frame, loop: Loop, run: Run) -> None:
    if loop.lanes * loop.copies > 1:
        Split(frame, loop, run).emit()
    elif loop.unrolled:
        unrolled(frame, loop, run)
    else:
        Sequential(frame, loop, run).emit()
