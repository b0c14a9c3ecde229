"""What the loop IR's verifier knows at one place of a program, and its rules on expressions and sizes."""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from tcc.errors import InternalError
from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import BOOL, I64, U32, DType
from tcc.ir.location import Location
from tcc.ir.scalar import COMBINES, TABLE, Apply, Const, Expr, Name, apply
from tcc.loops.program import Load, Loop, Position

Range = tuple[int, Size | None]


@dataclass(frozen=True)
class Known:
    """A buffer at some place: ``access`` is read, write or update; ``depth`` the number of loops around it."""

    dtype: DType
    access: str
    depth: int = 0


@dataclass
class Place:
    """Names visible at a place of a kernel or an entry.

    ``depends`` holds for each value and axis the axes that it may depend on; ``loops`` are the loops
    around, outermost first, and ``reserved`` the names that they define for what follows; ``ranges``
    is shared by all places, since a name has one range.
    """

    where: str
    values: Mapping[str, DType] = field(default_factory=dict[str, DType])
    symbols: frozenset[str] = frozenset()
    buffers: Mapping[str, Known] = field(default_factory=dict[str, Known])
    depends: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    loops: tuple[Loop, ...] = ()
    reserved: frozenset[str] = frozenset()
    ranges: dict[str, Range] = field(default_factory=dict[str, Range])

    def fail(self, what: str, why: str, location: Location) -> InternalError:
        """The error for a broken rule."""
        return InternalError(f"{self.where}: {what}", why=why, where=location.place())

    def define(self, name: str, dtype: DType | None, depends: frozenset[str], location: Location) -> Place:
        """The place after a value (of a dtype) or an axis or size (None) is defined; integers may be indices."""
        check_name(self, name, location)
        if name in self.values or name in self.symbols or name in self.reserved:
            raise self.fail(f"'{name}' is defined where it is visible already", "a name is defined once", location)
        values = self.values if dtype is None else {**self.values, name: dtype}
        return replace(self, values=values, depends={**self.depends, name: depends})

    def index(self, name: str) -> Place:
        """The place where a defined name may be used in indices."""
        return replace(self, symbols=self.symbols | {name})

    def define_buffer(self, name: str, known: Known, location: Location) -> Place:
        check_name(self, name, location)
        if name in self.buffers:
            raise self.fail(f"buffer '{name}' is defined twice", "a name is defined once", location)
        return replace(self, buffers={**self.buffers, name: known})


def check_name(place: Place, name: str, location: Location) -> None:
    """A name is an identifier, so that the text form reads back."""
    if not name.isascii() or not name.isidentifier() or keyword.iskeyword(name):
        raise place.fail(f"'{name}' is no name", "names are identifiers and no Python keywords", location)


def check_size(place: Place, size: Size, location: Location) -> frozenset[str]:
    """A size uses visible symbols, each with its one range; returns the axes that it may depend on."""
    found: frozenset[str] = frozenset()
    for symbol in dim.symbols(size):
        if symbol.name not in place.symbols:
            raise place.fail(
                f"'{symbol.name}' in the index '{size}' is not defined here",
                "an index is made of axes, sizes and integer lets",
                location,
            )
        known = place.ranges.setdefault(symbol.name, (symbol.lower, symbol.upper))
        if known != (symbol.lower, symbol.upper):
            raise place.fail(
                f"'{symbol.name}' has the range {symbol.lower}..{symbol.upper} in '{size}' and another elsewhere",
                f"a name has one range; the other is {known[0]}..{known[1]}",
                location,
            )
        found |= place.depends.get(symbol.name, frozenset())
    return found


def check_uniform(place: Place, size: Size, what: str, location: Location) -> None:
    """A size that steers control is one for all lanes and copies."""
    depends = check_size(place, size, location)
    for loop in place.loops:
        if loop.lanes * loop.copies > 1 and loop.axis in depends:
            why = f"'{size}' depends on '{loop.axis}', whose loop has lanes or copies"
            raise place.fail(what, why, location)


def _parts(root: Expr) -> Iterator[Expr]:
    stack, seen = [root], set[int]()
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            if isinstance(node, Apply):
                stack += node.args
            elif isinstance(node, Load) and node.guard is not None:
                stack.append(node.guard)


