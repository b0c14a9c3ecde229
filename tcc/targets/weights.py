"""The weight block: every constant array once, at offsets that are multiples of 64.

It is embedded in the library, or written to a safetensors file that the library maps. Weights go to a file
piece by piece, as they are made: never all of them at once, never through MLIR, LLVM or assembler text.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tcc.artifact import State, WeightFile, WeightTensor
from tcc.targets.c_names import ELEMENTS

ALIGNMENT = 64
EXTERNAL_ABOVE = 16 << 20
"""Blocks larger than this are written beside the library unless the user says otherwise."""

_PAGE = 4096
_SAFETENSORS = {
    "bool": "BOOL",
    "bf16": "BF16",
    **{f"{kind}{bits}": f"{kind.upper()}{bits}" for kind in "iu" for bits in (8, 16, 32, 64)},
    **{f"f{bits}": f"F{bits}" for bits in (16, 32, 64)},
}


@dataclass(frozen=True)
class WeightArray:
    """One constant: ``data`` gives its bytes, row-major, piece by piece; ``digest`` names its dtype, shape and bytes.

    ``layout`` says what its axes are where they are not those of the source's array.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    digest: str
    data: Callable[[], Iterable[memoryview]]
    layout: str = ""


@dataclass(frozen=True, eq=False)
class WeightBlock:
    """Arrays with their places. ``bytes`` is a multiple of 64, 0 when there are none."""

    tensors: tuple[WeightTensor, ...] = ()
    data: tuple[Callable[[], Iterable[memoryview]], ...] = ()
    bytes: int = 0

    @cached_property
    def offsets(self) -> dict[str, int]:
        """Byte offset by digest."""
        return {t.digest: t.offset for t in self.tensors}

    def write(self, write: Callable[[bytes | memoryview], Any]) -> None:
        """Hands the block over piece by piece, padding included."""
        for tensor, data in zip(self.tensors, self.data, strict=True):
            for piece in data():
                write(piece)
            write(bytes(-tensor.bytes % ALIGNMENT))


def layout(arrays: Sequence[WeightArray]) -> WeightBlock:
    """The block of some arrays; those of equal digest are stored once. Names are made distinct."""
    tensors: dict[str, WeightTensor] = {}
    data: list[Callable[[], Iterable[memoryview]]] = []
    names: set[str] = set()
    offset = 0
    for array in arrays:
        if array.digest in tensors:
            continue
        name, number = array.name or "weight", 1
        while name in names:
            number += 1
            name = f"{array.name or 'weight'}_{number}"
        names.add(name)
        size = _bytes(array.dtype, array.shape)
        tensors[array.digest] = WeightTensor(name, array.dtype, array.shape, offset, size, array.digest, array.layout)
        data.append(array.data)
        offset += size + -size % ALIGNMENT
    return WeightBlock(tuple(tensors.values()), tuple(data), offset)


def safetensors_header(block: WeightBlock) -> bytes:
    """What precedes the block in a safetensors file, padded so that the block begins on a page.

    The gaps between arrays are tensors of their own, since the format allows no holes. Complex arrays
    are pairs in a last axis. The digests are in the metadata, so equal headers mean equal weights.
    """
    entries: dict[str, Any] = {"__metadata__": {f"digest.{t.name}": t.digest for t in block.tensors}}
    for tensor in block.tensors:
        end = tensor.offset + tensor.bytes
        entries[tensor.name] = _entry(tensor.dtype, tensor.shape, tensor.offset, end)
        gap = -tensor.bytes % ALIGNMENT
        if gap:
            entries[f"__padding__.{end}"] = {"dtype": "U8", "shape": [gap], "data_offsets": [end, end + gap]}
    text = _padded(entries, _PAGE)
    return len(text).to_bytes(8, "little") + text


def state_header(states: Sequence[State]) -> bytes:
    """The JSON header of the safetensors file that a state is saved in: its tensors one after the other."""
    entries: dict[str, Any] = {}
    offset = 0
    for state in states:
        end = offset + _bytes(state.dtype, state.shape)
        entries[state.name] = _entry(state.dtype, state.shape, offset, end)
        offset = end
    return _padded(entries, 8)


def _bytes(dtype: str, shape: Sequence[int]) -> int:
    return ELEMENTS[dtype].bits // 8 * math.prod(shape)


def _entry(dtype: str, shape: Sequence[int], begin: int, end: int) -> dict[str, Any]:
    pair = {"c64": "F32", "c128": "F64"}.get(dtype)
    extents = [*shape, 2] if pair else list(shape)
    return {"dtype": pair or _SAFETENSORS[dtype], "shape": extents, "data_offsets": [begin, end]}


def _padded(entries: dict[str, Any], alignment: int) -> bytes:
    """JSON whose end, with the eight bytes of its length before it, is aligned."""
    text = json.dumps(entries, separators=(",", ":")).encode()
    return text + b" " * (-(8 + len(text)) % alignment)


def write_file(block: WeightBlock, name: str, write: Callable[[bytes | memoryview], Any]) -> tuple[WeightFile, bytes]:
    """Hands over the block's safetensors file; the file's description, and its header."""
    header = safetensors_header(block)
    digest = hashlib.sha256()

    def both(piece: bytes | memoryview) -> None:
        digest.update(piece)
        write(piece)

    both(header)
    block.write(both)
    file = WeightFile(
        name=name,
        bytes=len(header) + block.bytes,
        data_offset=len(header),
        header_sha256=hashlib.sha256(header).hexdigest(),
        sha256=digest.hexdigest(),
    )
    return file, header


def header_hash(header: bytes) -> int:
    """FNV-1a of 64 bits, as the library computes it when it maps the file."""
    value = 0xCBF29CE484222325
    for byte in header:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value
