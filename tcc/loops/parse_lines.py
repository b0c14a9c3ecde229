"""The lines of a loop program's text as a tree by indentation, with their locations."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from tcc.errors import UserError
from tcc.ir.location import UNKNOWN, Location

_MARK = re.compile(r"  @(\d+)$")


@dataclass
class Line:
    """A line without indentation, its location, and the lines that are further in below it."""

    number: int
    text: str
    at: Location = UNKNOWN
    inside: list[Line] = field(default_factory=list["Line"])


def line_error(number: int, why: str) -> UserError:
    """The error for a line that cannot be read."""
    return UserError(f"line {number} of a loop program cannot be read", why=why)


def read_lines(text: str) -> list[Line]:
    """The outermost lines, with those inside."""
    root = Line(0, "")
    stack: list[tuple[int, Line]] = [(-1, root)]
    locations: dict[int, Location] = {}
    marks: list[tuple[Line, int]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        if not raw.strip():
            continue
        if raw.startswith("location "):
            try:
                _read_location(raw, locations)
            except (ValueError, KeyError, IndexError) as error:
                raise line_error(number, str(error)) from None
            continue
        indent = len(raw) - len(raw.lstrip(" "))
        mark = _MARK.search(raw.rstrip())
        line = Line(number, (raw[: mark.start()] if mark else raw).strip())
        if mark:
            marks.append((line, int(mark[1])))
        while stack[-1][0] >= indent:
            stack.pop()
        stack[-1][1].inside.append(line)
        stack.append((indent, line))
    for line, mark in marks:
        if mark not in locations:
            raise line_error(line.number, f"there is no location {mark}")
        line.at = locations[mark]
    return root.inside


def _read_location(text: str, locations: dict[int, Location]) -> None:
    decoder = json.JSONDecoder()
    number, rest = text.removeprefix("location ").split(" ", 1)
    file, end = decoder.raw_decode(rest)
    line, rest = rest[end + 1 :].split(" ", 1)
    function, end = decoder.raw_decode(rest)
    outer = rest[end:].removeprefix(" inlined ").strip()
    locations[int(number)] = Location(file, int(line), function, locations[int(outer)] if outer else None)
