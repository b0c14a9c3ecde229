"""The whole compiler on one page: every stage and every pass, in order.

    Module ─ simplify, decompose, simplify → Module ─ schedule → Program ─ lower → MLIR → LLVM text
           ─ worker → object ─ glue, link → library

Each stage is named to the caller, timed, checked and, on request, written to a numbered file.
"""

from __future__ import annotations

import math
import numbers
import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tcc import describe, passes, runtime
from tcc.errors import InternalError, TccError, Unsupported, UserError
from tcc.ir import build, text
from tcc.ir.graph import Graph, Module
from tcc.ir.verify import verify
from tcc.loops import text as program_text
from tcc.loops.program import Program
from tcc.loops.verify import verify as verify_program
from tcc.lowering import module as lowering
from tcc.lowering.cuda import launch
from tcc.schedule import schedule_all
from tcc.schedule.tiers import suffixed, with_one_table
from tcc.targets import tiers
from tcc.targets.c_names import prefix_for, tier_suffix
from tcc.targets.cache import Cache, default_directory, key, write_atomically
from tcc.targets.codegen import SHARED as CODE_GENERATOR
from tcc.targets.cuda import check_ptx
from tcc.targets.link import Parts, check_output, write_library
from tcc.targets.target import Target
from tcc.version import VERSION


@dataclass(frozen=True)
class Options:
    """How to compile. ``target``: one, or several with commas; ``prefix`` None: the output file's stem;
    ``weights`` is auto, embed or external; ``dump`` is a folder for the stages; ``cache`` None: nothing is
    kept. ``tolerance`` is the error that a faster algorithm may add to a convolution, relative to the magnitude of
    its largest result (`tcc.passes.minimal` says what each adds); with 0 it has no more than sums of products.

    UserError unless ``tolerance`` is a finite number of at least 0.
    """

    target: str = "native"
    prefix: str | None = None
    weights: str = "auto"
    tolerance: float = 0.0
    dump: Path | None = None
    cache: Cache | None = field(default_factory=lambda: Cache(default_directory()))

    def __post_init__(self) -> None:
        given: Any = self.tolerance
        if isinstance(given, bool) or not isinstance(given, numbers.Real) or not 0 <= float(given) < math.inf:
            raise UserError(
                f"compile: 'tolerance' is {given!r}",
                why="expected the relative error that results may have: a finite number of at least 0",
                fix="give 1e-5, for example, or 0 for the error of sums of products",
            )


Progress = Callable[[str], None]
"""Called with the name of each stage as it begins."""


def silent(_stage: str) -> None:
    """The `Progress` that shows nothing."""


@dataclass
class Stages:
    """The stages of one compilation: their times in seconds, and their numbered files."""

    options: Options
    progress: Progress = silent
    times: dict[str, float] = field(default_factory=dict[str, float])
    _count: int = 0

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Names and times the block; an internal error in it says how to see what it worked on."""
        self.progress(name)
        start = time.perf_counter()
        try:
            yield
        except InternalError as error:
            raise _explained(error, name) from error
        except (TccError, OSError):
            raise
        except Exception as error:
            raise _explained(InternalError(f"{type(error).__name__}: {error}"), name) from error
        finally:
            self.times[name] = self.times.get(name, 0.0) + time.perf_counter() - start

    def dump(self, name: str, content: Callable[..., str], *arguments: Any) -> None:
        """Writes a stage's result, ``content(*arguments)``, if asked to."""
        folder = self.options.dump
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{self._count:02}-{name}").write_text(content(*arguments))
        except OSError as error:
            why = error.strerror or str(error)
            raise UserError(f"cannot write into '{folder}'", why=why, fix="choose another folder with --dump") from None
        self._count += 1


def _explained(error: InternalError, stage: str) -> InternalError:
    """The error, saying in which stage it came up and what to do."""
    return InternalError(
        error.what,
        where=error.where,
        why="\n".join(filter(None, [f"stage: {stage}", error.why])),
        fix=error.fix or "this is a mistake in tcc: please report it with the files of --dump DIR",
    )


