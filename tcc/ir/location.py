"""Where in the user's source a value comes from.

Every value of every IR carries a `Location`. A value made while user code runs is located at the
innermost frame outside of this package; a value made by a pass takes the location of the value
that it replaces (`located`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from tcc.errors import Place

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


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
    """The innermost frame outside of the package and its array dependencies; `UNKNOWN` if none."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_PACKAGE) and f"{os.sep}numpy{os.sep}" not in file and not file.startswith("<"):
            return Location(file, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back
    return UNKNOWN


def merge(first: Location, second: Location) -> Location:
    """The location of a value that stands for two: the first known one.

    Never a fusion of different lines, which debuggers show as line 0.
    """
    return first if first.known else second
