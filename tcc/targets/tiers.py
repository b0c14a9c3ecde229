"""Several instruction sets in one library: the text ``x86-64-v2,x86-64-v3,x86-64-v4`` as targets.

They share the graph, the weights and the interface. Each has a schedule and code of its own, since a
tile that fills the registers of one machine spills on another. The library takes the best one that the
processor has (``runtime/native/processor.c``).
"""

from __future__ import annotations

from tcc.errors import UserError
from tcc.targets import target as targets
from tcc.targets.target import Target

_FIX = "name levels of one processor family: --target x86-64-v2,x86-64-v3,x86-64-v4"


def choose(names: str) -> tuple[Target, ...]:
    """The targets of that text, the least demanding first.

    UserError for an unknown one, and for several that cannot be in one library.
    """
    found = tuple(targets.get(name.strip()) for name in names.split(","))
    if len(found) == 1:
        return found
    listed = [t.name for t in found]
    if "native" in listed:
        raise UserError(
            f"'{names}': 'native' stands alone", why="it is this machine's own set of instructions", fix=_FIX
        )
    twice = next((name for name in listed if listed.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"'{names}' names {twice} twice", why="a library has one code for each", fix=_FIX)
    if len({t.machine.triple for t in found}) > 1:
        machines = ", ".join(f"{t.name} ({t.machine.triple})" for t in found)
        raise UserError(f"'{names}': one library is for one kind of machine", why=f"these are {machines}", fix=_FIX)
    if all(t.facts.threads for t in found):
        raise UserError(f"'{names}': kernels are for one GPU", fix=f"name the oldest: newer ones run {min(listed)} too")
    if not all(t.required for t in found):
        why = "the code that runs is chosen by what the processor has"
        raise UserError(f"'{names}': these targets have no levels to choose among", why=why, fix=_FIX)
    return tuple(sorted(found, key=lambda t: len(t.required)))
