"""A module as a program: every function an entry, over kernels in the loop IR."""

from __future__ import annotations

from collections.abc import Sequence

from tcc.ir.graph import Module
from tcc.loops.facts import Facts
from tcc.loops.program import Program
from tcc.schedule.entry import Library, entry, names_of
from tcc.schedule.functions import in_functions
from tcc.schedule.merge import merged
from tcc.schedule.products.prepacked import in_several_forms


def schedule(module: Module, facts: Facts) -> Program:
    """The program of a module of primitives.

    Extents stay symbolic: decisions follow from forms, declared ranges and the target's facts. Equal
    kernels are one.
    """
    return schedule_all(module, [facts])[0]


def schedule_all(module: Module, targets: Sequence[Facts]) -> list[Program]:
    """A program for each target. Together they read each weight in one form: as it is, or laid out anew."""
    plain: frozenset[str] = frozenset()
    while True:
        programs = [_scheduled(module, facts, plain) for facts in targets]
        several = in_several_forms(programs)
        if not several:
            return programs
        plain |= several


def _scheduled(module: Module, facts: Facts, plain: frozenset[str]) -> Program:
    library = Library(facts, reserved=names_of(module), plain=plain)
    made = merged(library.program([entry(f, module, library) for f in module.functions]))
    return made if facts.threads else in_functions(made)
