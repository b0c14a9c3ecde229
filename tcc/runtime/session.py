"""An opened library at the level of C: its symbols, and what its functions share."""

from __future__ import annotations

import _ctypes
import ctypes
from typing import Any
from weakref import WeakSet

from tcc.artifact import Function as Signature
from tcc.artifact import Manifest
from tcc.errors import UserError
from tcc.runtime.function import Function


class Context(ctypes.Structure):
    """The context structure of the C header."""

    _fields_ = (
        ("size", ctypes.c_size_t),
        ("workspace", ctypes.c_void_p),
        ("workspace_size", ctypes.c_size_t),
        ("parallel_for", ctypes.c_void_p),
        ("pool", ctypes.c_void_p),
        ("max_workers", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("stream", ctypes.c_void_p),
        ("profile", ctypes.c_void_p),
    )

    @classmethod
    def of(cls, **fields: int) -> Context:
        """A context with these fields, the others zero."""
        return cls(size=ctypes.sizeof(cls), **fields)


class Session:
    """An opened library: its C functions, the context that calls pass, and the functions bound so far."""

    def __init__(self, manifest: Manifest, handle: ctypes.CDLL) -> None:
        self.manifest = manifest
        self.context: Any = None
        self.closed = False
        self._handle = handle
        self._functions: WeakSet[Function] = WeakSet()
        self._last_error = self.symbol("last_error", ctypes.c_char_p)

    def symbol(self, name: str, result: Any = ctypes.c_int32, *arguments: Any) -> Any:
        """An exported C function by its name after the prefix."""
        found = self._handle[f"{self.manifest.prefix}_{name}"]
        found.restype, found.argtypes = result, arguments
        return found

    def bind(self, function: Signature, state: tuple[int, ...] = ()) -> Function:
        """A function of the library; ``state`` is the address of the instance it works on."""
        # Arguments come as C values, made once for each plan: converting them anew costs a third of a call.
        call = self._handle[f"{self.manifest.prefix}_{function.name}_ctx"]
        call.restype = ctypes.c_int32
        bound = Function.of(function, call, self, tuple(map(ctypes.c_void_p, state)))
        self._functions.add(bound)
        return bound

    def check(self, status: int) -> None:
        """UserError with the library's message unless the status is 0."""
        if status:
            raise UserError(self._last_error().decode("utf-8", "replace"))

    def close(self) -> None:
        """Makes every function refuse further calls, and unloads the library."""
        self.closed = True
        for function in list(self._functions):
            function.close()
        _ctypes.dlclose(self._handle._handle)
