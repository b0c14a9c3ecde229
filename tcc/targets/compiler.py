"""The C compiler of a target, which links its libraries: the named one, else zig's where it is installed."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from dataclasses import dataclass

from tcc.targets.target import Target

_LINK_TEXT = "-shared -nostartfiles -Wl,-z,defs,-z,relro,-z,now,--build-id=none,--gc-sections,--as-needed"
_LINK = tuple(_LINK_TEXT.split())
# What GNU's linkers are told besides. LLD has these as defaults, and zig refuses to hear them.
_GNU = ("-Wl,-z,noexecstack,-z,text,-z,noseparate-code,--hash-style=gnu",)

# The C library of ten years ago: what is linked against it runs with every later one.
_ZIG = {"aarch64": "aarch64-linux-gnu.2.17"}
_ZIG_COMMAND = (sys.executable, "-m", "ziglang")


@dataclass(frozen=True)
class Compiler:
    """The command, what it links shared libraries with, and the archiver (empty: the command knows)."""

    command: tuple[str, ...]
    shared: tuple[str, ...] = (*_LINK, *_GNU)
    archiver: tuple[str, ...] = ()


def compiler(target: Target) -> Compiler:
    """The target's own compiler; the package ``ziglang`` stands in for a cross compiler that is not there."""
    name = _ZIG.get(target.machine.architecture)
    if name is None or target.compiler == "cc" or shutil.which(target.compiler) or not _has_zig():
        return Compiler((target.compiler,))
    return Compiler((*_ZIG_COMMAND, "cc", "-target", name), _LINK, (*_ZIG_COMMAND, "ar"))


def how_to_get(command: str) -> str:
    """What to do about a compiler that was not found."""
    if command == "cc":
        return "install one (Debian: apt install gcc libc6-dev) and have `cc` on the PATH"
    package = f"gcc-{command.removesuffix('-gcc')}"
    return f"install the cross compiler (Debian: apt install {package}), or zig: python -m pip install 'tcc[cross]'"


def _has_zig() -> bool:
    return importlib.util.find_spec("ziglang") is not None
