"""The texts of the stages as lines that know where in the user's source they come from.

A line's place is written ``model.py:12``; "" when it has none. The texts of machine-level stages are
split into their functions.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Line:
    """A line of a stage's text, and its place in the source."""

    text: str
    place: str = ""


@dataclass
class Body:
    """The lines of one function or kernel of a stage."""

    name: str
    lines: list[Line] = field(default_factory=list[Line])


def _place(file: str, line: str | int) -> str:
    return f"{os.path.basename(file)}:{line}" if int(line) > 0 and file != "<unknown>" else ""


_GRAPH = re.compile(r"^(.*?)\s+// ([^\s:]+:\d+)$")


def graph(text: str) -> list[Line]:
    """The lines of a graph's text form."""
    found: list[Line] = []
    for line in text.splitlines():
        match = _GRAPH.match(line)
        found.append(Line(match[1], match[2]) if match else Line(line))
    return found


_REFERENCE = re.compile(r"^(.*?)  @(\d+)$")
_LOCATION = re.compile(r'^location (\d+) "(.*?)" (\d+)')


def loops(text: str) -> list[Body]:
    """The kernels and entries of a program's text form."""
    places = {m[1]: _place(m[2], m[3]) for m in map(_LOCATION.match, text.splitlines()) if m}
    bodies: list[Body] = []
    for line in text.splitlines():
        if re.match(r"(location|weight|message) ", line):
            continue
        head = re.match(r"(?:kernel|entry) (\w+)", line)
        if head:
            bodies.append(Body(head[1]))
        match = _REFERENCE.match(line)
        if bodies:
            bodies[-1].lines.append(Line(match[1], places.get(match[2], "")) if match else Line(line))
    return bodies


def _functions(
    text: str, begins: re.Pattern[str], ends: Callable[[str], bool], line_of: Callable[[str], Line | None]
) -> list[Body]:
    bodies: list[Body] = []
    inside = False
    for line in text.splitlines():
        match = None if inside else begins.match(line)
        if match:
            bodies.append(Body(match[1]))
            inside = True
        if inside:
            made = line_of(line)
            if made is not None:
                bodies[-1].lines.append(made)
            inside = not ends(line)
    return bodies


_MLIR_PLACE = re.compile(r" (?:callsite\()?(<\w+>|[^\s:()]+):(\d+):\d+(?: at [^)]*\))?")


def mlir(text: str) -> list[Body]:
    """The functions of a module printed with places at the ends of lines."""

    def line_of(line: str) -> Line:
        places = list(_MLIR_PLACE.finditer(line))
        place = places[-1] if places and places[-1].end() == len(line) else None
        return Line(_MLIR_PLACE.sub("", line).removeprefix("  "), _place(place[1], place[2]) if place else "")

    begins = re.compile(r"  llvm\.func .*?@(\w+)\(.*\{")
    return _functions(text, begins, lambda line: line.startswith("  }"), line_of)


_DEBUG = re.compile(r",? !dbg !(\d+)")


def llvm(text: str) -> list[Body]:
    """The functions of LLVM modules in text, one after the other."""
    return [body for module in re.split(r"^(?=; ModuleID)", text, flags=re.MULTILINE) for body in _llvm(module)]


def _llvm(text: str) -> list[Body]:
    nodes = {m[1]: m[2] for m in re.finditer(r"^!(\d+) = (?:distinct )?(!DI\w+\(.*\))$", text, re.MULTILINE)}

    def file_of(node: str) -> str:
        found = re.search(r"\bfile: !(\d+)", nodes.get(node, ""))
        scope = re.search(r"\bscope: !(\d+)", nodes.get(node, ""))
        if found is None:
            return file_of(scope[1]) if scope else ""
        name = re.search(r'filename: "([^"]*)"', nodes.get(found[1], ""))
        return name[1] if name else ""

    places: dict[str, str] = {}
    for number, node in nodes.items():
        at = re.match(r"!DILocation\(line: (\d+)", node)
        if at:
            places[number] = _place(file_of(number), at[1])

    def line_of(line: str) -> Line:
        reference = _DEBUG.search(line)
        place = places.get(reference[1], "") if reference and not line.startswith("define") else ""
        return Line(_DEBUG.sub("", line), place)

    return _functions(text, re.compile(r"define .*?@(\w+)\("), lambda line: line == "}", line_of)


_FILE = re.compile(r'\s*\.file\s+(\d+) (?:"[^"]*" )?"([^"]*)"')
_LOC = re.compile(r"\s*\.loc\s+(\d+) (\d+)")
_NOISE = re.compile(r"\s+\.(?!byte|short|long|quad|zero)|\.L(?:tmp|func_begin|func_end)\w*:|\s*#|\s*$")


def assembly(text: str) -> list[Body]:
    """The functions of files of assembly, one after the other, without directives."""
    return [body for file in re.split(r'^(?=\s*\.file\s+")', text, flags=re.MULTILINE) for body in _assembly(file)]


def _assembly(text: str) -> list[Body]:
    files = {m[1]: m[2] for m in map(_FILE.match, text.splitlines()) if m}
    functions = set(re.findall(r"\.type\s+(\w+),[@%]function", text))
    bodies: list[Body] = []
    inside, place = False, ""
    for line in text.splitlines():
        label = re.match(r"(\w+):", line)
        if label and label[1] in functions:
            bodies.append(Body(label[1]))
            inside, place = True, ""
        elif line.startswith(".Lfunc_end"):
            inside = False
        at = _LOC.match(line)
        if at:
            # Line 0 is code without a line of its own: it belongs to what is around it.
            place = _place(files.get(at[1], ""), at[2]) or place
        if inside and not _NOISE.match(line):
            bodies[-1].lines.append(Line(line.expandtabs(8).rstrip(), "" if label else place))
    return bodies


def of_kernel(bodies: list[Body], prefix: str, kernel: str) -> Iterator[Body]:
    """The functions that a kernel or an entry became: its own, the bodies of its parallel loops, its loops apart."""
    name = re.compile(re.escape(f"{prefix}__{kernel}") + r"(__(piece|task|run|part\d+))?")
    yield from (b for b in bodies if name.fullmatch(b.name))
