"""Programs of the loop IR to MLIR, and that to LLVM's text."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tcc.errors import InternalError, TccError
from tcc.loops.facts import Facts
from tcc.loops.program import Kernel, Program
from tcc.lowering import entry, kernel
from tcc.lowering.cpu import unfolded
from tcc.lowering.cuda import launch
from tcc.lowering.divide import divided
from tcc.lowering.frame import Context, Locations
from tcc.lowering.function import export, kernel_symbol
from tcc.lowering.mlir import PassManager, ir, translate

_TO_LLVM = (
    "canonicalize",
    "cse",
    "convert-scf-to-cf",
    "convert-vector-to-llvm",
    "convert-math-to-llvm",
    "convert-arith-to-llvm",
    "convert-cf-to-llvm",
    "convert-ub-to-llvm",
    "reconcile-unrealized-casts",
    "cse",
)
_LINES = "ensure-debug-info-scope-on-llvm-func{{emission-kind={}}}"
_TRIPLE = "llvm.target_triple"

LEAST = 800
"""Operations of a module that is worth a worker's while: tens of milliseconds of machine code."""


@dataclass(frozen=True)
class Options:
    """``prefix`` of all symbols; ``facts`` and ``triple`` of the machine; ``weights``: the byte offset of each
    digest in the weight block; ``files``: names to write for source files (paths differ between builds)."""

    prefix: str
    facts: Facts
    triple: str = "x86_64-unknown-linux-gnu"
    weights: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def lower(program: Program, options: Options) -> ir.Module:
    """The program as one module of the arith, math, vector, scf and LLVM dialects.

    For a GPU (facts with ``threads``) the kernels alone are exported, as ``{prefix}__{kernel}``. Otherwise
    exports ``{prefix}__{entry}__run`` and ``…__profile`` for each entry: see `tcc.lowering.entry`.
    InternalError for a program that cannot be emitted.
    """
    (module,) = lower_in_parts(program, options, math.inf)
    return module


def lower_in_parts(program: Program, options: Options, least: float = LEAST) -> Iterator[ir.Module]:
    """The program as one module after the other, of ``least`` operations or more but for the last: so that machine
    code is made of some at once, and while the next is emitted.

    The entries are in the last one. Kernels of the others are hidden symbols, and loops apart of long kernels, which
    have modules of their own. Where the borders are follows from the program alone, so that equal programs give equal
    libraries.
    """
    rest = deque(program.kernels)
    while True:
        with _module(options) as (module, shared):
            if options.facts.threads:
                while rest:
                    launch.emit(rest.popleft(), shared)
            else:
                own = list(_kernels(rest, module, shared, least))
                if rest:
                    export(module.body, [kernel_symbol(options.prefix, k.name) for k in own])
                else:
                    _entries(program, own, options, shared)
            others = divided(module, shared.apart, least / 2)
            for other in others:
                _check(other)
        yield from others
        yield module
        if not rest:
            return


def _kernels(rest: deque[Kernel], module: ir.Module, shared: Context, least: float) -> Iterator[Kernel]:
    """Emits kernels, which are taken from those left, until the module is long enough; yields them."""
    unfolded.define(shared.prefix)
    while rest:
        kernel.emit(rest[0], shared)
        yield rest.popleft()
        if sum(1 for _ in _op_names(module.operation)) >= least:
            return


def _entries(program: Program, own: Sequence[Kernel], options: Options, shared: Context) -> None:
    """The entries, and the declarations of the kernels that they call in other modules."""
    weights = {name: options.weights[digest] for name, digest in program.weights}
    kernels = {k.name: k for k in program.kernels}
    here = {k.name for k in own}
    for one in program.kernels:
        if one.name not in here:
            kernel.declare_elsewhere(one, shared)
    for function in program.entries:
        entry.emit(function, kernels, weights, shared)


@contextmanager
def _module(options: Options) -> Iterator[tuple[ir.Module, Context]]:
    """A module, which the block fills, checked after it."""
    context = ir.Context()
    context.enable_multithreading(False)
    with context, _diagnostics(context, "lowering"):
        shared = Context(options.prefix, options.facts, options.triple, Locations(options.files))
        with ir.Location.file("<unknown>", 0, 0):
            module = ir.Module.create()
            module.operation.attributes[_TRIPLE] = ir.StringAttr.get(options.triple)
            with ir.InsertionPoint(module.body):
                yield module, shared
        _check(module)


def _check(module: ir.Module) -> None:
    if not module.operation.verify():
        raise InternalError("the generated MLIR is not valid", why="stage: lowering")


def to_text(module: ir.Module) -> str:
    """The module's text, each line with its place in the user's source."""
    return module.operation.get_asm(enable_debug_info=True, pretty_debug_info=True)


def to_llvm_ir(module: ir.Module) -> str:
    """LLVM's text of a module from `lower`, which is consumed. InternalError when a pass fails."""
    context = module.context
    with context, _diagnostics(context, "conversion to LLVM"):
        # PTX with a line table of its own is taken for a debug build, and hardly optimised.
        on_gpu = str(module.operation.attributes[_TRIPLE]).startswith('"nvptx')
        passes = (*_TO_LLVM, _LINES.format("DebugDirectivesOnly" if on_gpu else "LineTablesOnly"))
        PassManager.parse(f"builtin.module({','.join(passes)})").run(module.operation)
        # Translating anything but LLVM's own dialect would end the process.
        foreign = sorted(
            {name for name in _op_names(module.operation) if not name.startswith("llvm.")} - {"builtin.module"}
        )
        if foreign:
            raise InternalError("some operations were not converted to LLVM", why=", ".join(foreign))
        return translate(module.operation)


def _op_names(operation: ir.Operation) -> Iterator[str]:
    yield operation.name
    for region in operation.regions:
        for block in region:
            for inner in block.operations:
                yield from _op_names(inner.operation)


@contextmanager
def _diagnostics(context: ir.Context, stage: str) -> Iterator[None]:
    """MLIR's messages become part of the error instead of lines on stderr."""
    messages: list[str] = []

    def note(diagnostic: ir.Diagnostic) -> bool:
        messages.append(f"{diagnostic.location}: {diagnostic.message}")
        return True

    handler = context.attach_diagnostic_handler(note)
    try:
        yield
    except (ir.MLIRError, RuntimeError, ValueError) as error:
        if isinstance(error, TccError):
            raise
        raise InternalError(
            "MLIR refused the generated code", why="\n".join([f"stage: {stage}", *messages[:5], str(error)[:500]])
        ) from error
    finally:
        handler.detach()
