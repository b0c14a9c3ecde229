"""tcc compiles tensor programs ahead of time to small C libraries.

Names are imported when they are first used, so that ``import tcc.runtime`` and ``tcc.load`` need
NumPy only.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from tcc.version import VERSION

if TYPE_CHECKING:
    from tcc.api import compile, eager, function, state, trace
    from tcc.control import cond, fori_loop, scan, switch, while_loop
    from tcc.runtime import load
    from tcc.transforms import grad, value_and_grad, vjp, vmap

__version__ = VERSION

_WHERE: dict[str, str] = {
    **dict.fromkeys(("compile", "eager", "function", "state", "trace"), "tcc.api"),
    "load": "tcc.runtime",
    **dict.fromkeys(("cond", "fori_loop", "scan", "switch", "while_loop"), "tcc.control"),
    **dict.fromkeys(("grad", "value_and_grad", "vjp", "vmap"), "tcc.transforms"),
}
_MODULES = ("nn", "runtime")

__all__ = [
    "compile",
    "cond",
    "eager",
    "fori_loop",
    "function",
    "grad",
    "load",
    "scan",
    "state",
    "switch",
    "trace",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]


def __getattr__(name: str) -> Any:
    """The public names, and every op as a function of traced values or NumPy arrays (``tcc.zeros``, ``tcc.erf``)."""
    if name in _WHERE:
        found = getattr(importlib.import_module(_WHERE[name]), name)
    elif name.startswith("_"):
        raise AttributeError(f"module 'tcc' has no attribute '{name}'")
    elif importlib.util.find_spec(f"tcc.{name}") is not None:
        found = importlib.import_module(f"tcc.{name}")
    else:
        found = importlib.import_module("tcc.frontends.numpy").op(name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE, *_MODULES, *importlib.import_module("tcc.frontends.numpy").op_names()})
