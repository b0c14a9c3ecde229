"""Sums of products as tiles: which axes are rows and columns, how large a tile is, what is packed.

The recipe is that of Goto and van de Geijn, with fewer levels: a tile of rows × columns of results is kept
in registers while the loop over the shared axis runs from end to end; a block of the operand along the
columns is packed where that pays, the one along the rows is read where it lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import BOOL, DType
from tcc.ir.forms import Coordinates
from tcc.ir.graph import Node
from tcc.ir.scalar import compute_dtype
from tcc.loops.facts import Facts
from tcc.schedule.element import Task
from tcc.schedule.group import coordinates_of
from tcc.schedule.nests import splat
from tcc.schedule.plan import LEAST_LANES, PlanLoop
from tcc.schedule.products.packing import Operand, operand
from tcc.schedule.products.prepacked import is_unchanging, panel_columns, weight
from tcc.schedule.products.words import Words, are_whole, found

LEAST_ROWS = 4
"""Rows from which on it pays to pack a block that cannot be read where it lies."""
FEW_ROWS = 3
"""Rows up to which a tile is widened."""
MOST_ROWS = 8
"""Rows of a tile at most."""
HIDING = 12
"""Independent sums that keep two multipliers of four cycles' latency busy, loads included."""


@dataclass(frozen=True)
class Sum:
    """One sum of products of a group; ``left`` is the same along the columns, ``right`` along the rows."""

    node: Node
    coordinates: Coordinates
    left: Operand
    right: Operand

    @property
    def dtype(self) -> DType:
        """The dtype that is computed in."""
        return _accumulator(self.node)


@dataclass(frozen=True)
class Product:
    """A group of sums of products over the same axes, and the roles of its loops.

    A register tile is ``height`` rows of ``vectors`` vectors of ``lanes`` columns. ``joined`` are the loops that
    the rows are made of, where they are one in the results only.
    """

    sums: tuple[Sum, ...]
    outer: tuple[PlanLoop, ...]
    rows: PlanLoop | None
    joined: tuple[PlanLoop, ...]
    columns: PlanLoop
    shared: tuple[PlanLoop, ...]
    lanes: int
    height: int
    vectors: int
    words: Words | None = None

    @property
    def steps(self) -> Size:
        """How many products each sum has, of numbers or of words."""
        *around, last = self.shared
        every = last.extent if self.words is None else dim.ceildiv(last.extent, self.words.count)
        return dim.product([*(x.extent for x in around), every])

    def reads_left(self, s: Sum) -> bool:
        """Whether a left operand is read where it lies."""
        return _reads_left(s.left, self.shared, self.words)


