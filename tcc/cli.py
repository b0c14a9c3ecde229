"""The command ``tcc``: compile, run, inspect, targets, ops.

A user's mistake ends in a message on stderr and exit status 1 (2 for usage), never in a traceback;
``--debug`` shows it.
"""

from __future__ import annotations

import difflib
import inspect as inspection
import json
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from tcc import api, nn, ops, pipeline, runtime
from tcc.artifact import Manifest, read_manifest
from tcc.errors import InternalError, TccError, UserError
from tcc.explain import explain as explain_
from tcc.frontends import numpy as frontend
from tcc.ir.op import NotDifferentiable
from tcc.progress import Progress
from tcc.runtime import bench as bench_
from tcc.targets import target as targets
from tcc.targets.cache import replacing, write_atomically
from tcc.targets.limits import measured_limits
from tcc.targets.link import check_writable

_DEBUG = "tcc.debug"


class _Commands(click.Group):
    """A group whose commands end in a message instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TccError as error:
            self._fail(ctx, error)
        except BrokenPipeError:
            raise
        except OSError as error:
            what = f"cannot use '{error.filename}'" if error.filename else "the system refused a request"
            why = error.strerror or str(error)
            self._fail(ctx, UserError(what, why=why, fix="check the path, its permissions and the space on the disk"))
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            command = " ".join(["tcc", *sys.argv[1:]])
            self._fail(
                ctx,
                InternalError(
                    f"{type(error).__name__}: {error}",
                    why="this is a mistake in tcc, not in your program",
                    fix=f"please report it with the output of: {command.replace('tcc', 'tcc --debug', 1)}",
                ),
            )

    def _fail(self, ctx: click.Context, error: Exception) -> None:
        if ctx.meta.get(_DEBUG):
            traceback.print_exc()
        click.echo(str(error), err=True)
        ctx.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="tcc")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Compiles tensor programs to small C libraries.

    \b
    tcc compile model.py -o model.so      # writes model.so and model.h
    tcc inspect model.so
    tcc run model.so classify --x x.npy -o result.npy
    """
    ctx.meta[_DEBUG] = debug


@cli.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="model.so, model.a or model.o; for a GPU model.ptx: the kernels alone, without the code that launches them.",
)
@click.option(
    "--target",
    default="native",
    show_default=True,
    help="What to compile for; see `tcc targets`. Several with commas make one library.",
)
@click.option("--prefix", help="Begins every exported name.  [default: the output's stem]")
@click.option("--function", "functions", multiple=True, help="Compile only this function (repeatable).")
@click.option(
    "--weights",
    type=click.Choice(["auto", "embed", "external"]),
    default="auto",
    show_default=True,
    help="Inside the library, in a safetensors file beside it, or (auto) beside it above 16 MB.",
)
@click.option(
    "--tolerance",
    type=float,
    default=0.0,
    show_default=True,
    help="Error that a faster algorithm may add to a convolution, relative to its largest result: 1e-5, for example.",
)
@click.option("--dump", type=click.Path(path_type=Path, file_okay=False), help="Write every stage here, numbered.")
def compile(
    source: Path,
    output: Path,
    target: str,
    prefix: str | None,
    functions: tuple[str, ...],
    weights: str,
    tolerance: float,
    dump: Path | None,
) -> None:
    """Compiles SOURCE (.py with @tcc.function, or .tcc graph text) into a library and its header.

    \b
    tcc compile model.py -o model.so
    tcc compile model.py -o libmodel.a --prefix model --target x86-64-v3
    tcc compile model.py -o model.so --target x86-64-v2,x86-64-v3,x86-64-v4
    tcc compile model.py -o model.ptx --target sm_90
    tcc compile model.py -o model.so --tolerance 1e-5
    tcc compile model.py -o model.so --dump stages/
    """
    options = pipeline.Options(target=target, prefix=prefix, weights=weights, tolerance=tolerance, dump=dump)
    with Progress(f"compiling {source}") as progress:
        module = api.module_from_source(source, functions)
        written = pipeline.compile_to(module, output, options, progress.stage)
    for path in written:
        click.echo(f"wrote {path} ({path.stat().st_size:,} bytes)")


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("library", type=click.Path(path_type=Path))
@click.argument("function")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the results here (.npy or .npz).")
def run(library: Path, function: str, arguments: tuple[str, ...], output: Path | None) -> None:
    """Calls FUNCTION of LIBRARY on arrays from .npy or .npz files (or numbers).

    Each argument is `--NAME FILE`; a nested one is named with dots, a file in an .npz as FILE.npz:KEY.

    \b
    tcc run model.so classify --x images.npy -o probabilities.npy
    tcc run model.so price --spot data.npz:spot --strike data.npz:strike --rate 0.02
    """
    if output is not None:
        _check_output(output)
    given = _named(arguments)
    with runtime.load(library) as loaded:
        result = loaded.call_leaves(function, {name: _array(name, text) for name, text in given.items()})
    if output is None:
        for name, value in result.items():
            click.echo(f"{name} {value.dtype}{list(value.shape)}\n{value}")
    elif output.suffix == ".npz":
        with replacing(output) as file:
            np.savez(file, **result)
    elif len(result) == 1:
        with replacing(output) as file:
            np.save(file, next(iter(result.values())))
    else:
        raise UserError(
            f"{function} has {len(result)} results ({', '.join(result)})",
            why="an .npy file holds one array",
            fix="write them to an .npz file: -o out.npz",
        )


