"""What the user called an array: the name under which a captured array is stored as a weight."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, cast

from tcc.ir.location import is_user_file


def name_of(item: Any) -> str:
    """The variable of the running user code that holds ``item``, as ``W`` or ``params.W``; else "".

    Looks through the locals (closures included) of the user's frames from the innermost out, one
    level into dicts and objects, then through their globals.
    """
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    scopes: list[Mapping[str, Any]] = []
    module: Mapping[str, Any] | None = None
    while frame is not None and len(scopes) < 16:
        if is_user_file(frame.f_code.co_filename, frame.f_code.co_name):
            scopes.append(frame.f_locals)
            module = module if module is not None else frame.f_globals
        frame = frame.f_back
    return next(_names(scopes + ([module] if module is not None else []), item), "")


def _names(scopes: list[Mapping[str, Any]], item: Any) -> Iterator[str]:
    for variables in scopes:
        for name, value in variables.items():
            if value is item and not name.startswith("_"):
                yield name
    for variables in scopes:
        for name, value in variables.items():
            if not name.startswith("_"):
                yield from (f"{name}.{key}" for key, part in _parts(value) if part is item)


_MOST_PARTS = 1000


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, (dict, list, tuple)) and len(cast("list[Any]", value)) > _MOST_PARTS:
        return
    if isinstance(value, dict):
        yield from ((k, v) for k, v in cast("dict[Any, Any]", value).items() if isinstance(k, str))
    elif isinstance(value, (list, tuple)):
        yield from ((str(i), v) for i, v in enumerate(cast("list[Any]", value)))
    elif isinstance(value, type(sys)):
        return
    else:
        own = getattr(value, "__dict__", None)
        if isinstance(own, dict):
            yield from cast("dict[str, Any]", own).items()
