"""The loop IR's rules on blocks, warps and threads, and on the matrices of a `TileOp`."""

from __future__ import annotations

from tcc.ir.dtype import BF16, F32
from tcc.ir.location import UNKNOWN
from tcc.loops.program import WARP, Blocks, Loop, Panel, TileOp, Warps
from tcc.loops.verify_expression import Place, check_uniform

LANES = 64
SHARED_BYTES = 48 << 10
REGISTER_BYTES = 4 * 255
TILES = {(16, 8, 16): (BF16, F32)}
"""Shapes (m, n, k) of tile operations: the dtypes of operands and accumulator."""


def threads_of(place: Place) -> int:
    """The threads of the block around a place, or of the warp; 0 outside of blocks."""
    if any(isinstance(x.mapping, Warps) for x in place.loops):
        return WARP
    return next((x.mapping.threads for x in place.loops if isinstance(x.mapping, Blocks)), 0)


def check_threads(place: Place, loop: Loop) -> None:
    """Lanes inside of blocks are all threads of the block, inside of warps those of the warp."""
    what, at = f"the loop over '{loop.axis}'", loop.location
    around = threads_of(place)
    if isinstance(loop.mapping, Blocks):
        around = loop.mapping.threads
        if around % WARP or not WARP <= around <= 1024:
            raise place.fail(f"{what} has blocks of {around} threads", f"a block is 1 to 32 warps of {WARP}", at)
    if around and loop.lanes not in (1, around):
        raise place.fail(f"{what} has {loop.lanes} lanes", f"the threads around it are {around}", at)
    if not around and loop.lanes > LANES:
        raise place.fail(f"{what} has {loop.lanes} lanes", f"outside of blocks there are at most {LANES}", at)
    if isinstance(loop.mapping, Warps):
        if loop.carries or loop.while_ is not None or loop.unrolled or loop.lanes * loop.copies > 1:
            raise place.fail(f"{what} is one of warps", "it has carries, lanes or copies, or ends early", at)
        if not around or any(x.lanes > 1 or isinstance(x.mapping, Warps) for x in place.loops):
            raise place.fail(f"{what} is one of warps", "it is not for all threads of a block", at)
        if (loop.lo, loop.hi) != (0, around // WARP):
            raise place.fail(f"{what} runs over {loop.lo}..{loop.hi}", f"the block has {around // WARP} warps", at)


def check_near(place: Place, what: str, space: str, size: int) -> None:
    """Shared memory belongs to all threads of a block; registers are each thread's or spread over them."""
    if space == "register":
        if size > REGISTER_BYTES * threads_of(place):
            raise place.fail(f"{what} takes {size} bytes", f"a thread has {REGISTER_BYTES} in registers", UNKNOWN)
        return
    if not threads_of(place) or any(isinstance(x.mapping, Warps) for x in place.loops):
        raise place.fail(what, "shared memory is made inside of blocks and outside of warps", UNKNOWN)
    if not 0 <= size <= SHARED_BYTES:
        raise place.fail(f"{what} takes {size} bytes", f"a block has {SHARED_BYTES}", UNKNOWN)


def check_tile(op: TileOp, place: Place) -> None:
    """A tile operation is a whole warp's; its matrices are in buffers of the dtypes it takes."""
    what, at = "the tile operation", op.location
    if op.shape not in TILES:
        raise place.fail(f"{what} of shape {op.shape}", f"there are {', '.join(map(str, TILES))}", at)
    if not any(isinstance(x.mapping, Warps) for x in place.loops) or any(x.lanes > 1 for x in place.loops):
        raise place.fail(what, "it is not inside of warps and outside of lanes", at)
    operand, accumulator = TILES[op.shape]
    for panel, wanted, access in ((op.acc, accumulator, "update"), (op.a, operand, ""), (op.b, operand, "")):
        _check_panel(place, op, panel)
        known = place.buffers[panel.buffer]
        if known.dtype != wanted or (access and known.access != access):
            raise place.fail(f"{what} on '{panel.buffer}'", f"that is no buffer of {wanted} to {access or 'read'}", at)


def _check_panel(place: Place, op: TileOp, panel: Panel) -> None:
    if panel.buffer not in place.buffers:
        raise place.fail(f"the tile operation on '{panel.buffer}'", "there is no such buffer here", op.location)
    for size in (panel.offset, panel.row, panel.column):
        check_uniform(place, size, "a tile operation", op.location)
