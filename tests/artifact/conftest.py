"""The toy libraries, linked once."""

from pathlib import Path

import pytest

from tests.targets.toy import toy, toy_counter


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy(tmp_path_factory.mktemp("toy") / "model.so")


@pytest.fixture(scope="session")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_counter(tmp_path_factory.mktemp("toy") / "counter.so")
