"""The kernels of a group of elements and reductions: which kind they are of, planned from a first emission."""

from __future__ import annotations

from dataclasses import replace

from tcc.schedule import axes as planning
from tcc.schedule import columns, grid, tensor
from tcc.schedule.divided import divided
from tcc.schedule.element import Emitted, Task
from tcc.schedule.plan import Plan, coefficient, natural
from tcc.schedule.products import contract
from tcc.schedule.products.contract import Product
from tcc.schedule.products.streamed import Streamed, fits
from tcc.schedule.products.tiles import Tiles
from tcc.schedule.products.word_tiles import WordTiles
from tcc.schedule.row import Row


def emit(task: Task) -> list[Emitted]:
    """The kernels of a row group, planned from a first emission."""
    on_tensor_cores = tensor.emit(task)
    if on_tensor_cores is not None:
        return on_tensor_cores

    def emitted(plan: Plan) -> Row:
        row = Row(task, plan)
        row.emit()
        return row

    plan = natural(task.group, task.taken)
    first = emitted(plan)
    fused = sum(task.grouping.items[n].fused for n, _ in task.group.reductions)
    while fused or not task.facts.threads:
        split = divided(task.group, plan.space, first.touches)
        if split is None:
            break
        task = replace(task, group=split)
        plan = natural(task.group, task.taken)
        first = emitted(plan)
    tiled = None if task.facts.threads else _tiled(task, plan, first)
    if tiled is not None:
        kind = WordTiles if tiled.words is not None else Streamed if fits(task, tiled) else Tiles
        return kind(task, tiled).emit()
    if task.facts.threads:
        plan = grid.choose(plan, first, task.facts, fused)
    else:
        plan = planning.choose(plan, first, task.facts, fused, first.carry_count, bool(first.rows))
    one = not task.facts.threads and first.is_one_reduction() and not (fused and columns.repeats(plan, first))
    strips = columns.planned(plan, first) if one else None
    if strips is not None:
        return columns.emit(lambda plan: Row(task, plan), strips)
    whole = emitted(plan)
    grain = 0 if task.inside else planning.block_grain(plan, first)
    if grain and whole.is_one_reduction():
        return _split(task, plan, grain)
    return [whole.emitted()]


def _tiled(task: Task, plan: Plan, first: Row) -> Product | None:
    """The group as products in tiles, if it is nothing but these and what is made of their results."""
    full, _ = first.roots()
    if plan.unrolled or full or any(first.levels[n] for n, _ in task.group.reductions):
        return None
    space, touches = planning.collapsed(plan.space, first.touches)
    reduce, touches = planning.collapsed(plan.reduce, touches)
    indices = [t.index for t in touches if t.kind == "store"]
    strides = [{coefficient(i, x.name) for i in indices} for x in space]
    return contract.product(task, space, reduce, [next(iter(s)) if len(s) == 1 else None for s in strides])


def _split(task: Task, plan: Plan, grain: int) -> list[Emitted]:
    """A reduction of everything as two kernels: blocks in parallel, then their results in order.

    The result is that of one kernel, bit by bit, since the blocks are the same.
    """
    blocks, total = Row(task, plan), Row(task, plan)
    partials = blocks.emit_blocks(grain)
    total.emit_total(partials)
    return [replace(blocks.emitted(), temporaries=partials), total.emitted()]
