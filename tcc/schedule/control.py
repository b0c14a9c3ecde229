"""Control flow on the host: loops and branches of an entry around the statements of their regions.

The state of a loop lies in two halves of a buffer: a step reads one and writes the other. Before and after a loop
it is copied, where the first and the last step cannot read and write other places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tcc.errors import InternalError
from tcc.ir import dim, forms
from tcc.ir.build import inline, like_inputs
from tcc.ir.dim import Size
from tcc.ir.dtype import BOOL, I64
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.scalar import Const, Name, apply
from tcc.loops.decision import Decision
from tcc.loops.program import Call, Carry, Copy, If, Let, Load, Loop, Stmt, View
from tcc.schedule import recurrence
from tcc.schedule.chains.stencil import Stencil, skewed
from tcc.schedule.group import Group
from tcc.schedule.placement import group

if TYPE_CHECKING:
    from tcc.schedule.region import Region

MOST_STEPS = 1 << 62
MOST_TOGETHER = 8
"""Steps of a scan in one pass over memory, at most: each is compiled anew."""
LEAST_STEPS = 8
"""Steps of a loop from which on operands that none of them changes are laid out before it."""


def emit(outer: Region, node: Node) -> list[Stmt]:
    """The statements of a control node; its results are in the region's views afterwards."""
    form = node.op.form
    assert isinstance(form, forms.Control)
    return {"scan": _scan, "while": _while, "cond": _branches}[form.kind](outer, node)


def _state(
    outer: Region, values: Sequence[Value], node: Node, copied: bool = True
) -> tuple[list[Stmt], list[tuple[str, Size]]]:
    """Copies of a loop's first state into the first halves, if asked for, and the buffers with their halves'
    distance."""
    stmts: list[Stmt] = []
    doubles: list[tuple[str, Size]] = []
    for value in values:
        buffer, half = outer.host.double(value.type.dtype, value.type.size)
        doubles.append((buffer, half))
        outer.host.used(View(buffer))
        if copied:
            stmts.append(Copy(outer.views[value], View(buffer), value.type.size, node.location))
    return stmts, doubles


def _finals(outer: Region, results: Sequence[Value], doubles: Sequence[tuple[str, Size]], steps: Size) -> list[Stmt]:
    """The last state as a loop's results: copied where these have a place, else left where it is."""
    stmts: list[Stmt] = []
    for value, (buffer, half) in zip(results, doubles, strict=True):
        final = View(buffer, half * dim.mod(steps, 2))
        if value in outer.views:
            stmts.append(Copy(final, outer.views[value], value.type.size, value.location))
        else:
            outer.views[value] = final
    return stmts


def _scan(outer: Region, node: Node) -> list[Stmt]:
    """One kernel with the steps inside where the state stays in registers, else a loop of the body's kernels."""
    found = recurrence.emit(outer, node)
    if found is not None:
        emitted, values = found
        call = outer.host.call(node, emitted, recurrence.views(outer, values))
        why = "each element of the state needs only its own lane, and fits into registers"
        decision = Decision(
            "store", "the state of a scan", "registers, the steps in one kernel", why, location=call.location
        )
        return [replace(call, decisions=(decision,))]
    length, together = node.attributes["length"], _together(outer, node)
    if together == 1:
        return _stepped(outer, node, [_Phase(length, node.attributes["body"])])
    tiles = _Phase(dim.floordiv(length, together), _repeated(node, together), together)
    return _stepped(outer, node, [tiles, _Phase(dim.mod(length, together), _repeated(node, 1))])


@dataclass(frozen=True)
class _Phase:
    """Steps of a loop that are alike: how many, what one of them does, and how many of the scan's that is."""

    count: Size
    body: Graph
    together: int = 1

    @property
    def is_plain(self) -> bool:
        """Whether the steps are counted before run time, and one is a few calls: it may be written down again."""
        return isinstance(self.count, int) and not any(isinstance(n.op.form, forms.Control) for n in self.body.nodes)


