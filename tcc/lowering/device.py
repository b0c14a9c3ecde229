"""What a machine whose lanes are threads does in its own way: accesses, combines, launches.

Without a `Device` lanes are the elements of vectors, and the loops of a kernel are called by one thread.
With one, every thread of a block runs a kernel's code, vectors have the one element that is its own
lane, and what does not vary over the lanes is computed by all threads alike.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tcc.lowering.mlir import ir
from tcc.lowering.registers import Register
from tcc.lowering.tile import Coordinate, Tile

if TYPE_CHECKING:
    from tcc.ir.dim import Size
    from tcc.loops.program import Buffer, Loop, TileOp
    from tcc.lowering.frame import Frame


class Device(Protocol):
    """See `tcc.lowering.cuda.threads.Threads`."""

    def first_lane(self, frame: Frame, loop: Loop) -> ir.Value:
        """The lane of a loop with lanes that the running thread is, in 64 bits."""
        ...

    def read(self, target: Any, at: Coordinate, mask: ir.Value | None) -> Register:
        """What a load finds at a coordinate; 0 and memory untouched where ``mask`` is false."""
        ...

    def write(self, target: Any, at: Coordinate, value: Register, mask: ir.Value | None) -> None:
        """Stores where ``mask`` is true."""
        ...

    def fold(self, frame: Frame, loop: Loop, reducer: Any, tiles: Sequence[Tile]) -> list[Tile]:
        """The lanes of each part combined, by halves, into a value that all threads have."""
        ...

    def allocate(self, frame: Frame, buffer: Buffer, size: Size) -> Any:
        """The `Storage` of a buffer made in a kernel."""
        ...

    def spread(self, frame: Frame, loop: Loop, run: Callable[..., None]) -> None:
        """A loop whose iterations are blocks or warps."""
        ...

    def tile(self, frame: Frame, op: TileOp) -> None:
        """A product of small matrices by a warp."""
        ...

    def barrier(self) -> None:
        """Waits for all threads of the block."""
        ...
