"""Values in machine registers: constants, 64-bit index arithmetic, broadcasts, shuffles, branches.

A `Register` is the machine's side of one scalar: one MLIR value, or two for a complex number. A
value is a scalar or a vector over the lanes axis.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Callable, Sequence

from tcc.ir import dtype as dt
from tcc.ir.dtype import DType
from tcc.ir.scalar import Number
from tcc.lowering.lanes import element_type, half_bits
from tcc.lowering.mlir import arith, ir, scf, vector

Register = tuple[ir.Value, ...]


def i64() -> ir.Type:
    """The type of sizes and indices."""
    return ir.IntegerType.get_signless(64)


def lanes_of(value: ir.Value) -> int:
    """The number of lanes of a value; 0 for a scalar."""
    type = value.type
    return type.shape[0] if isinstance(type, ir.VectorType) else 0


def is_vector(value: ir.Value) -> bool:
    """Whether a value has lanes."""
    return isinstance(value.type, ir.VectorType)


def vector_of(type: ir.Type, lanes: int) -> ir.Type:
    """The vector of ``lanes`` elements; the element itself for 0."""
    return ir.VectorType.get([lanes], type) if lanes else type


def resized(type: ir.Type, lanes: int) -> ir.Type:
    """The type of ``lanes`` elements like those of a scalar or vector type."""
    return vector_of(type.element_type if isinstance(type, ir.VectorType) else type, lanes)


def integer(value: int, type: ir.Type | None = None) -> ir.Value:
    """An integer constant, 64 bits unless said."""
    type = type or i64()
    return arith.constant(type, ir.IntegerAttr.get(type, value))


def constant(dtype: DType, value: Number) -> Register:
    """A scalar constant of any dtype."""
    if dtype.is_complex:
        number = complex(value)
        return (*constant(dtype.real, number.real), *constant(dtype.real, number.imag))
    element = element_type(dtype)
    if dtype in (dt.F16, dt.BF16):
        return constant(dt.U16, half_bits(value, dtype))  # pyright: ignore[reportArgumentType]
    if dtype.is_float:
        return (arith.constant(element, ir.FloatAttr.get(element, float(value))),)  # pyright: ignore[reportArgumentType]
    bits = 1 if dtype.kind == "bool" else dtype.bits
    wrapped = int(value) & ((1 << bits) - 1)  # pyright: ignore[reportArgumentType]
    return (integer(wrapped - (wrapped >> (bits - 1) << bits), element),)


def broadcast(value: ir.Value, lanes: int) -> ir.Value:
    """A scalar in all of ``lanes`` lanes; a vector, or any value for 0, stays as it is."""
    if not lanes or is_vector(value):
        return value
    return vector.broadcast(ir.VectorType.get([lanes], value.type), value)


def alike(*values: ir.Value) -> list[ir.Value]:
    """The values with scalars broadcast if any of them is a vector."""
    lanes = max(map(lanes_of, values))
    return [broadcast(v, lanes) for v in values]


def steps(lanes: int, stride: int = 1, type: ir.Type | None = None) -> ir.Value:
    """The vector 0, stride, 2·stride, … of integers, 64 bits unless said."""
    type = type or i64()
    shape = ir.VectorType.get([lanes], type)
    elements = [ir.IntegerAttr.get(type, stride * lane) for lane in range(lanes)]
    return arith.constant(shape, ir.DenseElementsAttr.get(elements, shape))


def splat(value: int, lanes: int, type: ir.Type) -> ir.Value:
    """An integer constant in all lanes; the scalar for 0 lanes."""
    if not lanes:
        return integer(value, type)
    shape = ir.VectorType.get([lanes], type)
    return arith.constant(shape, ir.DenseElementsAttr.get_splat(shape, ir.IntegerAttr.get(type, value)))


def zero(type: ir.Type) -> ir.Value:
    """The zero of a scalar or vector type of integers or floats."""
    element = type.element_type if isinstance(type, ir.VectorType) else type
    integral = isinstance(element, ir.IntegerType)
    attribute = ir.IntegerAttr.get(element, 0) if integral else ir.FloatAttr.get(element, 0.0)
    if isinstance(type, ir.VectorType):
        attribute = ir.DenseElementsAttr.get_splat(type, attribute)
    return arith.constant(type, attribute)


def add(a: ir.Value, b: ir.Value) -> ir.Value:
    """The sum of integers; a scalar beside a vector is broadcast."""
    return arith.addi(*alike(a, b))


def subtract(a: ir.Value, b: ir.Value) -> ir.Value:
    """The difference of integers, likewise."""
    return arith.subi(*alike(a, b))


def multiply(a: ir.Value, b: ir.Value) -> ir.Value:
    """The product of integers, likewise."""
    return arith.muli(*alike(a, b))


PREDICATES = {"eq": 0, "ne": 1, "lt": 2, "le": 3, "gt": 4, "ge": 5, "ult": 6}


def compare(predicate: str, a: ir.Value, b: ir.Value) -> ir.Value:
    """A signed comparison of integers, as i1."""
    return arith.cmpi(PREDICATES[predicate], *alike(a, b))


def select(condition: ir.Value, x: Register, y: Register) -> Register:
    """``x`` where the condition holds, else ``y``."""
    lanes = max(lanes_of(v) for v in (condition, *x, *y))
    mask = broadcast(condition, lanes)
    return tuple(arith.select(mask, broadcast(a, lanes), broadcast(b, lanes)) for a, b in zip(x, y, strict=True))


def both(a: ir.Value, b: ir.Value) -> ir.Value:
    """The conjunction of bools."""
    return arith.andi(*alike(a, b))


def either(a: ir.Value, b: ir.Value) -> ir.Value:
    """The disjunction of bools."""
    return arith.ori(*alike(a, b))


def invert(a: ir.Value) -> ir.Value:
    """The negation of bools."""
    return arith.xori(a, splat(1, lanes_of(a), ir.IntegerType.get_signless(1)))


def known_bit(value: ir.Value) -> bool | None:
    """What an i1 is, as far as constants tell before they are folded."""
    owner = value.owner
    if isinstance(owner, ir.Block):
        return None
    name = owner.operation.name
    if name == "arith.constant" and not is_vector(value):
        return ir.IntegerAttr(owner.operation.attributes["value"]).value != 0
    if name not in ("arith.andi", "arith.ori"):
        return None
    parts = [known_bit(v) for v in owner.operation.operands]
    decisive = name == "arith.ori"
    if decisive in parts:
        return decisive
    return None if None in parts else not decisive


def any_of(values: Sequence[ir.Value]) -> ir.Value:
    """One i1: whether any lane of any of these bools is true."""
    joined = values[0]
    for value in values[1:]:
        joined = either(joined, value)
    if not is_vector(joined):
        return joined
    return vector.reduction(ir.IntegerType.get_signless(1), ir.Attribute.parse("#vector.kind<or>"), joined)


def shuffle(a: ir.Value, b: ir.Value, order: Sequence[int]) -> ir.Value:
    """The lanes of ``a`` and ``b``, counted through, in the given order."""
    return vector.shuffle(a, b, list(order))


def lane(value: ir.Value, number: int) -> ir.Value:
    """One lane of a vector."""
    return vector.extract(value, [], [number])


def to_index(value: ir.Value, dtype: DType) -> ir.Value:
    """An integer of a dtype in 64 bits."""
    if dtype.bits == 64:
        return value
    extend = arith.extsi if dtype.kind == "int" else arith.extui
    return extend(resized(i64(), lanes_of(value)), value)


def narrow(value: ir.Value, dtype: DType) -> ir.Value:
    """A 64-bit integer in an integer dtype, modulo its width."""
    if dtype.bits == 64:
        return value
    return arith.trunci(resized(element_type(dtype), lanes_of(value)), value)


def branch(
    condition: ir.Value, then: Callable[[], Sequence[ir.Value]], otherwise: Sequence[ir.Value]
) -> list[ir.Value]:
    """``then()`` where the scalar condition holds, else ``otherwise``, which exist already."""
    op = scf.IfOp(condition, [v.type for v in otherwise], has_else=bool(otherwise))
    with ir.InsertionPoint(op.then_block):
        scf.YieldOp(list(then()))
    if otherwise:
        with ir.InsertionPoint(op.else_block):
            scf.YieldOp(list(otherwise))
    return list(op.results)
