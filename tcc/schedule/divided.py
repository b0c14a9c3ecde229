"""Axes that addresses divide: two axes each, so that the quotient and the rest are axes of their own.

Channels in groups are such an axis: the group of a channel is its number divided by the channels of a group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from tcc.ir import dim
from tcc.ir.dim import Atom, FloorDiv, Size, Symbol
from tcc.schedule.element import Touch
from tcc.schedule.group import Axis, Group
from tcc.schedule.plan import PlanLoop


def divided(group: Group, loops: Sequence[PlanLoop], touches: Iterable[Touch]) -> Group | None:
    """The group with its divided axes split; None if there are none. ``loops`` have one axis each."""
    axes = {x.name: x.axes[0] for x in loops}
    parts: dict[str, tuple[Axis, Axis]] = {}
    for atom in (a for t in touches for a in _atoms(t.index)):
        axis = axes.get(_numerator(atom))
        if axis is None or not isinstance(atom, FloorDiv) or axis.name in parts:
            continue
        quotient, rest = dim.divide(axis.extent, atom.denominator)
        if rest == 0 and quotient != 1:
            parts[axis.name] = Axis(f"{axis.name}/", quotient), Axis(f"{axis.name}%", atom.denominator)
    if not parts:
        return None
    places = {n: outer.symbol * inner.extent + inner.symbol for n, (outer, inner) in parts.items()}
    return replace(
        group,
        axes=[a for axis in group.axes for a in parts.get(axis.name, (axis,))],
        roots=[replace(r, coordinates=_moved(r.coordinates, places)) for r in group.roots],
        reductions=[(n, _moved(c, places)) for n, c in group.reductions],
    )


def _moved(coordinates: Sequence[Size], places: Mapping[str, Size]) -> tuple[Size, ...]:
    return tuple(dim.substitute(c, places) for c in coordinates)


def _numerator(atom: Atom) -> str:
    """The name of the axis that an atom divides."""
    number = dim.sole_atom(atom.numerator) if isinstance(atom, FloorDiv) else None
    return number.name if isinstance(number, Symbol) else ""


def _atoms(size: Size) -> Iterator[Atom]:
    """All atoms of a size, nested ones too."""
    for atom in dim.atoms(size):
        yield atom
        parts = (
            ()
            if isinstance(atom, Symbol)
            else ((atom.numerator, atom.denominator) if isinstance(atom, FloorDiv) else atom.arguments)
        )
        for part in parts:
            yield from _atoms(part)
