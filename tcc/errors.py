"""The three errors of tcc. Each says what, where, why and what to do, on less than one screen."""

from __future__ import annotations

import linecache
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A line of a source file that an error points at.

    ``file`` is a path as the user would type it, ``line`` counts from 1, ``function`` is the
    enclosing function's name or the empty string.
    """

    file: str
    line: int
    function: str = ""

    def shown(self) -> str:
        """``file:line in function`` and, where the file can be read, the line itself."""
        head = f"{self.file}:{self.line}" + (f" in {self.function}" if self.function else "")
        text = linecache.getline(self.file, self.line).rstrip()
        return f"{head}\n    {text.strip()}" if text else head


class TccError(Exception):
    """The base of all errors tcc raises on purpose.

    ``what`` is one sentence; ``where`` a place in the user's source; ``why`` the reason (expected
    and found); ``fix`` what the user can do about it.
    """

    title = "error"

    def __init__(self, what: str, *, where: Place | None = None, why: str = "", fix: str = "") -> None:
        self.what = what
        self.where = where
        self.why = why
        self.fix = fix
        super().__init__(self.render())

    def render(self) -> str:
        """The message as a user reads it."""
        parts = [f"{self.title}: {self.what}"]
        if self.where is not None:
            parts.append("  at " + self.where.shown().replace("\n", "\n  "))
        if self.why:
            parts.append("  why: " + self.why.replace("\n", "\n       "))
        if self.fix:
            parts.append("  fix: " + self.fix.replace("\n", "\n       "))
        return "\n".join(parts)

    def located(self, where: Place | None) -> TccError:
        """The same error, pointing at ``where`` if it had no place of its own."""
        if self.where is not None or where is None:
            return self
        return type(self)(self.what, where=where, why=self.why, fix=self.fix)


class UserError(TccError, ValueError):
    """The program, its input or its use is wrong; the user can mend it."""

    title = "error"


class Unsupported(TccError, NotImplementedError):  # noqa: N818 - reads as the answer it is
    """The program is right, but this op, dtype or target cannot be compiled (yet)."""

    title = "unsupported"


class InternalError(TccError, RuntimeError):
    """A mistake of ours. ``why`` names the stage; ``fix`` the dump and the command to repeat it."""

    title = "internal error"