def _check_output(path: Path) -> None:
    """UserError unless arrays can be written there; asked before the work of which they are the result."""
    if path.suffix not in (".npy", ".npz"):
        raise UserError(
            f"cannot tell what to write: '{path}'",
            why="a file of arrays ends in .npy or .npz",
            fix=f"write {path.stem}.npz, for example",
        )
    check_writable(path)


def _named(arguments: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        name, equals, text = word.removeprefix("--").partition("=")
        if not word.startswith("--") or (not equals and not words):
            raise click.UsageError(f"'{word}': arguments are written --NAME FILE")
        found[name] = text if equals else words.pop(0)
    return found


def _array(name: str, text: str) -> Any:
    path, _, key = text.rpartition(":") if ".npz:" in text else (text, "", "")
    try:
        if Path(path).suffix not in (".npy", ".npz"):
            return _number(text)
        loaded: Any = np.load(path, allow_pickle=False)
        if not hasattr(loaded, "files"):
            return loaded
        if key in loaded.files:
            return loaded[key]
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UserError(
            f"argument '{name}': cannot read '{text}'", why=why, fix="give a .npy file, FILE.npz:KEY or a number"
        ) from None
    raise UserError(
        f"argument '{name}': '{text}' names no array",
        why=f"'{path}' holds {', '.join(loaded.files) or 'none'}",
        fix=f"--{name} {path}:{loaded.files[0] if loaded.files else 'KEY'}",
    )


def _number(text: str) -> int | float | complex:
    """A Python number, which takes the dtype of the argument it is passed for."""
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return complex(text)


@cli.command()
@click.argument("library", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="The whole manifest as JSON.")
def inspect(library: Path, as_json: bool) -> None:
    """Shows what is in LIBRARY, without running any of it.

    \b
    tcc inspect model.so
    """
    manifest = read_manifest(library)
    if as_json:
        click.echo(manifest.to_json(indent=2))
        return
    for line in _described(library, manifest):
        click.echo(line)


def _described(library: Path, manifest: Manifest) -> list[str]:
    lines = [f"{library}: {library.stat().st_size:,} bytes, made by tcc {manifest.version}"]
    lines += [f"  target   {manifest.target} ({manifest.triple}, {manifest.cpu})"]
    if manifest.tiers:
        lines += [f"  tiers    {', '.join(t.name for t in manifest.tiers)}: the best that the processor has runs"]
    lines += [f"  needs    {', '.join(manifest.needed) or 'nothing'}"]
    lines += [f"  weights  {manifest.weights.described()}"]
    lines += [f"  sha256   {manifest.sha256}", ""]
    for function in manifest.functions:
        lines.append(f"  {function.described()}")
        lines += [f"      {line}" for line in function.doc.splitlines()[:1]]
        lines.append(f"      C:         {manifest.prefix}_{function.name}")
        lines.append(f"      workspace: {function.workspace} bytes")
    if manifest.states:
        lines.append("  state    " + ", ".join(f"{s.name}: {s.spelled()}" for s in manifest.states))
    return lines


@cli.command()
@click.argument("library", type=click.Path(path_type=Path))
@click.argument("function", required=False)
@click.option("--size", "sizes", multiple=True, metavar="NAME=N", help="A size of the arguments (repeatable).")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="The most threads of a call.")
@click.option("--json", "as_json", is_flag=True, help="Everything measured, as JSON.")
def bench(library: Path, function: str | None, sizes: tuple[str, ...], threads: int, as_json: bool) -> None:
    """Times the functions of LIBRARY and their kernels, beside what this machine can do.

    Arguments are random. A kernel's GFLOP/s count an exp as 14 additions and so on; its GB/s count each
    byte that it must read or write once. The last column is the larger share of the machine's limits,
    which are measured in the same run.

    \b
    tcc bench model.so
    tcc bench model.so classify --size batch=4096 --threads 2
    """
    given = dict(map(_size, sizes))
    with Progress("measuring") as progress, runtime.load(library, threads=threads) as loaded:
        progress.stage("the machine's limits")
        limits = measured_limits(threads)
        reports: list[bench_.Report] = []
        for name in [function] if function else [f.name for f in loaded.manifest.functions]:
            progress.stage(name)
            own = {s.name for s in loaded.manifest.function(name).symbols}
            chosen = given if function else {n: v for n, v in given.items() if n in own}
            reports.append(bench_.measure(loaded, name, chosen, limits))
    if as_json:
        found = {"limits": {"operations": dict(limits.operations), "copy": limits.copy}, "threads": threads}
        click.echo(json.dumps({**found, "functions": [r.to_json() for r in reports]}, indent=2))
        return
    peaks = ", ".join(f"{rate / 1e9:.4g} GFLOP/s FMA {name}" for name, rate in limits.operations.items())
    click.echo(f"limits with {threads} thread{'s' * (threads > 1)}: {peaks}, {limits.copy / 1e9:.3g} GB/s copy")
    _print_table(bench_.HEADS, [row for report in reports for row in report.described()])


