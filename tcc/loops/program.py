"""The loop IR: nodes between graphs and machine code. Their meaning is written in docs/loop-ir.md.

One loop node of scalar meaning plus two numbers: `lanes` (vector width) and `copies` (unrolled
interleaving). Indices are `Size`s over axes, sizes and index-typed lets: canonical, linear addresses
in elements of a buffer. Expressions are those of `tcc.ir.scalar`, plus loads and positions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union

from tcc.ir.dim import Size
from tcc.ir.dtype import DType
from tcc.ir.location import UNKNOWN, Location
from tcc.ir.scalar import Expr
from tcc.loops.decision import Decision
from tcc.loops.weight import Weight

# Spaces a buffer may live in. ``argument``: the caller's input or output; ``weight``: constant data;
# ``state``: a state's storage; ``arena``: the call's workspace; ``worker``: the workspace of one
# worker; ``scratch``: the stack (≤ 16 KiB, static size); ``shared``: the memory of one block of
# threads; ``register``: never in memory.
SPACES = ("argument", "weight", "state", "arena", "worker", "scratch", "shared", "register")


@dataclass(frozen=True)
class Buffer:
    """``size`` elements of a dtype, 64-byte aligned unless an argument."""

    name: str
    dtype: DType
    size: Size
    space: str


# --- expressions -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Position(Expr):
    """The value of an index expression, as an integer of ``dtype``."""

    index: Size


@dataclass(frozen=True)
class Load(Expr):
    """``buffer[index]``; where ``guard`` is false memory is not touched and the value is 0.

    A ``word`` is those from ``index`` on that make up 32 bits, the first one least significant, as a u32.
    """

    buffer: str
    index: Size
    guard: Expr | None = None
    location: Location = field(default=UNKNOWN, compare=False)
    word: bool = False


# --- statements --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Let:
    """``name = value`` in the rest of the enclosing block.

    An integer let may be used as a symbol in indices of later statements (a gather).
    """

    name: str
    value: Expr
    location: Location = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True)
class Store:
    """``buffer[index] = value``, or combined with what is there (``combine``: a name of COMBINES).

    ``unique`` False: two iterations may hit one element, so every enclosing loop that the index
    depends on (or may depend on, through a let) must be serial with one lane and one copy.
    ``nontemporal``: past the caches where this size, the same throughout the kernel, is positive.
    """

    buffer: str
    index: Size
    value: Expr
    combine: str = ""
    unique: bool = True
    nontemporal: Size = 0
    location: Location = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True)
class Prefetch:
    """``buffer[index]`` will be read soon, or written: a hint without a meaning, also beyond the buffer's ends."""

    buffer: str
    index: Size
    write: bool = False
    location: Location = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True)
class Check:
    """The call's status becomes an index error with message number ``message`` (into
    `Program.messages`) unless the condition holds; execution goes on."""

    condition: Expr
    message: int
    location: Location = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True)
class If:
    """The body where the condition holds; under lanes it masks the body's stores and loads."""

    condition: Expr
    body: Block
    otherwise: Block = ()
    location: Location = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True)
class Alloc:
    """A buffer of space scratch, shared, register or worker, live in the rest of the block. Uninitialised."""

    buffer: Buffer


@dataclass(frozen=True)
class Carry:
    """Values carried from one iteration of a loop to the next, and visible after it.

    ``init`` before the first iteration; ``update`` is evaluated at the end of the body (it may use
    the body's lets). With ``combine`` (a name of COMBINES) the new value is combine(old, update) and
    the loop may be split over lanes and copies; the names are visible in the body only with
    ``prefix``, where they stand for the value *before* this iteration is combined, and may be used
    only after every let that ``update`` needs. Without combine the new value is ``update``: state.
    """

    names: tuple[str, ...]
    dtypes: tuple[DType, ...]
    init: tuple[Expr, ...]
    update: tuple[Expr, ...]
    combine: str = ""
    prefix: bool = False
    location: Location = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True)
class Serial:
    """One iteration after the other."""


@dataclass(frozen=True)
class Parallel:
    """Iterations in any order on several workers, ``grain`` of them or more to a piece.

    Outermost loop of a kernel only, and never with carries.
    """

    grain: Size = 1


@dataclass(frozen=True)
class Blocks:
    """Iterations in any order, each by a block of ``threads`` threads, which are the lanes inside.

    Outermost loop of a kernel only, and never with carries: `Parallel` on a GPU.
    """

    threads: int


@dataclass(frozen=True)
class Warps:
    """Iterations in any order, each by one warp of the block: as many as the block has.

    The lanes of the loops inside are the warp's threads.
    """


@dataclass(frozen=True)
class Apart:
    """One iteration after the other, in a machine function of the loop's own.

    So what it keeps in registers takes none from the loops around it, and machine code is made of several of them at
    once. Outside of lanes and copies.
    """


