"""Instructions of one call, counted by running a worker under `steps.c`: in which object, and of which kind."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.bench.processes import ROOT, environment, python_of
from tools.bench.workload import Workload

KINDS = ("fma", "load", "store", "shuffle", "vector", "scalar")
"""What an instruction counts as: vector multiply-adds (also those that read memory), vector loads, vector stores,
moves between lanes, other vector instructions, and the rest."""

_SOURCE = Path(__file__).with_name("steps.c")
_REFUSED = 126
_LIMIT = 1800
_NOTHING = b"\x90"
_INTERPRETER = re.compile(r"/(lib)?python3[.\d]*$|/libpython|/lib-dynload/|/libffi|\[v")
_FMA = re.compile(r"vf(n?m(add|sub)|m(addsub|subadd))|vpdp|vdpbf16")
_SHUFFLE = re.compile(r"v?(perm|p?shuf|unpck|punpck|insert|extract|align|palign|pinsr|pextr|movs[hl]dup|movddup|blend)")


class RefusedError(Exception):
    """This system counts nothing: it lets no process trace another, or is none that the tracer knows."""


@dataclass(frozen=True)
class Instruction:
    """An address that was executed: in which object, how often, its bytes, and its text where it was disassembled."""

    address: int
    times: int
    object: str
    code: bytes
    text: str = ""


@dataclass(frozen=True)
class Interval:
    """What was executed between two markers. ``state`` is ``whole``, ``cut`` or ``doubtful``."""

    state: str
    steps: int
    instructions: Sequence[Instruction]

    def objects(self) -> dict[str, int]:
        """Instructions of each mapped object."""
        found: Counter[str] = Counter()
        for i in self.instructions:
            found[i.object] += i.times
        return dict(found)


@dataclass(frozen=True)
class Counted:
    """A call's instructions, less those of an empty call: all, those outside the interpreter, and these by kind.

    ``flops`` are those of the executed multiply-adds, with the lanes whose results nobody wants.
    """

    state: str
    overall: int
    own: int
    kinds: Mapping[str, int]
    flops: int
    objects: Mapping[str, int]
    listing: str = field(default="", repr=False)

    def as_json(self) -> dict[str, Any]:
        """For the file of counts; without the listing."""
        return {
            "state": self.state,
            "overall": self.overall,
            "own": self.own,
            "kinds": dict(self.kinds),
            "flops": self.flops,
            "objects": dict(self.objects),
        }


def build() -> Path:
    """Compiles the tracer, if it is not there; gives the program."""
    program = ROOT / "build" / "bench" / "steps"
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise RefusedError("instructions are counted on Linux on x86-64 only")
    if program.exists() and program.stat().st_mtime >= _SOURCE.stat().st_mtime:
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    command = [os.environ.get("CC", "cc"), "-std=gnu11", "-O2", str(_SOURCE), "-o", str(program)]
    subprocess.run(command, check=True)
    return program


def traced(command: Sequence[str], most: int, env: Mapping[str, str] | None = None) -> tuple[list[Interval], str]:
    """Runs a program that raises markers: its intervals and what it printed. An interval ends after ``most`` stops."""
    with tempfile.TemporaryDirectory(prefix="steps-") as folder:
        output = Path(folder) / "steps.txt"
        try:
            run = subprocess.run(
                [str(build()), str(output), str(most), *command],
                capture_output=True,
                text=True,
                check=False,
                cwd=ROOT,
                env=env,
                timeout=_LIMIT,
            )
        except subprocess.TimeoutExpired:
            raise ValueError(f"no end within {_LIMIT} s") from None
        if run.returncode == _REFUSED:
            raise RefusedError("this system lets no process trace another")
        if run.returncode:
            raise ValueError(f"status {run.returncode}: {run.stderr.strip()[-300:]}")
        return intervals(output.read_text()), run.stdout


def intervals(text: str) -> list[Interval]:
    """What `steps.c` wrote."""
    found: list[Interval] = []
    maps: list[tuple[int, int, str]] = []
    instructions: list[Instruction] = []
    for line in text.splitlines():
        what, *rest = line.split(" ")
        if what == "interval":
            maps, instructions = [], []
            found.append(Interval(rest[1], int(rest[0]), instructions))
        elif what == "map":
            maps.append((int(rest[0], 16), int(rest[1], 16), " ".join(rest[2:])))
        else:
            address = int(rest[0], 16)
            name = next((n for begin, end, n in maps if begin <= address < end), "")
            instructions.append(
                Instruction(address, int(rest[1]), name or "generated", bytes.fromhex(rest[2]) if rest[2:] else b"")
            )
    return found


def disassembled(instructions: Iterable[Instruction]) -> list[Instruction]:
    """In the order of addresses, with their texts if there is a disassembler.

    Each is assembled as bytes behind a symbol of its own, where the disassembler begins anew: code that exists in
    memory only is read like that of files.
    """
    ordered = sorted(instructions, key=lambda i: i.address)
    source: list[str] = []
    for number, i in enumerate(ordered):
        following = ordered[number + 1].address if number + 1 < len(ordered) else i.address + 15
        code = i.code[: following - i.address] or _NOTHING
        source.append(f"i{number}:\n .byte {','.join(map(str, code))}")
    with tempfile.TemporaryDirectory(prefix="steps-") as folder:
        path = Path(folder) / "code.s"
        path.write_text("\n".join(source) + "\n")
        assembled = path.with_suffix(".o")
        try:
            subprocess.run([os.environ.get("CC", "cc"), "-c", str(path), "-o", str(assembled)], check=True)
            command = ["objdump", "-d", "-M", "intel", "--no-show-raw-insn", str(assembled)]
            shown = subprocess.check_output(command, text=True)
        except (OSError, subprocess.CalledProcessError):
            return ordered
    texts: dict[int, str] = {}
    number = -1
    for line in shown.splitlines():
        label = re.match(r"[0-9a-f]+ <i(\d+)>:", line)
        if label:
            number = int(label[1])
        elif ":\t" in line and number not in texts:
            texts[number] = re.sub(r"\s+", " ", line.split(":\t", 1)[1].split("#")[0].split("<")[0]).strip()
    return [Instruction(i.address, i.times, i.object, i.code, texts.get(n, "")) for n, i in enumerate(ordered)]


def kind(text: str) -> str:
    """One of `KINDS`, from an instruction in Intel's spelling."""
    mnemonic, _, operands = text.partition(" ")
    if not re.search(r"\b[xyz]mm\d", operands):
        return "scalar"
    if _FMA.match(mnemonic):
        return "fma"
    first = operands.split(",")[0]
    if "[" in first and not mnemonic.startswith(("vucomis", "vcomis", "prefetch")):
        return "store"
    if "[" in operands and ("mov" in mnemonic or "broadcast" in mnemonic):
        return "load"
    return "shuffle" if _SHUFFLE.match(mnemonic) or "broadcast" in mnemonic else "vector"


