"""The manifest: everything a caller may want to know of a library, as plain data.

Sizes are texts of `tcc.artifact.expression` over a function's symbols. The manifest is written by the
compiler, embedded in the library (`tcc.artifact.seal`), and read by the runtime and by ``tcc inspect``.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, cast

from tcc.errors import UserError
from tcc.tree import Tree

SCHEMA = 1
"""The number of this layout. A reader refuses other numbers."""


@dataclass(frozen=True)
class Tensor:
    """One leaf of a function's arguments or results: ``name`` is dotted (``p.W``), ``dtype`` as ``f32``."""

    name: str
    dtype: str
    shape: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(self.shape)}]"


@dataclass(frozen=True)
class Symbol:
    """A size named in a signature; ``lower`` ≤ value ≤ ``upper`` (None: unbounded)."""

    name: str
    lower: int = 0
    upper: int | None = None


@dataclass(frozen=True)
class Solve:
    """``symbol = (extent - offset) / coefficient`` for the extent of an argument's axis.

    ``offset`` and ``coefficient`` are expressions over the symbols solved before.
    """

    symbol: str
    argument: int
    axis: int
    coefficient: str = "1"
    offset: str = "0"


@dataclass(frozen=True)
class BufferPlan:
    """One buffer of a function's memory plan: ``space`` as in the loop IR, ``bytes`` and ``offset`` expressions."""

    name: str
    dtype: str
    space: str
    bytes: str
    offset: str = "0"


@dataclass(frozen=True)
class Step:
    """One part of a function that a profile measures: a kernel's call, or a copy.

    Of one run, as expressions: ``operations`` in additions, ``moved`` the bytes that its instructions load
    and store ("" where they are not known), ``compulsory`` the distinct ones among them. ``line`` is where
    in the source it comes from, ``dtype`` that of its arithmetic.
    """

    name: str
    line: str = ""
    dtype: str = ""
    operations: str = "0"
    moved: str = "0"
    compulsory: str = "0"


@dataclass(frozen=True)
class Function:
    """A function of the library.

    ``arguments`` and ``results`` are the leaves of the trees in order. ``symbols`` are in the order of
    the C function's size parameters; ``entry_symbols`` in the order of the compiled entry. ``states``
    are the states it uses, in the entry's order; ``reads`` and ``writes`` say how. ``workspace`` and
    ``worker_bytes`` are in bytes; ``parallel`` says whether any loop may run on several workers. ``steps``
    are what a profile measures, and ``compulsory`` the least bytes that a call moves.
    """

    name: str
    parameters: tuple[str, ...]
    arguments: tuple[Tensor, ...]
    results: tuple[Tensor, ...]
    arguments_tree: Tree
    results_tree: Tree
    symbols: tuple[Symbol, ...] = ()
    solves: tuple[Solve, ...] = ()
    entry_symbols: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    workspace: str = "0"
    worker_bytes: str = "0"
    parallel: bool = False
    plan: tuple[BufferPlan, ...] = ()
    steps: tuple[Step, ...] = ()
    compulsory: str = "0"
    doc: str = ""

    def described(self) -> str:
        """The signature on one line: ``classify(x: f32[batch, 784]) -> f32[batch, 10]``; results with their keys."""
        arguments = ", ".join(f"{t.name}: {t}" for t in self.arguments)
        keys = [t.name.partition(".")[2] for t in self.results]
        results = ", ".join(
            f"{t}" if key.replace(".", "").isdecimal() or not key else f"{key}: {t}"
            for key, t in zip(keys, self.results, strict=True)
        )
        return f"{self.name}({arguments}) -> {results if len(self.results) == 1 else f'({results})'}"


@dataclass(frozen=True)
class State:
    """A tensor that lives between calls. ``offset`` is its initial value's place in the weight block."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def spelled(self) -> str:
        """The type, as ``f32[3, 4]``."""
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class WeightTensor:
    """A constant array in the weight block: ``digest`` names its contents.

    ``layout`` is empty for an array as it was in the source; else the compiler has laid it out anew.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    bytes: int
    digest: str
    layout: str = ""


@dataclass(frozen=True)
class WeightFile:
    """Weights kept in a safetensors file beside the library.

    ``bytes`` is the file's length, ``data_offset`` where the weight block begins, ``header_sha256`` the
    hash of everything before it (the header holds the digest of each tensor) and ``sha256`` of it all.
    """

    name: str
    bytes: int
    data_offset: int
    header_sha256: str
    sha256: str


