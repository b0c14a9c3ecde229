"""What can be compiled for: a target is a machine's name for LLVM, facts for the schedule, and a linker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from tcc.errors import UserError
from tcc.loops.facts import Facts
from tcc.targets import llvm
from tcc.targets.machine import Machine

_V2 = ("sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "cx16")
_V3 = (*_V2, "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")
_V4 = (*_V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
_BEYOND = ("gfni", "vaes", "vpclmulqdq", "pclmul", "sse4a", "adx")
_LEVELS = {"x86-64-v4": _V4, "x86-64-v3": _V3, "x86-64-v2": _V2}

_PAIRS = frozenset(("dot_i16",))
_X86_FACTS = {
    "x86-64-v2": Facts(vector_bytes=16, registers=16, fma=False, half=False, dots=_PAIRS),
    "x86-64-v3": Facts(vector_bytes=32, registers=16, dots=_PAIRS),
    "x86-64-v4": Facts(vector_bytes=64, registers=32, scale=True, dots=_PAIRS),
}
_DOTS = {"avx512vnni": "dot_u8i8", "avxvnni": "dot_u8i8", "avx512bf16": "dot_bf16"}
_LINUX = "x86_64-unknown-linux-gnu"


@dataclass(frozen=True)
class Target:
    """``isa`` is the instruction set's common name, ``required`` the features that code for it may use
    (LLVM's names; a library asks for them on its first call), ``compiler`` the C compiler that links,
    ``kinds`` the endings of the files that can be written."""

    name: str
    machine: Machine
    facts: Facts
    isa: str
    required: tuple[str, ...] = ()
    compiler: str = "cc"
    kinds: tuple[str, ...] = (".so", ".a", ".o")

    @property
    def has_fma(self) -> bool:
        """Whether a fused multiply-add is one instruction."""
        return self.facts.fma

    def described(self) -> tuple[str, str, str, str, str]:
        """Name, triple, processor, vector width and what can be made: a row of ``tcc targets``."""
        vector = f"{self.facts.threads} threads" if self.facts.threads else f"{8 * self.facts.vector_bytes} bits"
        return self.name, self.machine.triple, self.machine.cpu, vector, " ".join(self.kinds)


def _x86(name: str) -> Target:
    machine = Machine(_LINUX, name, wide=name == "x86-64-v4")
    return Target(name, machine, _X86_FACTS[name], name, _LEVELS[name])


_FIXED = (
    *map(_x86, ("x86-64-v2", "x86-64-v3", "x86-64-v4")),
    Target(
        "aarch64",
        Machine("aarch64-unknown-linux-gnu", "generic", "+neon"),
        Facts(vector_bytes=16, registers=32),
        "armv8-a",
        compiler="aarch64-linux-gnu-gcc",
    ),
)


def _gpu(name: str) -> Target:
    """An NVIDIA GPU from a compute capability on. PTX 8.0 is what CUDA 12's drivers take."""
    facts = Facts(vector_bytes=1, registers=255, nontemporal=False, threads=256, shared=48 << 10, tile=(16, 8, 16))
    return Target(name, Machine("nvptx64-nvidia-cuda", name, "+ptx80"), facts, name, kinds=(".ptx",))


_GPUS = tuple(map(_gpu, ("sm_80", "sm_90")))


def all_targets() -> tuple[Target, ...]:
    """Every target, the machine at hand first, GPUs last."""
    return (native(), *_FIXED, *_GPUS)


def get(name: str) -> Target:
    """The target of that name; UserError lists those there are."""
    if name == "native":
        return native()
    for target in (*_FIXED, *_GPUS):
        if target.name == name:
            return target
    names = ", ".join(("native", *(t.name for t in (*_FIXED, *_GPUS))))
    raise UserError(f"unknown target '{name}'", why=f"there are: {names}", fix="see `tcc targets`")


@cache
def native() -> Target:
    """The machine at hand: all its instructions, the sizes of its caches."""
    host = llvm.host()
    features = {f[1:] for f in host.features.split(",") if f.startswith("+")}
    if host.architecture == "aarch64":
        return Target("native", host, _with_caches(_FIXED[-1].facts), "armv8-a")
    isa = next((level for level, needed in _LEVELS.items() if features.issuperset(needed)), None)
    if isa is None:
        raise UserError(
            f"tcc has no target for this machine ({host.triple}, {host.cpu})",
            why="it is not of x86-64-v2 or later, nor aarch64",
            fix="compile for another one with --target; see `tcc targets`",
        )
    required = tuple(f for f in sorted(features) if f in _V4 or f in _BEYOND or f.startswith("avx"))
    facts = _X86_FACTS[isa]
    # Those of AVX-512 are of no use where vectors of 256 bits are the widest.
    dots = {op for f, op in _DOTS.items() if f in features and (f == "avxvnni" or facts.vector_bytes == 64)}
    # AMD's are microcode: of values in the first cache they take half again as long as single loads.
    gather = not host.cpu.startswith("znver")
    return Target("native", host, _with_caches(replace(facts, gather=gather, dots=facts.dots | dots)), isa, required)


def _with_caches(facts: Facts, root: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> Facts:
    """The facts with this machine's cache sizes, rounded down to powers of two.

    The rounding keeps schedules the same on machines that differ by a few ways of a cache.
    """
    sizes: dict[int, int] = {}
    for index in sorted(root.glob("index*")) if root.is_dir() else ():
        try:
            level, kind, size, sharing = (
                (index / name).read_text().strip() for name in ("level", "type", "size", "shared_cpu_list")
            )
            amount = int(size.rstrip("KMG")) << {"K": 10, "M": 20, "G": 30}.get(size[-1], 0)
            if kind != "Instruction" and amount > 0:
                sizes[int(level)] = amount // _count(sharing) if int(level) > 2 else amount
        except (OSError, ValueError):
            continue
    if not {1, 2} <= sizes.keys():
        return facts
    power = {level: 1 << (amount.bit_length() - 1) for level, amount in sizes.items()}
    return replace(facts, l1=power[1], l2=power[2], last_level=max(power[max(power)], power[2]))


def _count(cpus: str) -> int:
    """The number of processors in a list such as ``0-3,8``."""
    count = 0
    for part in cpus.split(","):
        first, _, last = part.partition("-")
        count += int(last or first) - int(first) + 1
    return max(count, 1)
