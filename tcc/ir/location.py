"""Where in the user's source a value comes from.

Every value of every IR carries a `Location`. A value made while user code runs is located at the
innermost frame outside of this package; a value made by a pass takes the location of the value
that it replaces (`located`).
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache

from tcc.errors import Place


def _folder(file: str | None) -> str:
    return os.path.dirname(os.path.abspath(file or __file__)) + os.sep


def _package(name: str) -> str:
    spec = importlib.util.find_spec(name)
    return _folder(spec.origin if spec is not None else None)


_LIBRARIES = (os.path.dirname(_folder(__file__)[:-1]) + os.sep, _package("numpy"), _package("scipy"))
_STANDARD = _folder(os.__file__)


@dataclass(frozen=True)
class Location:
    """A line of user source: ``file`` (absolute or as given), ``line`` from 1, ``function``.

    ``inlined_at`` is the call site when the line belongs to a function that was traced inline.
    """

    file: str
    line: int
    function: str = ""
    inlined_at: Location | None = None

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}"

    @property
    def known(self) -> bool:
        """Whether this names a line (`UNKNOWN` does not)."""
        return self.line > 0

    def place(self) -> Place | None:
        """The same as an error's place; None when unknown."""
        return Place(self.file, self.line, self.function) if self.known else None


UNKNOWN = Location("<unknown>", 0)

_override: ContextVar[Location | None] = ContextVar("tcc_location", default=None)


@contextmanager
def located(location: Location) -> Generator[None]:
    """Within the block, new values take ``location`` instead of the caller's line.

    An unknown location changes nothing.
    """
    if not location.known:
        yield
        return
    token = _override.set(location)
    try:
        yield
    finally:
        _override.reset(token)


def current() -> Location:
    """The location for a value made now: the one set by `located`, else the user's line."""
    override = _override.get()
    return override if override is not None else user_line()


def user_line() -> Location:
    """The innermost frame of user code (see `is_user_file`); `UNKNOWN` if none."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        code = frame.f_code
        if is_user_file(code.co_filename, code.co_name):
            return Location(code.co_filename, frame.f_lineno, code.co_name)
        frame = frame.f_back
    return UNKNOWN


@cache
def is_user_file(file: str, function: str = "") -> bool:
    """Whether code in ``file`` is the user's: not of this package, NumPy, SciPy or the standard library.

    Interactive input counts (``<stdin>``), generated methods such as a dataclass's do not.
    """
    if file.startswith("<"):
        return not file.startswith(("<frozen", "<__array_function__")) and not function.startswith("__")
    if file.startswith(_LIBRARIES):
        return False
    return not file.startswith(_STANDARD) or "-packages" in file[len(_STANDARD) :]


def merge(first: Location, second: Location) -> Location:
    """The location of a value that stands for two: the first known one.

    Never a fusion of different lines, which debuggers show as line 0.
    """
    return first if first.known else second
