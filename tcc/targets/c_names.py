"""Names and types of the C interface, derived from a manifest. Shared by the header and the glue."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tcc.artifact import Function, Manifest
from tcc.errors import UserError


@dataclass(frozen=True)
class Element:
    """An element type in C (complex is an interleaved pair) and in DLPack."""

    c_type: str
    code: int
    bits: int
    alignment: int


ELEMENTS: dict[str, Element] = {
    "bool": Element("uint8_t", 6, 8, 1),
    **{f"i{b}": Element(f"int{b}_t", 0, b, b // 8) for b in (8, 16, 32, 64)},
    **{f"u{b}": Element(f"uint{b}_t", 1, b, b // 8) for b in (8, 16, 32, 64)},
    "f16": Element("uint16_t", 2, 16, 2),
    "bf16": Element("uint16_t", 4, 16, 2),
    "f32": Element("float", 2, 32, 4),
    "f64": Element("double", 2, 64, 8),
    "c64": Element("float", 5, 64, 4),
    "c128": Element("double", 5, 128, 8),
}

# Keywords of C and C++, macros of common headers, and names that the glue uses itself.
_RESERVED_TEXT = """
    auto break case char const continue default do double else enum extern float for goto if inline int long
    register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
    alignas alignof and and_eq asm atomic bitand bitor bool catch char8_t char16_t char32_t class compl concept
    consteval constexpr constinit const_cast co_await co_return co_yield decltype delete dynamic_cast explicit export
    false friend module mutable namespace new noexcept not not_eq nullptr operator or or_eq override private
    protected public reinterpret_cast requires static_assert static_cast template this thread_local throw true try
    typeid typename typeof typeof_unqual using virtual wchar_t xor xor_eq import final
    linux unix i386 errno assert stdin stdout stderr NULL EOF I near far min max interface small
    context state index shape max_workers arguments bytes extents sizes ordered scratch
"""
_RESERVED = frozenset(_RESERVED_TEXT.split())

# What a library exports besides its functions, after the prefix.
GENERAL = ("last_error", "abi_version", "version", "isa", "manifest", "trim")
STATEFUL = ("new", "free", "save", "load")
TYPES = ("status", "context", "tensor", "state", "body")
_FORMS = ("", "_ctx", "_dlpack", "_workspace_size", "_output_shape")


def prefix_for(path: Path) -> str:
    """The default prefix of a library: its file's stem as a C identifier."""
    name = re.sub(r"[^0-9A-Za-z_]", "_", path.name.split(".")[0])
    return name if re.match(r"[A-Za-z]", name) else f"m{name}"


def tier_suffix(name: str) -> str:
    """What the names of an instruction set's entries and kernels end in: ``v3``."""
    return name.rpartition("-")[2]


def check_prefix(prefix: str) -> None:
    """UserError unless the text may begin C names."""
    if not re.fullmatch(r"[A-Za-z][0-9A-Za-z_]*", prefix) or "__" in prefix or prefix.endswith("_"):
        raise UserError(
            f"'{prefix}' cannot be a library's prefix",
            why="every exported C name begins with it",
            fix="use letters, digits and single underscores, beginning with a letter: --prefix model",
        )


@dataclass(frozen=True)
class Parameters:
    """The names of a C function's parameters."""

    inputs: tuple[str, ...]
    sizes: tuple[str, ...]
    outputs: tuple[str, ...]


def parameters(function: Function) -> Parameters:
    """Distinct C identifiers for inputs, sizes and outputs, as near to the user's as can be."""
    taken: set[str] = set()

    def unique(names: Iterable[str]) -> tuple[str, ...]:
        result: list[str] = []
        for name in names:
            plain = re.sub(r"[^0-9A-Za-z_]", "_", name).lstrip("_") or "value"
            plain = plain if not plain[0].isdigit() else f"value_{plain}"
            while plain in taken or plain in _RESERVED:
                plain += "_"
            taken.add(plain)
            result.append(plain)
        return tuple(result)

    inputs = unique(t.name for t in function.arguments)
    sizes = unique(s.name for s in function.symbols)
    return Parameters(inputs, sizes, unique(t.name for t in function.results))


def c_parameters(function: Function, prefix: str) -> list[str]:
    """The declarations of the plain function's parameters: state, inputs, sizes, outputs."""
    names = parameters(function)
    const = "" if function.writes else "const "
    state = [f"{const}{prefix}_state *state"] if function.states else []
    inputs = [f"const {ELEMENTS[t.dtype].c_type} *{n}" for t, n in zip(function.arguments, names.inputs, strict=True)]
    outputs = [f"{ELEMENTS[t.dtype].c_type} *{n}" for t, n in zip(function.results, names.outputs, strict=True)]
    return state + inputs + size_parameters(function) + outputs


def size_parameters(function: Function) -> list[str]:
    """The declarations of the sizes."""
    return [f"int64_t {n}" for n in parameters(function).sizes]


def exports(manifest: Manifest) -> list[str]:
    """Every exported name; UserError when two functions would share one."""
    taken: dict[str, str] = {}

    def take(name: str, owner: str) -> None:
        if name in taken:
            raise UserError(
                f"{owner} and {taken[name]} would both be called '{manifest.prefix}_{name}' in C",
                why="C has one name for one thing",
                fix=f"rename {owner}",
            )
        taken[name] = owner

    for name in GENERAL + (STATEFUL if manifest.states else ()):
        take(name, f"the library's own '{name}'")
    for name in TYPES:
        take(name, f"the type '{name}'")
    for function in manifest.functions:
        if not re.fullmatch(r"[A-Za-z][0-9A-Za-z_]*", function.name) or "__" in function.name:
            raise UserError(
                f"the function '{function.name}' has a name that C cannot use",
                why="it becomes a part of the exported name",
                fix="use letters, digits and single underscores, beginning with a letter",
            )
        for form in _FORMS:
            take(function.name + form, f"the function '{function.name}'")
    return [f"{manifest.prefix}_{name}" for name in taken if name not in TYPES]
