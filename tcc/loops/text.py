"""The loop IR as text: `to_text` prints a program, `parse` reads it back.

Expressions and sizes are spelled as in Python; a guard is ``X[i] if c else 0``. What a definition
does not say is the default: an axis runs from its lower bound to its upper bound minus 1, a symbol or
an integer let from 0 on (``within lower..upper+1`` says otherwise). Locations are those of
statements, kernels and entries (``@1`` into a table at the end), and left out on request.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tcc.errors import InternalError
from tcc.ir import dim
from tcc.ir.dim import Size, Symbol
from tcc.ir.dtype import BOOL
from tcc.ir.location import Location
from tcc.ir.scalar import Apply, Const, Expr, Name
from tcc.loops import walk
from tcc.loops.parse import parse
from tcc.loops.program import (
    Alloc,
    Apart,
    Barrier,
    Block,
    Blocks,
    Call,
    Carry,
    Check,
    Copy,
    Entry,
    If,
    Kernel,
    Let,
    Load,
    Loop,
    Panel,
    Parallel,
    Position,
    Prefetch,
    Program,
    Stmt,
    Store,
    Switch,
    TileOp,
    View,
    Warps,
)

__all__ = ["expr_text", "parse", "to_text"]

# Python's operators and their precedences; comparisons do not associate.
INFIX: Mapping[str, tuple[str, int]] = {
    "eq": ("==", 1), "ne": ("!=", 1), "lt": ("<", 1), "le": ("<=", 1), "gt": (">", 1), "ge": (">=", 1),
    "or": ("|", 2), "xor": ("^", 3), "and": ("&", 4),
    "add": ("+", 5), "sub": ("-", 5), "mul": ("*", 6), "div": ("/", 6),
}  # fmt: skip
_PREFIX = {"neg": "-", "not": "~"}
_UNARY, _ATOM = 7, 8


def to_text(program: Program | Kernel | Entry, locations: bool = True) -> str:
    """The text of a program, a kernel or an entry."""
    printer = _Printer(locations)
    if isinstance(program, Program):
        lines = [f"message {k} {json.dumps(m)}" for k, m in enumerate(program.messages)]
        lines += [f"weight {name} {digest}" for name, digest in program.weights]
        for kernel in program.kernels:
            lines += printer.kernel(kernel)
        for entry in program.entries:
            lines += printer.entry(entry)
    else:
        lines = list(printer.kernel(program) if isinstance(program, Kernel) else printer.entry(program))
    return "\n".join([*lines, *printer.table()]) + "\n"


def expr_text(expr: Expr) -> str:
    """The text of an expression."""
    return _expr(expr)[0]


def _expr(expr: Expr) -> tuple[str, int]:
    """An expression's text and how tightly it binds."""
    if isinstance(expr, Name):
        return expr.name, _ATOM
    if isinstance(expr, Const):
        return f"{expr.dtype}({_number(expr)})", _ATOM
    if isinstance(expr, Position):
        return f"position[{expr.dtype}]({expr.index})", _ATOM
    if isinstance(expr, Load):
        text = f"{expr.buffer}[{expr.index}]"
        text = f"word({text})" if expr.word else text
        return (text, _ATOM) if expr.guard is None else (f"{text} if {_inside(expr.guard, 1)} else 0", 0)
    if not isinstance(expr, Apply):
        raise InternalError(f"the loop IR has no expression {type(expr).__name__}")
    if expr.op in INFIX:
        sign, level = INFIX[expr.op]
        left, right = expr.args
        return f"{_inside(left, level + (level == 1))} {sign} {_inside(right, level + 1)}", level
    if expr.op in _PREFIX:
        return _PREFIX[expr.op] + _inside(expr.args[0], _UNARY), _UNARY
    given = f"[{expr.dtype}]" if expr.op in ("cast", "bitcast", "complex") else ""
    return f"{expr.op}{given}({', '.join(_expr(a)[0] for a in expr.args)})", _ATOM


def _inside(expr: Expr, level: int) -> str:
    text, own = _expr(expr)
    return text if own >= level else f"({text})"


