"""Graph → Graph: rewriting, folding, merging, decomposition, differentiation, batching.

A pass is a plain function or a frozen dataclass with one contract: a valid graph in, a valid graph
out, regions included. `SIMPLIFY` runs on what was traced, `DECOMPOSE` makes primitives of composites
and simplifies these again, and takes out of loops what is the same for all
steps or can be done for all at once; the compiler runs them in this order. Nodes that no output needs are no
part of a graph: only what is dead inside a scan has to be taken out.
"""

from __future__ import annotations

from tcc.passes import cse, decompose, fold, hoist, prune, rules
from tcc.passes.validate import Pass

SIMPLIFY: tuple[tuple[str, Pass], ...] = (
    ("fold", fold.fold),
    ("rewrite", rules.simplify),
    ("cse", cse.cse),
    ("prune", prune.prune),
)

DECOMPOSE: tuple[tuple[str, Pass], ...] = (
    ("decompose", decompose.decompose),
    *SIMPLIFY,
    ("hoist", hoist.hoist),
    ("prune", prune.prune),
)
