"""A user's mistake ends in a message with the user's line and a way out; all of them are in one golden file."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tcc
from tcc.errors import TccError
from tests.frontends.numpy import mistakes

CASES = [f for _, f in inspect.getmembers(mistakes, inspect.isfunction) if f.__module__ == mistakes.__name__]
CASES.sort(key=lambda f: f.__code__.co_firstlineno)


def message(call: Callable[[], Any]) -> str:
    """The error's text without the file's place on this machine and its line numbers."""
    with pytest.raises(TccError) as raised:
        call()
    text = str(raised.value).replace(str(Path(__file__).parent) + "/", "")
    return re.sub(r"(\w+\.py):\d+", r"\1:LINE", text)


def spec(python: Callable[..., Any]) -> dict[str, str]:
    return {name: f"f32[{size}, 3]" for name, size in zip(inspect.signature(python).parameters, "nm", strict=False)}


@pytest.mark.parametrize("python", CASES, ids=lambda f: f.__name__)
def test_mistake_names_the_line_and_a_way_out(python: Callable[..., Any]) -> None:
    text = message(lambda: tcc.trace(tcc.function(**spec(python))(python)))
    assert "mistakes.py:LINE in " in text
    assert "\n  why: " in text
    assert "\n  fix: " in text
    assert len(text.splitlines()) < 12


def test_messages(golden: Callable[[str], Callable[[str], None]]) -> None:
    texts = [f"--- {f.__name__}\n{message(lambda f=f: tcc.trace(tcc.function(**spec(f))(f)))}\n" for f in CASES]
    golden("golden/mistakes.txt")("\n".join(texts))


def f(x, y=2):
    return x * y


@pytest.mark.parametrize(
    ("specs", "what"),
    [
        ({"z": "f32[n]"}, "'f' has no parameter 'z'"),
        ({"y": "f32[n]"}, "the parameter 'x' of 'f' has no spec"),
        ({"x": "f31[n]"}, "unknown dtype 'f31'"),
        ({"x": "f32[n"}, "is not a tensor type"),
        ({"x": "f32[n*m]"}, "cannot be found from the shapes"),
        ({"x": "f32[n*n]"}, "cannot be found from the shapes"),
        ({"x": "f32[n.5]"}, "is not a size"),
        ({"x": np.float32}, "the spec of 'x' is type"),
    ],
    ids=str,
)
def test_wrong_spec_points_at_the_decorator(specs: dict[str, Any], what: str) -> None:
    with pytest.raises(TccError, match=re.escape(what)) as raised:
        tcc.function(**specs)(f)
    assert raised.value.where is not None
    assert raised.value.where.file == __file__


def test_traced_value_outside_of_a_trace() -> None:
    kept = []
    tcc.trace(tcc.function(x="f32[3]")(lambda x: kept.append(x) or x))
    with pytest.raises(TccError, match="outside of a trace"):
        kept[0] + 1