def _number(const: Const) -> str:
    value = const.value
    if const.dtype.is_complex:
        return f"{complex(value).real!r}, {complex(value).imag!r}"
    if const.dtype.is_float:
        return repr(float(value.real))
    return str(int(bool(value)) if const.dtype == BOOL else int(value.real))


def _tuple(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"({', '.join(parts)})"


class _Printer:
    def __init__(self, locations: bool) -> None:
        self.locations = locations
        self.known: dict[Location, int] = {}
        self.symbols: dict[str, Symbol] = {}

    def at(self, location: Location) -> str:
        """The reference to a location at the end of a line."""
        if not self.locations or not location.known:
            return ""
        return f"  @{self.number(location)}"

    def number(self, location: Location) -> int:
        """The number of a location in the table."""
        if location not in self.known:
            if location.inlined_at is not None:
                self.number(location.inlined_at)
            self.known[location] = len(self.known) + 1
        return self.known[location]

    def table(self) -> Iterator[str]:
        """The table of locations."""
        for location, number in self.known.items():
            outer = f" inlined {self.known[location.inlined_at]}" if location.inlined_at is not None else ""
            yield (
                f"location {number} {json.dumps(location.file)} {location.line} {json.dumps(location.function)}{outer}"
            )

    def learn(self, sizes: Iterable[Size]) -> None:
        """The symbols of sizes, and those in their bounds, by name."""
        for size in sizes:
            for symbol in dim.symbols(size):
                if symbol.name not in self.symbols:
                    self.symbols[symbol.name] = symbol
                    self.learn([] if symbol.upper is None else [symbol.upper])

    def within(self, name: str, lower: int, upper: Size | None) -> str:
        """The range of a symbol, where it is not the default."""
        symbol = self.symbols.get(name)
        if symbol is None or (symbol.lower, symbol.upper) == (lower, upper):
            return ""
        return f" within {symbol.lower}..{'' if symbol.upper is None else symbol.upper + 1}"

    def header_symbols(self, names: Sequence[str]) -> str:
        return ", ".join(n + self.within(n, 0, None) for n in names)

    def kernel(self, kernel: Kernel) -> Iterator[str]:
        """The lines of a kernel."""
        self.symbols = {}
        self.learn(walk.all_sizes(kernel.body))
        parameters = ", ".join(f"{p.name}: {p.dtype} {p.access}" for p in kernel.parameters)
        symbols = f"; {self.header_symbols(kernel.symbols)}" if kernel.symbols else ""
        yield f"kernel {kernel.name}({parameters}{symbols}){self.at(kernel.location)}"
        yield from self.block(kernel.body, "  ")

    def entry(self, entry: Entry) -> Iterator[str]:
        """The lines of an entry."""
        self.symbols = {}
        own = [entry.workspace, entry.worker_bytes, *(o for _, o in entry.offsets), *(b.size for b in entry.buffers)]
        self.learn([*own, *walk.all_sizes(entry.body)])
        offsets = dict(entry.offsets)
        yield f"entry {entry.name}({self.header_symbols(entry.symbols)}){self.at(entry.location)}"
        for b in entry.buffers:
            at = f" at {offsets[b.name]}" if b.name in offsets else ""
            yield f"  buffer {b.name}: {b.dtype}[{b.size}] {b.space}{at}"
        yield " ".join(["  inputs", ", ".join(entry.inputs)]).rstrip()
        yield " ".join(["  outputs", ", ".join(entry.outputs)]).rstrip()
        yield f"  workspace {entry.workspace}"
        yield f"  worker_bytes {entry.worker_bytes}"
        yield "  body"
        yield from self.block(entry.body, "    ")

    def block(self, block: Block, indent: str) -> Iterator[str]:
        """The lines of a block."""
        for statement in block:
            yield from self.statement(statement, indent)

    def statement(self, statement: Stmt, indent: str) -> Iterator[str]:
        """The lines of a statement."""
        deeper = indent + "  "
        match statement:
            case Let(name, value, location):
                yield f"{indent}let {name}{self.within(name, 0, None)} = {expr_text(value)}{self.at(location)}"
            case Store(buffer, index, value, combine, unique, nontemporal, location):
                hint = "" if nontemporal == 0 else f"nontemporal({nontemporal}) "
                flags = ("" if unique else "shared ") + hint
                sign = f"<{combine}>=" if combine else "="
                yield f"{indent}{flags}{buffer}[{index}] {sign} {expr_text(value)}{self.at(location)}"
            case Prefetch(buffer, index, write, location):
                yield f"{indent}prefetch {'write ' if write else ''}{buffer}[{index}]{self.at(location)}"
            case Check(condition, message, location):
                yield f"{indent}check {message}: {expr_text(condition)}{self.at(location)}"
            case If(condition, body, otherwise, location):
                yield f"{indent}if {expr_text(condition)}{self.at(location)}"
                yield from self.block(body, deeper)
                if otherwise:
                    yield f"{indent}else"
                    yield from self.block(otherwise, deeper)
            case Alloc(b):
                yield f"{indent}alloc {b.name}: {b.dtype}[{b.size}] {b.space}"
            case Loop():
                yield from self.loop(statement, indent)
            case TileOp(acc, a, b, (m, n, k), location):
                product = f"{_panel(a)} @ {_panel(b)} {m}x{n}x{k}"
                yield f"{indent}tile {_panel(acc)} += {product}{self.at(location)}"
            case Barrier(location):
                yield f"{indent}barrier{self.at(location)}"
            case Switch(index, cases, location):
                yield f"{indent}switch {index}{self.at(location)}"
                for number, case in enumerate(cases):
                    yield f"{deeper}case {number}"
                    yield from self.block(case, deeper + "  ")
            case Call(kernel, buffers, sizes, location):
                views = ", ".join(v.buffer if v.offset == 0 else _view(v) for v in buffers)
                numbers = f"; {', '.join(map(str, sizes))}" if sizes else ""
                yield f"{indent}call {kernel}({views}{numbers}){self.at(location)}"
            case Copy(source, target, count, location):
                yield f"{indent}copy {count}: {_view(target)} = {_view(source)}{self.at(location)}"

    def loop(self, loop: Loop, indent: str) -> Iterator[str]:
        """The lines of a loop."""
        lower = loop.lo if isinstance(loop.lo, int) else 0
        parts = [f"for {loop.axis} in {loop.lo}..{loop.hi}{self.within(loop.axis, lower, loop.hi - 1)}"]
        parts += [f"lanes {loop.lanes}"] if loop.lanes != 1 else []
        parts += [f"copies {loop.copies}"] if loop.copies != 1 else []
        parts += ["unrolled"] if loop.unrolled else []
        match loop.mapping:
            case Parallel(grain):
                parts.append(f"parallel {grain}")
            case Blocks(threads):
                parts.append(f"blocks {threads}")
            case Warps():
                parts.append("warps")
            case Apart():
                parts.append("apart")
            case _:
                pass
        yield indent + " ".join(parts) + self.at(loop.location)
        for carry in loop.carries:
            yield indent + "  " + _carry(carry) + self.at(carry.location)
        if loop.while_ is not None:
            yield f"{indent}  while {expr_text(loop.while_)}"
        yield from self.block(loop.body, indent + "  ")


def _panel(panel: Panel) -> str:
    return f"{panel.buffer}[{panel.offset}; {panel.row}, {panel.column}]"


def _view(view: View) -> str:
    return f"{view.buffer}[{view.offset}]"


def _carry(carry: Carry) -> str:
    names = _tuple([f"{n}: {d}" for n, d in zip(carry.names, carry.dtypes, strict=True)])
    init, update = (_tuple([expr_text(e) for e in part]) for part in (carry.init, carry.update))
    word = "carry" if not carry.combine else "scan" if carry.prefix else "reduce"
    return f"{word} {names} = {init} {f'<{carry.combine}>' if carry.combine else '->'} {update}"
