"""A graph as statements of an entry: its groups in order, each a kernel, a copy or a host loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from tcc.ir import forms
from tcc.ir.dim import Size
from tcc.ir.dtype import DType
from tcc.ir.graph import Graph, Node, Value
from tcc.loops.decision import Decision
from tcc.loops.facts import Facts
from tcc.loops.program import Call, Copy, Stmt, View
from tcc.loops.weight import Weight
from tcc.schedule import buffers, control, kernels, scan, scatter
from tcc.schedule.alike import Kernels
from tcc.schedule.chains import rings, strip
from tcc.schedule.chains.chain import chained
from tcc.schedule.chains.stencil import skewed
from tcc.schedule.element import Emitted, Task
from tcc.schedule.group import Group, Grouping, whole
from tcc.schedule.nests import splat
from tcc.schedule.placement import group
from tcc.schedule.sorting import opaque


class Host(Protocol):
    """What a region asks of its entry."""

    facts: Facts
    messages: list[str]
    symbols: Sequence[str]
    plain: frozenset[str]
    emitted: Kernels
    clock: int

    def temporary(self, value: Value) -> View:
        """A new arena buffer for a value, alive from now on."""
        ...

    def scratch(self, dtype: DType, size: Size, since: int | None = None) -> View:
        """A new arena buffer, alive from now on, or since an earlier statement."""
        ...

    def double(self, dtype: DType, size: Size) -> tuple[str, Size]:
        """An arena buffer with two halves, and the distance between them in elements."""
        ...

    def weight(self, weight: Weight) -> View:
        """The buffer of a weight, one for each digest."""
        ...

    def tick(self) -> None:
        """The next statement begins."""
        ...

    def used(self, view: View) -> None:
        """A view is used by the current statement."""
        ...

    def call(self, node: Node, emitted: Emitted, views: Mapping[str, View]) -> Call:
        """Adds a kernel, and the statement that calls it; its buffers are used now."""
        ...

    def fresh(self, prefix: str) -> str:
        """A name for a host loop's axis or carry, or for a let of the entry."""
        ...


