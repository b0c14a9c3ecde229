"""Indices and expressions of the loop IR as Python source: one assignment for each scalar operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tcc.errors import InternalError
from tcc.ir.dim import Atom, Extremum, FloorDiv, Size
from tcc.ir.dtype import DType
from tcc.ir.location import UNKNOWN, Location
from tcc.ir.scalar import COMBINES, Apply, Const, Expr, Name
from tcc.loops import interpret_scalar as scalar
from tcc.loops.program import Load, Position

Combiner = Callable[..., tuple[Any, ...]]


class ExpressionSource:
    """Source text under construction, and the objects that it refers to by name.

    A value ``x`` is the variable ``v_x``; as part of an index it is the Python int ``i_x``; a buffer's
    elements are ``b_x`` and their written marks ``w_x``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: list[str] = []
        self.depth = 1
        self.globals: dict[str, Any] = {}
        self.locations: list[Location] = []
        self.counter = 0
        self.combiners: dict[tuple[str, tuple[DType, ...]], str] = {}

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append("    " * self.depth + text)

    def fresh(self, prefix: str = "t") -> str:
        """A new name."""
        self.counter += 1
        return f"{prefix}{self.counter}"

    def constant(self, value: Any) -> str:
        """A name for an object."""
        name = self.fresh("k")
        self.globals[name] = value
        return name

    def location(self, location: Location) -> int:
        """The number under which errors find a location."""
        self.locations.append(location)
        return len(self.locations) - 1

    # --- indices and expressions ---------------------------------------------------------------

    def index(self, size: Size, location: Location) -> str:
        """An index as a Python expression of ints."""
        if isinstance(size, int):
            return str(size) if size >= 0 else f"({size})"
        terms: list[str] = []
        for monomial, coefficient in size.terms:
            factors = [self._atom(a, location) for a, power in monomial for _ in range(power)]
            terms.append("*".join([str(coefficient), *factors] if coefficient != 1 or not factors else factors))
        return "(" + " + ".join(terms) + ")"

    def _atom(self, atom: Atom, location: Location) -> str:
        if isinstance(atom, FloorDiv):
            above, below = self.index(atom.numerator, location), self.index(atom.denominator, location)
            if isinstance(atom.denominator, int):
                return f"({above}//{below})"
            divisor = self.fresh()
            bad = f"run.bad_division({self.location(location)})"
            return f"({above}//({divisor} if ({divisor} := {below}) > 0 else {bad}))"
        if isinstance(atom, Extremum):
            return f"{atom.kind}({', '.join(self.index(a, location) for a in atom.arguments)})"
        return f"i_{atom.name}"

    def expr(self, root: Expr, location: Location) -> str:
        """Lines that evaluate an expression, every shared part once; the variable it ends up in."""
        done: dict[int, str] = {}
        stack = [root]
        while stack:
            node = stack[-1]
            if id(node) in done:
                stack.pop()
                continue
            missing = [a for a in scalar.arguments(node) if id(a) not in done]
            if missing:
                stack += reversed(missing)
                continue
            stack.pop()
            done[id(node)] = self._node(node, [done[id(a)] for a in scalar.arguments(node)], location)
        return done[id(root)]

    def _node(self, node: Expr, arguments: list[str], location: Location) -> str:
        if isinstance(node, Name):
            return f"v_{node.name}"
        if isinstance(node, Const):
            return self.constant(scalar.number(node.value, node.dtype))
        result = self.fresh()
        if isinstance(node, Apply):
            text = scalar.text(node, arguments, self.constant)
        elif isinstance(node, Position):
            text = f"{self.constant(scalar.wrapper(node.dtype))}({self.index(node.index, location)})"
        elif isinstance(node, Load):
            text = self._load(node, node.location if node.location.known else location)
            if arguments:
                text = f"({text}) if {arguments[0]} else {self.constant(scalar.number(0, node.dtype))}"
        else:
            raise InternalError(f"the loop IR has no expression {type(node).__name__}")
        self.line(f"{result} = {text}")
        return result

    def _load(self, node: Load, place: Location) -> str:
        index, at = self.fresh(), self.index(node.index, place)
        if node.word:
            return f'run.word("{node.buffer}", b_{node.buffer}, w_{node.buffer}, {at}, {self.location(place)})'
        return (
            f"b_{node.buffer}[{index}] if 0 <= ({index} := {at}) < len(b_{node.buffer})"
            f" and w_{node.buffer}[{index}] else " + self.bad("load", node.buffer, index, place)
        )

    def bad(self, kind: str, buffer: str, index: str, location: Location) -> str:
        """A call that raises for an access."""
        return f'run.bad_access("{kind}", "{buffer}", {index}, len(b_{buffer}), {self.location(location)})'

    def combiner(self, name: str, dtypes: tuple[DType, ...]) -> str:
        """A function of two tuples."""
        if (name, dtypes) not in self.combiners:
            inner = ExpressionSource(name)
            arity = len(dtypes)
            a = tuple(Name(d, f"a{i}") for i, d in enumerate(dtypes))
            b = tuple(Name(d, f"b{i}") for i, d in enumerate(dtypes))
            results = COMBINES[name].apply(a, b)
            inner.line("(" + "".join(f"v_a{i}, " for i in range(arity)) + ") = a")
            inner.line("(" + "".join(f"v_b{i}, " for i in range(arity)) + ") = b")
            values = [inner.expr(r, UNKNOWN) for r in results]
            text = "\n".join(["def main(a, b):", *inner.lines, f"    return ({''.join(v + ', ' for v in values)})"])
            exec(compile(text, f"<combine {name}>", "exec"), inner.globals)
            self.combiners[name, dtypes] = self.constant(inner.globals["main"])
        return self.combiners[name, dtypes]
