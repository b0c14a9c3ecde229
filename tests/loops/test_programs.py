"""The random programs hold what they promise: each feature of the loop IR occurs, and often enough."""

from __future__ import annotations

from collections import Counter

from tcc.ir import dim
from tcc.ir.scalar import Apply
from tcc.loops import walk
from tcc.loops.program import Alloc, Block, Call, Check, Copy, If, Let, Load, Loop, Parallel, Position, Store, Switch
from tests.loops import entries, programs

SEEDS = 520


def _features(block: Block, lanes: bool = False, copies: bool = False) -> set[str]:
    found: set[str] = set()
    for s in block:
        found.add(type(s).__name__)
        for root in walk.expressions_of(s):
            for part in walk.parts(root):
                found.add(type(part).__name__)
                if isinstance(part, Apply):
                    found |= {part.op, f"{part.op} lanes"} if lanes else {part.op}
                if isinstance(part, Load) and part.guard is not None:
                    found.add("guard" + " lanes" * lanes)
        if isinstance(s, Store):
            found |= {"shared"} if not s.unique else set()
            found |= {f"store {s.combine}"} if s.combine else set()
        if isinstance(s, If):
            found |= {"if lanes"} if lanes else set()
            found |= _features(s.body, lanes, copies) | _features(s.otherwise, lanes, copies)
        if isinstance(s, Switch):
            found |= {f for case in s.cases for f in _features(case, lanes, copies)}
        if isinstance(s, Loop):
            found |= _loop(s, lanes, copies)
            found |= _features(s.body, lanes or s.lanes > 1, copies or s.copies > 1)
    return found


def _loop(loop: Loop, lanes: bool, copies: bool) -> set[str]:
    found = {"parallel"} if isinstance(loop.mapping, Parallel) else set[str]()
    found |= {"unrolled"} if loop.unrolled else set()
    found |= {"symbolic"} if not isinstance(loop.hi, int) else {"static"}
    found |= {"lower bound"} if loop.lo != 0 else set()
    if loop.while_ is not None:
        found |= {"while"} | ({"while lanes"} if lanes else set()) | ({"while copies"} if copies else set())
    kind = " lanes" * (loop.lanes > 1) + " copies" * (loop.copies > 1)
    for c in loop.carries:
        word = "state" if not c.combine else "scan" if c.prefix else "reduce"
        found |= {word + kind, f"{word} {c.combine}", f"{word} inside lanes" if lanes else word}
        found |= {f"{word} inside copies"} if copies else set()
    if not loop.carries:
        found.add("map" + kind)
    return found


def test_random_kernels_hold_every_feature() -> None:
    counts: Counter[str] = Counter()
    for seed in range(SEEDS):
        case = programs.generate(seed)
        found = _features(case.kernel.body)
        found |= {p.dtype.name for p in case.kernel.parameters} | {p.access for p in case.kernel.parameters}
        found |= {f"size {v}" for v in case.sizes.values() if v < 2}
        if any(not isinstance(x, dim.Symbol) for size in walk.all_sizes(case.kernel.body) for x in dim.atoms(size)):
            found.add("division")
        counts.update(found)
    nodes = [x.__name__ for x in (Let, Store, Check, If, Alloc, Loop, Switch, Load, Position)]
    kinds = [w + k for w in ("map", "reduce", "scan") for k in ("", " lanes", " copies", " lanes copies")]
    inside = [f"{w} inside {k}" for w in ("reduce", "scan", "state") for k in ("lanes", "copies")]
    others = ["state", "while", "while lanes", "while copies", "guard", "guard lanes", "if lanes", "shared", "parallel"]
    combines = [f"reduce {c}" for c in ("add", "mul", "max", "min", "and", "or", "argmax", "argmin")]
    memory = ["read", "write", "update", "store add", "store max", "size 0", "size 1", "unrolled", "lower bound"]
    dtypes = ["f32", "f64", "f16", "bf16", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "bool", "c64", "c128"]
    wanted = [*nodes, *kinds, *inside, *others, *combines, *memory, *dtypes, "division", "cast lanes", "select lanes"]
    rare = {name: counts[name] for name in wanted if counts[name] < 5}
    assert not rare


def test_random_entries_hold_every_feature() -> None:
    counts: Counter[str] = Counter()
    for seed in range(200):
        case = entries.generate(seed)
        entry = case.program.entries[0]
        found = _features(entry.body) | {f"status {entries.run(case)[0]}"}
        offsets = [at for _, at in entry.offsets]
        found |= {"shared bytes"} if len(set(offsets)) < len(offsets) else set()
        counts.update(found)
    wanted = [x.__name__ for x in (Call, Copy, Loop, If, Switch, Let, Load)] + ["state", "status 1", "shared bytes"]
    rare = {name: counts[name] for name in wanted if counts[name] < 3}
    assert not rare


def test_seeds_are_stable() -> None:
    assert programs.generate(7).program == programs.generate(7).program
    assert entries.generate(7).program == entries.generate(7).program
