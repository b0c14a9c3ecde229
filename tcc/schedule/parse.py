"""Reading the loop IR's text form (see `tcc.schedule.text`); sizes are taken as written, unsimplified."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tcc.errors import UserError
from tcc.ir import dtype
from tcc.ir.dim import Size, Symbol
from tcc.ir.dtype import DType
from tcc.ir.location import UNKNOWN, Location
from tcc.ir.scalar import Expr
from tcc.schedule.parse_expression import Scope, SpellingError, read_exprs, read_size
from tcc.schedule.program import (
    Alloc,
    Block,
    Buffer,
    Call,
    Carry,
    Check,
    Copy,
    Entry,
    If,
    Kernel,
    Let,
    Loop,
    Parallel,
    Parameter,
    Program,
    Serial,
    Stmt,
    Store,
    Switch,
    View,
)

_WITHIN = r"(?: within (?P<lower>-?\d+)\.\.(?P<upper>.*?))?"
_LET = re.compile(rf"let (?P<name>\w+){_WITHIN} = (?P<value>.*)")
_FOR = re.compile(
    rf"for (?P<axis>\w+) in (?P<lo>.*?)\.\.(?P<hi>.*?){_WITHIN}(?: lanes (?P<lanes>\d+))?(?: copies (?P<copies>\d+))?"
    r"(?P<unrolled> unrolled)?(?: parallel (?P<grain>.*))?"
)
_CARRY = re.compile(
    r"(?P<word>carry|reduce|scan) (?P<names>.*?) = (?P<init>.*?) (?:->|<(?P<combine>\w+)>) (?P<update>.*)"
)
_STORE = re.compile(
    r"(?P<shared>shared )?(?P<hint>nontemporal )?(?P<buffer>\w+)\[(?P<index>.*?)\] (?:<(?P<combine>\w+)>)?= "
    r"(?P<value>.*)"
)
_BUFFER = re.compile(r"(?P<name>\w+): (?P<dtype>\w+)\[(?P<size>.*)\] (?P<space>\w+)(?: at (?P<offset>.*))?")
_CALL = re.compile(r"call (?P<kernel>\w+)\((?P<views>[^;]*)(?:; (?P<sizes>.*))?\)")
_COPY = re.compile(r"copy (?P<count>.*?): (?P<target>.*) = (?P<source>.*)")
_KERNEL = re.compile(r"kernel (?P<name>\w+)\((?P<parameters>[^;]*)(?:; (?P<symbols>.*))?\)")
_ENTRY = re.compile(r"entry (?P<name>\w+)\((?P<symbols>.*)\)")


@dataclass
class _Line:
    number: int
    text: str
    at: Location = UNKNOWN
    inside: list[_Line] = field(default_factory=list["_Line"])


def parse(text: str) -> Program:
    """The program that a text spells. UserError names the line that is none."""
    top, locations = _lines(text)
    current = 0
    kernels: list[Kernel] = []
    entries: list[Entry] = []
    weights: list[tuple[str, str]] = []
    messages: list[str] = []

    def reader(line: _Line) -> _Reader:
        return _Reader(locations, line)

    for line in top:
        current = line.number
        try:
            word = line.text.split(" ", 1)[0]
            if word == "kernel":
                kernels.append(reader(line).kernel(line))
            elif word == "entry":
                entries.append(reader(line).entry(line))
            elif word == "weight":
                name, digest = line.text.split()[1:]
                weights.append((name, digest))
            elif word == "message":
                messages.append(json.loads(line.text.split(" ", 2)[2]))
            else:
                raise SpellingError("expected kernel, entry, weight or message")
        except _LineError as error:
            raise _error(error.line, str(error.reason)) from None
        except (SpellingError, ValueError, IndexError) as error:
            raise _error(current, str(error)) from None
    return Program(tuple(kernels), tuple(entries), tuple(weights), tuple(messages))


def _error(number: int, why: str) -> UserError:
    return UserError(f"line {number} of a loop program cannot be read", why=why)


class _LineError(Exception):
    def __init__(self, line: int, reason: str) -> None:
        self.line, self.reason = line, reason
        super().__init__(reason)


def _lines(text: str) -> tuple[list[_Line], dict[int, Location]]:
    """The lines as a tree by indentation, and the table of locations."""
    root = _Line(0, "")
    stack: list[tuple[int, _Line]] = [(-1, root)]
    locations: dict[int, Location] = {}
    marks: list[tuple[_Line, int]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        if not raw.strip():
            continue
        if raw.startswith("location "):
            try:
                _read_location(raw, locations)
            except (ValueError, KeyError, IndexError) as error:
                raise _error(number, str(error)) from None
            continue
        indent = len(raw) - len(raw.lstrip(" "))
        body, _, mark = raw.strip().partition("  @")
        line = _Line(number, body)
        if mark:
            marks.append((line, int(mark)))
        while stack[-1][0] >= indent:
            stack.pop()
        stack[-1][1].inside.append(line)
        stack.append((indent, line))
    for line, mark in marks:
        if mark not in locations:
            raise _error(line.number, f"there is no location {mark}")
        line.at = locations[mark]
    return root.inside, locations


def _read_location(text: str, locations: dict[int, Location]) -> None:
    decoder = json.JSONDecoder()
    number, rest = text.removeprefix("location ").split(" ", 1)
    file, end = decoder.raw_decode(rest)
    line, rest = rest[end + 1 :].split(" ", 1)
    function, end = decoder.raw_decode(rest)
    outer = rest[end:].removeprefix(" inlined ").strip()
    locations[int(number)] = Location(file, int(line), function, locations[int(outer)] if outer else None)


def _match(pattern: re.Pattern[str], text: str, expected: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise SpellingError(f"expected {expected}, got '{text}'")
    return match


def _split(text: str) -> list[str]:
    """The parts of a text between commas outside of brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [p.strip() for p in parts] if text.strip() else []


