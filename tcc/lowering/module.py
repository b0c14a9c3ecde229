"""Programs of the loop IR to MLIR, and that to LLVM's text."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from tcc.errors import InternalError, TccError
from tcc.lowering import entry, kernel
from tcc.lowering.cpu import unfolded
from tcc.lowering.cuda import launch
from tcc.lowering.frame import Context, Locations
from tcc.lowering.mlir import PassManager, ir, translate
from tcc.schedule.facts import Facts
from tcc.schedule.program import Program

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
    """The program as a module of the arith, math, vector, scf and LLVM dialects.

    For a GPU (facts with ``threads``) the kernels alone are exported, as ``{prefix}__{kernel}``. Otherwise
    exports ``{prefix}__{entry}__run`` and ``…__profile`` for each entry: see `tcc.lowering.entry`.
    InternalError for a program that cannot be emitted.
    """
    context = ir.Context()
    context.enable_multithreading(False)
    with context, _diagnostics(context, "lowering"):
        locations = Locations(options.files)
        shared = Context(options.prefix, options.facts, options.triple, locations)
        with ir.Location.file("<unknown>", 0, 0):
            module = ir.Module.create()
            with ir.InsertionPoint(module.body):
                (_kernels if options.facts.threads else _library)(program, options, shared)
                module.operation.attributes[_TRIPLE] = ir.StringAttr.get(options.triple)
        if not module.operation.verify():
            raise InternalError("the generated MLIR is not valid", why="stage: lowering")
    return module


def _library(program: Program, options: Options, shared: Context) -> None:
    """Kernels as internal functions, and the entries that call them."""
    unfolded.define(options.prefix)
    for one in program.kernels:
        kernel.emit(one, shared)
    weights = {name: options.weights[digest] for name, digest in program.weights}
    kernels = {k.name: k for k in program.kernels}
    for function in program.entries:
        entry.emit(function, kernels, weights, shared)


def _kernels(program: Program, _options: Options, shared: Context) -> None:
    """Kernels as entry points of their own, for a GPU's driver to launch."""
    for one in program.kernels:
        launch.emit(one, shared)


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
