"""What the layout promises beyond imports, checked on the sources."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tcc import ops

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "tcc").rglob("*.py"))
# Scalar ops, combines, kinds of forms and words of the loop IR share names with ops.
SHARED = {
    *("add", "multiply", "max", "min", "any", "all", "sum", "scan", "cond", "where"),
    *("pad", "slice", "take", "sort", "full", "index", "convolution"),
}


def strings(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


@pytest.mark.parametrize("room", ["schedule", "lowering"])
def test_no_op_is_known_by_name_below_the_forms(room: str) -> None:
    from tcc.ir.scalar import COMBINES, TABLE

    allowed = SHARED | set(TABLE) | set(COMBINES)
    for path in (ROOT / "tcc" / room).rglob("*.py"):
        known = (set(ops.TABLE) - allowed) & strings(path)
        assert not known, f"{path.relative_to(ROOT)} names the ops {sorted(known)}"


def test_no_import_of_our_own_hides_in_a_function() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                for inner in ast.walk(node):
                    names = (
                        [a.name for a in inner.names]
                        if isinstance(inner, ast.Import)
                        else [inner.module or ""]
                        if isinstance(inner, ast.ImportFrom)
                        else []
                    )
                    own = [n for n in names if n.split(".")[0] == "tcc"]
                    assert not own, f"{path.relative_to(ROOT)}:{node.lineno} imports {own} in a function"


def test_no_marks_of_unfinished_work() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError")
    for path in SOURCES:
        assert not marks.search(path.read_text()), path.relative_to(ROOT)


def test_files_can_be_read_in_one_sitting() -> None:
    long = {str(p.relative_to(ROOT)): n for p in SOURCES if (n := len(p.read_text().splitlines())) > 600}
    assert not long
