"""A content-addressed cache of bytes on disk, shared by concurrent processes.

A key is the hash of everything that an entry depends on, so an entry never changes. It is written to
a file of its own and renamed, and carries its own hash: a process killed while writing leaves nothing
that a reader takes for an entry. A cache that cannot be written is an empty cache.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

LAYOUT = "1"
"""Part of every path: entries of another layout are not seen."""

_PRUNE_EVERY = 3600.0
_STALE = 3600.0
_HASH_BYTES = hashlib.sha256().digest_size


def default_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """``$TCC_CACHE_DIR``, else ``tcc`` in the user's cache folder (``$XDG_CACHE_HOME``, ``~/.cache``)."""
    if environment.get("TCC_CACHE_DIR"):
        return Path(environment["TCC_CACHE_DIR"])
    home = environment.get("XDG_CACHE_HOME") or os.path.join(environment.get("HOME") or tempfile.gettempdir(), ".cache")
    return Path(home) / "tcc"


def key(*parts: str | bytes) -> str:
    """The key of an entry that depends on these parts, their order and their borders."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


@dataclass(frozen=True)
class Cache:
    """Entries under ``directory``; the oldest ones go when they exceed ``max_bytes``."""

    directory: Path
    max_bytes: int = 2 << 30

    def _path(self, key: str) -> Path:
        return self.directory / LAYOUT / key[:2] / key[2:]

    def get(self, key: str) -> bytes | None:
        """The entry, or None. One whose bytes are not those that were written is removed."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        body = data[_HASH_BYTES:]
        if hashlib.sha256(body).digest() != data[:_HASH_BYTES]:
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)
        return body

    def put(self, key: str, data: bytes) -> None:
        """Keeps an entry; nothing happens where the directory cannot be written."""
        path = self._path(key)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, hashlib.sha256(data).digest() + data)
            self._prune_sometimes()

    def get_or_make(self, key: str, make: Callable[[], bytes]) -> bytes:
        """The entry, made and kept if there was none. Two processes may both make it; either is right."""
        found = self.get(key)
        if found is None:
            found = make()
            self.put(key, found)
        return found

    def _prune_sometimes(self) -> None:
        stamp = self.directory / LAYOUT / "pruned"
        try:
            due = time.time() - stamp.stat().st_mtime > _PRUNE_EVERY
        except OSError:
            due = True
        if due:
            stamp.touch()
            self.prune()

    def prune(self) -> None:
        """Removes what killed processes left behind, then the entries unused for longest, down to the bound."""
        entries: list[tuple[float, int, Path]] = []
        for path in self._files():
            with suppress(OSError):
                status = path.stat()
                if path.suffix == ".tmp":
                    if time.time() - status.st_mtime > _STALE:
                        path.unlink()
                else:
                    entries.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self.max_bytes:
                break
            with suppress(OSError):
                path.unlink()
            total -= size

    def _files(self) -> Iterator[Path]:
        with suppress(OSError):
            for folder in (self.directory / LAYOUT).iterdir():
                if folder.is_dir():
                    yield from folder.iterdir()


@contextmanager
def replacing(path: Path, mode: int = 0o644) -> Generator[BinaryIO]:
    """A file that takes the name ``path`` when the block ends well, and is gone when it does not."""
    name = path.with_name(f".{path.name[:32]}.{os.urandom(6).hex()}.tmp")
    handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0), mode)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def write_atomically(path: Path, data: bytes | memoryview, mode: int = 0o644) -> None:
    """Writes a file so that it appears complete or not at all. OSError where that cannot be."""
    with replacing(path, mode) as file:
        file.write(data)
