"""A graph as SVG: layers from inputs to results, in the order that crosses fewest edges.

The method is Sugiyama's (Sugiyama, Tagawa, Toda 1981): layers by the longest way from an input, then
each layer sorted by the mean position of its neighbours, down and up a few times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from tcc.ir import forms
from tcc.ir.graph import Graph, Node, Value

WIDTH, HEIGHT, GAP, RISE = 168, 40, 18, 34
SWEEPS = 8


@dataclass(eq=False)
class _Box:
    """What is drawn for an input, a constant or a node."""

    title: str
    type: str
    place: str
    kind: str
    kernels: tuple[str, ...]
    layer: int = 0
    position: float = 0.0
    sources: list[_Box] = field(default_factory=list["_Box"])
    targets: list[_Box] = field(default_factory=list["_Box"])


def draw(graph: Graph, kernels: Mapping[Node, tuple[str, ...]], colours: Mapping[str, str]) -> str:
    """The graph's picture; each box carries its place (``data-place``) and its kernels (``data-kernels``)."""
    boxes = _boxes(graph, kernels)
    layers = _layers(boxes)
    for sweep in range(SWEEPS):
        _sort(layers, down=sweep % 2 == 0)
    widest = max((len(layer) for layer in layers), default=1)
    width = widest * (WIDTH + GAP) + GAP
    height = len(layers) * (HEIGHT + RISE) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    ]
    at: dict[_Box, tuple[float, float]] = {}
    for number, layer in enumerate(layers):
        start = (width - len(layer) * (WIDTH + GAP) + GAP) / 2
        for k, box in enumerate(layer):
            at[box] = start + k * (WIDTH + GAP), GAP + number * (HEIGHT + RISE)
    for box, (x, y) in at.items():
        for source in box.sources:
            sx, sy = at[source][0] + WIDTH / 2, at[source][1] + HEIGHT
            tx, ty = x + WIDTH / 2, y
            bend = max(RISE, (ty - sy) / 2)
            parts.append(
                f'<path class="edge" d="M{sx:.0f} {sy:.0f}C{sx:.0f} {sy + bend:.0f} {tx:.0f} {ty - bend:.0f} '
                f'{tx:.0f} {ty:.0f}"/>'
            )
    parts += [_box(box, x, y, colours) for box, (x, y) in at.items()]
    return "".join([*parts, "</svg>"])


def _boxes(graph: Graph, kernels: Mapping[Node, tuple[str, ...]]) -> list[_Box]:
    made: dict[Value, _Box] = {}
    boxes: list[_Box] = []

    def add(box: _Box, values: tuple[Value, ...]) -> None:
        boxes.append(box)
        made.update(dict.fromkeys(values, box))

    for value in graph.inputs:
        add(_Box(value.name, str(value.type), "", "input", ()), (value,))
    for node in graph.nodes:
        if isinstance(node.op.form, forms.Literal):
            constant = node.attributes["value"]
            # A number is no picture's business.
            if constant.array.size > 1:
                add(_Box(constant.name or "constant", str(node.results[0].type), "", "constant", ()), node.results)
            continue
        place = str(node.location) if node.location.known else ""
        box = _Box(node.op.name, str(node.results[0].type), place, "node", kernels.get(node, ()))
        for source in dict.fromkeys(made[v] for v in node.operands if v in made):
            box.sources.append(source)
            source.targets.append(box)
        add(box, node.results)
    results = {made[v] for v in graph.outputs if v in made}
    for box in results:
        box.kind = f"{box.kind} result"
    return boxes


def _layers(boxes: list[_Box]) -> list[list[_Box]]:
    """Each box below all of its sources; inputs and constants right above their first reader."""
    for box in boxes:
        box.layer = max((s.layer + 1 for s in box.sources), default=0)
    for box in boxes:
        if not box.sources and box.targets:
            box.layer = max(0, min(t.layer for t in box.targets) - 1)
    layers: list[list[_Box]] = [[] for _ in range(1 + max((b.layer for b in boxes), default=0))]
    for box in boxes:
        box.position = len(layers[box.layer])
        layers[box.layer].append(box)
    return layers


def _sort(layers: list[list[_Box]], down: bool) -> None:
    for layer in layers if down else reversed(layers):
        for box in layer:
            near = box.sources if down else box.targets
            if near:
                box.position = sum(n.position for n in near) / len(near)
        layer.sort(key=lambda b: b.position)
        # Centred, so that narrow layers line up with the middle of wide ones.
        for k, box in enumerate(layer):
            box.position = k - (len(layer) - 1) / 2


def _box(box: _Box, x: float, y: float, colours: Mapping[str, str]) -> str:
    colour = colours.get(box.kernels[0], "") if box.kernels else ""
    style = f' style="--kernel:{colour}"' if colour else ""
    described = f"{box.title} → {box.type}" + (f"\n{box.place}" if box.place else "")
    if box.kernels:
        described += "\nin " + ", ".join(box.kernels)
    return (
        f'<g class="box {box.kind}" data-place="{escape(box.place)}" data-kernels="{escape(" ".join(box.kernels))}"'
        f'{style} transform="translate({x:.0f} {y:.0f})"><title>{escape(described)}</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6"/>'
        f'<text class="title" x="{WIDTH / 2}" y="16">{escape(_short(box.title, 22))}</text>'
        f'<text class="type" x="{WIDTH / 2}" y="31">{escape(_short(box.type, 26))}</text></g>'
    )


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
