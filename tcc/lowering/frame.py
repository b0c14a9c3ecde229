"""What is known at one point of a function under construction: names, loops, buffers, the mask."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from tcc.errors import InternalError
from tcc.ir.dim import Size, substitute
from tcc.ir.dtype import DType
from tcc.ir.location import Location
from tcc.loops.facts import Facts
from tcc.loops.program import Call, Copy, Kernel
from tcc.lowering.device import Device
from tcc.lowering.function import Services
from tcc.lowering.memory import pointer
from tcc.lowering.mlir import ir, llvm
from tcc.lowering.registers import Register, integer
from tcc.lowering.tile import LANES, Tile, keys


@dataclass(frozen=True)
class Axis:
    """A loop under way: copy ``u`` and lane ``l`` stand at iteration ``base + u·lanes + l``, where ``l``
    counts the ``width`` lanes that one machine thread holds, as a vector. ``start``: the base, where it is known."""

    base: ir.Value
    copies: int = 1
    lanes: int = 1
    width: int = 1
    start: int | None = None


@dataclass(frozen=True)
class Storage:
    """A buffer's element type and where it begins."""

    dtype: DType
    address: ir.Value


@dataclass(frozen=True)
class Mask:
    """Which iterations are live. ``inhabited``: at least one always is, in each copy that a loop's
    other axes have."""

    tile: Tile
    inhabited: bool


class Locations:
    """The program's locations as MLIR's, cached; ``files`` renames source files."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files
        self._known: dict[Location, ir.Location] = {}

    def of(self, location: Location) -> ir.Location:
        """The line of a location; line 0 of no file when it is unknown."""
        if location not in self._known:
            file = self._files.get(location.file, location.file)
            made = ir.Location.file(file if location.known else "<unknown>", location.line, 0)
            if location.inlined_at is not None and location.inlined_at.known:
                made = ir.Location.callsite(made, [self.of(location.inlined_at)])
            self._known[location] = made
        return self._known[location]


@dataclass(frozen=True)
class Context:
    """What all functions of a module share. ``apart`` names the functions of loops apart."""

    prefix: str
    facts: Facts
    triple: str
    locations: Locations
    device: Device | None = None
    apart: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Profile:
    """The address of the caller's ``tcc_profiler``, and the steps it numbers."""

    profiler: ir.Value
    steps: Sequence[Call | Copy]


@dataclass
class Function:
    """One machine function under construction, and what all of its statements share.

    ``span``: the piece of a parallel loop to run; ``streaming``: stores that ask at run time whether to
    go past the caches do so, at this point; ``kernels``: what a host function may call; ``profile``: what
    a host function tells when a step begins and ends.
    """

    entry: ir.Block
    shared: Context
    name: str
    services: Services
    span: tuple[ir.Value, ir.Value] | None = None
    kernels: Mapping[str, Kernel] = field(default_factory=dict)
    streams: bool = False
    streaming: bool = False
    profile: Profile | None = None

    @property
    def facts(self) -> Facts:
        return self.shared.facts

    def alloca(self, cell: ir.Type, count: int, alignment: int = 64) -> ir.Value:
        """Stack memory, reserved once for the whole call."""
        with ir.InsertionPoint.at_block_begin(self.entry):
            return llvm.AllocaOp(pointer(), integer(count), cell, alignment=alignment).result


@dataclass
class Frame:
    """The scope of a statement. ``axes`` are the loops around it, outermost first; ``numbers`` are the
    axes of unrolled loops."""

    function: Function
    names: dict[str, Tile] = field(default_factory=dict)
    axes: dict[str, Axis] = field(default_factory=dict)
    numbers: dict[str, Size] = field(default_factory=dict)
    buffers: dict[str, Storage] = field(default_factory=dict)
    mask: Mask | None = None
    worker_used: Size = 0
    memo: dict[int, Tile] = field(default_factory=dict)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """What is bound within the block is forgotten after it."""
        saved = (self.names, self.axes, self.numbers, self.buffers, self.mask, self.worker_used)
        self.names, self.axes, self.numbers = dict(self.names), dict(self.axes), dict(self.numbers)
        self.buffers, self.memo = dict(self.buffers), {}
        yield
        self.names, self.axes, self.numbers, self.buffers, self.mask, self.worker_used = saved
        self.memo = {}

    def at(self, location: Location) -> AbstractContextManager[object]:
        """Within the block, code is made for a line of the user's source; unknown: as before."""
        return self.function.shared.locations.of(location) if location.known else nullcontext()

    def resolve(self, size: Size) -> Size:
        """A size with the axes of unrolled loops replaced by their numbers."""
        return substitute(size, self.numbers) if self.numbers else size

    @property
    def lanes(self) -> int:
        """The number of lanes; 0 outside of loops with lanes."""
        return next((axis.lanes for axis in self.axes.values() if axis.lanes > 1), 0)

    @property
    def width(self) -> int:
        """The length of vectors; 0 outside of loops with lanes."""
        return next((axis.width for axis in self.axes.values() if axis.lanes > 1), 0)

    @property
    def copies(self) -> dict[str, int]:
        """The copies of each loop around this point that has more than one."""
        return {name: axis.copies for name, axis in self.axes.items() if axis.copies > 1}

    def ordered(self, axes: Iterable[str]) -> tuple[str, ...]:
        """The axes with copies among these, outermost first."""
        wanted = set(axes)
        return tuple(name for name in self.copies if name in wanted)

    def grid(self, axes: tuple[str, ...]) -> list[dict[str, int]]:
        """Every coordinate over some axes."""
        return [dict(zip(axes, key, strict=True)) for key in keys(axes, self.copies)]

    def tile(self, dtype: DType, axes: tuple[str, ...], parts: Iterable[Register]) -> Tile:
        """A tile of the parts in the order of `grid`."""
        return Tile(dtype, axes, dict(zip(keys(axes, self.copies), parts, strict=True)))

    def shaped(self, tile: Tile, varies: Iterable[str]) -> Tile:
        """A tile spread over exactly these axes (and the lanes if `LANES` is among them)."""
        varies = set(varies) | tile.varies
        return tile.spread(self.ordered(varies), self.copies, self.width if LANES in varies else 0)

    @property
    def around(self) -> frozenset[str]:
        """All axes that a value at this point may vary over."""
        return frozenset(self.copies) | ({LANES} if self.lanes else frozenset())

    def lookup(self, name: str) -> Tile:
        """The value of a name. InternalError when nothing binds it."""
        if name not in self.names:
            raise InternalError(f"the loop program uses '{name}' where nothing binds it", why="stage: lowering")
        return self.names[name]

    def storage(self, name: str) -> Storage:
        """The buffer of a name. InternalError when there is none."""
        if name not in self.buffers:
            raise InternalError(f"the loop program uses an unknown buffer '{name}'", why="stage: lowering")
        return self.buffers[name]
