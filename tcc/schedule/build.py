"""A module as a program: every function an entry, over kernels in the loop IR."""

from __future__ import annotations

from tcc.ir.graph import Module
from tcc.schedule.entry import Library, entry, names_of
from tcc.schedule.facts import Facts
from tcc.schedule.merge import merged
from tcc.schedule.program import Program


def schedule(module: Module, facts: Facts) -> Program:
    """The program of a module of primitives.

    Extents stay symbolic: decisions follow from forms, declared ranges and the target's facts. Equal
    kernels are one.
    """
    library = Library(facts, reserved=names_of(module))
    return merged(library.program([entry(f, module, library) for f in module.functions]))
