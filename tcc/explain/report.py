"""One HTML file of a compilation, which needs nothing else: stages, decisions, costs and, where the code
can run here, times."""

from __future__ import annotations

import colorsys
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from tcc import pipeline, runtime
from tcc.artifact.expression import evaluate
from tcc.errors import UserError
from tcc.explain import lines
from tcc.explain.drawing import draw
from tcc.explain.lines import Body, Line
from tcc.ir import build
from tcc.ir import text as graph_text
from tcc.ir.graph import Graph, Module, Node
from tcc.loops import text as program_text
from tcc.loops import walk
from tcc.loops.decision import Decision
from tcc.loops.program import Copy, Entry, Program
from tcc.runtime import bench
from tcc.schedule import cost
from tcc.targets import tiers
from tcc.targets.limits import measured_limits
from tcc.targets.link import write_library

PREFIX = "model"
EXCERPT = 1500
"""Most lines of one function that the page shows."""


def explain(
    module: Module,
    title: str,
    options: pipeline.Options,
    sizes: Mapping[str, int],
    measure: bool = True,
    progress: pipeline.Progress = pipeline.silent,
) -> str:
    """The page for a module; of several targets, for the most demanding one. Unsupported for a GPU.

    ``measure``: also run its functions at some sizes, if this machine can.
    """
    pipeline.on_processor(options.target, "explaining functions")
    target = tiers.choose(options.target)[-1]
    stages = pipeline.Stages(replace(options, prefix=PREFIX), progress)
    texts: dict[str, str] = {"trace": graph_text.to_text(module)}
    made = pipeline.scheduled(module, [target], stages)
    primitives, (program,) = made.module, made.programs
    texts["passes"] = graph_text.to_text(primitives)
    texts["loops"] = program_text.to_text(program)
    with tempfile.TemporaryDirectory(prefix="tcc-explain-") as folder:
        dumped = pipeline.Stages(replace(options, prefix=PREFIX, dump=Path(folder)), progress)
        parts = pipeline.code(made, PREFIX, dumped)
        for file in Path(folder).iterdir():
            texts[file.suffix[1:]] = file.read_text()
        texts["mlir"] = texts.pop("mlir")
        reports: dict[str, bench.Report] = {}
        limits = None
        if measure:
            progress("measure")
            path = Path(folder) / f"{PREFIX}.so"
            write_library(parts, path, weights="embed", cache=options.cache)
            reports, limits = _measured(path, sizes)
    data = {
        "title": title,
        "target": f"{target.name} ({target.machine.cpu})",
        "limits": None if limits is None else {"operations": dict(limits.operations), "copy": limits.copy},
        "sources": _sources(module, primitives),
        "functions": [
            _function(name, module, primitives, program, texts, parts.manifest.function(name), reports, sizes)
            for name in (f.name for f in module.functions)
        ],
    }
    folder_ = resources.files("tcc.explain")
    page = folder_.joinpath("report.html").read_text()
    for name in ("report.css", "report.js"):
        page = page.replace(f"/*{name}*/", folder_.joinpath(name).read_text())
    # "</" would end the script element that holds the data.
    return page.replace("{{title}}", title).replace('"{{data}}"', json.dumps(data).replace("</", "<\\/"))


def _measured(path: Path, sizes: Mapping[str, int]) -> tuple[dict[str, bench.Report], bench.Limits | None]:
    """What the functions took; nothing where this machine cannot run them."""
    try:
        library = runtime.load(path, threads=1)
    except UserError:
        return {}, None
    with library:
        limits = measured_limits(1)
        found: dict[str, bench.Report] = {}
        for function in library.manifest.functions:
            own = {s.name: sizes[s.name] for s in function.symbols if s.name in sizes}
            found[function.name] = bench.measure(library, function.name, own, limits, budget=0.4)
    return found, limits


def _sources(*modules: Module) -> dict[str, list[str]]:
    """The files of all places, by the name that places call them."""
    files: dict[str, str] = {}

    def collect(graph: Graph) -> Graph:
        for node in graph.nodes:
            if node.location.known:
                files.setdefault(Path(node.location.file).name, node.location.file)
        return graph

    for module in modules:
        for function in module.functions:
            if function.location.known:
                files.setdefault(Path(function.location.file).name, function.location.file)
        build.map_functions(module, lambda graph: build.map_graphs(graph, collect))
    found: dict[str, list[str]] = {}
    for name, file in files.items():
        try:
            found[name] = Path(file).read_text().splitlines()
        except OSError:
            found[name] = []
    return found


