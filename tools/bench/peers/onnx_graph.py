"""A namespace whose functions add nodes to an ONNX graph; sizes are static, indexing is with slices, integers, None."""
# pyright: basic, reportMissingImports=false
# Bodies and namespaces are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tools.bench.peers.onnx_value import Value

TYPES = {
    np.dtype(k): v
    for k, v in {
        "f4": TensorProto.FLOAT,
        "f8": TensorProto.DOUBLE,
        "f2": TensorProto.FLOAT16,
        "i4": TensorProto.INT32,
        "i8": TensorProto.INT64,
        "i1": TensorProto.INT8,
        "u1": TensorProto.UINT8,
        "?": TensorProto.BOOL,
        ml_dtypes.bfloat16: TensorProto.BFLOAT16,
    }.items()
}
"""ONNX's numbers of dtypes."""


class Builder:
    """The namespace: NumPy's names to ONNX nodes."""

    arange = staticmethod(np.arange)

    def __init__(self):
        self.frames = [[]]
        self.initializers = []
        self.count = 0

    # --- nodes ---

    def fresh(self):
        self.count += 1
        return f"v{self.count}"

    def node(self, op, operands, *types, **attributes) -> Any:
        """Adds a node whose results have the (shape, dtype) of ``types``."""
        results = [Value(self, self.fresh(), shape, dtype) for shape, dtype in types]
        inputs = ["" if v is None else self.value(v).name for v in operands]
        self.frames[-1].append(helper.make_node(op, inputs, [r.name for r in results], **attributes))
        return results[0] if len(results) == 1 else results

    def value(self, x, like=None):
        """A constant, unless it is a value already; Python numbers take the dtype of ``like``."""
        if isinstance(x, Value):
            return x
        dtype = like.dtype if like is not None and isinstance(x, (bool, int, float)) else None
        array = np.asarray(x, dtype)
        name = self.fresh()
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name))
        return Value(self, name, array.shape, array.dtype)

    def unary(self, op, x) -> Any:
        return self.node(op, [x], (x.shape, x.dtype))

    def binary(self, op, a, b, dtype=None) -> Any:
        a, b = self.value(a, b), self.value(b, a)
        return self.node(op, [a, b], (np.broadcast_shapes(a.shape, b.shape), dtype or a.dtype))

    def __getattr__(self, name):
        unary = {
            "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "tanh": "Tanh", "sin": "Sin", "cos": "Cos", "erf": "Erf",
            "sigmoid": "Sigmoid", "relu": "Relu", "abs": "Abs", "floor": "Floor", "gelu": "Gelu",
        }  # fmt: skip
        if name in unary:
            return lambda x: self.unary(unary[name], x)
        if name in ("maximum", "minimum"):
            return lambda a, b: self.binary("Max" if name == "maximum" else "Min", a, b)
        raise AttributeError(f"no ONNX spelling of {name}")

    # --- shapes ---

    def reshape(self, x, shape):
        shape = list(shape)
        if -1 in shape:
            shape[shape.index(-1)] = int(np.prod(x.shape)) // -int(np.prod(shape))
        return self.node("Reshape", [x, np.array(shape, "i8")], (shape, x.dtype))

    def transpose(self, x, axes=None):
        axes = tuple(axes) if axes is not None else tuple(reversed(range(x.ndim)))
        return self.node("Transpose", [x], ([x.shape[a] for a in axes], x.dtype), perm=axes)

    def swapaxes(self, x, a, b):
        axes = list(range(x.ndim))
        axes[a], axes[b] = axes[b], axes[a]
        return self.transpose(x, axes)

    def concatenate(self, xs, axis=0):
        shape = list(xs[0].shape)
        shape[axis] = sum(x.shape[axis] for x in xs)
        return self.node("Concat", xs, (shape, xs[0].dtype), axis=axis)

    def stack(self, xs, axis=0):
        return self.concatenate([self.expand_dims(x, axis) for x in xs], axis)

    def expand_dims(self, x, axis):
        shape = list(x.shape)
        shape.insert(axis if axis >= 0 else axis + x.ndim + 1, 1)
        return self.node("Unsqueeze", [x, np.array([axis], "i8")], (shape, x.dtype))

    def pad(self, x, widths):
        widths = [(widths, widths)] * x.ndim if isinstance(widths, int) else widths
        pads = np.array([w[0] for w in widths] + [w[1] for w in widths], "i8")
        shape = [s + a + b for s, (a, b) in zip(x.shape, widths, strict=True)]
        return self.node("Pad", [x, pads], (shape, x.dtype))

    def flip(self, x, axis):
        return self._slice(x, [(axis, -1, -(2**62), -1)], x.shape)

    def getitem(self, x, key):
        key = key if isinstance(key, tuple) else (key,)
        if Ellipsis in key:
            at = key.index(Ellipsis)
            missing = x.ndim - sum(k is not None and k is not Ellipsis for k in key)
            key = (*key[:at], *[slice(None)] * missing, *key[at + 1 :])
        cuts, shape, final, axis = [], list(x.shape), [], 0
        for k in key:
            if k is None:
                final.append(1)
                continue
            start, stop, step = (k if isinstance(k, slice) else slice(k, k + 1 or None)).indices(x.shape[axis])
            shape[axis] = len(range(start, stop, step))
            if shape[axis] != x.shape[axis]:
                cuts.append((axis, start, stop, step))
            if isinstance(k, slice):
                final.append(shape[axis])
            axis += 1
        final += shape[axis:]
        y = self._slice(x, cuts, shape) if cuts else x
        return self.reshape(y, final) if tuple(final) != y.shape else y

    def _slice(self, x, cuts, shape):
        columns = [np.array(c, "i8") for c in zip(*cuts, strict=True)]
        axes, starts, ends, steps = columns
        return self.node("Slice", [x, starts, ends, axes, steps], (shape, x.dtype))

    def astype(self, x, dtype):
        dtype = np.dtype(dtype)
        return x if x.dtype == dtype else self.node("Cast", [x], (x.shape, dtype), to=TYPES[dtype])

    # --- reductions ---

    def _reduced(self, x, axis, keepdims):
        axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else axis
        axes = [a % x.ndim for a in axes]
        return axes, [1 if i in axes else s for i, s in enumerate(x.shape) if keepdims or i not in axes]

    def _reduce(self, op, x, axis, keepdims):
        axes, shape = self._reduced(x, axis, keepdims)
        return self.node(op, [x, np.array(axes, "i8")], (shape, x.dtype), keepdims=int(keepdims))

    def sum(self, x, axis=None, keepdims=False):
        return self._reduce("ReduceSum", x, axis, keepdims)

    def mean(self, x, axis=None, keepdims=False):
        return self._reduce("ReduceMean", x, axis, keepdims)

    def max(self, x, axis=None, keepdims=False):
        return self._reduce("ReduceMax", x, axis, keepdims)

    def logsumexp(self, x, axis=-1):
        return self._reduce("ReduceLogSumExp", x, axis, False)

    def var(self, x, axis):
        centred = x - self.mean(x, axis, True)
        return self.mean(centred * centred, axis)

    def argmax(self, x, axis):
        shape = self._reduced(x, axis, False)[1]
        return self.node("ArgMax", [x], (shape, "i8"), axis=axis, keepdims=0)

    def argmin(self, x, axis):
        shape = self._reduced(x, axis, False)[1]
        return self.node("ArgMin", [x], (shape, "i8"), axis=axis, keepdims=0)

    def cumsum(self, x, axis):
        return self.node("CumSum", [x, np.array(axis, "i8")], (x.shape, x.dtype))

    # --- products, layers ---

    def matmul(self, a, b):
        a, b = self.value(a), self.value(b)
        rows = a.shape[:-1] if b.ndim == 1 else (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *a.shape[-2:-1])
        shape = rows if b.ndim == 1 else (*rows, b.shape[-1])
        if a.dtype == np.int8:
            return self.node("MatMulInteger", [a, b], (shape, "i4"))
        return self.node("MatMul", [a, b], (shape, a.dtype))

    def einsum(self, equation, *operands):
        sizes = {
            c: s for t, v in zip(equation.split("->")[0].split(","), operands, strict=True)
            for c, s in zip(t, v.shape, strict=True)
        }  # fmt: skip
        shape = [sizes[c] for c in equation.split("->")[1]]
        return self.node("Einsum", operands, (shape, operands[0].dtype), equation=equation)

    def where(self, condition, a, b):
        like = a if isinstance(a, Value) else b
        a, b = self.value(a, like), self.value(b, like)
        return self.node(
            "Where", [condition, a, b], (np.broadcast_shapes(condition.shape, a.shape, b.shape), like.dtype)
        )

    def softmax(self, x, axis=-1):
        return self.node("Softmax", [x], (x.shape, x.dtype), axis=axis)

    def log_softmax(self, x, axis=-1):
        return self.node("LogSoftmax", [x], (x.shape, x.dtype), axis=axis)

    # --- indexing, sorting ---

    def take(self, x, indices, axis=0):
        shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
        return self.node("Gather", [x, indices], (shape, x.dtype), axis=axis)

    def take_along_axis(self, x, indices, axis):
        return self.node("GatherElements", [x, indices], (indices.shape, x.dtype), axis=axis)

    def scatter_add(self, x, indices, updates):
        places = self.reshape(indices, (*indices.shape, 1))
        return self.node("ScatterND", [x, places, updates], (x.shape, x.dtype), reduction="add")

    def sort(self, x, axis=-1):
        return self._top(x, axis)[0]

    def argsort(self, x, axis=-1):
        return self._top(x, axis)[1]

    def _top(self, x, axis):
        count = np.array([x.shape[axis]], "i8")
        return self.node("TopK", [x, count], (x.shape, x.dtype), (x.shape, "i8"), axis=axis, largest=0)
