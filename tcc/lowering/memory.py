"""Loads and stores of registers through pointers, with the alignment that an element has.

``bool`` is a byte in memory and i1 in a register; a complex number is a pair of floats side by side.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Sequence

from tcc.ir.dtype import BOOL, DType
from tcc.lowering.lanes import element_type
from tcc.lowering.mlir import arith, ir, llvm, scf, vector
from tcc.lowering.registers import (
    Register,
    branch,
    integer,
    is_vector,
    lanes_of,
    resized,
    shuffle,
    splat,
    vector_of,
    zero,
)

_DYNAMIC = -(1 << 31)


def pointer() -> ir.Type:
    """The type of pointers."""
    return ir.Type.parse("!llvm.ptr")


def cell_type(dtype: DType) -> ir.Type:
    """What one element is in memory."""
    if dtype == BOOL:
        return ir.IntegerType.get_signless(8)
    if dtype.is_complex:
        return ir.Type.parse(f"!llvm.array<2 x {element_type(dtype.real)}>")
    return element_type(dtype)


def offset(base: ir.Value, index: ir.Value | int, cell: ir.Type) -> ir.Value:
    """The address ``index`` cells after ``base``; a vector of addresses when either is a vector."""
    if isinstance(index, int):
        return base if index == 0 else offset(base, integer(index), cell)
    type = vector_of(pointer(), max(lanes_of(base), lanes_of(index)))
    return llvm.GEPOp(type, base, [index], [_DYNAMIC], cell, 0).result


def _memory_type(dtype: DType, lanes: int) -> ir.Type:
    return vector_of(cell_type(dtype) if dtype == BOOL else element_type(dtype), lanes)


def _from_memory(value: ir.Value, dtype: DType) -> ir.Value:
    return arith.cmpi(1, value, zero(value.type)) if dtype == BOOL else value


def _to_memory(value: ir.Value, dtype: DType) -> ir.Value:
    if dtype != BOOL:
        return value
    return arith.extui(resized(ir.IntegerType.get_signless(8), lanes_of(value)), value)


def load(address: ir.Value, dtype: DType, mask: ir.Value | None = None, align: int = 0) -> Register:
    """One element, at a multiple of ``align`` bytes; 0 and memory untouched where ``mask`` (an i1) is false."""
    if mask is not None:
        zeros = [zero(vector_of(element_type(dtype.real), 0)) for _ in range(1 + dtype.is_complex)]
        return tuple(branch(mask, lambda: load(address, dtype, None, align), zeros))
    real = dtype.real
    type, align = _memory_type(real, 0), align or real.bytes
    parts = [offset(address, n, element_type(real)) if n else address for n in range(1 + dtype.is_complex)]
    return tuple(_from_memory(llvm.LoadOp(type, p, alignment=align).result, dtype) for p in parts)


def store(address: ir.Value, value: Register, dtype: DType, mask: ir.Value | None = None) -> None:
    """One element, where ``mask`` (an i1) is true."""
    if mask is not None:

        def guarded() -> list[ir.Value]:
            store(address, value, dtype)
            return []

        branch(mask, guarded, [])
        return
    for n, part in enumerate(value):
        target = offset(address, n, element_type(dtype.real)) if n else address
        llvm.StoreOp(_to_memory(part, dtype), target, alignment=dtype.real.bytes)


def _doubled(mask: ir.Value) -> ir.Value:
    return shuffle(mask, mask, [n // 2 for n in range(2 * lanes_of(mask))])


def load_vector(
    address: ir.Value, dtype: DType, lanes: int, mask: ir.Value | None = None, native: int = 0, align: int = 0
) -> Register:
    """``lanes`` elements side by side; 0 and memory untouched where ``mask`` is false.

    ``native`` is the width of a vector register in bytes; needed for a mask. ``align`` as for `load`.
    """
    real = dtype.real
    wide = lanes * (1 + dtype.is_complex)
    if mask is None:
        value = llvm.LoadOp(_memory_type(real, wide), address, alignment=align or real.bytes).result
    else:
        value = _load_masked(address, real, _doubled(mask) if dtype.is_complex else mask, native, align or real.bytes)
    value = _from_memory(value, dtype)
    if not dtype.is_complex:
        return (value,)
    return tuple(shuffle(value, value, range(n, wide, 2)) for n in range(2))


def load_each(addresses: Sequence[ir.Value], dtype: DType, align: int = 0) -> Register:
    """The elements at scalar addresses, one load for each lane."""
    elements = [load(address, dtype, None, align) for address in addresses]
    type = vector_of(element_type(dtype.real), len(addresses))
    return tuple(vector.from_elements(type, list(parts)) for parts in zip(*elements, strict=True))


def store_vector(
    address: ir.Value,
    value: Register,
    dtype: DType,
    mask: ir.Value | None = None,
    native: int = 0,
    nontemporal: bool = False,
) -> None:
    """A vector of elements side by side, where ``mask`` is true; ``native`` as for `load_vector`."""
    wide = _to_memory(value[0], dtype)
    lanes = lanes_of(wide)
    if dtype.is_complex:
        wide = shuffle(value[0], value[1], [n // 2 + lanes * (n % 2) for n in range(2 * lanes)])
    if mask is not None:
        _store_masked(address, wide, dtype.real, _doubled(mask) if dtype.is_complex else mask, native)
    elif nontemporal:
        _store_streaming(address, wide, lanes * dtype.bytes, dtype.real.bytes)
    else:
        llvm.StoreOp(wide, address, alignment=dtype.real.bytes)


# Masked accesses are never wider than a register: LLVM 22, splitting one whose mask is false in a whole
# part whatever the rest, makes that part unmasked.


def _load_masked(address: ir.Value, dtype: DType, mask: ir.Value, native: int, align: int) -> ir.Value:
    lanes = lanes_of(mask)
    if lanes > 1 and lanes * dtype.bytes > native:
        low, high = _halves(mask)
        above = offset(address, lanes // 2, cell_type(dtype))
        parts = _load_masked(address, dtype, low, native, align), _load_masked(above, dtype, high, native, align)
        return shuffle(*parts, order=range(lanes))
    type = _memory_type(dtype, lanes)
    return llvm.MaskedLoadOp(type, address, mask, align, pass_thru=zero(type)).result


def _store_masked(address: ir.Value, value: ir.Value, dtype: DType, mask: ir.Value, native: int) -> None:
    lanes = lanes_of(mask)
    if lanes > 1 and lanes * dtype.bytes > native:
        above = offset(address, lanes // 2, cell_type(dtype))
        for place, part, live in zip((address, above), _halves(value), _halves(mask), strict=True):
            _store_masked(place, part, dtype, live, native)
        return
    llvm.MaskedStoreOp(value, address, mask, dtype.bytes)


def _halves(value: ir.Value) -> tuple[ir.Value, ir.Value]:
    half = lanes_of(value) // 2
    return shuffle(value, value, range(half)), shuffle(value, value, range(half, 2 * half))


def _store_streaming(address: ir.Value, value: ir.Value, size: int, align: int) -> None:
    """Past the caches where the address is aligned to the vector, which streaming stores require."""
    bits = ir.IntegerType.get_signless(64)
    low = arith.andi(llvm.PtrToIntOp(bits, address).result, integer(size - 1))

    op = scf.IfOp(arith.cmpi(0, low, integer(0)), has_else=True)
    with ir.InsertionPoint(op.then_block):
        llvm.StoreOp(value, address, alignment=size, nontemporal=True)
        scf.YieldOp([])
    with ir.InsertionPoint(op.else_block):
        llvm.StoreOp(value, address, alignment=align)
        scf.YieldOp([])


def prefetch(address: ir.Value, write: bool) -> None:
    """Asks for a line of memory, into the first cache."""
    llvm.intr_prefetch(address, int(write), 3, 1)


def _all_true(lanes: int) -> ir.Value:
    return splat(1, lanes, ir.IntegerType.get_signless(1))


def gather(addresses: ir.Value, dtype: DType, mask: ir.Value | None = None, align: int = 0) -> Register:
    """The elements at a vector of addresses; 0 and memory untouched where ``mask`` is false."""
    lanes, real = lanes_of(addresses), dtype.real
    mask = _all_true(lanes) if mask is None else mask
    type = _memory_type(real, lanes)
    parts = [offset(addresses, n, element_type(real)) if n else addresses for n in range(1 + dtype.is_complex)]
    return tuple(
        _from_memory(llvm.masked_gather(type, p, mask, [zero(type)], align or real.bytes).result, dtype) for p in parts
    )


def scatter(addresses: ir.Value, value: Register, dtype: DType, mask: ir.Value | None = None) -> None:
    """Stores the lanes of a vector at a vector of addresses, lower lanes first, where ``mask`` is true."""
    mask = _all_true(lanes_of(addresses)) if mask is None else mask
    for n, part in enumerate(value):
        targets = offset(addresses, n, element_type(dtype.real)) if n else addresses
        llvm.masked_scatter(_to_memory(part, dtype), targets, mask, dtype.real.bytes)


def is_many(address: ir.Value) -> bool:
    """Whether this is a vector of addresses."""
    return is_vector(address)


def get(address: ir.Value, type: ir.Type) -> ir.Value:
    """A machine value from our own stack memory."""
    return llvm.LoadOp(type, address).result


def put(address: ir.Value, value: ir.Value) -> None:
    """A machine value into our own stack memory."""
    llvm.StoreOp(value, address)