def _function(
    name: str,
    module: Module,
    primitives: Module,
    program: Program,
    texts: Mapping[str, str],
    signature: Any,
    reports: Mapping[str, bench.Report],
    sizes: Mapping[str, int],
) -> dict[str, Any]:
    entry = next(e for e in program.entries if e.name == name)
    costs = cost.Costs({k.name: k for k in program.kernels})
    final = next(f for f in primitives.functions if f.name == name)
    report = reports.get(name)
    chosen = report.sizes if report is not None else bench.sizes_for(signature, _own(signature, sizes))
    called = list(dict.fromkeys(s.kernel for s in walk.steps(entry) if not isinstance(s, Copy)))
    colours = {k: _colour(n, len(called)) for n, k in enumerate(called)}
    machine = {stage: parse(texts[stage]) for stage, parse in _MACHINE.items() if stage in texts}
    loops = {b.name: b for b in lines.loops(texts["loops"])}
    units = [_unit(k, [loops[k]], machine) for k in called]
    units.append(_unit(name, [b for n, b in loops.items() if n == name], machine))
    return {
        "name": name,
        "described": signature.described(),
        "sizes": dict(chosen),
        "steps": _steps(entry, costs, chosen, report, colours),
        "whole": _whole(signature, entry, costs, chosen, report),
        "decisions": [_decision(d) for d in entry.decisions],
        "trace": _plain(_only(lines.graph(texts["trace"]), name)),
        "passes": _plain(_only(lines.graph(texts["passes"]), name)),
        "units": units,
        "graph": draw(final.graph, _kernels_of(final.graph, entry), colours),
        "traced": draw(next(f for f in module.functions if f.name == name).graph, {}, {}),
        "workspace": str(entry.workspace),
    }


_MACHINE = {"mlir": lines.mlir, "ll": lines.llvm, "s": lines.assembly}


def _own(signature: Any, sizes: Mapping[str, int]) -> dict[str, int]:
    return {s.name: sizes[s.name] for s in signature.symbols if s.name in sizes}


def _colour(number: int, count: int) -> str:
    red, green, blue = colorsys.hls_to_rgb((number * 0.61803) % 1 if count > 6 else number / max(count, 1), 0.55, 0.6)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def _only(text: Sequence[Line], function: str) -> list[Line]:
    """The lines of one function of a module's text."""
    kept: list[Line] = []
    inside = False
    for line in text:
        if line.text.startswith("func "):
            inside = line.text.startswith(f"func {function}(")
        if inside:
            kept.append(line)
    return kept


def _plain(text: Sequence[Line]) -> list[list[str]]:
    return [[line.text, line.place] for line in text]


def _unit(name: str, loops: Sequence[Body], machine: Mapping[str, list[Body]]) -> dict[str, Any]:
    """A kernel's (or the entry's) text at each level below the graph."""
    levels: dict[str, list[list[str]]] = {"loops": [row for body in loops for row in _plain(body.lines)]}
    for stage, bodies in machine.items():
        rows: list[list[str]] = []
        for body in lines.of_kernel(bodies, PREFIX, name):
            rows += _plain(body.lines[:EXCERPT])
            if len(body.lines) > EXCERPT:
                rows.append([f"… {len(body.lines) - EXCERPT} more lines", ""])
            rows.append(["", ""])
        levels[stage] = rows
    return {"name": name, **levels}


def _kernels_of(graph: Graph, entry: Entry) -> dict[Node, tuple[str, ...]]:
    """In which kernels each node is computed, by what the schedule says of it."""
    places: dict[tuple[str, str], list[str]] = {}
    for step in walk.steps(entry):
        if isinstance(step, Copy):
            continue
        for decision in step.decisions:
            places.setdefault((decision.subject, str(decision.location)), []).append(step.kernel)
    found: dict[Node, tuple[str, ...]] = {}
    for node in graph.nodes:
        subject = f"{node.op.name} → {node.results[0].type}" if node.results else ""
        found[node] = tuple(dict.fromkeys(places.get((subject, str(node.location)), ())))
    return found


def _steps(
    entry: Entry,
    costs: cost.Costs,
    sizes: Mapping[str, int],
    report: bench.Report | None,
    colours: Mapping[str, str],
) -> list[dict[str, Any]]:
    measured = list(report.steps) if report is not None else []
    found: list[dict[str, Any]] = []
    for step in costs.steps(entry):
        statement = step.statement
        name = "copy" if isinstance(statement, Copy) else statement.kernel
        place = str(statement.location) if statement.location.known else ""
        views = f"{statement.source.buffer} → {statement.target.buffer}" if isinstance(statement, Copy) else ""
        row: dict[str, Any] = {
            "name": name,
            "place": place,
            "colour": colours.get(name, "#999"),
            "statement": views,
            "decisions": [_decision(d) for d in statement.decisions],
        }
        for what in ("operations", "moved", "compulsory"):
            size = getattr(step.cost, what)
            row[what] = None if size is None else {"expression": str(size), "value": evaluate(str(size), sizes)}
        if measured and (measured[0].name, measured[0].line) == (name, place):
            row["measured"] = measured.pop(0).to_json()
        found.append(row)
    return found


def _whole(
    signature: Any, entry: Entry, costs: cost.Costs, sizes: Mapping[str, int], report: bench.Report | None
) -> dict[str, Any]:
    least = str(costs.compulsory(entry))
    return {
        "compulsory": {"expression": least, "value": evaluate(least, sizes)},
        "workspace": evaluate(signature.workspace, sizes),
        "measured": report.whole.to_json() if report is not None else None,
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "kind": decision.kind,
        "subject": decision.subject,
        "choice": decision.choice,
        "reason": decision.reason,
        "unit": decision.unit,
        "alternatives": [[a.name, a.cost] for a in decision.alternatives],
        "place": str(decision.location) if decision.location.known else "",
    }