@dataclass(frozen=True)
class Scheduled:
    """A module of primitives, and its program for each target."""

    module: Module
    targets: tuple[Target, ...]
    programs: tuple[Program, ...]


def compile_to(module: Module, path: Path, options: Options, progress: Progress = silent) -> list[Path]:
    """Compiles a module into a library; the files written, the library first."""
    chosen = tiers.choose(options.target)
    check_output(path, options.prefix or prefix_for(path), chosen[0])
    stages = Stages(options, progress)
    return write(scheduled(module, chosen, stages), path, stages)


def write(made: Scheduled, path: Path, stages: Stages) -> list[Path]:
    """The library of what is scheduled; the files written, the library first."""
    prefix, first, options = stages.options.prefix or prefix_for(path), made.targets[0], stages.options
    check_output(path, prefix, first)
    if first.facts.threads:
        return [kernels(made, prefix, stages, path)]
    generated: Future[tuple[bytes, ...]] = Future()
    with ThreadPoolExecutor(1) as beside:
        parts = described(made, prefix, generated.result, stages)
        # The weights are written and the library's interface is compiled while code is generated.
        linked = beside.submit(write_library, parts, path, weights=options.weights, cache=options.cache)
        try:
            generated.set_result(objects(made, parts, stages))
        except BaseException as error:
            generated.set_exception(error)
            raise
        with stages.stage("link"):
            return list(linked.result())


def on_processor(names: str, what: str) -> None:
    """Unsupported if what the targets of that text make are kernels that nothing launches yet."""
    if any(t.facts.threads for t in tiers.choose(names)):
        raise Unsupported(
            f"{what} on a GPU",
            why=f"what is made for {names} so far are kernels, without the code that launches them",
            fix=f"`tcc compile model.py -o model.ptx --target {names} --dump stages/` writes them and every stage",
        )


def scheduled(module: Module, chosen: Sequence[Target], stages: Stages) -> Scheduled:
    """The graph passes, then the loops."""
    with stages.stage("trace"):
        verify(module)
    stages.dump("trace.tcc", text.to_text, module)
    for name, change in passes.in_order(stages.options.tolerance):
        with stages.stage(name):
            module = build.map_functions(module, change)
            verify(module)
        stages.dump(f"{name}.tcc", text.to_text, module)
    with stages.stage("schedule"):
        programs = schedule_all(module, [target.facts for target in chosen])
        for program in programs:
            verify_program(program)
    if len(chosen) > 1:
        programs = with_one_table(programs)
    for target, program in zip(chosen, programs, strict=True):
        stages.dump(f"{_tier(target, chosen)}schedule.loops", program_text.to_text, program)
    return Scheduled(module, tuple(chosen), tuple(programs))


def described(made: Scheduled, prefix: str, generated: Callable[[], tuple[bytes, ...]], stages: Stages) -> Parts:
    """What a library is linked from, ``generated`` giving its objects."""
    with stages.stage("weights"):
        block = describe.weight_block(made.module, made.programs)
        return Parts(describe.manifest(made.module, made.programs, block, prefix), generated, block, made.targets)


def code(made: Scheduled, prefix: str, stages: Stages) -> Parts:
    """Machine code, and what else a library is linked from."""
    parts = described(made, prefix, tuple, stages)
    found = objects(made, parts, stages)
    return replace(parts, objects=lambda: found)


def objects(made: Scheduled, parts: Parts, stages: Stages) -> tuple[bytes, ...]:
    """Machine code, made of each part of a program while the next one is lowered."""
    chosen = made.targets
    jobs: list[list[Future[dict[str, bytes]]]] = []
    with ThreadPoolExecutor(CODE_GENERATOR.workers) as pool:
        for target, program in zip(chosen, made.programs, strict=True):
            options = _lowering_options(made.module, parts.manifest.prefix, target, parts.weights.offsets)
            texts = _lowered(program, options, target, _tier(target, chosen), stages)
            jobs.append([pool.submit(_compiled, text, target, stages.options) for text in texts])
        with stages.stage("generate code"):
            generated = [[job.result() for job in one] for one in jobs]
    for target, outputs in zip(chosen, generated, strict=True):
        assembly = b"\n".join(o.get("assembly", b"") for o in outputs)
        stages.dump(f"{_tier(target, chosen)}code.s", assembly.decode)
    return tuple(o["object"] for outputs in generated for o in outputs)


