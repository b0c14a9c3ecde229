"""Arrays between pages that may not be touched, so that an access out of bounds ends the process."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_LIBC.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_LIBC.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_PAGE = mmap.PAGESIZE
_NONE = 0


class Guarded:
    """Memory for copies of arrays, each flush with the untouchable page after it, or before it.

    A read-only copy may be read and not written. The copies are gone after `close`.
    """

    def __init__(self) -> None:
        self._regions: list[tuple[int, int]] = []

    def copy(self, array: np.ndarray, at_end: bool = True, read_only: bool = False) -> np.ndarray:
        """A copy of a 1-D array; its address is a multiple of the element's size, no more."""
        room = -(-array.nbytes // _PAGE) * _PAGE
        total = room + 2 * _PAGE
        start = _LIBC.mmap(None, total, _NONE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        if start in (None, ctypes.c_void_p(-1).value):
            raise MemoryError(f"mmap of {total} bytes")
        self._regions.append((start, total))
        address = start + _PAGE + (room - array.nbytes if at_end else 0)
        if room:
            self._protect(start + _PAGE, room, mmap.PROT_READ | mmap.PROT_WRITE)
        raw = (ctypes.c_uint8 * array.nbytes).from_address(address)
        made = np.frombuffer(raw, np.uint8).view(array.dtype)
        made[:] = array
        if room and read_only:
            self._protect(start + _PAGE, room, mmap.PROT_READ)
        return made

    def _protect(self, start: int, size: int, protection: int) -> None:
        if _LIBC.mprotect(start, size, protection):
            raise OSError(ctypes.get_errno(), "mprotect")

    def close(self) -> None:
        """Unmap all."""
        for start, size in self._regions:
            _LIBC.munmap(start, size)
        self._regions.clear()
