"""Objects, glue, native sources and weights to a library: ``.so``, ``.a`` or ``.o``, with its header.

The C compiler runs in a temporary folder on relative names, so that the same input gives the same bytes
wherever it is compiled. Files appear under their names complete or not at all.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path

from tcc.artifact import Manifest, Tier, Weights, seal
from tcc.errors import InternalError, UserError
from tcc.targets.c_names import check_prefix, exports
from tcc.targets.cache import Cache, key, replacing, write_atomically
from tcc.targets.compiler import compiler, how_to_get
from tcc.targets.glue import glue
from tcc.targets.header import header
from tcc.targets.target import Target
from tcc.targets.weights import EXTERNAL_ABOVE, WeightBlock, header_hash, write_file

_COMPILE_TEXT = """
    -std=gnu11 -O2 -g0 -w -fPIC -fvisibility=hidden -fno-strict-aliasing -ffunction-sections -fdata-sections -fno-ident
"""
_COMPILE = _COMPILE_TEXT.split()


@dataclass(frozen=True)
class Parts:
    """What a library is linked from.

    ``objects`` define ``<prefix>__<function>__run`` for each function; where there are several ``targets``,
    the least demanding first, ``<prefix>__<function>__v3__run`` for each of them. They are asked for when
    all else is ready: code may be generated meanwhile.
    """

    manifest: Manifest
    objects: Callable[[], Sequence[bytes]]
    weights: WeightBlock
    targets: tuple[Target, ...]

    @property
    def target(self) -> Target:
        """The least demanding target."""
        return self.targets[0]


def check_output(path: Path, prefix: str, target: Target) -> None:
    """UserError unless the target's code may be written there; to be asked before the work of compiling."""
    if path.suffix not in target.kinds:
        what = "the kernels for a GPU are a file that" if target.facts.threads else "a library"
        raise UserError(
            f"cannot tell what to write: '{path}'",
            why=f"{what} ends in {', '.join(target.kinds)}",
            fix=f"write {path.with_suffix(target.kinds[0]).name}, for example",
        )
    check_prefix(prefix)
    check_writable(path)


def check_writable(path: Path) -> None:
    """UserError unless a file may be written there."""
    folder = path.parent
    if not folder.is_dir():
        raise UserError(f"cannot write '{path}'", why=f"there is no folder '{folder}'", fix=f"mkdir -p {folder}")
    why = ""
    if path.exists() and not path.is_file():
        # Files take their names by a rename, which would put one in the place of a device.
        why = "it is a folder" if path.is_dir() else "it is no regular file"
    elif not os.access(folder, os.W_OK | os.X_OK):
        why = f"the folder '{folder}' is not writable"
    if why:
        raise UserError(f"cannot write '{path}'", why=why, fix="choose another place with -o")


def write_library(
    parts: Parts, path: Path, *, weights: str = "auto", strip: bool = False, cache: Cache | None = None
) -> tuple[Path, ...]:
    """Links the parts into ``path`` and writes the header, and the weight file if there is one, beside it.

    ``weights`` is auto, embed or external. ``strip`` leaves out line tables and local names. Returns
    the files written, the library first. UserError where a file cannot be written or there is no C
    compiler.
    """
    check_output(path, parts.manifest.prefix, parts.target)
    names = exports(parts.manifest)
    external = weights == "external" or (weights == "auto" and parts.weights.bytes > EXTERNAL_ABOVE)
    file, head = None, b""
    with tempfile.TemporaryDirectory(prefix="tcc-link-") as folder, ExitStack() as beside:
        if external and parts.weights.bytes:
            with _writing(path):
                name = f"{path.stem}.safetensors"
                stream = beside.enter_context(replacing(path.with_name(name)))
                file, head = write_file(parts.weights, name, stream.write)
                stream.flush()
        manifest = replace(
            parts.manifest,
            weights=Weights(parts.weights.tensors, parts.weights.bytes, file),
            target=",".join(t.name for t in parts.targets),
            triple=parts.target.machine.triple,
            cpu=parts.target.machine.cpu,
            isa=parts.target.isa,
            features=parts.target.required,
            tiers=tuple(Tier(t.isa, t.required) for t in parts.targets) if len(parts.targets) > 1 else (),
        )
        text = header(manifest)
        build = Path(folder)
        (build / f"{manifest.prefix}.h").write_text(text)
        (build / "glue.c").write_text(glue(manifest, parts.weights, header_hash(head)))
        inputs = _native_objects(build, manifest.prefix, parts.target, cache)
        _run(parts.target, ["-c", *_COMPILE, f"-DTCC_PREFIX={manifest.prefix}", "glue.c", "-o", "glue.o"], build)
        inputs.append("glue.o")
        if parts.weights.bytes and file is None:
            inputs.append(_embedded(build, manifest.prefix, parts))
        for index, data in enumerate(parts.objects()):
            (build / f"kernels{index}.o").write_bytes(data)
            inputs.append(f"kernels{index}.o")
        linked = seal(_link(build, path, inputs, names, parts.target, strip))
        with _writing(path):
            # The weights take their name when all else is made, and the library comes last.
            beside.close()
            write_atomically(path.with_suffix(".h"), text.encode())
            write_atomically(path, linked, 0o755 if path.suffix == ".so" else 0o644)
    return (path, path.with_suffix(".h"), *([path.with_name(file.name)] if file is not None else []))