def _stepped(outer: Region, node: Node, phases: Sequence[_Phase]) -> list[Stmt]:
    """The steps of a scan. Of plain ones the first reads the first state where that is, and the last writes the last
    one where that is wanted."""
    host, carries = outer.host, node.attributes["carries"]
    phases = [p for p in phases if p.count != 0]
    length: Size = 0
    for phase in phases:
        length = length + phase.count
    plain = length != 0 and all(p.is_plain for p in phases)
    starts = [outer.views[v] for v in node.operands[:carries]]
    stmts, doubles = _state(outer, node.operands[:carries], node, copied=not plain)
    for value in node.results[carries:]:
        outer.place(value)

    def half(number: Size) -> list[View]:
        return [View(buffer, apart * dim.mod(number, 2)) for buffer, apart in doubles]

    ends = [outer.views.get(v, last) for v, last in zip(node.results[:carries], half(length), strict=True)]
    kept: list[View] = [*starts, *ends, *half(0), *half(1)]
    done: Size = 0
    for phase in phases:
        host.tick()
        axis = host.fresh("t")
        step, count = dim.axis(axis, phase.count), phase.count
        if plain:
            assert isinstance(count, int)
            old, new = ([View(host.fresh("state")) for _ in doubles] for _ in range(2))
            inside = _body(outer, node, phase, step, old, new)
            stmts += inside.before
            for number in sorted({0, min(1, count - 1), count - 1}):
                place: Size = number
                if 0 < number < count - 1:
                    place = number + dim.axis(axis, count - 2)
                reads = starts if done + number == 0 else half(done + place)
                writes = ends if done + number == length - 1 else half(done + place + 1)
                views = {o.buffer: v for o, v in zip((*old, *new), (*reads, *writes), strict=True)}
                body = [_placed(stmt, views, axis, place) for stmt in inside.stmts]
                if place == number:
                    stmts += body
                else:
                    stmts.append(Loop(axis, 0, count - 2, tuple(body), location=node.location))
        else:
            inside = _body(outer, node, phase, step, half(done + step), half(done + step + 1))
            stmts += [*inside.before, Loop(axis, 0, count, tuple(inside.stmts), location=node.location)]
        kept += inside.prepared
        done = done + count
    host.tick()
    for view in kept:
        host.used(view)
    if plain:
        outer.views.update(zip(node.results[:carries], ends, strict=True))
        return stmts
    return stmts + _finals(outer, node.results[:carries], doubles, length)


def _body(
    outer: Region, node: Node, phase: _Phase, step: Size, reads: Sequence[View], writes: Sequence[View]
) -> Region:
    """What one step does, with the state's places before and after it."""
    attributes = node.attributes
    carries, consts, length = attributes["carries"], attributes["consts"], attributes["length"]
    row = length - 1 - step if attributes.get("reverse") else step

    def slice_of(value: Value) -> View:
        view = outer.views[value]
        return View(view.buffer, view.offset + row * dim.product(value.type.shape[1:]))

    given = [*reads, *(outer.views[v] for v in node.operands[carries : carries + consts])]
    given += [slice_of(v) for v in node.operands[carries + consts :]]
    targets = [*writes, *(slice_of(v) for v in node.results[carries:])]
    lasts = not isinstance(length, int) or length >= LEAST_STEPS
    unchanging = slice(carries, carries + consts if lasts else carries)
    inside = outer.step(phase.body, given, targets, outer.host.clock, unchanging)
    for view in (*given, *targets):
        outer.host.used(view)
    first = inside.stmts[0]
    if phase.together > 1 and isinstance(first, Call):
        reason = "each step's rows are made of a few rows of the step before it, which are still in the cache"
        subject, choice = f"a scan of {length} steps", f"{phase.together} steps in one pass over memory"
        why = Decision("tile", subject, choice, reason, location=node.location)
        inside.stmts[0] = replace(first, decisions=(why, *first.decisions))
    return inside


def _placed(stmt: Stmt, views: Mapping[str, View], axis: str, step: Size) -> Stmt:
    """A call or copy of a step as that of the step with a number, with other places for the state."""

    def size(number: Size) -> Size:
        return dim.substitute(number, {axis: step})

    def placed(view: View) -> View:
        place = views.get(view.buffer, View(view.buffer))
        return View(place.buffer, place.offset + size(view.offset))

    match stmt:
        case Call():
            sizes = tuple(map(size, stmt.sizes))
            return replace(stmt, buffers=tuple(map(placed, stmt.buffers)), sizes=sizes)
        case Copy():
            return replace(stmt, source=placed(stmt.source), target=placed(stmt.target), count=size(stmt.count))
        case _:
            raise InternalError(f"a step of a plain loop has a {type(stmt).__name__.lower()}", why="stage: schedule")


