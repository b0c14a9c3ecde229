"""Every row is tried on sampled values: its pattern is built, run, and compared with its result."""

from __future__ import annotations

import itertools
import zlib

import numpy as np
import pytest

import tcc.ops as ops
from tcc.errors import InternalError
from tcc.ir import build, dtype, interpret
from tcc.ir.dtype import BOOL, DType
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.op import accepts
from tcc.ir.types import TensorType
from tcc.passes.rewrite import Match, Rewrite, Rule, matches
from tcc.passes.rules import RULES
from tcc.passes.validate import agree

CONSTANTS = (2.0, 0.25, -8.0, 3.0, 0.1, 2.0**100, 1e-40)
"""What the variable ``c`` of a guard stands for: a constant, not an input."""


def edges(kind: DType, rng: np.random.Generator, count: int) -> np.ndarray:
    """Random and edge values of a dtype, in random order."""
    if kind == BOOL:
        return rng.integers(0, 2, count).astype(bool)
    if kind.is_integer:
        info = np.iinfo(kind.numpy)
        some = [0, 1, 2, 3, 7, info.max, info.min, info.max - 1, info.max // 2]
        return rng.choice(np.asarray(some, kind.numpy), count)
    info = np.finfo(kind.numpy) if kind.name != "bf16" else np.finfo(np.float32)
    some = [0.0, -0.0, 1.0, -1.0, 0.5, 3.0, np.inf, -np.inf, np.nan, float(info.tiny), float(info.max), float(info.eps)]
    if kind.is_complex:
        real, imag = (edges(kind.real, rng, count) for _ in range(2))
        pairs = np.stack([real, imag], -1)
        return np.ascontiguousarray(pairs).view(kind.numpy).reshape(count)
    with np.errstate(over="ignore"):
        mixed = np.where(rng.random(count) < 0.5, rng.choice(some, count), rng.normal(size=count) * 3)
        return mixed.astype(kind.numpy)


class Builder:
    """The left side of a rule as a graph."""

    def __init__(self, rule: Rule, sample: tuple, kind: DType, constant: float | None) -> None:
        self.shape, *attributes = sample
        self.attributes = iter(attributes)
        self.kind = kind
        self.constant = constant
        self.inputs: dict[str, Value] = {}
        self.root = self.build(rule.pattern, self.shape, kind)

    def build(self, pattern: object, shape: tuple[int, ...], kind: DType) -> Value:
        if isinstance(pattern, str):
            name, _, stated = (part.strip() for part in pattern.partition(":"))
            if name == "c" and self.constant is not None:
                return ops.broadcast_to(ops.literal(np.asarray(self.constant).astype(kind.numpy)), shape)
            own = dtype.parse(stated) if stated else kind
            return self.inputs.setdefault(name, build.graph_input(TensorType(own, shape), name))
        if isinstance(pattern, tuple):
            given = {n: self.dtype(v) if n == "dtype" else v for n, v in next(self.attributes, {}).items()}
            operands = [self.build(p, shape, BOOL if isinstance(p, bool) else kind) for p in pattern[1:]]
            record = ops.TABLE[pattern[0]]
            record.check_operands([v.type for v in operands])
            return Node(record, operands, given).results[0]
        return ops.broadcast_to(ops.literal(np.asarray(pattern).astype(kind.numpy)), shape)

    def dtype(self, name: str) -> DType:
        return self.kind if name == "same" else dtype.parse(name)


def cases(rule: Rule) -> list[tuple[tuple, DType, float | None]]:
    kinds = [d for d in dtype.ALL if accepts(frozenset(rule.dtypes.split()), d)]
    constants: tuple[float | None, ...] = (
        CONSTANTS if rule.guard is not DEFAULT and "'c'" in repr(rule.pattern) else (None,)
    )
    return list(itertools.product(rule.samples, kinds, constants))


DEFAULT = Rule("", ("",), lambda m: m.root).guard


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
def test_row_means_the_same(rule: Rule) -> None:
    tried = 0
    for sample, kind, constant in cases(rule):
        try:
            made = Builder(rule, sample, kind, constant)
        except Exception as error:  # A dtype that the op itself does not take.
            if "expected one of" in str(error) or "no common dtype" in str(error):
                continue
            raise
        found = next(iter(matches(rule, made.root)), None)
        if found is None:
            continue
        tried += 1
        right = rule.result(found)
        assert right.type == made.root.type, f"{kind}: {made.root.type} became {right.type}"
        graph = Graph("row", tuple(made.inputs.values()), (made.root, right))
        rng = np.random.default_rng(zlib.crc32(rule.name.encode()))
        for _ in range(8):
            count = int(np.prod(made.shape))
            wild = "dot_general" not in repr(rule.pattern) and not rule.finite
            arrays = []
            for value in graph.inputs:
                own = value.type.dtype
                flat = edges(own, rng, count) if wild or own.is_integer else rng.normal(size=count).astype(own.numpy)
                arrays.append(flat.reshape(made.shape))
            left, new = interpret.run_graph(graph, arrays)
            for i in np.ndindex(left.shape) if wild else [()]:
                a, b = np.asarray(left[i]), np.asarray(new[i])
                assert agree(a, b, rule.tolerance), f"{kind} {constant}: {[x.tolist() for x in arrays]}\n{a!r} {b!r}"
    assert tried, "no sample of this row matches its own pattern"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
def test_row_ends(rule: Rule) -> None:
    """Applying all rules to a row's left side ends, and gives something else."""
    for sample, kind, constant in cases(rule):
        try:
            made = Builder(rule, sample, kind, constant)
        except Exception:
            continue
        graph = Graph("row", tuple(made.inputs.values()), (made.root,))
        changed = Rewrite(RULES)(graph)
        if next(iter(matches(rule, made.root)), None) is not None:
            assert changed is not graph


def test_names_differ() -> None:
    assert len({r.name for r in RULES}) == len(RULES)


def test_wrong_row_is_caught() -> None:
    """The test above would see a rule that forgets about the sign of zero."""
    rule = Rule("x + 0.0 → x", ("add", "x", 0.0), lambda m: m["x"], "float")
    with pytest.raises(AssertionError):
        test_row_means_the_same(rule)


def test_circle_is_an_error() -> None:
    def swapped(m: Match) -> Value:
        return ops.maximum(m["y"], m["x"])

    x, y = (build.graph_input(TensorType(dtype.F32, (3,)), n) for n in "xy")
    graph = Graph("g", (x, y), (ops.maximum(x, y),))
    with pytest.raises(InternalError, match="circle"):
        Rewrite((Rule("swap", ("maximum", "x", "y"), swapped),))(graph)