class _Reader:
    """Reads one kernel or entry."""

    def __init__(self, locations: Mapping[int, Location], line: _Line) -> None:
        self.locations = locations
        self.line = line

    # --- kernels and entries -------------------------------------------------------------------

    def kernel(self, line: _Line) -> Kernel:
        match = _match(_KERNEL, line.text, "kernel name(x: f32 read, …; n, …)")
        scope = Scope()
        parameters: list[Parameter] = []
        for part in _split(match["parameters"]):
            name, kind, access = part.replace(":", " ").split()
            parameters.append(Parameter(name, dtype.parse(kind), access))
            scope.buffers[name] = parameters[-1].dtype
        symbols = self.symbols(match["symbols"] or "", scope)
        return Kernel(match["name"], tuple(parameters), symbols, self.block(line.inside, scope), line.at)

    def entry(self, line: _Line) -> Entry:
        match = _match(_ENTRY, line.text, "entry name(n, …)")
        scope = Scope()
        symbols = self.symbols(match["symbols"], scope)
        buffers: list[Buffer] = []
        offsets: list[tuple[str, Size]] = []
        parts: dict[str, str] = {}
        body: Block = ()
        for inner in line.inside:
            self.line = inner
            word, _, rest = inner.text.partition(" ")
            if word == "buffer":
                buffer, offset = self.buffer(rest, scope)
                buffers.append(buffer)
                offsets += [] if offset is None else [(buffer.name, offset)]
            elif word == "body":
                body = self.block(inner.inside, scope)
            else:
                parts[word] = rest
        try:
            inputs, outputs = tuple(_split(parts["inputs"])), tuple(_split(parts["outputs"]))
            workspace, worker = (self.size(parts[k], scope) for k in ("workspace", "worker_bytes"))
        except KeyError as missing:
            raise _LineError(line.number, f"the entry has no {missing.args[0]}") from None
        return Entry(
            match["name"], symbols, tuple(buffers), inputs, outputs, tuple(offsets), workspace, worker, body, line.at
        )

    def symbols(self, text: str, scope: Scope) -> tuple[str, ...]:
        names: list[str] = []
        for part in _split(text):
            match = _match(re.compile(rf"(?P<name>\w+){_WITHIN}"), part, "a symbol")
            names.append(match["name"])
            self.define(match, match["name"], 0, None, scope)
        return tuple(names)

    def define(self, match: re.Match[str], name: str, lower: int, upper: Size | None, scope: Scope) -> None:
        """Make a name a symbol: with its stated range, or the default one."""
        if match["lower"] is not None:
            lower = int(match["lower"])
            upper = self.size(match["upper"], scope) - 1 if match["upper"] else None
        scope.symbols[name] = Symbol(name, lower, upper)

    def buffer(self, text: str, scope: Scope) -> tuple[Buffer, Size | None]:
        match = _match(_BUFFER, text, "x: f32[n] space")
        made = Buffer(match["name"], dtype.parse(match["dtype"]), self.size(match["size"], scope), match["space"])
        scope.buffers[made.name] = made.dtype
        return made, None if match["offset"] is None else self.size(match["offset"], scope)

    # --- statements ----------------------------------------------------------------------------

    def block(self, lines: list[_Line], scope: Scope) -> Block:
        """The statements of a block; what they define is seen by later ones and stays in ``scope``."""
        block: list[Stmt] = []
        for line in lines:
            self.line = line
            try:
                if line.text == "else":
                    before = block.pop() if block else None
                    if not isinstance(before, If):
                        raise SpellingError("else without an if")
                    block.append(replace(before, otherwise=self.block(line.inside, scope.inner())))
                else:
                    block.append(self.statement(line, scope))
            except (SpellingError, ValueError, SyntaxError) as error:
                raise _LineError(line.number, str(error)) from None
        return tuple(block)

    def statement(self, line: _Line, scope: Scope) -> Stmt:
        text, at = line.text, line.at
        word, _, rest = text.partition(" ")
        if word == "let":
            match = _match(_LET, text, "let name = value")
            value = self.expr(match["value"], scope)
            scope.values[match["name"]] = value.dtype
            self.define(match, match["name"], 0, None, scope)
            return Let(match["name"], value, at)
        if word == "check":
            number, _, condition = rest.partition(": ")
            return Check(self.expr(condition, scope), int(number), at)
        if word == "if":
            return If(self.expr(rest, scope), self.block(line.inside, scope.inner()), (), at)
        if word == "alloc":
            return Alloc(self.buffer(rest, scope)[0])
        if word == "for":
            return self.loop(line, scope)
        if word == "switch":
            cases = [self.block(c.inside, scope.inner()) for c in line.inside if c.text.startswith("case")]
            return Switch(self.size(rest, scope), tuple(cases), at)
        if word == "call":
            match = _match(_CALL, text, "call kernel(x, …; n, …)")
            views = tuple(self.view(v, scope) for v in _split(match["views"]))
            return Call(match["kernel"], views, tuple(self.size(s, scope) for s in _split(match["sizes"] or "")), at)
        if word == "copy":
            match = _match(_COPY, text, "copy count: y[0] = x[0]")
            count = self.size(match["count"], scope)
            return Copy(self.view(match["source"], scope), self.view(match["target"], scope), count, at)
        match = _match(_STORE, text, "a statement")
        return Store(
            match["buffer"],
            self.size(match["index"], scope),
            self.expr(match["value"], scope),
            match["combine"] or "",
            match["shared"] is None,
            match["hint"] is not None,
            at,
        )

    def view(self, text: str, scope: Scope) -> View:
        match = _match(re.compile(r"(\w+)(?:\[(.*)\])?"), text, "a buffer")
        return View(match[1], self.size(match[2], scope) if match[2] else 0)

    def loop(self, line: _Line, scope: Scope) -> Loop:
        match = _match(_FOR, line.text, "for axis in lo..hi")
        lo, hi = self.size(match["lo"], scope), self.size(match["hi"], scope)
        grain = match["grain"]
        mapping = Parallel(self.size(grain, scope)) if grain else Serial()
        inner = scope.inner()
        self.define(match, match["axis"], lo if isinstance(lo, int) else 0, hi - 1, inner)
        heads = [x for x in line.inside if re.match(r"(carry|reduce|scan|while) ", x.text)]
        matches = [(x, _match(_CARRY, x.text, "a carry")) for x in heads if not x.text.startswith("while")]
        outside = scope.inner()
        for _, carry in matches:
            self.names(carry["names"], scope)
            self.names(carry["names"], inner)
        body = self.block([x for x in line.inside if x not in heads], inner)
        carries: list[Carry] = []
        for head, carry in matches:
            self.line = head
            names, dtypes = self.names(carry["names"], inner)
            init = read_exprs(carry["init"], len(names), outside)
            update = read_exprs(carry["update"], len(names), inner)
            prefix = carry["word"] == "scan"
            carries.append(Carry(names, dtypes, init, update, carry["combine"] or "", prefix, head.at))
        ends = [self.expr(x.text.removeprefix("while "), inner) for x in heads if x.text.startswith("while")]
        return Loop(
            match["axis"],
            lo,
            hi,
            body,
            int(match["lanes"] or 1),
            int(match["copies"] or 1),
            mapping,
            tuple(carries),
            ends[0] if ends else None,
            match["unrolled"] is not None,
            line.at,
        )

    def names(self, text: str, scope: Scope) -> tuple[tuple[str, ...], tuple[DType, ...]]:
        pairs = [part.split(": ") for part in _split(text.strip("()"))]
        names, dtypes = tuple(p[0] for p in pairs), tuple(dtype.parse(p[1]) for p in pairs)
        scope.values.update(zip(names, dtypes, strict=True))
        return names, dtypes

    # --- sizes and expressions -----------------------------------------------------------------

    def size(self, text: str, scope: Scope) -> Size:
        return read_size(text, scope)

    def expr(self, text: str, scope: Scope) -> Expr:
        return read_exprs(text, 1, scope)[0]
