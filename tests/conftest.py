"""Golden files: ``golden(path)`` compares a text with a file, ``--update-golden`` writes it. One cache a run."""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files instead of comparing")


def pytest_configure(config: pytest.Config) -> None:
    """What goes into every library is compiled once in a run, whatever an earlier run or the user has left."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory(prefix="tcc-tests-")
        os.environ["TCC_CACHE_DIR"] = folder.name
        config.add_cleanup(folder.cleanup)


_STATES: dict[int, Any] = {}


@pytest.fixture(autouse=True)
def _same_numbers(request: pytest.FixtureRequest) -> None:
    """A module's generators start anew for each test: its numbers do not depend on what ran before it."""
    for value in vars(request.module).values():
        if isinstance(value, np.random.Generator):
            value.bit_generator.state = _STATES.setdefault(id(value), value.bit_generator.state)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str], Callable[[str], None]]:
    """``golden("golden/name.txt")(text)``: the path is relative to the test's own file.

    A missing file fails, unless ``--update-golden`` is given.
    """
    folder = Path(request.path).parent
    update = bool(request.config.getoption("--update-golden"))

    def at(path: str) -> Callable[[str], None]:
        file = folder / path

        def check(text: str) -> None:
            if update:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
                return
            if not file.exists():
                pytest.fail(f"{file} does not exist; write it with --update-golden and read it")
            wanted = file.read_text(encoding="utf-8")
            if text != wanted:
                lines = (wanted.splitlines(), text.splitlines())
                shown = "\n".join(difflib.unified_diff(*lines, str(path), "found", lineterm="", n=2))
                pytest.fail(f"{shown}\n\nif this is meant: pytest --update-golden {request.path}", pytrace=False)

        return check

    return at
