"""Right operands that no step of a loop changes: they are laid out in panels before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tcc import ops
from tcc.ir import types
from tcc.ir.build import graph_input
from tcc.ir.graph import Graph, Value
from tcc.loops.program import Call, If, Loop, Program, Stmt
from tcc.loops.verify import verify
from tcc.schedule import schedule
from tests.schedule.scheduled import AVX2, AVX512, compare, module_of


def scanned(step: Callable[..., Value], state: str, constants: Sequence[str], length: Any = None) -> Any:
    """A module that scans a step of one state and rows ``xs`` like it; the number of steps is that of these rows."""
    symbols: dict[str, Any] = {}
    h, x = (graph_input(types.parse(state, symbols), n) for n in "hx")
    given = [graph_input(types.parse(s, symbols), f"w{k}") for k, s in enumerate(constants)]
    body = Graph("step", (h, *given, x), (ops.astype(step(h, x, *given), h.type.dtype),))

    def build(h0: Value, xs: Value, *weights: Value) -> Any:
        return list(ops.scan(body, [h0], list(weights), [xs], xs.type.shape[0], False))

    rows = state.replace("[", f"[{length or 't'}, ")
    return module_of(build, [state, rows, *constants])


def parts(program: Program) -> tuple[list[Stmt], Loop]:
    """The statements before the entry's loop, and the loop."""
    body = list(program.entries[0].body)
    (number,) = [k for k, s in enumerate(body) if isinstance(s, Loop)]
    loop = body[number]
    assert isinstance(loop, Loop)
    return body[:number], loop


def writers(program: Program, stmts: Sequence[Stmt]) -> list[str]:
    """The panels that calls among statements fill."""
    kernels = {k.name: k for k in program.kernels}
    found: list[str] = []
    for stmt in stmts:
        match stmt:
            case Call():
                found += [p.name for p in kernels[stmt.kernel].parameters if p.access == "write"]
            case Loop():
                found += writers(program, stmt.body)
            case If():
                found += writers(program, (*stmt.body, *stmt.otherwise))
            case _:
                pass
    return [name for name in found if name.startswith("panels")]


def plain(h: Value, x: Value, w: Value) -> Value:
    return ops.tanh(ops.add(ops.multiply(ops.matmul(h, w), 0.05), x))


def linear(h: Value, x: Value, w: Value) -> Value:
    return ops.add(ops.matmul(h, w), x)


def turned(h: Value, x: Value, w: Value) -> Value:
    return ops.tanh(ops.add(ops.multiply(ops.matmul(h, ops.transpose(w)), 0.05), x))


def twice(h: Value, x: Value, w: Value, v: Value) -> Value:
    inner = ops.tanh(ops.multiply(ops.matmul(h, w), 0.05))
    return ops.tanh(ops.add(ops.multiply(ops.matmul(inner, v), 0.05), x))


def gathered(h: Value, x: Value, w: Value, i: Value) -> Value:
    return ops.tanh(ops.add(ops.matmul(h, ops.take(w, i, axis=0)), x))


CASES: dict[str, tuple[Callable[..., Value], str, tuple[str, ...], int]] = {
    "plain": (plain, "f32[9, 100]", ("f32[100, 100]",), 1),
    "turned": (turned, "f32[9, 100]", ("f32[100, 100]",), 1),
    "three rows": (plain, "f64[3, 100]", ("f64[100, 100]",), 1),
    "two products": (twice, "f32[9, 100]", ("f32[100, 70]", "f32[70, 100]"), 2),
    "batched": (plain, "f32[2, 9, 100]", ("f32[2, 100, 100]",), 1),
    "words": (plain, "bf16[9, 101]", ("bf16[101, 101]",), 1),
    "bytes": (linear, "i8[9, 101]", ("i8[101, 101]",), 1),
    "sizes at run time": (turned, "f32[n, m]", ("f32[m, m]",), 1),
    "indices are checked in each step": (gathered, "f32[9, 100]", ("f32[150, 100]", "i64[100]"), 0),
}


@pytest.mark.parametrize("facts", [AVX2, AVX512], ids=["AVX2", "AVX-512"])
@pytest.mark.parametrize("name", CASES)
def test_operands_are_laid_out_before_the_loop(name: str, facts: Any) -> None:
    step, state, constants, count = CASES[name]
    module = scanned(step, state, constants)
    program = schedule(module, facts)
    verify(program)
    before, loop = parts(program)
    assert len(writers(program, before)) == count
    assert not writers(program, loop.body)
    tolerance = 0.05 if "bf16" in state else 2e-5
    for steps in (0, 1, 3):
        compare(module, program, {"t": steps, "n": 9, "m": 70}, None, tolerance, tolerance)


@pytest.mark.parametrize(
    ("state", "constants", "length"),
    [
        ("f32[9, 100]", ("f32[100, 100]",), 7),
        ("f32[1, 100]", ("f32[100, 100]",), None),
        ("f32[9, 32]", ("f32[32, 32]",), None),
    ],
    ids=["few steps", "one row", "small"],
)
def test_operands_stay_where_they_lie(state: str, constants: tuple[str, ...], length: int | None) -> None:
    program = schedule(scanned(plain, state, constants, length), AVX512)
    assert not writers(program, program.entries[0].body)


def test_a_while_loop_has_room_of_its_own_for_panels() -> None:
    """What the condition makes for itself may not lie where the panels for the body do."""
    h, w, v = (graph_input(types.parse(s, {}), s) for s in ("f32[9, 100]", "f32[100, 100]", "f32[100, 100]"))
    seen = ops.matmul(h, v)
    cond = Graph("cond", (h, w, v), (ops.less(ops.max(ops.abs(ops.add(seen, ops.sum(seen, axis=0)))), 1e4),))
    body = Graph("body", (h, w, v), (ops.add(ops.matmul(h, w), h),))

    def build(h0: Value, w0: Value, v0: Value) -> Any:
        return list(ops.while_loop(cond, body, [h0], [w0, v0]))

    module = module_of(build, ["f32[9, 100]", "f32[100, 100]", "f32[100, 100]"])
    program = schedule(module, AVX512)
    verify(program)
    before, loop = parts(program)
    assert len(writers(program, before)) == 2
    assert not writers(program, loop.body)
    compare(module, program, {}, None, 1e-4, 1e-2)
