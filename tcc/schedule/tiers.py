"""Programs of one module for several machines, made ready to stand in one library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tcc.loops.program import Block, Check, If, Loop, Program, Stmt, Switch
from tcc.schedule.merge import with_calls


def with_one_table(programs: Sequence[Program]) -> list[Program]:
    """The programs with the messages of all of them, so that a number means one message in the library."""
    messages = tuple(dict.fromkeys(m for program in programs for m in program.messages))
    return [_with_messages(program, messages) for program in programs]


def suffixed(program: Program, suffix: str) -> Program:
    """The program with a suffix to the names of its kernels and entries (``f__v3``)."""
    names = {k.name: f"{k.name}__{suffix}" for k in program.kernels}
    return replace(
        program,
        kernels=tuple(replace(k, name=names[k.name]) for k in program.kernels),
        entries=tuple(replace(e, name=f"{e.name}__{suffix}", body=with_calls(e.body, names)) for e in program.entries),
    )


def _with_messages(program: Program, messages: Sequence[str]) -> Program:
    """The program with other messages, its own among them."""
    if program.messages == tuple(messages):
        return program
    numbers = [messages.index(m) for m in program.messages]
    return replace(
        program,
        messages=tuple(messages),
        kernels=tuple(replace(k, body=_renumbered(k.body, numbers)) for k in program.kernels),
        entries=tuple(replace(e, body=_renumbered(e.body, numbers)) for e in program.entries),
    )


def _renumbered(block: Block, numbers: Sequence[int]) -> Block:
    def statement(stmt: Stmt) -> Stmt:
        match stmt:
            case Check():
                return replace(stmt, message=numbers[stmt.message])
            case Loop():
                return replace(stmt, body=_renumbered(stmt.body, numbers))
            case If():
                body, otherwise = _renumbered(stmt.body, numbers), _renumbered(stmt.otherwise, numbers)
                return replace(stmt, body=body, otherwise=otherwise)
            case Switch():
                return replace(stmt, cases=tuple(_renumbered(c, numbers) for c in stmt.cases))
            case _:
                return stmt

    return tuple(map(statement, block))
