"""Reading the loop IR's text form (see `tcc.loops.text`); sizes are taken as written, unsimplified."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from tcc.ir import dtype
from tcc.ir.dim import Size, Symbol
from tcc.ir.dtype import DType
from tcc.ir.scalar import Expr
from tcc.loops.parse_expression import Scope, SpellingError, read_exprs, read_size
from tcc.loops.parse_lines import Line, line_error, read_lines
from tcc.loops.program import (
    Alloc,
    Apart,
    Barrier,
    Block,
    Blocks,
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
    Mapping,
    Panel,
    Parallel,
    Parameter,
    Prefetch,
    Program,
    Serial,
    Stmt,
    Store,
    Switch,
    TileOp,
    View,
    Warps,
)

_WITHIN = r"(?: within (?P<lower>-?\d+)\.\.(?P<upper>.*?))?"
_LET = re.compile(rf"let (?P<name>\w+){_WITHIN} = (?P<value>.*)")
_FOR = re.compile(
    rf"for (?P<axis>\w+) in (?P<lo>.*?)\.\.(?P<hi>.*?){_WITHIN}(?: lanes (?P<lanes>\d+))?(?: copies (?P<copies>\d+))?"
    r"(?P<unrolled> unrolled)?(?: parallel (?P<grain>.*)| blocks (?P<threads>\d+)|(?P<warps> warps)|(?P<apart> apart))?"
)
_CARRY = re.compile(
    r"(?P<word>carry|reduce|scan) (?P<names>.*?) = (?P<init>.*?) (?:->|<(?P<combine>\w+)>) (?P<update>.*)"
)
_STORE = re.compile(
    r"(?P<shared>shared )?(?:nontemporal\((?P<hint>.*?)\) )?(?P<buffer>\w+)\[(?P<index>.*?)\] (?:<(?P<combine>\w+)>)?= "
    r"(?P<value>.*)"
)
_PREFETCH = re.compile(r"prefetch (?P<write>write )?(?P<buffer>\w+)\[(?P<index>.*)\]")
_BUFFER = re.compile(r"(?P<name>\w+): (?P<dtype>\w+)\[(?P<size>.*)\] (?P<space>\w+)(?: at (?P<offset>.*))?")
_CALL = re.compile(r"call (?P<kernel>\w+)\((?P<views>[^;]*)(?:; (?P<sizes>.*))?\)")
_TILE = re.compile(r"tile (?P<acc>.*?) \+= (?P<a>.*?) @ (?P<b>.*?) (?P<m>\d+)x(?P<n>\d+)x(?P<k>\d+)")
_PANEL = re.compile(r"(?P<buffer>\w+)\[(?P<offset>.*?); (?P<strides>.*)\]")
_COPY = re.compile(r"copy (?P<count>.*?): (?P<target>.*) = (?P<source>.*)")
_KERNEL = re.compile(r"kernel (?P<name>\w+)\((?P<parameters>[^;]*)(?:; (?P<symbols>.*))?\)")
_ENTRY = re.compile(r"entry (?P<name>\w+)\((?P<symbols>.*)\)")


def parse(text: str) -> Program:
    """The program that a text spells. UserError names the line that is none."""
    kernels: list[Kernel] = []
    entries: list[Entry] = []
    weights: list[tuple[str, str]] = []
    messages: list[str] = []
    for line in read_lines(text):
        reader = _Reader(line)
        try:
            word = line.text.split(" ", 1)[0]
            if word == "kernel":
                kernels.append(reader.kernel(line))
            elif word == "entry":
                entries.append(reader.entry(line))
            elif word == "weight":
                name, digest = line.text.split()[1:]
                weights.append((name, digest))
            elif word == "message":
                messages.append(json.loads(line.text.split(" ", 2)[2]))
            else:
                raise SpellingError("expected kernel, entry, weight or message")
        except (SpellingError, ValueError, IndexError, SyntaxError) as error:
            raise line_error(reader.line.number, str(error)) from None
    return Program(tuple(kernels), tuple(entries), tuple(weights), tuple(messages))


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
    """Reads one kernel or entry; ``line`` is the one that is being read."""

    def __init__(self, line: Line) -> None:
        self.line = line

    # --- kernels and entries -------------------------------------------------------------------

    def kernel(self, line: Line) -> Kernel:
        match = _match(_KERNEL, line.text, "kernel name(x: f32 read, …; n, …)")
        scope = Scope()
        parameters: list[Parameter] = []
        for part in _split(match["parameters"]):
            name, kind, access = part.replace(":", " ").split()
            parameters.append(Parameter(name, dtype.parse(kind), access))
            scope.buffers[name] = parameters[-1].dtype
        symbols = self.symbols(match["symbols"] or "", scope)
        return Kernel(match["name"], tuple(parameters), symbols, self.block(line.inside, scope), line.at)

    def entry(self, line: Line) -> Entry:
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
            self.line = line
            raise SpellingError(f"the entry has no {missing.args[0]}") from None
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

    def block(self, lines: list[Line], scope: Scope) -> Block:
        """The statements of a block; what they define is seen by later ones and stays in ``scope``."""
        block: list[Stmt] = []
        for line in lines:
            self.line = line
            if line.text == "else":
                before = block.pop() if block else None
                if not isinstance(before, If):
                    raise SpellingError("else without an if")
                block.append(replace(before, otherwise=self.block(line.inside, scope.inner())))
            else:
                block.append(self.statement(line, scope))
        return tuple(block)

    def statement(self, line: Line, scope: Scope) -> Stmt:
        text, at = line.text, line.at
        word, _, rest = text.partition(" ")
        if word == "let":
            match = _match(_LET, text, "let name = value")
            value = self.expr(match["value"], scope)
            scope.values[match["name"]] = value.dtype
            self.define(match, match["name"], 0, None, scope)
            return Let(match["name"], value, at)
        if word == "prefetch":
            match = _match(_PREFETCH, text, "prefetch buffer[index]")
            return Prefetch(match["buffer"], self.size(match["index"], scope), bool(match["write"]), at)
        if word == "check":
            number, _, condition = rest.partition(": ")
            return Check(self.expr(condition, scope), int(number), at)
        if word == "if":
            return If(self.expr(rest, scope), self.block(line.inside, scope.inner()), (), at)
        if word == "alloc":
            return Alloc(self.buffer(rest, scope)[0])
        if word == "for":
            return self.loop(line, scope)
        if word == "tile":
            match = _match(_TILE, text, "tile c[0; n, 1] += a[0; k, 1] @ b[0; n, 1] 16x8x16")
            shape = (int(match["m"]), int(match["n"]), int(match["k"]))
            acc, a, b = (self.panel(match[p], scope) for p in ("acc", "a", "b"))
            return TileOp(acc, a, b, shape, at)
        if text == "barrier":
            return Barrier(at)
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
            self.size(match["hint"], scope) if match["hint"] else 0,
            at,
        )

    def panel(self, text: str, scope: Scope) -> Panel:
        match = _match(_PANEL, text, "a[0; k, 1]")
        row, column = (self.size(s, scope) for s in _split(match["strides"]))
        return Panel(match["buffer"], self.size(match["offset"], scope), row, column)

    def view(self, text: str, scope: Scope) -> View:
        match = _match(re.compile(r"(\w+)(?:\[(.*)\])?"), text, "a buffer")
        return View(match[1], self.size(match[2], scope) if match[2] else 0)

    def loop(self, line: Line, scope: Scope) -> Loop:
        match = _match(_FOR, line.text, "for axis in lo..hi")
        lo, hi = self.size(match["lo"], scope), self.size(match["hi"], scope)
        mapping: Mapping = Warps() if match["warps"] else Apart() if match["apart"] else Serial()
        if match["grain"]:
            mapping = Parallel(self.size(match["grain"], scope))
        elif match["threads"]:
            mapping = Blocks(int(match["threads"]))
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
