"""Names used again in loops side by side, for random loop programs."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

from tcc.ir import dim
from tcc.ir.scalar import Expr
from tcc.loops import walk
from tcc.loops.program import (
    Block,
    Carry,
    Check,
    If,
    Let,
    Loop,
    Stmt,
    Store,
    Switch,
)


def renamed(block: Block, rng: random.Random) -> Block:
    """The block with lets and carries inside one loop sometimes named as those inside another."""
    indices = {x.name for size in walk.all_sizes(block) for x in dim.symbols(size)}
    earlier: list[str] = []
    result: list[Stmt] = []
    for s in block:
        if isinstance(s, Loop):
            s = replace(s, body=renamed(s.body, rng))
            local = sorted(n for n in walk.defined_names(s.body) if n not in indices)
            if rng.random() < 0.5:
                s = replace(
                    s, body=rename(s.body, dict(zip(local, [n for n in earlier if n not in local], strict=False)))
                )
            earlier = sorted({*earlier, *(n for n in walk.defined_names(s.body) if n not in indices)})
        result.append(s)
    return tuple(result)


def rename(block: Block, names: Mapping[str, str]) -> Block:
    """The block with names replaced where they are defined and used."""

    def name(old: str) -> str:
        return names.get(old, old)

    def expr(old: Expr) -> Expr:
        return walk.map_expr(old, lambda size: size, name)

    def carry(c: Carry) -> Carry:
        init, update = (tuple(map(expr, part)) for part in (c.init, c.update))
        return replace(c, names=tuple(map(name, c.names)), init=init, update=update)

    result: list[Stmt] = []
    for s in block:
        match s:
            case Let():
                s = replace(s, name=name(s.name), value=expr(s.value))
            case Store():
                s = replace(s, value=expr(s.value))
            case Check():
                s = replace(s, condition=expr(s.condition))
            case If():
                s = replace(
                    s, condition=expr(s.condition), body=rename(s.body, names), otherwise=rename(s.otherwise, names)
                )
            case Switch():
                s = replace(s, cases=tuple(rename(c, names) for c in s.cases))
            case Loop():
                while_ = None if s.while_ is None else expr(s.while_)
                s = replace(s, body=rename(s.body, names), carries=tuple(map(carry, s.carries)), while_=while_)
            case _:
                pass
        result.append(s)
    return tuple(result)
