"""The page docs/add-an-op.md is carried out: its record is added, tested by the tables' tests, and used."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tcc import ops
from tcc.ops.samples import dtype_cases
from tests.compiled.cases import cases
from tests.compiled.test_op_table import differences
from tests.ops import test_records as records

PAGE = Path(__file__).resolve().parents[1] / "docs" / "add-an-op.md"
CHECKS = [
    records.test_documented,
    records.test_types_agree_with_the_reference,
    records.test_form_agrees_with_the_reference,
    records.test_gradient_agrees_with_differences,
    records.test_batching_agrees_with_a_loop,
]


def test_the_page_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    definition, use = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(definition, str(PAGE), "exec"), names)
    record = names["softsign"].op
    monkeypatch.setitem(ops.TABLE, "softsign", record)  # pyright: ignore[reportArgumentType]
    monkeypatch.setattr(ops, "softsign", names["softsign"], raising=False)

    for check in CHECKS:
        check(record)
    batch = [case for dtypes in dtype_cases(record) for case in cases(record, dtypes)]
    assert len(batch) > 10
    assert not differences(batch, tmp_path)

    script = tmp_path / "use.py"
    script.write_text(use.replace("import tcc\n", "import numpy as np\nimport tcc\n"))
    exec(compile(script.read_text(), str(script), "exec"), {"__name__": "use"})
    shown = capsys.readouterr().out
    expected = re.search(r"# (\[.*\])", use)
    assert expected is not None
    assert expected[1] in shown
