"""What the schedule and the lowering may know of a machine."""

from __future__ import annotations

from dataclasses import dataclass

from tcc.ir.dtype import DType

NEAR = 8
"""The largest distance from lane to lane that accesses bridge by whole vectors and shuffles."""


@dataclass(frozen=True)
class Facts:
    """Frozen figures of a target; sizes in bytes.

    ``vector_bytes`` is the width of a vector register, ``registers`` their number; ``line`` the
    cache line; ``l1``, ``l2``, ``last_level`` the caches of one core (the last level: its share).
    ``fma``: fused multiply-add exists. ``half``: conversions
    between f16 and f32 exist. ``nontemporal``: streaming stores exist. ``scale``: floats are multiplied by
    powers of two in one instruction. ``gather``: loads at a vector of addresses are better made as one than
    lane by lane. ``dots``: the scalar ops on words (`tcc.ir.scalar.DOTS`) that are instructions.

    On a GPU ``threads`` is the number of threads of a block, which are the lanes (loops that are not
    planned for them have one lane: ``vector_bytes`` is 1), ``shared`` the bytes of memory that they
    share, ``tile`` the shape (m, n, k) of the instruction that multiplies matrices of bf16 into f32;
    elsewhere they are 0 and empty.
    """

    vector_bytes: int
    registers: int
    fma: bool = True
    half: bool = True
    nontemporal: bool = True
    scale: bool = False
    gather: bool = True
    dots: frozenset[str] = frozenset()
    line: int = 64
    l1: int = 32 << 10
    l2: int = 1 << 20
    last_level: int = 16 << 20
    threads: int = 0
    shared: int = 0
    tile: tuple[int, int, int] | tuple[()] = ()

    def lanes(self, dtype: DType) -> int:
        """Elements of a dtype in one vector."""
        return max(1, self.vector_bytes // dtype.bytes)

    def masks(self, dtype: DType) -> bool:
        """Whether one instruction loads some elements of a vector: AVX does of four bytes or more, AVX-512 of any."""
        return self.vector_bytes >= (32 if dtype.bytes >= 4 else 64)