def flops(text: str) -> int:
    """Of one multiply-add instruction, all lanes counted; 0 for others."""
    if kind(text) != "fma":
        return 0
    mnemonic, _, operands = text.partition(" ")
    size = 64 if "zmm" in operands else 32 if "ymm" in operands else 16
    if mnemonic.startswith("vpdpb"):
        return 2 * size
    if mnemonic.startswith(("vpdpw", "vdpbf16")):
        return size
    lanes = re.search(r"([ps])([hsd])$", mnemonic)
    width = {"h": 2, "s": 4, "d": 8}[lanes[2]] if lanes else 4
    return 2 * (size // width if lanes is None or lanes[1] == "p" else 1)


def counted(peer: str, workload: Workload, operands: Path, most: int, processor: int | None = None) -> Counted:
    """Counts one call of a workload in a worker of its own, after warm ones."""
    command = [python_of(peer), "-m", "tools.bench.counted", peer, workload.name, str(operands)]
    command += [] if processor is None else ["--processor", str(processor)]
    found, answer = traced(command, most, {**os.environ, **environment(1)})
    if len(found) < 2 or not answer:
        raise ValueError("the worker ended before its call")
    off = float(json.loads(answer)["error"])
    if not off <= workload.tolerance:
        raise ValueError(f"wrong: off by {off:.2g}, allowed {workload.tolerance:.2g}")
    empty, call = found[-2:]
    return summed(call, empty)


def summed(call: Interval, empty: Interval) -> Counted:
    """The counts of a call less those of an empty one."""
    objects = Counter(call.objects())
    objects.subtract(empty.objects())
    objects = {n: c for n, c in objects.items() if c > 0}
    instructions = disassembled(i for i in call.instructions if not _INTERPRETER.search(i.object))
    idle = {i.address: i.times for i in empty.instructions}
    kinds: Counter[str] = Counter()
    done = 0
    for i in instructions:
        times = max(i.times - idle.get(i.address, 0), 0)
        kinds[kind(i.text)] += times
        done += times * flops(i.text)
    return Counted(
        call.state,
        sum(objects.values()),
        sum(c for n, c in objects.items() if not _INTERPRETER.search(n)),
        {k: kinds[k] for k in KINDS} if any(i.text for i in instructions) else {},
        done,
        dict(sorted(((Path(n).name, c) for n, c in objects.items()), key=lambda item: -item[1])),
        _listing(instructions),
    )


def _listing(instructions: Sequence[Instruction]) -> str:
    lines: list[str] = []
    before: Instruction | None = None
    for i in instructions:
        if before is None or before.object != i.object:
            lines.append(f"\n{i.object}")
        elif i.address - before.address > 15:
            lines.append("")
        lines.append(f"{i.times:>12,} {i.address:x}  {i.text}")
        before = i
    return "\n".join(lines).strip("\n") + "\n"