@contextmanager
def _writing(path: Path) -> Generator[None]:
    """UserError where the library, or what belongs to it, cannot be written."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise UserError(f"cannot write '{path}' and what belongs to it", why=why, fix="choose another place") from None


def _native_objects(build: Path, prefix: str, target: Target, cache: Cache | None) -> list[str]:
    """The native sources as objects in the build folder, from the cache where they are in it."""
    folder = resources.files("tcc.runtime").joinpath("native")
    sources = {f.name: f.read_text() for f in folder.iterdir() if f.name[-2:] in (".c", ".h")}
    shared = sources["native.h"]
    (build / "native.h").write_text(shared)
    objects: list[str] = []
    for name in sorted(n for n in sources if n.endswith(".c")):
        command = ["-c", *_COMPILE, f"-DTCC_PREFIX={prefix}", name, "-o", f"native-{name[:-2]}.o"]

        def compiled(name: str = name, command: Sequence[str] = command) -> bytes:
            (build / name).write_text(sources[name])
            _run(target, command, build)
            return (build / f"native-{name[:-2]}.o").read_bytes()

        entry = key("native", compiler_version(target), *command, shared, sources[name])
        data = cache.get_or_make(entry, compiled) if cache is not None else compiled()
        (build / f"native-{name[:-2]}.o").write_bytes(data)
        objects.append(f"native-{name[:-2]}.o")
    return objects


def _embedded(build: Path, prefix: str, parts: Parts) -> str:
    with open(build / "weights.bin", "wb") as file:
        parts.weights.write(file.write)
    symbol = f"{prefix}__weights"
    (build / "weights.s").write_text(
        f'.section .rodata.{symbol},"a"\n.balign 64\n.globl {symbol}\n.hidden {symbol}\n{symbol}:\n'
        '.incbin "weights.bin"\n.section .note.GNU-stack,"",@progbits\n'.replace(
            "@progbits", "%progbits" if parts.target.machine.architecture == "aarch64" else "@progbits"
        )
    )
    _run(parts.target, ["-c", "weights.s", "-o", "weights.o"], build)
    return "weights.o"


def _link(build: Path, path: Path, inputs: Sequence[str], names: Sequence[str], target: Target, strip: bool) -> bytes:
    if path.suffix == ".a":
        archiver = compiler(target).archiver or (_run(target, ["-print-prog-name=ar"], build).strip() or "ar",)
        _command([*archiver, "rcsD", "library.a", *inputs], build)
        return (build / "library.a").read_bytes()
    if path.suffix == ".o":
        _run(target, ["-r", "-nostdlib", "-Wl,--build-id=none", *inputs, "-o", "library.o"], build)
        return (build / "library.o").read_bytes()
    script = "{ global: " + " ".join(f"{name};" for name in names) + " local: *; };\n"
    (build / "exports.map").write_text(script)
    options = [
        *compiler(target).shared,
        f"-Wl,-soname,{path.name}",
        "-Wl,--version-script=exports.map",
        *(["-s"] if strip else []),
    ]
    _run(target, [*options, *inputs, "-lm", "-o", "library.so"], build)
    return (build / "library.so").read_bytes()


@cache
def compiler_version(target: Target) -> str:
    """What the target's C compiler says of itself; a part of cache keys."""
    return _run(target, ["--version"], Path(tempfile.gettempdir()))


def _run(target: Target, arguments: Sequence[str], folder: Path) -> str:
    return _command([*compiler(target).command, *arguments], folder)


def _command(command: Sequence[str], folder: Path) -> str:
    environment = {**os.environ, "LC_ALL": "C", "SOURCE_DATE_EPOCH": "0"}
    try:
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        why = "a C compiler compiles the library's interface and links it"
        raise UserError(f"'{command[0]}' was not found", why=why, fix=how_to_get(command[0])) from None
    if result.returncode != 0:
        raise InternalError(
            f"linking failed: {command[0]} exited with status {result.returncode}",
            why=(result.stderr or result.stdout)[-2000:].strip(),
            fix=f"the command was: {' '.join(command)[:500]}",
        )
    return result.stdout
