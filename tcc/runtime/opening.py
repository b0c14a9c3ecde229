"""From a checked file to a shared object in this process: machine, weights, and no stale copy."""

from __future__ import annotations

import ctypes
import hashlib
import platform
from pathlib import Path

from tcc.artifact import Manifest
from tcc.artifact.seal import SEALED_BYTES
from tcc.errors import UserError

_ABI_VERSION = 1
_RESPELLINGS = 64
_ALIASES = {"amd64": "x86_64", "arm64": "aarch64"}


def check_machine(path: Path, manifest: Manifest) -> None:
    """UserError unless the library is for this machine's architecture and system."""
    machine = platform.machine().lower()
    architecture = manifest.triple.partition("-")[0]
    if architecture not in (machine, _ALIASES.get(machine)):
        raise UserError(
            f"'{path}' is for another machine",
            why=f"it was compiled for {architecture}, and this is {machine}",
            fix="compile it with --target native",
        )
    with path.open("rb") as file:
        magic = file.read(8)
        if magic[:4] == b"\x7fELF":
            file.seek(16)
            if int.from_bytes(file.read(2), "little") == 3:  # ET_DYN
                return
    raise UserError(
        f"'{path}' is no shared library",
        why="it is an archive or an object file, to be linked into a program",
        fix=f"compile to {path.with_suffix('.so').name} to load it from Python",
    )


def check_weights(path: Path, manifest: Manifest, thorough: bool) -> None:
    """UserError unless the weight file beside the library, if it has one, is the one it was written with.

    The header, which holds the hash of each array, is always read; the rest only if ``thorough``.
    """
    expected = manifest.weights.file
    if expected is None:
        return
    file = path.parent / expected.name
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            head = stream.read(expected.data_offset)
            digest = hashlib.sha256(head)
            same = size == expected.bytes and digest.hexdigest() == expected.header_sha256
            if same and thorough:
                while piece := stream.read(1 << 20):
                    digest.update(piece)
                same = digest.hexdigest() == expected.sha256
    except OSError as error:
        raise UserError(
            f"the weights of '{path}' are missing",
            why=f"'{file}': {error.strerror}",
            fix=f"copy {expected.name} into the library's folder",
        ) from None
    if not same:
        raise UserError(
            f"'{file}' is not the weight file of '{path}'",
            why=f"its {size:,} bytes are not the {expected.bytes:,} bytes it was written with",
            fix="copy it again from where the library was compiled",
        )


def open_library(path: Path, manifest: Manifest) -> ctypes.CDLL:
    """The shared object. UserError where the system cannot load it.

    The dynamic loader takes a path that it knows for the object it has, even if the file has been
    written anew since; then the path is spelled in another way until the file itself is read.
    """
    folder, name = path.resolve().parent, path.resolve().name
    for respelling in range(_RESPELLINGS):
        spelled = f"{folder}/{'./' * respelling}{name}"
        try:
            handle = ctypes.CDLL(spelled)
        except OSError as error:
            fix = "compile it on this system, or for it"
            raise UserError(f"the system cannot load '{path}'", why=str(error), fix=fix) from None
        if _seal(handle, manifest) == manifest.sha256:
            version = handle[f"{manifest.prefix}_abi_version"]()
            if version != _ABI_VERSION:
                raise UserError(
                    f"'{path}' has version {version} of the C interface, and this tcc calls version {_ABI_VERSION}",
                    fix="compile it again with this version of tcc",
                )
            return handle
    raise UserError(
        f"'{path}' cannot be loaded anew",
        why=f"{_RESPELLINGS} earlier versions of it are still loaded",
        fix="close them",
    )


def _seal(handle: ctypes.CDLL, manifest: Manifest) -> str:
    """The hash in the loaded library's memory, which stands before its manifest."""
    text = getattr(handle, f"{manifest.prefix}_manifest", None)
    if text is None:
        return ""
    text.restype = ctypes.c_void_p
    head = ctypes.string_at(text() - SEALED_BYTES, SEALED_BYTES)
    return head.partition(b"sha256 ")[2][:64].decode("ascii", "replace")
