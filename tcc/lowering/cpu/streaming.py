"""Ordering of streaming stores on the CPU."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from tcc.lowering.mlir import llvm


def fence(triple: str) -> None:
    """Makes streaming stores visible to other threads before what follows.

    x86 alone orders them weakly against later ordinary stores.
    """
    if triple.startswith(("x86_64", "i686")):
        llvm.CallIntrinsicOp(None, "llvm.x86.sse.sfence", [], [], [])
