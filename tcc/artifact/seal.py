"""The manifest inside a library's file, the file's length and hash, and the check of both.

The blob is text between two marks, found by byte search in any object format:

    mark · "schema 000001\nbytes <20 digits>\nsha256 <64 hex digits>\njson <12 digits>\n" · JSON · "\0" · end mark

The hash is that of the whole file with the digits of ``bytes`` and ``sha256`` as zeros. A library is
sealed after linking; a reader checks length and hash before the file is opened as a library, since a
truncated shared object kills the process that maps it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import struct
from pathlib import Path

from tcc.artifact.manifest import SCHEMA, Manifest
from tcc.errors import UserError

# The first byte is no UTF-8, so that no text (this file, say) contains a mark.
_BEGIN = b"\xfftcc-manifest-begin\r\n\x1a\n"
_END = b"\xfftcc-manifest-end\r\n\x1a\n"
_HEAD = f"schema {SCHEMA:06d}\nbytes {{bytes:020d}}\nsha256 {{sha256}}\njson {{json:012d}}\n"
_UNSEALED = "0" * 64
SEALED_BYTES = len(_HEAD.format(bytes=0, sha256=_UNSEALED, json=0))
"""How many bytes of seal stand before the JSON."""

_CHANGED = "it has been changed or cut short since it was written"
_FIX = "compile it again, or copy it again from where it was made"


def blob(manifest: Manifest) -> tuple[bytes, int]:
    """The unsealed blob to embed, and the offset of the zero-terminated JSON within it."""
    text = manifest.to_json().encode("ascii")
    head = _HEAD.format(bytes=0, sha256=_UNSEALED, json=len(text)).encode("ascii")
    return _BEGIN + head + text + b"\0" + _END, len(_BEGIN) + len(head)


def seal(linked: bytes) -> bytes:
    """A linked file with its length and hash filled in. UserError if it has no blob, or several."""
    start = _find(linked, "the linked file")
    end = start + SEALED_BYTES
    size = int(linked[end - 13 : end - 1])
    return linked[:start] + _sealed_head(linked, start, size) + linked[end:]


def _sealed_head(data: bytes, start: int, json: int) -> bytes:
    digest = hashlib.sha256(memoryview(data)[:start])
    digest.update(_HEAD.format(bytes=0, sha256=_UNSEALED, json=json).encode("ascii"))
    digest.update(memoryview(data)[start + SEALED_BYTES :])
    return _HEAD.format(bytes=len(data), sha256=digest.hexdigest(), json=json).encode("ascii")


def _find(data: bytes, name: str) -> int:
    """Where the text after the mark begins."""
    start = data.find(_BEGIN)
    if start < 0 or len(data) < start + len(_BEGIN) + SEALED_BYTES:
        raise UserError(
            f"{name} is not a complete library made by tcc",
            why="it holds no manifest: it is another kind of file, or was cut short or changed",
            fix=_FIX,
        )
    if data.find(_BEGIN, start + 1) >= 0:
        why = "it is linked from several libraries"
        raise UserError(f"{name} holds more than one manifest", why=why, fix="load the libraries themselves")
    return start + len(_BEGIN)


def check(data: bytes, name: str) -> Manifest:
    """The manifest in a file's bytes; UserError unless length and hash are those of sealing."""
    start = _find(data, name)
    end = start + SEALED_BYTES
    digits = data[end - 13 : end - 1]
    size = int(digits) if digits.isdigit() else -1
    if size < 0 or data[end + size + 1 : end + size + 1 + len(_END)] != _END:
        raise UserError(f"{name} is damaged", why=_CHANGED, fix=_FIX)
    if data[start:end] != _sealed_head(data, start, size):
        raise UserError(
            f"{name} is damaged", why=f"its length or hash is not the one it was given: {_CHANGED}", fix=_FIX
        )
    manifest = Manifest.from_json(data[end : end + size].decode("ascii"))
    sha256 = data[start:end].split(b"sha256 ", 1)[1][:64].decode("ascii")
    return dataclasses.replace(manifest, sha256=sha256, needed=_needed_libraries(data))


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """The manifest of a library's file, which is not opened as a library.

    UserError when the file cannot be read, is no library of tcc, or is not byte for byte what was
    written.
    """
    return check(_read(path), f"'{os.fspath(path)}'")


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read the library '{os.fspath(path)}'", why=error.strerror or str(error), fix="check the path"
        ) from None


def _needed_libraries(data: bytes) -> tuple[str, ...]:
    """The shared libraries that an ELF file names as needed; empty for other formats and archives."""
    if data[:6] != b"\x7fELF\x02\x01":
        return ()
    sections, size, count = *struct.unpack_from("<Q", data, 40), *struct.unpack_from("<HH", data, 58)
    table = [struct.unpack_from("<IIQQQQIIQQ", data, sections + i * size) for i in range(count)]
    found: list[str] = []
    for section in table:
        if section[1] != 6:  # SHT_DYNAMIC
            continue
        strings = table[section[6]][4]
        for at in range(section[4], section[4] + section[5], 16):
            tag, value = struct.unpack_from("<QQ", data, at)
            if tag == 1:  # DT_NEEDED
                end = data.index(b"\0", strings + value)
                found.append(data[strings + value : end].decode())
    return tuple(found)
