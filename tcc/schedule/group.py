"""Groups of nodes that share a kernel: their axes, roots, reductions and reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.forms import Coordinates
from tcc.ir.graph import Node, Value
from tcc.loops.decision import Decision
from tcc.schedule.nests import Item


@dataclass(frozen=True)
class Axis:
    """One coordinate of a group's space."""

    name: str
    extent: Size

    @property
    def symbol(self) -> Size:
        return dim.axis(self.name, self.extent)


@dataclass(frozen=True, eq=False)
class Root:
    """A node that a group stores, at ``coordinates`` over the group's axes.

    ``piece``: only that box of an index map's result; ``over`` are the names of the axes.
    """

    node: Node
    coordinates: Coordinates
    piece: int | None = None

    @property
    def over(self) -> frozenset[str]:
        return frozenset(s.name for c in self.coordinates for s in dim.symbols(c))


@dataclass(eq=False)
class Group:
    """Nodes that become one kernel.

    ``kind`` is ``row`` for loops over axes, else the form that stands alone. ``reduced`` names the
    axes that the group's reductions run over (None until a reduction sets it). ``reads`` has, for
    each value read, the coordinates and the axes that were live there. ``decisions`` grow as it is made.
    """

    kind: str
    axes: list[Axis]
    reduced: tuple[str, ...] | None = None
    roots: list[Root] = field(default_factory=list[Root])
    reductions: list[tuple[Node, Coordinates]] = field(default_factory=list["tuple[Node, Coordinates]"])
    unrolled: set[str] = field(default_factory=set[str])
    reads: dict[Value, dict[Coordinates, frozenset[str]]] = field(
        default_factory=dict["Value", "dict[Coordinates, frozenset[str]]"]
    )
    after: set[Group] = field(default_factory=set["Group"])
    leaves: int = 0
    decisions: list[Decision] = field(default_factory=list[Decision])

    def extent(self, name: str) -> Size:
        return next(a.extent for a in self.axes if a.name == name)

    @property
    def space(self) -> tuple[Axis, ...]:
        return tuple(a for a in self.axes if a.name not in (self.reduced or ()))

    @property
    def reduce(self) -> tuple[Axis, ...]:
        return tuple(next(a for a in self.axes if a.name == n) for n in (self.reduced or ()))

    @property
    def nodes(self) -> frozenset[Node]:
        return frozenset(r.node for r in self.roots)

    @property
    def parts(self) -> tuple[Group, ...]:
        """The groups that it is made of: itself."""
        return (self,)


@dataclass(frozen=True, eq=False)
class Grouping:
    """The groups of a graph in an order that respects their dependences, and what is stored."""

    groups: tuple[Group, ...]
    stored: frozenset[Value]
    items: dict[Node, Item]
    costs: dict[Node, float]

    def joined(self, around: Mapping[Group, Group]) -> Grouping:
        """The grouping with groups in the place of the last of their parts; ``around`` has each part's."""
        kept = [(g, around.get(g)) for g in self.groups]
        groups = [g if whole is None else whole for g, whole in kept if whole is None or g is whole.parts[-1]]
        return replace(self, groups=tuple(groups))

    def work(self, group: Group) -> Size:
        """What a group computes, in additions: its results, and its reductions with their operands; a term
        of a product counts two."""
        total: Size = 0
        for part in group.parts:
            for root in part.roots:
                if not self.items[root.node].reduces:
                    total = total + max(0, round(self.costs[root.node])) * root.node.results[0].type.size
            for node, _ in part.reductions:
                nest = self.items[node].nest
                assert nest is not None
                term = 2 if self.items[node].fused else max(1, round(self.costs[node]))
                total = total + term * dim.product((*nest.space, *nest.reduce))
        return total


Use = tuple[Group, Coordinates, frozenset[str]]
"""A read of a value: by which group, at which coordinates, within which axes."""


def whole(value: Value) -> Coordinates:
    """The coordinates that stand for a read of all of a value."""
    return tuple(dim.symbol(f"all{k}") for k in range(value.type.rank))


def plain_axes(coordinates: Coordinates) -> tuple[str, ...] | None:
    """The names of axes when each coordinate is an axis of its own, or 0."""
    names: list[str] = []
    for c in coordinates:
        if isinstance(c, int) and c == 0:
            continue
        atom = dim.sole_atom(c)
        if not isinstance(atom, dim.Symbol) or not atom.name.startswith("@"):
            return None
        names.append(atom.name)
    return tuple(names) if len(set(names)) == len(names) else None


def coordinates_of(axes: Sequence[Axis], extents: Sequence[Size]) -> Coordinates:
    """The axes as coordinates of a space; 0 where its extent is 1."""
    rest = iter(axes)
    return tuple(0 if e == 1 else next(rest).symbol for e in extents)