@dataclass(eq=False)
class Region:
    """``given`` are the views of the graph's inputs, ``targets`` where outputs are to be (None:
    anywhere). ``in_place``: for an output's number, the input that it may be written over. Of a loop's body
    ``begun`` is the number of the statement at which the loop begins, ``unchanging`` the inputs that are the same in
    each step; ``before`` then are the statements that come before the loop, ``prepared`` what they make."""

    host: Host
    graph: Graph
    given: Mapping[Value, View]
    targets: Sequence[View | None]
    in_place: Mapping[int, Value] = field(default_factory=dict["int", "Value"])
    begun: int = 0
    unchanging: frozenset[Value] = frozenset()
    before: list[Stmt] = field(default_factory=list["Stmt"])
    prepared: list[View] = field(default_factory=list["View"])
    stmts: list[Stmt] = field(default_factory=list["Stmt"])
    views: dict[Value, View] = field(default_factory=dict["Value", "View"])

    def run(self) -> list[Stmt]:
        """The statements; afterwards `views` has every output's place."""
        self.views.update(self.given)
        outputs, facts = self.graph.outputs, self.host.facts
        self.grouping: Grouping = skewed(chained(group(self.graph), outputs, facts), outputs, facts)
        self.last = self._last_uses()
        self.direct = self._direct()
        self.views.update(self.direct)
        for node in self.graph.nodes:
            if isinstance(node.op.form, forms.Literal) and node.results[0] in self.grouping.stored:
                self.views[node.results[0]] = self.host.weight(Weight(node.attributes["value"]))
        for number, g in enumerate(self.grouping.groups):
            self.host.tick()
            self._group(number, g)
        self.host.tick()
        self._copies()
        return self.stmts

    def inside(self, graph: Graph, given: Sequence[View], targets: Sequence[View | None]) -> list[Stmt]:
        """The statements of a region of control flow within this one."""
        return Region(self.host, graph, dict(zip(graph.inputs, given, strict=True)), targets).run()

    def step(
        self, graph: Graph, given: Sequence[View], targets: Sequence[View | None], begun: int, unchanging: slice
    ) -> Region:
        """The region of a loop's body within this one; ``unchanging`` are the inputs that no step changes."""
        places = dict(zip(graph.inputs, given, strict=True))
        inside = Region(self.host, graph, places, targets, begun=begun, unchanging=frozenset(graph.inputs[unchanging]))
        inside.run()
        return inside

    def _last_uses(self) -> dict[Value, int]:
        """For each value the number of the last group that reads it; outputs live on."""
        last: dict[Value, int] = {}
        for number, g in enumerate(self.grouping.groups):
            for value in g.reads:
                last[value] = number
        for value in self.graph.outputs:
            last[value] = len(self.grouping.groups)
        return last

    def _direct(self) -> dict[Value, View]:
        """Outputs that are written to their target right away."""
        direct: dict[Value, View] = {}
        for value, target in zip(self.graph.outputs, self.targets, strict=True):
            made = value.producer is not None and not isinstance(value.producer.op.form, forms.Literal)
            if target is not None and made and value not in direct:
                direct[value] = target
        return direct

    def _copies(self) -> None:
        for value, target in zip(self.graph.outputs, self.targets, strict=True):
            view = self.views[value]
            self.host.used(view)
            if target is not None and view != target:
                reason = "it is an argument, a constant, another result or a loop's last state"
                why = Decision("copy", f"a result {value.type}", "copied to its place", reason, location=value.location)
                self.stmts.append(Copy(view, target, value.type.size, value.location, (why,)))

    # --- groups -------------------------------------------------------------------------------------

    def _group(self, number: int, g: Group) -> None:
        node = g.roots[0].node
        if g.kind in ("row", "scan", "opaque") and any(a.extent == 0 for a in g.space):
            for root in g.roots:
                for value in root.node.results:
                    self.place(value)
            return
        if g.kind == "control":
            self.stmts += control.emit(self, node)
            for value in node.operands:
                self.host.used(self.views[value])
            return
        if g.kind == "scatter":
            self._scatter_start(number, g, node)
        emitters: dict[str, Callable[[Task], list[Emitted]]] = {
            "row": kernels.emit,
            "chain": strip.emit,
            "stencil": rings.emit,
            "scan": scan.emit,
            "scatter": scatter.emit,
            "opaque": opaque.emit,
        }
        host, names = self.host, self.named(g)
        taken = [*host.symbols, *names.values()]
        task = Task(g, self.grouping, names, host.facts, host.messages, taken, host.plain, self.unchanging)
        made, names = host.emitted.of(task, emitters[g.kind])
        if g.kind == "row" and len(made) == 1:
            made = [self._share(number, g, made[0], names)]
        views = {name: self.views[v] if v in self.views else self.place(v) for v, name in names.items()}
        for emitted in made:
            host.tick()
            for buffer in emitted.temporaries:
                views[buffer.name] = host.scratch(buffer.dtype, buffer.size)
            for name, weight in emitted.constants:
                views[name] = host.weight(weight)
            for buffer, kernel in emitted.prepared:
                views[buffer.name] = room = host.scratch(buffer.dtype, buffer.size, self.begun)
                self.before.append(host.call(node, kernel, views))
                self.prepared.append(room)
            call = host.call(node, emitted, views)
            work = self.grouping.work(g)
            self.stmts.append(replace(call, decisions=tuple(dict.fromkeys(g.decisions)), work=work))

    def place(self, value: Value) -> View:
        """The view of a value that this group makes; a new temporary if it has none."""
        if value not in self.views:
            self.views[value] = self.host.temporary(value)
        self.host.used(self.views[value])
        return self.views[value]

    def named(self, g: Group) -> dict[Value, str]:
        """A parameter name for each stored value that a group reads or writes."""
        values = [*g.reads, *(v for r in g.roots for v in r.node.results)]
        names: dict[Value, str] = {}
        used: set[str] = set(self.host.symbols)
        for value in dict.fromkeys(values):
            if value not in self.grouping.stored and value not in self.given:
                continue
            view = self.views.get(value)
            base = view.buffer if view is not None else "t"
            name, count = base, 0
            while name in used:
                count += 1
                name = f"{base}_{count}"
            used.add(name)
            names[value] = name
        return names

    def _scatter_start(self, number: int, g: Group, node: Node) -> None:
        """The result begins as the first operand: that operand's buffer if it dies here, else a copy."""
        result, operand = node.results[0], node.operands[0]
        if splat(operand) is not None:
            self.place(result)
            return
        alone = operand.type.rank > 0 and set(g.reads[operand]) == {whole(operand)}
        if result not in self.views and alone and self._dies(number, operand, result):
            self.views[result] = self.views[operand]
            return
        source, target = self.views[operand], self.place(result)
        why = Decision(
            "copy",
            f"{node.op.name} → {result.type}",
            "begins as a copy",
            "its operand is used again or not ours to change",
        )
        self.stmts.append(Copy(source, target, result.type.size, node.location, (why,)))
        for view in (source, target):
            self.host.used(view)
        self.host.tick()
        self.host.used(target)

    def _share(self, number: int, g: Group, emitted: Emitted, names: Mapping[Value, str]) -> Emitted:
        """Results written over operands that die here and are addressed alike."""
        taken: set[Value] = set()
        for root in g.roots:
            for value in root.node.results:
                if root.piece is not None or (value in self.views and value not in self._over()):
                    continue
                for operand in g.reads:
                    if operand in taken or operand not in names or not self._dies(number, operand, value):
                        continue
                    if operand.type.dtype != value.type.dtype or operand.type.size != value.type.size:
                        continue
                    if not buffers.may_share(emitted.body, names[operand], names[value]):
                        continue
                    body, parameters = buffers.share(emitted.body, emitted.parameters, names[operand], names[value])
                    emitted = replace(emitted, body=body, parameters=parameters)
                    self.views[value] = self.views[operand]
                    taken.add(operand)
                    reason = "the operand is read for the last time here, element by element at the same addresses"
                    about = f"{root.node.op.name} → {value.type}"
                    choice = f"written over {self.views[operand].buffer}"
                    g.decisions.append(Decision("in place", about, choice, reason, location=root.node.location))
                    break
        return emitted

    def _over(self) -> dict[Value, Value]:
        """Outputs that may be written over an input, with that input."""
        return {self.graph.outputs[k]: v for k, v in self.in_place.items()}

    def _dies(self, number: int, operand: Value, value: Value) -> bool:
        """Whether the operand's memory may be overwritten by the value in this group."""
        if self.last.get(operand) != number:
            return False
        if operand in self.given:
            return self._over().get(value) is operand
        shared = [v for v, view in self.views.items() if view == self.views[operand] and v is not operand]
        if any(self.last.get(v, -1) >= number for v in shared):
            return False
        producer = operand.producer
        literal = producer is not None and isinstance(producer.op.form, forms.Literal)
        return not literal and operand not in self.direct and value not in self.direct
