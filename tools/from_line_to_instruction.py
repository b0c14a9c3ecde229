"""Writes docs/from-line-to-instruction.md: `python -m tools.from_line_to_instruction`.

The target is fixed, so the page is the same wherever it is written.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tcc import api, pipeline
from tcc.explain import lines
from tcc.explain.lines import Body, Line
from tcc.ir import text as graph_text
from tcc.loops import text as program_text
from tcc.loops import walk
from tcc.loops.decision import Decision
from tcc.loops.program import Copy
from tcc.targets import target as targets

PAGE = Path(__file__).resolve().parents[1] / "docs" / "from-line-to-instruction.md"
TARGET = "x86-64-v4"
LONGEST = 64
"""Lines of a stage that are shown."""

SOURCE = """\
import numpy as np
import tcc


@tcc.function(x="f32[rows, 1000]")
def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@tcc.function(a="f32[m, 512]", b="f32[512, n]")
def product(a, b):
    return a @ b
"""

_HEAD = """\
# From the line to the instruction

Written by `python -m tools.from_line_to_instruction` for the target {target}: do not edit. `tcc explain` makes such a
page of any program, with all of each stage and the lines linked; `tcc compile --dump` writes the stages to files.

This is the program:

```python
{source}```
"""

_STAGES = {
    "The traced graph": "The function ran once on values without elements, and each call of NumPy became a node. "
    "Every node knows its line.",
    "After the passes": "Composites are taken apart, equal nodes merged, constants folded.",
    "Why the loops are as they are": "The schedule sees no names of ops, only forms: what is elementwise, what "
    "reduces. These are the decisions it recorded.",
    "The loops": "Loops of scalar meaning; `lanes` and `copies` say how many turns one vector and one group of "
    "independent instructions take together. [loop-ir.md](loop-ir.md) has their meaning.",
    "MLIR": "The innermost loop with the most vectors, before it is lowered to LLVM.",
    "Assembly": "The innermost loop with the most vector instructions, as LLVM makes it.",
}


def render() -> str:
    """The page."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.py"
        file.write_text(SOURCE)
        module = api.module_from_source(file)
        target = targets.get(TARGET)
        options = pipeline.Options(target=TARGET, prefix="model", dump=Path(folder) / "stages", cache=None)
        stages = pipeline.Stages(options)
        made = pipeline.scheduled(module, [target], stages)
        primitives, (program,) = made.module, made.programs
        pipeline.code(made, "model", stages)
        dumped = {p.suffix[1:]: p.read_text() for p in (Path(folder) / "stages").iterdir()}
    mlir, assembly = lines.mlir(dumped["mlir"]), lines.assembly(dumped["s"])
    loops = {b.name: b for b in lines.loops(program_text.to_text(program))}
    parts = [_HEAD.format(target=TARGET, source=SOURCE)]
    for function, final in zip(module.functions, primitives.functions, strict=True):
        entry = next(e for e in program.entries if e.name == function.name)
        calls = [s for s in walk.steps(entry) if not isinstance(s, Copy)]
        names = list(dict.fromkeys(c.kernel for c in calls))
        machine = [[b for n in names for b in lines.of_kernel(bodies, "model", n)] for bodies in (mlir, assembly)]
        decisions = list(dict.fromkeys(d for c in calls for d in c.decisions))
        bodies = (
            _code("", lines.graph(graph_text.to_text(function))),
            _code("", lines.graph(graph_text.to_text(final))),
            "".join(map(_decided, decisions)),
            "".join(_code("", loops[n].lines) for n in names),
            _code("mlir", _hot(machine[0], _mlir_loops)),
            _code("asm", _hot(machine[1], _assembly_loops)),
        )
        parts.append(f"\n## {function.name}\n")
        for (title, said), body in zip(_STAGES.items(), bodies, strict=True):
            parts.append(f"\n### {function.name}: {title[0].lower() + title[1:] if title != 'MLIR' else title}\n\n")
            parts.append(f"{said}\n\n{body}")
    return "".join(parts)


def _code(language: str, text: Sequence[Line]) -> str:
    shown = [line.text for line in text]
    while shown and not shown[-1].strip():
        shown.pop()
    if len(shown) > LONGEST:
        shown = [*shown[:LONGEST], f"… {len(shown) - LONGEST} more lines"]
    return "\n".join([f"```{language}", *shown, "```", ""])


def _decided(decision: Decision) -> str:
    costs = ", ".join(f"{a.name}: {a.cost:.4g}" for a in decision.alternatives)
    compared = f" ({decision.unit}: {costs})" if costs else ""
    return f"- *{decision.kind}* `{decision.subject}`: {decision.choice}: {decision.reason}{compared}\n"


def _hot(bodies: Sequence[Body], find: Callable[[Sequence[Line]], list[list[Line]]]) -> list[Line]:
    """Of all innermost loops, the one with the most vectors."""
    found: list[list[Line]] = [loop for body in bodies for loop in find(body.lines)]
    return max(found, key=lambda loop: sum("vector<" in x.text or "%zmm" in x.text for x in loop), default=[])


def _mlir_loops(text: Sequence[Line]) -> list[list[Line]]:
    """The loops without loops inside."""
    found: list[list[Line]] = []
    for start, line in enumerate(text):
        if "scf.for" not in line.text:
            continue
        indent = len(line.text) - len(line.text.lstrip())
        stop = next(k for k in range(start + 1, len(text)) if text[k].text.startswith(" " * indent + "}"))
        if not any("scf.for" in x.text for x in text[start + 1 : stop]):
            found.append([Line(x.text[indent:]) for x in text[start : stop + 1]])
    return found


def _assembly_loops(text: Sequence[Line]) -> list[list[Line]]:
    """From the target of a jump backwards to the jump, where there is no such jump inside."""
    labels = {x.text[:-1]: k for k, x in enumerate(text) if x.text.endswith(":")}
    jumps = [(re.match(r"\s+j\w+\s+(\S+)", x.text), k) for k, x in enumerate(text)]
    back = [(labels[m[1]], k) for m, k in jumps if m and m[1] in labels]
    loops = [(start, stop) for start, stop in back if start < stop]
    return [
        list(text[start : stop + 1])
        for start, stop in loops
        if not any(start <= a and b <= stop and (a, b) != (start, stop) for a, b in loops)
    ]


if __name__ == "__main__":
    PAGE.write_text(render())
    print(f"wrote {PAGE}")
