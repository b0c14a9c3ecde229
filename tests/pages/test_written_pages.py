"""The pages that tools write are up to date."""

from __future__ import annotations

import re

from tcc import ops
from tools import from_line_to_instruction, op_table


def test_the_op_table() -> None:
    fix = "write it again: python -m tools.op_table"
    assert op_table.PAGE.read_text() == op_table.render(), fix
    assert set(re.findall(r"^\| `(\w+)` ", op_table.render(), re.MULTILINE)) == set(ops.TABLE)
    assert re.search(r"^\| `exp` .* 1\.1, 1\.1 \|$", op_table.render(), re.MULTILINE)


def test_from_line_to_instruction() -> None:
    """Its text and its graphs are exact; loops and instructions may change in detail with the schedule."""
    written, made = from_line_to_instruction.PAGE.read_text(), from_line_to_instruction.render()
    fix = "write it again: python -m tools.from_line_to_instruction"
    assert _headings(written) == _headings(made), fix
    before, _, _ = made.partition("### softmax: why")
    assert written.startswith(before), fix
    for page in (written, made):
        blocks = re.findall(r"```asm\n(.*?)```", page, re.DOTALL)
        assert len(blocks) == 2
        assert all("%zmm" in block for block in blocks)
        assert "vfmadd" in blocks[1], "the product's inner loop multiplies and adds"
        assert page.count("\n- *lanes*") + page.count("\n- *store*") >= 3


def _headings(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("#")]