def product(
    task: Task, space: Sequence[PlanLoop], shared: Sequence[PlanLoop], stores: Sequence[Size | None]
) -> Product | None:
    """The group as sums of products in tiles; None where other loops are better.

    ``space`` and ``shared`` are the group's loops, joined where they can be; ``stores`` what each loop of the
    space is multiplied by in the results' addresses (None: not the same in all).
    """
    nodes = [n for n, _ in task.group.reductions]
    if not nodes or any(not _is_product(task, n) for n in nodes) or len({_accumulator(n) for n in nodes}) > 1:
        return None
    pairs = [_operands(task, (*space, *shared), n, c) for n, c in task.group.reductions]
    lanes = max(1, task.facts.vector_bytes // _accumulator(nodes[0]).real.bytes)
    columns = _columns(space, pairs, stores)
    if columns is None:
        return None
    sums: list[Sum] = []
    for (node, coordinates), pair in zip(task.group.reductions, pairs, strict=True):
        left, right = sorted(pair, key=lambda x: x.depends(columns))
        sums.append(Sum(node, coordinates, left, right))
    words = found(task.facts, [(s.left, s.right) for s in sums], _accumulator(nodes[0])) if shared else None
    rows, joined = _rows(space, columns, shared, stores, sums, words)
    few = rows is None or (isinstance(rows.extent, int) and rows.extent < LEAST_ROWS)
    laid_out = all(weight(task, s.right) is not None or is_unchanging(task, s.right) for s in sums)
    if words is not None and few and not laid_out:
        words = None
        rows, joined = _rows(space, columns, shared, stores, sums, words)
    packs = any(not is_direct(s.right, columns, shared) or not is_linear(s.left, shared) for s in sums)
    if packs and few and words is None:
        return None
    outer = tuple(x for x in space if x is not columns and x not in joined)
    height, vectors = _tile(task.facts, sums, rows.extent if rows is not None else 1, columns.extent, lanes, laid_out)
    if (rows is None or rows.extent == 1) and words is None and any(weight(task, s.right) is None for s in sums):
        # Each element is needed once: sums of columns read them in long streams, as does a tile of whole rows.
        whole = isinstance(columns.extent, int) and columns.extent % lanes == 0 and columns.extent <= vectors * lanes
        if not whole:
            return None
    return Product(tuple(sums), outer, rows, joined, columns, tuple(shared), lanes, height, vectors, words)


def is_direct(right: Operand, columns: PlanLoop, shared: Sequence[PlanLoop]) -> bool:
    """Whether whole vectors of an operand can be read where they lie."""
    whole = not _accumulator(right.node).is_complex and right.stride(columns) == 1
    return whole and is_linear(right, shared)


def is_linear(operand: Operand, shared: Sequence[PlanLoop]) -> bool:
    """Whether an operand's elements are at fixed distances along each shared loop, and need no conversion."""
    return operand.plain and not operand.converted and all(operand.stride(x) is not None for x in shared)


def _reads_left(left: Operand, shared: Sequence[PlanLoop], words: Words | None) -> bool:
    if words is None:
        return is_linear(left, shared)
    return words.are_read(left, shared, False) and are_whole(words, shared)


def _accumulator(node: Node) -> DType:
    return compute_dtype(node.results[0].type.dtype)


def _is_product(task: Task, node: Node) -> bool:
    item = task.grouping.items[node]
    return item.fused and _accumulator(node) != BOOL and all(splat(v) is None for v in node.operands)


def _operands(task: Task, loops: Sequence[PlanLoop], node: Node, coordinates: Coordinates) -> tuple[Operand, Operand]:
    """Both factors, as they are read within the loops."""
    places: dict[str, Size] = {}
    for loop in loops:
        places |= loop.coordinates()
    nest = task.grouping.items[node].nest
    assert nest is not None
    at = tuple(dim.substitute(c, places) for c in coordinates)
    reduced = tuple(dim.substitute(c, places) for c in coordinates_of(task.group.reduce, nest.reduce))
    return operand(task, loops, node, 0, at, reduced), operand(task, loops, node, 1, at, reduced)


def _columns(
    space: Sequence[PlanLoop], pairs: Sequence[tuple[Operand, Operand]], stores: Sequence[Size | None]
) -> PlanLoop | None:
    """The loop along the lanes: one of the operands is the same along it, results are neighbours."""
    best: tuple[int, PlanLoop] | None = None
    for loop, stride in zip(space, stores, strict=True):
        if isinstance(loop.extent, int) and loop.extent < LEAST_LANES:
            continue
        if any(x.depends(loop) == y.depends(loop) for x, y in pairs):
            continue
        near = sum(y.stride(loop) == 1 if y.depends(loop) else x.stride(loop) == 1 for x, y in pairs)
        score = 2 * len(pairs) * (stride == 1) + near
        if score > 0 and (best is None or score >= best[0]):
            best = (score, loop)
    return None if best is None else best[1]


def _rows(
    space: Sequence[PlanLoop],
    columns: PlanLoop,
    shared: Sequence[PlanLoop],
    stores: Sequence[Size | None],
    sums: Sequence[Sum],
    words: Words | None,
) -> tuple[PlanLoop | None, tuple[PlanLoop, ...]]:
    """The loop that tiles have several rows of, and the loops that it is made of.

    It is the last one that right operands do not know, with those around it that are one with it in the
    results: a tile then ends where the results do. Left operands are read where they lie, row by row.
    """
    strides = {x.name: stride for x, stride in zip(space, stores, strict=True)}
    loops = [x for x in space if x is not columns]
    fitting = [x for x in loops if all(s.left.depends(x) and not s.right.depends(x) for s in sums)]
    large = [x for x in fitting if not isinstance(x.extent, int) or x.extent >= LEAST_LANES]
    if not fitting:
        return None, ()
    rows = (large or fitting)[-1]
    joined = [rows]
    step = strides[rows.name]
    direct = all(_reads_left(s.left, shared, words) for s in sums)
    for loop in reversed(loops[: loops.index(rows)]):
        if not direct or loop not in fitting or step is None or strides[loop.name] != step * rows.extent:
            break
        joined.insert(0, loop)
        rows = replace(rows, extent=loop.extent * rows.extent, axes=(*loop.axes, *rows.axes))
    return rows, tuple(joined)


def _tile(facts: Facts, sums: Sequence[Sum], rows: Size, columns: Size, lanes: int, laid_out: bool) -> tuple[int, int]:
    """Rows and vectors of a tile: results fill the registers but for a row of vectors and a few more.

    Each row costs a broadcast a step and each vector a load, so a tile is high rather than wide; where there
    are few rows it is as wide as the number of independent sums that hide the latency asks for. There are no
    more rows than addresses have registers. A panel of weights is some tiles wide, or a tile some panels.
    """
    vectors = 3 if facts.registers >= 32 else 2
    parts = len(sums) * (2 if sums[0].dtype.is_complex else 1)
    results = max(vectors, facts.registers * 3 // 4 // parts)
    panel = panel_columns(columns, sums[0].dtype.real) // lanes
    most = -(-columns // lanes) if isinstance(columns, int) else None
    if laid_out and most is not None and most > panel:
        most = panel * -(-most // panel)

    def fitting(wanted: int, limit: int) -> int:
        """The least number that is no less, else the largest."""
        limit = min(limit, most or limit)
        fits = [v for v in range(1, limit + 1) if v == most or panel % v == 0 or v % panel == 0]
        return next((v for v in fits if v >= wanted), fits[-1])

    if isinstance(rows, int) and 0 < rows <= FEW_ROWS:
        wide = max(vectors, min(HIDING // parts, results) // rows)
        return rows, fitting(wide, max(wide, results // rows))
    vectors = fitting(vectors, results)
    if isinstance(columns, int) and not laid_out:
        count = -(-columns // lanes)
        vectors = count if count <= min(vectors + 1, results) else -(-count // -(-count // vectors))
    return max(1, min(results // vectors, MOST_ROWS)), vectors