def check_expr(place: Place, root: Expr, location: Location) -> frozenset[str]:
    """Every part of an expression has the dtype that it claims; returns the axes that it may depend on."""
    found: frozenset[str] = frozenset()
    for node in _parts(root):
        match node:
            case Name(dtype, name):
                if place.values.get(name) != dtype:
                    why = f"it is {place.values[name]}" if name in place.values else "it is not defined here"
                    raise place.fail(f"'{name}' is used as {dtype}", why, location)
                found |= place.depends[name]
            case Const():
                _check_const(place, node, location)
            case Position(dtype, index):
                found |= check_size(place, index, location)
                if not dtype.is_integer:
                    raise place.fail(f"the position '{index}' is {dtype}", "a position is an integer", location)
            case Load():
                found |= _check_load(place, node, location)
            case Apply():
                _check_apply(place, node, location)
            case _:
                raise place.fail(f"{type(node).__name__} is no expression", "see tcc.loops.program", location)
    return found


def _check_const(place: Place, const: Const, location: Location) -> None:
    value, dtype = const.value, const.dtype
    if dtype == BOOL:
        good = value in (0, 1)
    elif dtype.is_integer:
        low = -(2 ** (dtype.bits - 1)) if dtype.kind == "int" else 0
        # The identity of `and` is -1 in every integer dtype.
        good = isinstance(value, int) and min(low, -1) <= value < low + 2**dtype.bits
    else:
        good = dtype.is_complex or not isinstance(value, complex)
    if not good:
        raise place.fail(f"the constant {value!r} is {dtype}", "it has no such value", location)


def _check_load(place: Place, load: Load, location: Location) -> frozenset[str]:
    buffer = place.buffers.get(load.buffer)
    if buffer is None:
        raise place.fail(f"a load of '{load.buffer}'", "there is no such buffer here", location)
    if load.word and (load.dtype != U32 or buffer.dtype.bytes >= U32.bytes or buffer.dtype == BOOL):
        why = f"a word is a u32 of smaller numbers; the buffer is {buffer.dtype}"
        raise place.fail(f"a load of a word of '{load.buffer}' as {load.dtype}", why, location)
    if buffer.dtype != load.dtype and not load.word:
        raise place.fail(f"a load of '{load.buffer}' as {load.dtype}", f"the buffer is {buffer.dtype}", location)
    if buffer.access == "write":
        raise place.fail(f"a load of '{load.buffer}'", "the parameter is only written", location)
    if load.guard is not None and load.guard.dtype != BOOL:
        raise place.fail(f"the guard of a load of '{load.buffer}' is {load.guard.dtype}", "a guard is bool", location)
    depends = check_size(place, load.index, location)
    return depends if buffer.access == "read" else depends | {x.axis for x in place.loops}


def _check_apply(place: Place, node: Apply, location: Location) -> None:
    if node.op not in TABLE:
        raise place.fail(f"scalar operation '{node.op}'", "there is no such operation", location)
    given = TABLE[node.op].result == "given"
    try:
        expected = apply(node.op, *node.args, dtype=node.dtype if given else None).dtype
    except InternalError as error:
        raise place.fail(error.what, "operands have one dtype, of a kind that the operation takes", location) from None
    if expected != node.dtype:
        raise place.fail(f"'{node.op}' gives {node.dtype}", f"on these operands it gives {expected}", location)
    source, target = node.args[0].dtype, node.dtype
    if node.op == "bitcast" and (source.bits != target.bits or not (target.is_integer or target.is_float)):
        raise place.fail(f"a bitcast of {source} to {target}", "both are numbers of one size", location)
    if node.op == "complex" and (not target.is_complex or target.real != source):
        raise place.fail(f"two {source} parts as {target}", "the parts have the dtype of a complex's parts", location)


def check_combine(place: Place, name: str, dtypes: tuple[DType, ...], location: Location) -> None:
    """A combine takes and gives values of these dtypes."""
    if name not in COMBINES:
        raise place.fail(f"combine '{name}'", "there is no such combine", location)
    combine = COMBINES[name]
    if combine.arity != len(dtypes) or (combine.arity == 2 and dtypes[1] != I64 and not dtypes[1].is_integer):
        raise place.fail(f"combine '{name}' of {len(dtypes)} values", f"it takes {combine.arity}", location)
    a, b = (tuple(Name(d, f"{side}{k}") for k, d in enumerate(dtypes)) for side in "ab")
    try:
        made = tuple(e.dtype for e in combine.apply(a, b))
    except InternalError:
        made = ()
    if made != dtypes:
        raise place.fail(f"combine '{name}' of {', '.join(map(str, dtypes))}", "it takes no such dtypes", location)
