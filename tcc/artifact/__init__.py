"""What a library says of itself: the manifest inside it, read and checked without running its code."""

from tcc.artifact.manifest import (
    SCHEMA,
    BufferPlan,
    Function,
    Manifest,
    Solve,
    State,
    Step,
    Symbol,
    Tensor,
    Tier,
    WeightFile,
    Weights,
    WeightTensor,
)
from tcc.artifact.seal import blob, read_manifest, seal

__all__ = [
    "SCHEMA",
    "BufferPlan",
    "Function",
    "Manifest",
    "Solve",
    "State",
    "Step",
    "Symbol",
    "Tensor",
    "Tier",
    "WeightFile",
    "WeightTensor",
    "Weights",
    "blob",
    "read_manifest",
    "seal",
]