def _lowered(program: Program, options: lowering.Options, target: Target, tier: str, stages: Stages) -> Iterator[str]:
    """LLVM's text of one target's program, part by part."""
    named = suffixed(program, tier_suffix(target.isa)) if tier else program
    modules = lowering.lower_in_parts(named, options)
    mlir: list[str] = []
    texts: list[str] = []
    while True:
        with stages.stage(f"lower for {target.isa}" if tier else "lower"):
            module: Any = next(modules, None)
            if module is None:
                break
            if stages.options.dump is not None:
                mlir.append(lowering.to_text(module))
            texts.append(lowering.to_llvm_ir(module))
        yield texts[-1]
    stages.dump(f"{tier}lower.mlir", "// -----\n".join, mlir)
    stages.dump(f"{tier}llvm.ll", "\n".join, texts)


def _tier(target: Target, chosen: Sequence[Target]) -> str:
    """What the dumped stages of one of several targets begin with."""
    return f"{target.isa}-" if len(chosen) > 1 else ""


def kernels(made: Scheduled, prefix: str, stages: Stages, path: Path) -> Path:
    """The kernels for a GPU as PTX, without the host's side of the functions."""
    (target,), (program,) = made.targets, made.programs
    (llvm_ir,) = _lowered(program, _lowering_options(made.module, prefix, target, {}), target, "", stages)
    with stages.stage("generate code"):
        code = CODE_GENERATOR.compile(llvm_ir, target.machine, ("assembly",))["assembly"].decode()
        check_ptx(code)
    code = launch.described(program, prefix) + code
    stages.dump("code.ptx", str, code)
    write_atomically(path, code.encode())
    return path


def _compiled(llvm_ir: str, target: Target, options: Options) -> dict[str, bytes]:
    """The object, from the cache where it is there; a dump has the assembly too."""
    if options.dump is not None or options.cache is None:
        wanted = ("object", "assembly") if options.dump is not None else ("object",)
        return CODE_GENERATOR.compile(llvm_ir, target.machine, wanted)

    def make() -> bytes:
        return CODE_GENERATOR.compile(llvm_ir, target.machine)["object"]

    entry = key("object", VERSION, repr(target.machine), llvm_ir)
    return {"object": options.cache.get_or_make(entry, make)}


def _lowering_options(module: Module, prefix: str, target: Target, weights: Mapping[str, int]) -> lowering.Options:
    return lowering.Options(prefix, target.facts, target.machine.triple, weights, _source_names(module))


def _source_names(module: Module) -> dict[str, str]:
    """The names of source files in line tables: relative to the folder that holds them all, so that
    equal sources give equal libraries wherever they lie."""
    files: set[str] = {f.location.file for f in module.functions if f.location.known}

    def collect(graph: Graph) -> Graph:
        files.update(n.location.file for n in graph.nodes if n.location.known)
        return graph

    build.map_functions(module, lambda graph: build.map_graphs(graph, collect))
    absolute = sorted(f for f in files if os.path.isabs(f))
    if not absolute:
        return {}
    common = os.path.commonpath([os.path.dirname(f) for f in absolute])
    return {f: os.path.relpath(f, common) for f in absolute}


def schedule(module: Module, options: Options, progress: Progress = silent) -> Scheduled:
    """The loop programs of a module."""
    return scheduled(module, tiers.choose(options.target), Stages(options, progress))


def load(made: Scheduled, options: Options) -> runtime.Library:
    """What is scheduled, compiled and loaded into this process. Unsupported for a GPU."""
    on_processor(options.target, "calling functions")
    with tempfile.TemporaryDirectory(prefix="tcc-") as folder:
        path = Path(folder) / "compiled.so"
        # A weight file beside the library would be gone with the folder before it is mapped.
        write(made, path, Stages(replace(options, weights="embed")))
        return runtime.load(path)
