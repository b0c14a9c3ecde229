"""Writes docs/ops.md from the op records: `python -m tools.op_table`. A test says when it is out of date."""

from __future__ import annotations

from pathlib import Path

from tcc import ops
from tcc.ir import forms
from tcc.ir.dtype import F32
from tcc.ir.op import NotDifferentiable, Op
from tcc.ir.scalar import SCALARS, Apply, Name
from tcc.loops import walk
from tcc.lowering.polynomials import BOUNDS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "ops.md"

_HEAD = """\
# Ops

Written by `python -m tools.op_table` from the records in [tcc/ops](../tcc/ops): do not edit. `tcc ops NAME` shows
one of them; [add-an-op.md](add-an-op.md) says how to add one. NumPy is the judge of what each means.

An operand is written with the kinds of dtype that it takes. *Accuracy* is the bound on the error of an elementary
function in f32 and in f64, in units in the last place of the true result, over the whole domain; the other elementwise
ops are made of operations that round correctly. Half floats are computed in f32 and rounded once for each op.
"""

_SECTIONS: dict[str, str] = {
    "Elementwise": "Each element of the result from the operands' elements at the same place.",
    "Reduce": "Over axes. The order of combining depends on the extent alone: the same bits on any number of threads.",
    "Scan": "Running results along an axis.",
    "IndexMap": "Each element is one of the operands': no arithmetic, and mostly no code of their own.",
    "Contract": "Sums of products.",
    "Window": "Sums and extrema over windows that slide.",
    "Gather": "Elements at places that are read. One out of range is an error status, a negative one counts back.",
    "Scatter": "The reverse of gathering.",
    "Literal": "Constants.",
    "Control": "Control flow over whole functions.",
    "Opaque": "Algorithms with loops of their own.",
    "Composite": "Made of other ops, and taken apart before the loops are made.",
}


def render() -> str:
    """The page."""
    sections: dict[str, list[Op]] = {}
    for op in ops.TABLE.values():
        name = "Composite" if op.form is None else type(op.form).__name__
        sections.setdefault(name, []).append(op)
    order = [*(s for s in _SECTIONS if s in sections), *sorted(sections.keys() - _SECTIONS.keys())]
    parts = [_HEAD]
    for section in order:
        accuracy = section == "Elementwise"
        heads = ["op", "operands", "meaning", "gradient", *(["accuracy f32, f64"] if accuracy else [])]
        parts.append(f"\n## {section}\n\n{_SECTIONS.get(section, '')}\n".replace("\n\n\n", "\n"))
        parts.append(f"\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n")
        parts += [_row(op, accuracy) for op in sorted(sections[section], key=lambda o: o.name)]
    return "".join(parts)


def _row(op: Op, accuracy: bool) -> str:
    cells = [f"`{op.name}`", ", ".join(op.operands), op.doc.splitlines()[0]]
    cells.append("–" if isinstance(op.gradient, NotDifferentiable) else "yes")
    if accuracy:
        cells.append(_accuracy(op))
    return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |\n"


def _accuracy(op: Op) -> str:
    """The bounds of the elementary functions that an op's element is made of."""
    assert isinstance(op.form, forms.Elementwise)
    try:
        elements = [Name(F32, f"x{k}") for k in range(len(op.operands))]
        found = op.form.compute(SCALARS, *elements)
    except Exception:
        # Not an op of real numbers alone, or one with attributes: it has no elementary function.
        return ""
    results = found if isinstance(found, tuple) else (found,)
    names = {p.op for r in results for p in walk.parts(r) if isinstance(p, Apply) and p.op in BOUNDS}
    if len(names) != 1:
        return ""
    bound = BOUNDS[names.pop()]
    return f"{bound['f32']:g}, {bound['f64']:g}"


if __name__ == "__main__":
    PAGE.write_text(render())
    print(f"wrote {PAGE}")
