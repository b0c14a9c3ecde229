"""Progress on a terminal for anything that takes over a second; silence in a pipe."""

from __future__ import annotations

import threading
from types import TracebackType

from rich.console import Console
from rich.status import Status

DELAY = 1.0


class Progress:
    """A context in which `stage` names what is going on; shown on stderr after a second."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._stage = ""
        self._console = Console(stderr=True)
        self._status: Status | None = None
        self._timer = threading.Timer(DELAY, self._show)
        self._timer.daemon = True
        self._lock = threading.Lock()

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._timer.cancel()
        with self._lock:
            if self._status is not None:
                self._status.stop()

    def stage(self, name: str) -> None:
        """The stage that begins now."""
        with self._lock:
            self._stage = name
            if self._status is not None:
                self._status.update(self._text())

    def _text(self) -> str:
        return f"{self._title}: {self._stage}" if self._stage else self._title

    def _show(self) -> None:
        with self._lock:
            self._status = self._console.status(self._text())
            self._status.start()
