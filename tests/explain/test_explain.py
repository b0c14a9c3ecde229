"""The page of a compilation: complete, self-contained, and linked from the line to the instructions."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tcc import api, pipeline
from tcc.explain import explain, lines
from tcc.explain.drawing import draw

SOURCE = """\
import numpy as np
import tcc

W = np.linspace(-1, 1, 64 * 10, dtype=np.float32).reshape(64, 10)


@tcc.function(x="f32[n, 64]")
def scores(x):
    h = x @ W
    e = np.exp(h - h.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@tcc.function(x="f32[n]")
def running(x):
    return np.cumsum(x), x
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("explain") / "model.py"
    file.write_text(SOURCE)
    options = pipeline.Options(target="x86-64-v3")
    return explain(api.module_from_source(file), "model.py", options, {"n": 100}, measure=False)


@pytest.fixture(scope="module")
def data(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_page_needs_nothing_else(page: str) -> None:
    outside = re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    assert not re.search(r"<link|<img|src=|@import|url\(|fetch\(|https?://", outside)
    assert "{{" not in outside
    assert "/*report" not in page


def test_each_line_is_followed_through_every_stage(data: Any) -> None:
    scores = data["functions"][0]
    for line in (9, 10, 11):
        place = f"model.py:{line}"
        assert place in {p for _, p in scores["trace"]}
        assert place in {p for _, p in scores["passes"]}
        for level in ("loops", "mlir", "ll", "s"):
            assert place in {p for unit in scores["units"] for _, p in unit[level]}, (level, place)
    assert data["sources"]["model.py"][8] == "    h = x @ W"


def test_units_are_kernels_with_code_of_their_own(data: Any) -> None:
    for function in data["functions"]:
        assert {s["name"] for s in function["steps"]} - {"copy"} <= {u["name"] for u in function["units"]}
        for unit in function["units"]:
            assert len(unit["s"]) > 3, unit["name"]
            assert not any(re.match(r"\s*\.(loc|cfi|file)", text) for text, _ in unit["s"])
            assert not any("!dbg" in text for text, _ in unit["ll"])
    assert any(text.startswith(".LBB") for text, _ in data["functions"][0]["units"][0]["s"]), "labels of loops"


def test_decisions_and_costs_are_there(data: Any) -> None:
    scores, running = data["functions"]
    kinds = {d["kind"] for s in scores["steps"] for d in s["decisions"]}
    assert {"fuse", "inline", "lanes"} <= kinds
    assert sum(s["operations"]["value"] for s in scores["steps"]) >= 2 * 100 * 64 * 10
    # The weight lies in panels of 16 columns.
    assert scores["whole"]["compulsory"]["value"] == 4 * (100 * 64 + 64 * 16 + 100 * 10)
    copies = [s for s in running["steps"] if s["name"] == "copy"]
    assert len(copies) == 1
    assert copies[0]["decisions"][0]["kind"] == "copy"


def test_a_number_beside_the_measured_one(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text(SOURCE)
    page = explain(api.module_from_source(file, ("scores",)), "model.py", pipeline.Options(), {})
    (function,) = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])["functions"]  # type: ignore[index]
    assert all(s["measured"]["seconds"] > 0 for s in function["steps"])
    assert function["whole"]["measured"]["operations"] == sum(s["operations"]["value"] for s in function["steps"])


def test_the_picture_has_every_node_once(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    file.write_text(SOURCE)
    graph = api.module_from_source(file, ("scores",)).functions[0].graph
    picture = draw(graph, {}, {})
    nodes = [n for n in graph.nodes if n.op.name != "literal"]
    assert picture.count('class="box') == len(nodes) + 2, "the input and the weight besides"
    corners = re.findall(r'transform="translate\((\d+) (\d+)\)"', picture)
    assert len(set(corners)) == len(corners)


def test_places_in_assembly() -> None:
    text = """
\t.file\t1 "dir" "sub/model.py"
\t.type\tp__k,@function
p__k:
.Lfunc_begin0:
\t.loc\t1 12 0
\tvaddps\t%zmm0, %zmm1, %zmm2
\t.loc\t1 0 0
\tretq
.Lfunc_end0:
\t.section\t.debug_str
"""
    (body,) = lines.assembly(text)
    assert [(x.text.split()[0], x.place) for x in body.lines] == [
        ("p__k:", ""),
        ("vaddps", "model.py:12"),
        ("retq", "model.py:12"),
    ]
