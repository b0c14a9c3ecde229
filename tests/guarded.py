"""Arrays flush against memory that may not be touched: an access out of bounds ends the process."""

from __future__ import annotations

import ctypes
import mmap
import weakref
from typing import Any

import numpy as np

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_PAGE = mmap.PAGESIZE
_NOTHING, _READ, _WRITE = 0, mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE


def guarded(array: np.ndarray[Any, Any], *, writable: bool = False, at_end: bool = True) -> np.ndarray[Any, Any]:
    """A copy of an array between forbidden pages, flush with the one after it, or with the one before.

    Its address is a multiple of the element's size, no more. Read-only memory unless ``writable``.
    """
    source = np.asarray(array, order="C")
    pages = max(1, -(-source.nbytes // _PAGE))
    length = (pages + 2) * _PAGE
    base = _libc.mmap(None, length, _NOTHING, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    assert base not in (None, ctypes.c_void_p(-1).value)
    assert _libc.mprotect(base + _PAGE, pages * _PAGE, _WRITE) == 0
    start = base + _PAGE + (pages * _PAGE - source.nbytes if at_end else 0)
    memory = (ctypes.c_char * source.nbytes).from_address(start)
    placed = np.frombuffer(memory, dtype=source.dtype, count=source.size).reshape(source.shape)
    placed[...] = source
    if not writable:
        assert _libc.mprotect(base + _PAGE, pages * _PAGE, _READ) == 0
        placed.flags.writeable = False
    weakref.finalize(memory, _libc.munmap, base, length)
    return placed