def _size(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if not number.isdecimal():
        raise click.UsageError(f"'{text}': a size is written NAME=N")
    return name, int(number)


@cli.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The HTML file to write.")
@click.option("--target", default="native", show_default=True, help="What to compile for; see `tcc targets`.")
@click.option("--function", "functions", multiple=True, help="Explain only this function (repeatable).")
@click.option("--size", "sizes", multiple=True, metavar="NAME=N", help="A size to show figures for (repeatable).")
@click.option("--tolerance", type=float, default=0.0, show_default=True, help="As for `tcc compile`.")
@click.option("--no-measure", is_flag=True, help="Do not run the compiled code.")
def explain(
    source: Path,
    output: Path,
    target: str,
    functions: tuple[str, ...],
    sizes: tuple[str, ...],
    tolerance: float,
    no_measure: bool,
) -> None:
    """Writes a page that shows how SOURCE becomes machine code, and why it becomes this.

    One self-contained HTML file: all stages side by side from the source to the assembly, linked line by
    line; the graph; each decision of the schedule with its reason; predicted and measured figures.

    \b
    tcc explain model.py -o report.html
    tcc explain model.py -o report.html --target x86-64-v4 --size batch=4096
    """
    check_writable(output)
    options = pipeline.Options(target=target, tolerance=tolerance)
    with Progress(f"explaining {source}") as progress:
        module = api.module_from_source(source, functions)
        page = explain_(module, source.name, options, dict(map(_size, sizes)), not no_measure, progress.stage)
    write_atomically(output, page.encode())
    click.echo(f"wrote {output} ({output.stat().st_size:,} bytes)")


@cli.command(name="targets")
def targets_() -> None:
    """Lists what can be compiled for."""
    _print_table(("target", "triple", "cpu", "vector", "makes"), [t.described() for t in targets.all_targets()])


@cli.command(name="ops")
@click.argument("name", required=False)
def ops_(name: str | None) -> None:
    """Lists the ops, or shows one: operands, dtypes, gradient, batching."""
    if name is None:
        rows = [(op.name, ", ".join(op.operands), op.doc.splitlines()[0]) for op in ops.TABLE.values()]
        _print_table(("op", "operands", "meaning"), rows)
        return
    if name not in ops.TABLE:
        _show_function(name)
        return
    op = ops.TABLE[name]
    form = "composite" if op.form is None else type(op.form).__name__
    for label, text in (
        (op.name, op.doc),
        ("operands", ", ".join(op.operands)),
        ("form", form),
        ("gradient", "no: not differentiable" if isinstance(op.gradient, NotDifferentiable) else "yes"),
    ):
        click.echo(f"{label:10} {text}")


def _show_function(name: str) -> None:
    """A function of ``tcc`` that is made of ops, by its signature and documentation."""
    functions = {**{n: f"tcc.{n}" for n in frontend.op_names()}, **{n: f"tcc.nn.{n}" for n in nn.__all__}}
    if name not in functions:
        near = difflib.get_close_matches(name, {*functions, *ops.TABLE}, n=3)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        why = "neither an op nor a function of tcc or tcc.nn has that name"
        raise UserError(f"no op is called '{name}'", why=why, fix=f"{hint}`tcc ops` lists them all")
    function = getattr(nn if name in nn.__all__ else ops, name)
    click.echo(f"{functions[name]}{inspection.signature(function)}".replace("'", ""))
    click.echo(inspection.getdoc(function) or "")


def _print_table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 160
    Console(width=width, highlight=False, markup=False).print(table)


main: Callable[[], Any] = cli
