"""Operands of products: read where they lie, or packed into a panel first.

A panel holds one operand's block, converted to the dtype that is computed in and filled up with zeros,
in the order in which the innermost loop reads it, so that this loop needs no masks (Goto and van de
Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tcc.ir.dim import Size
from tcc.ir.dtype import DType
from tcc.ir.forms import Coordinates
from tcc.ir.graph import Node
from tcc.ir.scalar import Apply, Expr, Name
from tcc.loops.program import Load
from tcc.schedule.block import OpenLoop
from tcc.schedule.element import KernelBuilder, Reading, Task, Touch
from tcc.schedule.plan import PlanLoop, coefficient


@dataclass(frozen=True)
class Operand:
    """One factor of a sum of products: number 0 or 1 of the node's operands, and what it touches.

    ``dtype`` is that of its element before it is ``converted`` to the one that is computed in. ``plain``: the
    element is one load; ``buffer`` then names what is read. ``buffers`` are all that are, if it can be computed
    anywhere (None: it checks something).
    """

    node: Node
    number: int
    touches: tuple[Touch, ...]
    dtype: DType
    converted: bool
    plain: bool
    buffer: str | None
    buffers: frozenset[str] | None

    def depends(self, loop: PlanLoop) -> bool:
        """Whether its elements differ along a loop."""
        return any(loop.name in t.indirect or coefficient(t.index, loop.name) != 0 for t in self.touches)

    def stride(self, loop: PlanLoop) -> Size | None:
        """The distance of its elements along a loop; None where there is no such number."""
        loads = [t for t in self.touches if t.kind == "load"]
        if len(loads) != 1 or loop.name in loads[0].indirect:
            return None
        return coefficient(loads[0].index, loop.name)


@dataclass(frozen=True)
class Panel:
    """A packed block: element (k, x) at ``k·across + x·along``.

    It begins at ``start``; ``planes`` 2: the imaginary parts lie ``plane`` elements after the real ones. A block
    of more than ``columns`` is several panels, ``apart`` elements from each other.
    """

    buffer: str
    dtype: DType
    across: Size
    along: Size
    planes: int = 1
    plane: int = 0
    start: Size = 0
    columns: int = 0
    apart: Size = 0

    def index(self, k: Size, x: Size, number: Size = 0) -> Size:
        return self.start + number * self.apart + k * self.across + x * self.along

    def loads(self, k: Size, x: Size, number: Size = 0) -> tuple[Expr, ...]:
        """The element at (k, x) of a panel: its value, or its real and imaginary part."""
        first = self.index(k, x, number)
        return tuple(Load(self.dtype, self.buffer, first + n * self.plane) for n in range(self.planes))


class _Factor:
    """What a product's body sees where one factor is wanted: the other one is a placeholder."""

    def __init__(self, access: Reading, node: Node, number: int) -> None:
        self.access, self.node, self.number = access, node, number
        self.index, self.position = access.index, access.position
        self.inside, self.check = access.inside, access.check

    def read(self, operand: int, coordinates: Coordinates, guard: Expr | None = None) -> Expr:
        if operand == self.number:
            return self.access.read(operand, coordinates, guard)
        return Name(self.node.operands[operand].type.dtype, "?")


def factor(kernel: KernelBuilder, node: Node, number: int, at: Coordinates, reduced: Coordinates) -> Expr:
    """One factor of a node's sum of products, as a name or constant of the dtype that is computed in."""
    nest = kernel.items[node].nest
    assert nest is not None

    def make(access: Reading) -> tuple[Expr, ...]:
        (product,) = nest.body(_Factor(access, node, number), at, reduced)
        assert isinstance(product, Apply)
        return (product.args[number],)

    return kernel.complete(node, make)[0]


def operand(
    task: Task, loops: Sequence[PlanLoop], node: Node, number: int, at: Coordinates, reduced: Coordinates
) -> Operand:
    """What is known of a factor, from computing it once inside of all loops."""
    kernel = KernelBuilder(task, [x.name for x in loops])
    for loop in loops:
        kernel.open(OpenLoop(loop.name, 0, loop.extent))
    value = kernel.definition(factor(kernel, node, number, at, reduced))
    converted = isinstance(value, Apply) and value.op == "cast"
    if isinstance(value, Apply) and converted:
        value = kernel.definition(value.args[0])
    plain = isinstance(value, Load) and value.guard is None
    buffer = value.buffer if isinstance(value, Load) else None
    buffers = None if kernel.checks else frozenset(kernel.accesses)
    return Operand(node, number, tuple(kernel.touches), value.dtype, converted, plain, buffer, buffers)
