"""The call of a compiled function, written out for its signature.

A loop over arguments that are two or three costs as much as the call itself: here the loops are gone.
The text of the method depends on the number of arguments, sizes and results only.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np

_pointer = ctypes.c_void_p.from_address
_HEAD = object.__basicsize__

# An array's data pointer follows the object's head in memory, where it is read ten times as fast as
# `array.ctypes.data` gives it. Whether that holds depends on the interpreter: tried once.
_probe = np.zeros(1)
_DIRECT = _pointer(id(_probe) + _HEAD).value == _probe.ctypes.data

_ADDRESS = f"pointer(id({{}}) + {_HEAD})" if _DIRECT else "asked({}.ctypes.data)"
_LAYOUT = "{0}.__class__, {0}.dtype, {0}.shape, {0}.strides"
_GIVEN = """\
    elif out.__class__ is array and out.dtype == dtype0 and out.shape == shape0 and out.flags.carray:
        r0 = out
"""
_METHOD = """\
def __call__(self, *args, out=None, **kwargs):
    known = True
    try:
        [{leaves}] = {bound}
        [{sizes}{made}] = plans[{key}]
    except (AttributeError, KeyError, TypeError, ValueError):
        known = False
    if not known:
        [{leaves}{sizes}{made}] = self._prepare(args, kwargs)
    if out is None:
{empties}
{given}    else:
        [{results}] = self._outputs(out, [{made}])
    status = call({arguments}session.context)
    if status:
        return self._failed(status, [{leaves}], out)
    return {returned} if out is None else out
"""


def written_out(arguments: int, flat: bool, sizes: int, results: int, single: bool, **names: Any) -> Callable[..., Any]:
    """The method ``__call__`` of a class with the methods ``_prepare``, ``_outputs`` and ``_failed``.

    ``flat``: the arguments are the leaves themselves. ``single``: the only result is returned as it is.
    ``names``: ``call``, the C function; ``state``, the C pointers before its arguments; ``plans`` by the
    layout of the arguments; ``session``; ``bind`` and ``unflatten`` for nested arguments and results.
    """
    state = {f"state{k}": pointer for k, pointer in enumerate(names.pop("state"))}
    code = _compiled(arguments, flat, sizes, results, single, len(state))
    scope = {**names, **state, "pointer": _pointer, "asked": ctypes.c_void_p, "empty": np.empty, "array": np.ndarray}
    exec(code, scope)
    return scope["__call__"]


@lru_cache(256)
def _compiled(arguments: int, flat: bool, sizes: int, results: int, single: bool, state: int) -> CodeType:
    def listed(form: str, count: int) -> str:
        return "".join(form.format(k) + ", " for k in range(count))

    leaves, made = [f"a{k}" for k in range(arguments)], [f"r{k}" for k in range(results)]
    text = _METHOD.format(
        leaves=listed("a{}", arguments),
        bound="args if not kwargs else bind(args, kwargs)" if flat else "bind(args, kwargs)",
        key=", ".join(_LAYOUT.format(a) for a in leaves) or "()",
        sizes=listed("s{}", sizes),
        made=listed("(shape{0}, dtype{0})", results),
        empties="".join(f"        {r} = empty(shape{k}, dtype{k})\n" for k, r in enumerate(made)) or "        pass",
        given=_GIVEN if single else "",
        results=listed("r{}", results),
        arguments=listed("state{}", state)
        + "".join(_ADDRESS.format(a) + ", " for a in leaves)
        + listed("s{}", sizes)
        + "".join(_ADDRESS.format(r) + ", " for r in made),
        returned="r0" if single else f"unflatten([{', '.join(made)}])",
    )
    return compile(text, "<call of a compiled function>", "exec")
