"""Random small graphs over the ops, with inputs that suit them and how exact their outputs can be.

Every value carries a bound of its magnitude and of its rounding error (in units of its dtype's
epsilon), so that results stay finite, functions with jumps are applied to exact values only, and a
comparison of two ways to compute a graph has a tolerance that is derived, not guessed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

import tcc.ops as ops
from tcc.ir import dim, dtype, interpret
from tcc.ir import location as locations
from tcc.ir.dim import Size
from tcc.ir.dtype import BOOL, F16, F32, F64, I32, I64, U8, DType
from tcc.ir.graph import Graph, Node, Value
from tcc.ir.location import Location
from tcc.ir.types import TensorType

LARGEST = 64.0
"""No float may exceed this; a value that might is squashed by tanh first."""

SIZES = (0, 1, 2, 3, 5, 8, 17)
N, M = dim.symbol("n"), dim.symbol("m", 1)
EXTENTS: tuple[Size, ...] = (N, M, N, M, 1, 3, 4)
DTYPES = (F32, F32, F32, F64, F64, F16, I32, I64, U8, BOOL)


@dataclass(frozen=True)
class Item:
    """A value, its greatest magnitude, and its absolute error in epsilons of its dtype."""

    value: Value
    bound: float
    error: float = 0.0

    @property
    def type(self) -> TensorType:
        return self.value.type

    @property
    def dtype(self) -> DType:
        return self.value.type.dtype


@dataclass(frozen=True)
class Case:
    """A graph, inputs, the sizes of its symbols, and for each output the absolute error to allow."""

    seed: int
    graph: Graph
    inputs: list[np.ndarray[Any, Any]]
    sizes: dict[str, int]
    tolerances: list[float]


def generate(seed: int, most: int = 15) -> tuple[Graph, list[np.ndarray[Any, Any]], dict[str, int]]:
    """A graph of at most ``most`` nodes that the generator chose (a broadcast or conversion may come
    with each), inputs for it and sizes of its symbols."""
    case = generate_case(seed, most)
    return case.graph, case.inputs, case.sizes


def generate_case(seed: int, most: int = 15) -> Case:
    """The same, with tolerances."""
    return _Generator(random.Random(seed), seed).case(most)


def largest(size: Size) -> float:
    """A size where every symbol is as large as it can be."""
    return float(dim.evaluate(size, {"n": max(SIZES), "m": max(SIZES)}))


class _Generator:
    def __init__(self, rng: random.Random, seed: int) -> None:
        self.rng = rng
        self.seed = seed
        self.items: list[Item] = []
        self.line = 0

    def case(self, most: int) -> Case:
        sizes = {"n": self.rng.choice(SIZES), "m": self.rng.choice(SIZES[1:])}
        inputs = tuple(self.input(i) for i in range(self.rng.randint(1, 3)))
        self.items = [Item(v, 2.0 if v.type.dtype.is_float else 3.0) for v in inputs]
        for _ in range(self.rng.randint(1, most)):
            self.line += 1
            with locations.located(Location("random.py", self.line)):
                self.step()
        made = self.items[len(inputs) :]
        used = {v for item in made if item.value.producer for v in item.value.producer.operands}
        ends = [item for item in made if item.value not in used][-3:] or made[-1:] or self.items[:1]
        graph = Graph(f"random_{self.seed}", inputs, tuple(e.value for e in ends))
        arrays = [self.array(v, sizes) for v in inputs]
        epsilons = [dtype_epsilon(e.dtype) if e.dtype.is_float else 0.0 for e in ends]
        tolerances = [e.error * eps for e, eps in zip(ends, epsilons, strict=True)]
        return Case(self.seed, graph, arrays, sizes, tolerances)

    def input(self, index: int) -> Value:
        rank = self.rng.choice((0, 1, 2, 2, 3)) if index else self.rng.choice((1, 2, 2, 3))
        shape = [self.rng.choice(EXTENTS) for _ in range(rank)]
        if index == 0:
            # Every symbol must be found from the inputs.
            shape = [N, M, *shape[2:]]
        kind = self.rng.choice(DTYPES)
        return Value(TensorType(kind, tuple(shape)), Location("random.py", 100 + index), name=f"x{index}")

    def array(self, value: Value, sizes: dict[str, int]) -> np.ndarray[Any, Any]:
        rng = np.random.default_rng(self.rng.getrandbits(32))
        shape, kind = interpret.shape_of(value.type, sizes), value.type.dtype
        if kind.is_float:
            return rng.uniform(-2, 2, shape).astype(kind.numpy)
        low = -3 if kind.kind == "int" else 0
        return rng.integers(low, 2 if kind == BOOL else 4, shape).astype(kind.numpy)

    def pick(self, test: Any = lambda _: True) -> Item | None:
        """An item that passes, recent ones more often."""
        fit = [item for item in self.items if test(item)]
        if not fit:
            return None
        return fit[max(self.rng.randrange(len(fit)), self.rng.randrange(len(fit)))]

    def step(self) -> None:
        makers = (
            [self.unary] * 3
            + [self.binary] * 5
            + [self.choice] * 2
            + [self.convert]
            + [self.reduce] * 3
            + [self.move] * 4
            + [self.join]
            + [self.product] * 2
            + [self.running]
            + [self.integer] * 2
            + [self.compare] * 2
            + [self.composite]
            + [self.gather]
            + [self.loop]
            + [self.sort]
        )
        for _ in range(20):
            made = self.rng.choice(makers)()
            if made is not None and made.type.rank <= 4 and largest(made.type.size) <= 20_000 and self.tight(made):
                self.items.append(made)
                return
        item = self.items[-1]
        self.items.append(Item(ops.reshape(item.value, (1, *item.type.shape)), item.bound, item.error))

    def small(self, item: Item, limit: float = LARGEST) -> Item:
        """The item, squashed if it could exceed a limit."""
        if item.bound <= limit:
            return item
        return Item(ops.tanh(item.value), 1.0, item.error + 6)

    def like(self, item: Item) -> Item | None:
        """Another operand that broadcasts with an item without growing it; sometimes a number."""
        if self.rng.random() < 0.15:
            number = self.rng.choice((2.0, 0.5, -1.0, 1.0, 0.0)) if item.dtype.is_float else self.rng.choice((0, 1, 2))
            return Item(ops.broadcast_to(ops.literal(np.asarray(number, item.dtype.numpy)), item.type.shape), 2.0)

        def fits(other: Item) -> bool:
            tail = item.type.shape[item.type.rank - other.type.rank :]
            pairs = zip(other.type.shape, tail, strict=False)
            return (
                other.dtype == item.dtype and other.type.rank <= item.type.rank and all(a in (1, b) for a, b in pairs)
            )

        return self.pick(fits)

    def tight(self, item: Item) -> bool:
        """Whether a comparison of this value would still say something."""
        return not item.dtype.is_float or item.error * dtype_epsilon(item.dtype) < 0.02

    def unary(self) -> Item | None:
        item = self.pick(lambda i: i.dtype.is_float)
        if item is None:
            return None
        x, e = item.value, item.error
        name = self.rng.choice(
            ("tanh", "sin", "cos", "exp", "log1p", "sqrt", "negative", "abs", "square", "erf", "floor")
        )
        if name in ("tanh", "sin", "cos", "erf"):
            return Item(getattr(ops, name)(x), 1.0, 1.2 * e + 6)
        if name in ("negative", "abs"):
            return Item(getattr(ops, name)(x), item.bound, e)
        if name == "floor":
            return Item(ops.floor(x), item.bound + 1, 0.0) if e == 0 else None
        item = self.small(item, 4.0)
        x, e, b = item.value, item.error, item.bound
        if name == "exp":
            grown = float(np.exp(b))
            return Item(ops.exp(x), grown, grown * (e + 6))
        if name == "square":
            return Item(ops.square(x), b * b, 2 * b * e + b * b)
        if name == "log1p":
            return Item(ops.log1p(ops.abs(x)), b, e + 6 * (b + 1))
        return Item(ops.sqrt(ops.add(ops.square(x), 1)), b + 1, 2 * (b + 1) * (e + 4))

    def binary(self) -> Item | None:
        first = self.pick(lambda i: i.dtype.is_float)
        second = self.like(first) if first is not None else None
        if first is None or second is None:
            return None
        name = self.rng.choice(("add", "subtract", "multiply", "divide", "maximum", "minimum"))
        if name == "multiply":
            first, second = self.small(first, 8.0), self.small(second, 8.0)
            bound = first.bound * second.bound
            error = first.error * second.bound + second.error * first.bound + bound
            return Item(ops.multiply(first.value, second.value), bound, error)
        if name == "divide":
            below = ops.add(ops.abs(second.value), 1)
            error = first.error + first.bound * (second.error + second.bound + 3)
            return Item(ops.divide(first.value, below), first.bound, error)
        value = getattr(ops, name)(first.value, second.value)
        if name in ("maximum", "minimum"):
            return Item(value, max(first.bound, second.bound), max(first.error, second.error))
        bound = first.bound + second.bound
        return Item(value, bound, first.error + second.error + bound) if bound <= LARGEST else None

    def choice(self) -> Item | None:
        first = self.pick()
        second = self.like(first) if first is not None else None
        if first is None or second is None:
            return None
        exact = self.pick(lambda i: i.error == 0 and i.type.shape == first.type.shape)
        if exact is None:
            return None
        test = exact.value if exact.dtype == BOOL else ops.greater(exact.value, 0)
        value = ops.where(test, first.value, second.value)
        return Item(value, max(first.bound, second.bound), max(first.error, second.error))

    def convert(self) -> Item | None:
        item = self.pick()
        if item is None:
            return None
        target = self.rng.choice(DTYPES)
        if item.dtype.is_float and not target.is_float:
            if item.error or target.kind == "uint":
                return None
            return Item(ops.astype(item.value, target), item.bound)
        if not target.is_float:
            return Item(ops.astype(item.value, target), 2.0**31)
        if item.bound > LARGEST:
            return None
        error = 0.0
        if item.dtype.is_float:
            ratio = dtype_epsilon(item.dtype) / dtype_epsilon(target)
            error = item.error * ratio + (item.bound if ratio < 1 else 0.0)
        elif target == F16:
            error = item.bound
        return Item(ops.astype(item.value, target), item.bound, error)

    def reduce(self) -> Item | None:
        item = self.pick(lambda i: i.type.rank > 0 and i.dtype != BOOL)
        if item is None:
            return None
        rank = item.type.rank
        axes = tuple(sorted(self.rng.sample(range(rank), self.rng.randint(1, min(2, rank)))))
        keep = self.rng.random() < 0.3
        count = float(np.prod([max(largest(item.type.shape[a]), 1) for a in axes]))
        name = self.rng.choice(("sum", "sum", "mean", "max", "min", "argmax", "any"))
        present = all(dim.positive(item.type.shape[a]) for a in axes)
        if name in ("max", "min") and present:
            return Item(getattr(ops, name)(item.value, axis=axes, keepdims=keep), item.bound, item.error)
        if name == "argmax" and present and item.error == 0:
            return Item(ops.argmax(item.value, axis=axes[0], keepdims=keep), count)
        if name == "any":
            return Item(ops.any(ops.greater(item.value, 0), axis=axes, keepdims=keep), 1.0) if not item.error else None
        if not item.dtype.is_float:
            return Item(ops.sum(item.value, axis=axes, keepdims=keep), 2.0**62)
        if name == "mean" and present:
            return Item(ops.mean(item.value, axis=axes, keepdims=keep), item.bound, item.error + 2 * item.bound * count)
        if item.bound * count > 20 * LARGEST:
            return None
        error = count * item.error + item.bound * count * count
        return Item(ops.sum(item.value, axis=axes, keepdims=keep), item.bound * count, error)

    def move(self) -> Item | None:
        item = self.pick(lambda i: i.type.rank > 0)
        if item is None:
            return None
        x, shape, rank = item.value, item.type.shape, item.type.rank
        axis = self.rng.randrange(rank)
        name = self.rng.choice(("transpose", "reshape", "flip", "slice", "steps", "pad", "broadcast", "expand"))
        if name == "transpose":
            value = ops.transpose(x, tuple(self.rng.sample(range(rank), rank)))
        elif name == "reshape":
            value = ops.reshape(x, (*shape[:axis], dim.product(shape[axis:])))
        elif name == "flip":
            value = ops.flip(x, axis)
        elif name in ("slice", "steps"):
            step = 1 if name == "slice" else 2
            left = dim.maximum(shape[axis] - 1, 0) if step == 1 else dim.floordiv(shape[axis] + 1, 2)
            parts = {
                "start": tuple((1 if step == 1 else 0) if i == axis else 0 for i in range(rank)),
                "length": tuple(left if i == axis else s for i, s in enumerate(shape)),
                "step": tuple(step if i == axis else 1 for i in range(rank)),
            }
            value = Node(ops.TABLE["slice"], (x,), parts).results[0]
        elif name == "pad":
            width = [(0, 0)] * rank
            width[axis] = (self.rng.randint(0, 2), self.rng.randint(0, 2))
            value = ops.pad(x, width)
        elif name == "broadcast":
            value = ops.broadcast_to(x, (self.rng.choice((2, N)), *shape))
        else:
            value = ops.reshape(x, (*shape[:axis], 1, *shape[axis:]))
        return Item(value, item.bound, item.error)

    def join(self) -> Item | None:
        first = self.pick(lambda i: i.type.rank > 0)
        if first is None:
            return None
        axis = self.rng.randrange(first.type.rank)

        def fits(other: Item) -> bool:
            same = (
                a == b for i, (a, b) in enumerate(zip(first.type.shape, other.type.shape, strict=False)) if i != axis
            )
            return other.dtype == first.dtype and other.type.rank == first.type.rank and all(same)

        second = self.pick(fits)
        assert second is not None
        value = ops.concatenate([first.value, second.value], axis)
        return Item(value, max(first.bound, second.bound), max(first.error, second.error))

    def product(self) -> Item | None:
        first = self.pick(lambda i: i.dtype in (F32, F64) and i.type.rank in (1, 2, 3))
        if first is None:
            return None
        inner = first.type.shape[-1]

        def fits(other: Item) -> bool:
            if other.dtype != first.dtype or other.type.rank not in (1, 2):
                return False
            return other.type.shape[-2 if other.type.rank == 2 else 0] == inner

        second = self.pick(fits)
        if second is None:
            flipped = tuple(reversed(range(first.type.rank)))
            second = Item(ops.transpose(first.value, flipped), first.bound, first.error)
            if first.type.rank != 2:
                return None
        first, second = self.small(first, 2.0), self.small(second, 2.0)
        count = max(largest(inner), 1.0)
        bound = first.bound * second.bound * count
        error = count * (first.error * second.bound + second.error * first.bound) + bound * count
        value = ops.matmul(first.value, second.value)
        return Item(value, bound, error) if bound <= 20 * LARGEST else None

    def running(self) -> Item | None:
        item = self.pick(lambda i: i.type.rank > 0 and i.dtype in (F32, F64, I64))
        if item is None:
            return None
        axis = self.rng.randrange(item.type.rank)
        count = max(largest(item.type.shape[axis]), 1.0)
        if item.dtype.is_float and item.bound * count > 20 * LARGEST:
            return None
        value = ops.cumsum(item.value, axis)
        if not item.dtype.is_float:
            return Item(value, 2.0**62)
        return Item(value, item.bound * count, count * item.error + item.bound * count * count)

    def integer(self) -> Item | None:
        first = self.pick(lambda i: i.dtype.is_integer)
        second = self.like(first) if first is not None else None
        if first is None or second is None:
            return None
        names = ("add", "subtract", "multiply", "maximum", "bitwise_and", "bitwise_xor", "floor_divide", "remainder")
        name = self.rng.choice(names)
        other = ops.bitwise_or(second.value, 1) if name in ("floor_divide", "remainder") else second.value
        return Item(getattr(ops, name)(first.value, other), 2.0**62)

    def compare(self) -> Item | None:
        first = self.pick(lambda i: i.error == 0 and i.dtype != BOOL)
        second = self.like(first) if first is not None else None
        if first is None or second is None or second.error:
            return None
        name = self.rng.choice(("less", "less_equal", "equal", "not_equal", "greater"))
        return Item(getattr(ops, name)(first.value, second.value), 1.0)

    def composite(self) -> Item | None:
        item = self.pick(lambda i: i.dtype in (F32, F64) and i.type.rank > 0 and dim.positive(i.type.shape[-1]))
        if item is None:
            return None
        item = self.small(item, 8.0)
        name = self.rng.choice(("softmax", "sigmoid", "gelu"))
        function = getattr(ops, name)
        count = largest(item.type.shape[-1])
        value = function(item.value, axis=-1) if name == "softmax" else function(item.value)
        return Item(value, max(item.bound, 1.0), 2 * item.error + 4 * (item.bound + count + 4))

    def gather(self) -> Item | None:
        item = self.pick(lambda i: i.type.rank > 0 and dim.positive(i.type.shape[0]))
        if item is None:
            return None
        indices = np.asarray([0, -1, 0], np.int64)
        return Item(ops.take(item.value, indices, axis=0), item.bound, item.error)

    def loop(self) -> Item | None:
        """A recurrence that forgets: errors do not grow with the number of steps."""
        item = self.pick(lambda i: i.dtype in (F32, F64) and i.type.rank > 0)
        if item is None:
            return None
        length, *rest = item.type.shape
        inner = item.type.with_shape(tuple(rest))
        carry, x = (Value(inner, locations.current(), name=n) for n in ("h", "x"))
        new = ops.tanh(ops.add(ops.multiply(carry, 0.5), x))
        body = Graph("step", (carry, x), (new, ops.subtract(new, carry)))
        start = ops.zeros(inner.shape, inner.dtype)
        end, steps = ops.scan(body, [start], [], [item.value], length, self.rng.random() < 0.5)
        error = 4 * (item.error + item.bound + 8)
        return Item(end, 1.0, error) if self.rng.random() < 0.5 else Item(steps, 2.0, error)

    def sort(self) -> Item | None:
        item = self.pick(lambda i: i.error == 0 and i.type.rank > 0 and i.dtype != BOOL)
        if item is None:
            return None
        axis = self.rng.randrange(item.type.rank)
        if self.rng.random() < 0.5:
            return Item(ops.sort(item.value, axis=axis), item.bound)
        return Item(ops.argsort(item.value, axis=axis), largest(item.type.shape[axis]))


def dtype_epsilon(kind: DType) -> float:
    """The distance from 1 to the next number."""
    return {F16: 2.0**-10, dtype.BF16: 2.0**-7, F32: 2.0**-23, F64: 2.0**-52}[kind]