@dataclass(frozen=True)
class Weights:
    """The constant arrays of the library: one block of ``bytes``, embedded unless ``file`` is given."""

    tensors: tuple[WeightTensor, ...] = ()
    bytes: int = 0
    file: WeightFile | None = None

    def described(self) -> str:
        """One line for a reader."""
        if not self.tensors:
            return "none"
        where = f"in {self.file.name}, beside the library" if self.file else "in the library"
        laid = sum(1 for t in self.tensors if t.layout)
        panels = f" ({laid} in panels)" if laid else ""
        return f"{len(self.tensors)} arrays{panels}, {self.bytes:,} bytes, {where}"


@dataclass(frozen=True)
class Tier:
    """Code for one instruction set among several in the library: its name, and the features it needs."""

    name: str
    features: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """What a library is and holds.

    ``messages`` are the texts of run-time checks; ``features`` the instruction sets it needs, ``isa``
    their common name. ``tiers`` are the instruction sets that it has code for, the least demanding (which
    ``features`` and ``isa`` are of) first; empty when there is one. ``needed`` (shared libraries) and
    ``sha256`` are facts of the file, filled in by `tcc.artifact.read_manifest`.
    """

    version: str
    prefix: str
    functions: tuple[Function, ...]
    states: tuple[State, ...] = ()
    messages: tuple[str, ...] = ()
    target: str = ""
    triple: str = ""
    cpu: str = ""
    isa: str = ""
    features: tuple[str, ...] = ()
    tiers: tuple[Tier, ...] = ()
    weights: Weights = Weights()
    needed: tuple[str, ...] = ()
    sha256: str = ""
    schema: int = SCHEMA

    def function(self, name: str) -> Function:
        """The function of that name; UserError lists those there are."""
        for function in self.functions:
            if function.name == name:
                return function
        names = ", ".join(f.name for f in self.functions)
        raise UserError(
            f"there is no function '{name}' in this library",
            why=f"it has: {names}",
            fix="call one of these; `tcc inspect` shows their arguments",
        )

    def to_json(self, indent: int | None = None) -> str:
        """JSON in ASCII, the same for equal manifests; one line without ``indent``."""
        separators = (",", ":") if indent is None else None
        return json.dumps(_plain(self), sort_keys=True, separators=separators, indent=indent)

    @staticmethod
    def from_json(text: str) -> Manifest:
        """The inverse of `to_json`; UserError when the text is not of this schema."""
        try:
            data: dict[str, Any] = json.loads(text)
            schema = data["schema"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _unreadable() from None
        if schema != SCHEMA:
            raise UserError(
                f"the library's manifest has schema {schema}, and this tcc reads schema {SCHEMA}",
                why="another version of tcc compiled the library",
                fix="compile the library again with this version of tcc, or load it with the one that wrote it",
            )
        try:
            return Manifest(
                functions=tuple(_function(f) for f in data.pop("functions")),
                states=tuple(State(**_tuples(s)) for s in data.pop("states")),
                tiers=tuple(Tier(**_tuples(t)) for t in data.pop("tiers")),
                weights=_weights(data.pop("weights")),
                **_tuples(data),
            )
        except (KeyError, TypeError, ValueError):
            raise _unreadable() from None


def _unreadable() -> UserError:
    why = "it is not what any version of tcc writes"
    return UserError("the library's manifest cannot be read", why=why, fix="compile the library again")


def _plain(item: Any) -> Any:
    if isinstance(item, Tree):
        return item.to_json()
    if dataclasses.is_dataclass(item):
        return {f.name: _plain(getattr(item, f.name)) for f in dataclasses.fields(item)}
    if isinstance(item, tuple):
        return [_plain(i) for i in cast("tuple[Any, ...]", item)]
    return item


def _tuples(data: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _weights(data: dict[str, Any]) -> Weights:
    return Weights(
        tensors=tuple(WeightTensor(**_tuples(t)) for t in data["tensors"]),
        bytes=data["bytes"],
        file=WeightFile(**data["file"]) if data["file"] is not None else None,
    )


def _function(data: dict[str, Any]) -> Function:
    return Function(
        arguments=tuple(Tensor(**_tuples(t)) for t in data.pop("arguments")),
        results=tuple(Tensor(**_tuples(t)) for t in data.pop("results")),
        arguments_tree=Tree.from_json(data.pop("arguments_tree")),
        results_tree=Tree.from_json(data.pop("results_tree")),
        symbols=tuple(Symbol(**s) for s in data.pop("symbols")),
        solves=tuple(Solve(**s) for s in data.pop("solves")),
        plan=tuple(BufferPlan(**b) for b in data.pop("plan")),
        steps=tuple(Step(**s) for s in data.pop("steps")),
        **_tuples(data),
    )
