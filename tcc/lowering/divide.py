"""Modules in several ones, so that machine code is made of each at once."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tcc.lowering.function import declared, export
from tcc.lowering.mlir import ir


@dataclass(frozen=True)
class _Definition:
    """A function or constant of a module: how many operations it has, and the names that they refer to."""

    operation: ir.Operation
    length: int
    names: Sequence[str]


def divided(module: ir.Module, apart: Sequence[str], least: float) -> list[ir.Module]:
    """New modules of at least ``least`` operations, into which the functions of loops ``apart`` of a module have gone.

    Those functions are hidden symbols then, which the module declares. What they need of the module beside each other
    (code that is outlined, constants) they get a copy of.
    """
    if not apart:
        return []
    symbols = {_name(op): _definition(op.operation) for op in module.body.operations}
    inner = {n for name in apart for n in _needed([name], symbols) if n in apart}
    groups: list[list[str]] = []
    left = sum(d.length for d in symbols.values())
    for name in apart:
        if name in inner:
            continue
        family = [name, *(n for n in _needed([name], symbols) if n in apart)]
        size = _length(family, symbols)
        left -= size
        if left < least and (not groups or size < least):
            # What would stay is worth no module of its own.
            break
        if groups and _length(groups[-1], symbols) < least:
            groups[-1] += family
        else:
            groups.append(family)
    return [_moved(module, group, symbols) for group in groups]


def _moved(module: ir.Module, names: Sequence[str], symbols: Mapping[str, _Definition]) -> ir.Module:
    """A new module with some of the functions of a module, which declares them from then on."""
    new = ir.Module.create(module.operation.location)
    for name in module.operation.attributes:
        new.operation.attributes[name] = module.operation.attributes[name]
    for name in names:
        with ir.InsertionPoint(module.body):
            declared(symbols[name].operation.opview)
        new.body.append(symbols[name].operation)
    with ir.InsertionPoint.at_block_begin(new.body):
        for name in _needed(names, symbols):
            symbols[name].operation.clone()
    export(new.body, names)
    return new


def _needed(names: Sequence[str], symbols: Mapping[str, _Definition]) -> list[str]:
    """What some functions refer to beside each other, and what that refers to."""
    found = dict.fromkeys(names)
    rest = list(names)
    while rest:
        new = [n for n in symbols[rest.pop()].names if n in symbols and n not in found]
        found.update(dict.fromkeys(new))
        rest += new
    return list(found)[len(names) :]


def _length(names: Sequence[str], symbols: Mapping[str, _Definition]) -> int:
    return sum(symbols[n].length for n in names)


def _definition(operation: ir.Operation) -> _Definition:
    length, names = 0, dict[str, None]()
    for inner in _inside(operation):
        length += 1
        for key in ("callee", "global_name") if inner.name in ("llvm.call", "llvm.mlir.addressof") else ():
            if key in inner.attributes:
                names[ir.FlatSymbolRefAttr(inner.attributes[key]).value] = None
    return _Definition(operation, length, list(names))


def _inside(operation: ir.Operation) -> Iterator[ir.Operation]:
    """An operation and those in it."""
    yield operation
    for region in operation.regions:
        for block in region:
            for inner in block.operations:
                yield from _inside(inner.operation)


def _name(op: ir.OpView) -> str:
    return ir.StringAttr(op.operation.attributes["sym_name"]).value
