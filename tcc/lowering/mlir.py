"""The one door to the MLIR bindings: the only module that knows in which package they live.

The bindings are untyped; what a type checker may know of them is in ``mlir.pyi``.
"""
# pyright: basic, reportAttributeAccessIssue=false

from torch_mlir import ir
from torch_mlir.dialects import arith, cf, func, llvm, math, memref, scf, vector
from torch_mlir.dialects.llvm import translate_module_to_llvmir as translate
from torch_mlir.passmanager import PassManager

__all__ = ["PassManager", "arith", "cf", "func", "ir", "llvm", "math", "memref", "scf", "translate", "vector"]