WARP = 32
"""The threads of a warp."""

Mapping = Union[Serial, Parallel, Blocks, Warps, Apart]


@dataclass(frozen=True)
class Loop:
    """``for axis in lo..hi`` in steps of lanes·copies; the remainder runs masked.

    ``axis`` is a symbol usable in indices, from ``lo`` to ``hi - 1``. At most one loop of a nest has
    lanes > 1; copies multiply. ``while_`` (over the carries' names) ends the loop before an iteration
    in which it is false; under lanes it runs while any lane lives and freezes dead ones.
    """

    axis: str
    lo: Size
    hi: Size
    body: Block
    lanes: int = 1
    copies: int = 1
    mapping: Mapping = Serial()
    carries: tuple[Carry, ...] = ()
    while_: Expr | None = None
    unrolled: bool = False
    location: Location = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True)
class Panel:
    """A matrix in a buffer: row i, column j is the element ``offset + i·row + j·column``."""

    buffer: str
    offset: Size
    row: Size
    column: Size


@dataclass(frozen=True)
class TileOp:
    """``acc += a @ b`` for matrices of ``shape`` (m, n, k): m·k times k·n, by one machine instruction.

    The products are exact; how their sum is rounded and ordered is the machine's.
    """

    acc: Panel
    a: Panel
    b: Panel
    shape: tuple[int, int, int]
    location: Location = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True)
class Barrier:
    """All threads of a block have done what is before it when any does what is after it."""

    location: Location = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True)
class Switch:
    """The case whose number ``index`` is, the last one when out of range."""

    index: Size
    cases: tuple[Block, ...]
    location: Location = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True)
class Call:
    """Runs a kernel on buffers (each at an offset in elements) and sizes, as in its parameter lists.

    ``decisions`` say how the kernel came to be as it is; ``work`` is what it computes, in additions, by
    the graph.
    """

    kernel: str
    buffers: tuple[View, ...]
    sizes: tuple[Size, ...]
    location: Location = field(default=UNKNOWN, compare=False)
    decisions: tuple[Decision, ...] = field(default=(), compare=False)
    work: Size = field(default=0, compare=False)


@dataclass(frozen=True)
class View:
    """A buffer from an element on."""

    buffer: str
    offset: Size = 0


@dataclass(frozen=True)
class Copy:
    """``count`` elements from one view to another; they do not overlap. ``decisions`` say why."""

    source: View
    target: View
    count: Size
    location: Location = field(default=UNKNOWN, compare=False)
    decisions: tuple[Decision, ...] = field(default=(), compare=False)


Stmt = Union[Let, Store, Prefetch, Check, If, Alloc, Loop, TileOp, Barrier, Switch, Call, Copy]
Block = tuple[Stmt, ...]


# --- kernels and programs ----------------------------------------------------------------------


@dataclass(frozen=True)
class Parameter:
    """A kernel's buffer: ``access`` is ``read``, ``write`` or ``update``.

    No two parameters of a kernel overlap in memory, except two that are only read.
    """

    name: str
    dtype: DType
    access: str


@dataclass(frozen=True)
class Kernel:
    """A nest of loops over buffer parameters and integer ``symbols``; ``body`` is one machine function.

    No Call and no Copy inside. A `Parallel` or `Blocks` loop may only be the body's outermost and last
    statement.
    """

    name: str
    parameters: tuple[Parameter, ...]
    symbols: tuple[str, ...]
    body: Block
    location: Location = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True)
class Entry:
    """The host side of one function: a tree of Call, Copy, Loop, If, Let and Switch over kernels.

    ``buffers`` are all buffers used, arena ones with their byte offset in ``offsets`` (sizes over
    ``symbols``, multiples of 64); ``workspace`` is the arena's size in bytes and ``worker_bytes`` what
    each worker needs besides. ``inputs`` and ``outputs`` name the argument buffers in the order of the
    graph's inputs and outputs; a state read and written is one ``state`` buffer. ``decisions`` are those
    about the arena.
    """

    name: str
    symbols: tuple[str, ...]
    buffers: tuple[Buffer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    offsets: tuple[tuple[str, Size], ...]
    workspace: Size
    worker_bytes: Size
    body: Block
    location: Location = field(default=UNKNOWN, compare=False)
    decisions: tuple[Decision, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Program:
    """Kernels and the entries that call them; ``weights`` maps a weight buffer's name to its digest.

    ``messages`` are the texts that `Check` refers to. ``constants`` are the weights themselves, in their order.
    """

    kernels: tuple[Kernel, ...]
    entries: tuple[Entry, ...]
    weights: tuple[tuple[str, str], ...] = ()
    messages: tuple[str, ...] = ()
    constants: tuple[Weight, ...] = field(default=(), compare=False)
