"""The NumPy front end: Python functions traced by running them on values that record what NumPy does."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

from tcc import ops
from tcc.frontends.numpy.public import public


def op_names() -> list[str]:
    """The functions over ops that a user may call as ``tcc.NAME``."""
    return sorted(n for n, f in vars(ops).items() if inspect.isfunction(f) or hasattr(f, "op") if n[0] != "_")


def op(name: str) -> Any:
    """The op's function for users. AttributeError, with near names, when there is none."""
    if name not in op_names():
        near = difflib.get_close_matches(name, op_names(), n=3)
        hint = f"; did you mean {' or '.join(f'tcc.{n}' for n in near)}?" if near else ""
        raise AttributeError(f"module 'tcc' has no attribute '{name}'{hint}")
    return public(getattr(ops, name))
