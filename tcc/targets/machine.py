"""The machine that code is generated for, as LLVM names it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """LLVM's triple, processor name and feature string (``+avx2,-avx512f``; empty: the processor's own).

    ``wide`` asks for vectors of 512 bits where the processor's own preference would be 256.
    """

    triple: str
    cpu: str = "generic"
    features: str = ""
    wide: bool = False

    @property
    def architecture(self) -> str:
        """The first part of the triple: ``x86_64``, ``aarch64``."""
        return self.triple.partition("-")[0]
