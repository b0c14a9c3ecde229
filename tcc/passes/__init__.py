"""Graph → Graph: rewriting, folding, merging, decomposition, differentiation, batching.

A pass is a plain function or a frozen dataclass with one contract: a valid graph in, a valid graph
out, regions included. `in_order` gives them all: what was traced is simplified, primitives are made of composites
and simplified again, and what is the same for all steps of a loop, or can be done for all at once, is taken out of it.
Nodes that no output needs are no part of a graph: only what is dead inside a scan has to be taken out.
"""

from __future__ import annotations

from tcc.passes import cse, decompose, fold, hoist, prune, rules
from tcc.passes.rewrite import Rewrite
from tcc.passes.validate import Pass

Passes = tuple[tuple[str, Pass], ...]
"""Passes by name, in the order in which they run."""


def in_order(tolerance: float = 0.0) -> Passes:
    """All passes of a compilation whose `tcc.pipeline.Options` say that ``tolerance``."""
    simplify: Passes = (
        ("fold", fold.fold),
        ("rewrite", Rewrite(rules.rules(tolerance))),
        ("cse", cse.cse),
        ("prune", prune.prune),
    )
    return (
        *simplify,
        ("decompose", decompose.decompose),
        *simplify,
        ("hoist", hoist.hoist),
        ("prune", prune.prune),
    )
