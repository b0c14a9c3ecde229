"""Which nodes share a kernel.

Nodes are placed from the outputs backwards. When a node is placed, all its readers are, so it is
known which groups read it at which coordinates; then it is inlined into them, joins one of them as a
reduction, or is stored (as one more root of a group where that fits, else in a group of its own).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tcc.ir import dim, forms
from tcc.ir.dim import Size
from tcc.ir.forms import Coordinates
from tcc.ir.graph import Graph, Node, Value
from tcc.loops.decision import Decision
from tcc.schedule import alternate
from tcc.schedule.group import Axis, Group, Grouping, Root, Use, coordinates_of, plain_axes, whole
from tcc.schedule.inline import may_inline
from tcc.schedule.nests import Placeholders, axes_of, piece_element, pieces_of, splat
from tcc.schedule.survey import Survey

MOST_ROOTS = 16
MOST_PIECES = 36
"""Pieces of one value that share a kernel: made of the same elements, which are then read once."""
_OTHERS = "others read it"


def group(graph: Graph) -> Grouping:
    """The groups of a graph of primitives."""
    return _Grouper(graph).run()


class _Grouper:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.survey = Survey(graph)
        self.items = self.survey.items
        self.readers: dict[Value, list[Group]] = {}
        self.groups: list[Group] = []
        self.stored: set[Value] = set()
        self.axis_count = 0
        self.probes = 0

    # --- reads ------------------------------------------------------------------------------------

    def reads(self, group: Group, value: Value, coordinates: Coordinates, live: frozenset[str]) -> None:
        if splat(value) is not None:
            return
        known = group.reads.setdefault(value, {})
        if not known:
            self.readers.setdefault(value, []).append(group)
        known[coordinates] = known.get(coordinates, frozenset()) | live

    def probe(self, group: Group, node: Node, live: Iterable[str]) -> Placeholders:
        """An access that records what a body reads within a group."""
        names = frozenset(live)
        self.probes += 1
        return Placeholders(node, lambda value, at: self.reads(group, value, at, names), str(self.probes))

    def expand(
        self, group: Group, node: Node, coordinates: Coordinates, reduced: Coordinates, live: Iterable[str]
    ) -> None:
        nest = self.items[node].nest
        assert nest is not None
        nest.body(self.probe(group, node, live), coordinates, reduced)

    def new_axes(self, extents: Sequence[Size]) -> list[Axis]:
        made: list[Axis] = []
        for extent in extents:
            if extent != 1:
                made.append(Axis(f"@{self.axis_count}", extent))
                self.axis_count += 1
        return made

    # --- the main road ----------------------------------------------------------------------------

    def run(self) -> Grouping:
        for node in reversed(self.graph.nodes):
            self.place(node)
        costs = self.survey.costs(self.stored)
        return Grouping(self._ordered(), frozenset(self.stored), self.items, costs)

    def _ordered(self) -> tuple[Group, ...]:
        first = {g: min(self.survey.order[r.node] for r in g.roots) for g in self.groups}
        before: dict[Group, int] = dict.fromkeys(self.groups, 0)
        for g in self.groups:
            for user in g.after:
                before[user] += 1
        ready = [g for g in self.groups if before[g] == 0]
        result: list[Group] = []
        while ready:
            ready.sort(key=lambda g: -first[g])
            g = ready.pop()
            result.append(g)
            for user in sorted(g.after, key=lambda h: first[h]):
                before[user] -= 1
                if before[user] == 0:
                    ready.append(user)
        assert len(result) == len(self.groups), "groups depend on each other"
        return tuple(result)

    def place(self, node: Node) -> None:
        item = self.items[node]
        if isinstance(node.op.form, forms.Literal):
            for value in node.results:
                if value in self.survey.needed or value in self.readers:
                    self.stored.add(value)
            return
        if item.nest is None:
            self._alone(node)
            return
        uses = [
            (g, c, live)
            for value in node.results
            for g in self.readers.get(value, ())
            for c, live in g.reads[value].items()
        ]
        wanted = any(v in self.survey.needed for v in node.results)
        reason = "it is a result or must be in memory for an op that stands alone" if wanted else ""
        if not item.reduces and not wanted:
            inline, reason = may_inline(self.survey, node, uses)
            if inline:
                for g, c, live in dict.fromkeys(uses):
                    self.expand(g, node, c, (), live)
                for g in dict.fromkeys(g for g, _, _ in uses):
                    self._decided(g, "inline", node, "computed where it is read, never stored", reason)
                return
        if item.reduces and not wanted and self._join(node, uses):
            return
        self._store(node, uses, reason)

    def _decided(self, g: Group, kind: str, node: Node, choice: str, reason: str) -> None:
        subject = f"{node.op.name} → {node.results[0].type}"
        g.decisions.append(Decision(kind, subject, choice, reason, location=node.location))

    def _alone(self, node: Node) -> None:
        form = node.op.form
        kind = type(form).__name__.lower()
        made = Group(kind, [])
        self._decided(made, "store", node, "a kernel of its own", f"a {kind} has its own loops")
        if isinstance(form, forms.Scan):
            made.axes = self.new_axes(node.results[0].type.shape)
            at = coordinates_of(made.axes, node.results[0].type.shape)
            made.roots.append(Root(node, at))
            self._record(made, node)
            self.reads(made, node.operands[0], at, frozenset(a.name for a in made.axes))
            return
        if isinstance(form, forms.Scatter):
            types = tuple(v.type for v in node.operands)
            extents = form.space(types, node.attributes)
            made.axes = self.new_axes(extents)
            at = coordinates_of(made.axes, extents)
            made.roots.append(Root(node, at))
            self._record(made, node)
            probe = self.probe(made, node, [a.name for a in made.axes])
            form.locate(probe, at, types, node.attributes)
            form.update(probe, at, types, node.attributes)
            self._whole(made, node.operands[0])
            return
        made.roots.append(Root(node, ()))
        self._record(made, node)
        for operand in node.operands:
            self._whole(made, operand)

    def _whole(self, group: Group, value: Value) -> None:
        """The group reads all of a stored value."""
        self.reads(group, value, whole(value), frozenset())

    def _record(self, group: Group, node: Node) -> None:
        """The group makes and stores the node."""
        if group not in self.groups:
            self.groups.append(group)
        for value in node.results:
            self.stored.add(value)
            for reader in self.readers.get(value, ()):
                if reader is not group:
                    group.after.add(reader)
            group.leaves |= self.survey.leaves[value]

    # --- join -------------------------------------------------------------------------------------

    def _join(self, node: Node, uses: Sequence[Use]) -> bool:
        """Makes a reduction part of the one group that reads it, if the signature fits."""
        readers = {g for g, _, _ in uses}
        if len(readers) != 1 or len({c for _, c, _ in uses}) != 1:
            return False
        g, coordinates, _ = uses[0]
        if g.kind != "row" or not self._fits(g, node, coordinates):
            return False
        self._reduce_in(g, node, coordinates)
        self._decided(
            g, "fuse", node, "reduced in the kernel that reads it", "it runs over the same space and the same axes"
        )
        return True

    def _fits(self, g: Group, node: Node, coordinates: Coordinates) -> bool:
        """Whether a reduction read at coordinates has the group's signature, or can set it."""
        nest = self.items[node].nest
        assert nest is not None
        names = plain_axes(coordinates)
        if names is None or not self._covers(g, node, coordinates) or any(r.piece is not None for r in g.roots):
            return False
        extents = tuple(e for e in nest.reduce if e != 1)
        if g.reduced is not None:
            return set(names) == {a.name for a in g.space} and extents == tuple(a.extent for a in g.reduce)
        rest = [a for a in g.axes if a.name not in names]
        if rest and (tuple(a.extent for a in rest) != extents or self.items[node].fused):
            return False
        return all(r.over in (frozenset(names), frozenset(a.name for a in g.axes)) for r in g.roots)

    def _covers(self, g: Group, node: Node, coordinates: Coordinates) -> bool:
        """Whether coordinates made of axes run over all of a node's results and no further."""
        shape = node.results[0].type.shape
        extents = {a.name: a.extent for a in g.axes}
        return all(
            e == (1 if isinstance(c, int) else extents.get(next(s.name for s in dim.symbols(c))))
            for c, e in zip(coordinates, shape, strict=True)
        )

    def _reduce_in(self, g: Group, node: Node, coordinates: Coordinates) -> None:
        nest = self.items[node].nest
        assert nest is not None
        if g.reduced is None:
            names = plain_axes(coordinates) or ()
            rest = [a for a in g.axes if a.name not in names]
            if not rest:
                rest = self.new_axes(nest.reduce)
                g.axes += rest
            g.reduced = tuple(a.name for a in rest)
        g.reductions.append((node, coordinates))
        reduced = coordinates_of(g.reduce, nest.reduce)
        self.expand(g, node, coordinates, reduced, [a.name for a in g.axes])

    # --- store ------------------------------------------------------------------------------------

    def _store(self, node: Node, uses: Sequence[Use], reason: str) -> None:
        item = self.items[node]
        form = node.op.form
        if isinstance(form, forms.IndexMap) and item.pieces > 1:
            self._store_pieces(node, reason)
            return
        readers = list(dict.fromkeys(g for g, _, _ in uses))
        for g in readers:
            places = {c for h, c, _ in uses if h is g}
            if len(places) == 1 and self._is_root_of(g, node, next(iter(places))):
                if self._path(node, g):
                    continue
                self._add_root(g, node, next(iter(places)))
                self._decided(g, "fuse", node, "made and stored by the kernel that reads it", reason or _OTHERS)
                return
        for g in self.groups:
            at = self._sibling(g, node)
            if at is not None and g not in readers and not self._path(node, g):
                self._add_root(g, node, at)
                self._decided(g, "fuse", node, "stored by a kernel that reads the same", "one pass over a shared input")
                return
        nest = item.nest
        assert nest is not None
        made = Group("row", self.new_axes(nest.space))
        self._add_root(made, node, coordinates_of(made.axes, nest.space))
        if not reason and uses:
            reason = "no kernel that reads it has its space and its reduced axes"
        self._decided(made, "store", node, "stored by a kernel of its own", reason or _OTHERS)

    def _add_root(self, g: Group, node: Node, coordinates: Coordinates) -> None:
        g.roots.append(Root(node, coordinates))
        self._record(g, node)
        if self.items[node].reduces:
            self._reduce_in(g, node, coordinates)
        else:
            over = {s.name for c in coordinates for s in dim.symbols(c)}
            self.expand(g, node, coordinates, (), over)

    def _store_pieces(self, node: Node, reason: str) -> None:
        """A kernel for each piece; those of one size share one if they are made of the same values or alternate."""
        pieces = pieces_of(node, axes_of(node.results[0].type.shape, "q"))
        extents = [tuple(stop - start for start, stop in p.box) for p in pieces]
        in_turn = alternate.are_pieces(extents, [p.box for p in pieces])
        shared: dict[tuple[tuple[Size, ...], int], Group] = {}
        for k, piece in enumerate(pieces):
            source = node.operands[piece.operand]
            leaves = 0 if source.producer is None or self.survey.opaque(source.producer) else self.survey.leaves[source]
            leaves = -1 if in_turn else leaves
            made = shared.get((extents[k], leaves)) if leaves else None
            choice = "by the kernel of another one"
            if made is None or len(made.roots) >= MOST_PIECES:
                choice = "a kernel of its own"
                made = Group("row", self.new_axes(extents[k]))
                shared[extents[k], leaves] = made
            offsets = coordinates_of(made.axes, extents[k])
            at = tuple(o + start for o, (start, _) in zip(offsets, piece.box, strict=True))
            made.roots.append(Root(node, at, k))
            self._record(made, node)
            self._decided(made, "store", node, f"piece {k + 1} of {len(pieces)}, {choice}", reason or _OTHERS)
            probe = self.probe(made, node, [a.name for a in made.axes])
            piece_element(probe, pieces_of(node, at)[k], node.results[0].type)

    def _is_root_of(self, g: Group, node: Node, coordinates: Coordinates) -> bool:
        """Whether a value that a group reads at coordinates may be made and stored by it."""
        if g.kind != "row" or any(r.piece is not None for r in g.roots):
            return False
        if self.items[node].reduces:
            return self._fits(g, node, coordinates)
        names = plain_axes(coordinates)
        if names is None or not self._covers(g, node, coordinates):
            return False
        everything = {a.name for a in g.axes}
        return set(names) == everything or (g.reduced is not None and set(names) == {a.name for a in g.space})

    def _sibling(self, g: Group, node: Node) -> Coordinates | None:
        """Where a node that shares an input with a group, and its space, would be its root."""
        if g.kind != "row" or len(g.roots) >= MOST_ROOTS or any(r.piece is not None for r in g.roots):
            return None
        item = self.items[node]
        nest = item.nest
        assert nest is not None
        if not (g.leaves & self.survey.leaves[node.results[0]]) or item.fused:
            return None
        if any(self.items[n].fused for n, _ in g.reductions):
            return None
        extents = tuple(e for e in nest.space if e != 1)
        spaces = [g.space] if g.reduced is not None else []
        if not item.reduces:
            spaces.append(tuple(g.axes))
        for axes in spaces:
            if tuple(a.extent for a in axes) == extents:
                at = coordinates_of(axes, nest.space)
                if not item.reduces or self._fits(g, node, at):
                    return at
        return None

    def _path(self, node: Node, target: Group) -> bool:
        """Whether some other group lies between the node and the group."""
        stack = [g for v in node.results for g in self.readers.get(v, ()) if g is not target]
        seen: set[Group] = set(stack)
        while stack:
            for user in stack.pop().after:
                if user is target:
                    return True
                if user not in seen:
                    seen.add(user)
                    stack.append(user)
        return False
