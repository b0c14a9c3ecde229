"""Loop programs to MLIR and LLVM text."""