def _together(outer: Region, node: Node) -> int:
    """How many steps of a scan are made in one pass over memory: 1 where more than the state goes from one to the
    next, or they are no stencil chain."""
    attributes = node.attributes
    carries, consts, length = attributes["carries"], attributes["consts"], attributes["length"]
    if len(node.results) > carries or len(node.operands) > carries + consts:
        return 1
    counts = range(2, MOST_TOGETHER + 1)
    if isinstance(length, int):
        best = min(counts, key=lambda n: (length // n + length % n, n))
        if length < best:
            return 1
    else:
        best = MOST_TOGETHER

    def groups(times: int) -> tuple[Group, ...]:
        graph = _repeated(node, times)
        return skewed(group(graph), graph.outputs, outer.host.facts).groups

    # Two steps tell most bodies apart, in a quarter of the time.
    if not any(isinstance(g, Stencil) for g in groups(2)):
        return 1
    return best if 2 * len(groups(best)) <= best * len(groups(1)) else 1


def _repeated(node: Node, times: int) -> Graph:
    """Several steps of a scan as one body."""
    body: Graph = node.attributes["body"]
    carries = node.attributes["carries"]
    inputs = like_inputs(body.inputs)
    state: Sequence[Value] = inputs[:carries]
    for _ in range(times):
        state = inline(body, [*state, *inputs[carries:]])
    return Graph(body.name, inputs, tuple(state))


def _while(outer: Region, node: Node) -> list[Stmt]:
    """The condition is the first thing in a step, so that its kernels are there once; it ends the next."""
    host, attributes, at = outer.host, node.attributes, node.location
    carries: int = attributes["carries"]
    axis, alive, count, holds, steps = (host.fresh(n) for n in ("t", "alive", "count", "holds", "steps"))
    step: Size = dim.axis(axis, MOST_STEPS)
    stmts, doubles = _state(outer, node.operands[:carries], node)
    test = host.scratch(BOOL, 1)
    host.tick()
    begun, unchanging = host.clock, slice(carries, None)
    consts = [outer.views[v] for v in node.operands[carries:]]
    now = [*(View(b, half * dim.mod(step, 2)) for b, half in doubles), *consts]
    asked = outer.step(attributes["cond"], now, [test], begun, unchanging)
    host.used(test)
    after = [View(b, half * dim.mod(step + 1, 2)) for b, half in doubles]
    made = outer.step(attributes["body"], now, after, begun, unchanging)
    body = (
        *asked.stmts,
        Let(holds, Load(BOOL, test.buffer, test.offset), at),
        If(Name(BOOL, holds), tuple(made.stmts), location=at),
    )
    counted = apply("cast", Name(BOOL, holds), dtype=I64)
    running = (
        Carry((alive,), (BOOL,), (Const(BOOL, True),), (Name(BOOL, holds),), location=at),
        Carry((count,), (I64,), (Const(I64, 0),), (Name(I64, count) + counted,), location=at),
    )
    stmts += [*asked.before, *made.before]
    stmts.append(Loop(axis, 0, MOST_STEPS, body, carries=running, while_=Name(BOOL, alive), location=at))
    stmts.append(Let(steps, Name(I64, count), at))
    host.tick()
    for view in (*now, *after, *asked.prepared, *made.prepared):
        host.used(view)
    return stmts + _finals(outer, node.results, doubles, dim.symbol(steps))


def _branches(outer: Region, node: Node) -> list[Stmt]:
    host, at = outer.host, node.location
    branches: tuple[Graph, ...] = node.attributes["branches"]
    targets = [outer.place(v) for v in node.results]
    given = [outer.views[v] for v in node.operands[1:]]
    number, view = host.fresh("branch"), outer.views[node.operands[0]]
    start = Let(number, Load(I64, view.buffer, view.offset), at)
    cases = [tuple(outer.inside(branch, given, targets)) for branch in branches]
    chosen = cases[-1]
    for k in reversed(range(len(cases) - 1)):
        chosen = (If(apply("eq", Name(I64, number), Const(I64, k)), cases[k], chosen, at),)
    host.tick()
    for place in (*given, *targets):
        host.used(place)
    return [start, *chosen]
