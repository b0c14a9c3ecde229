"""Tensors of an ONNX graph under construction: NumPy's operators and methods, each a node of the builder."""
# pyright: basic, reportMissingImports=false
# Bodies and namespaces are programs of NumPy-like libraries, which have no common type.

from __future__ import annotations

import numpy as np


class Value:
    """A tensor of the graph."""

    def __init__(self, builder, name, shape, dtype):
        self.builder, self.name, self.shape, self.dtype = builder, name, tuple(map(int, shape)), np.dtype(dtype)

    @property
    def ndim(self):
        return len(self.shape)

    @property
    def T(self):
        return self.builder.transpose(self, tuple(reversed(range(self.ndim))))

    def reshape(self, *shape):
        return self.builder.reshape(self, shape[0] if isinstance(shape[0], tuple) else shape)

    def sum(self, axis=None, keepdims=False):
        return self.builder.sum(self, axis, keepdims)

    def max(self, axis=None, keepdims=False):
        return self.builder.max(self, axis, keepdims)

    def mean(self, axis=None, keepdims=False):
        return self.builder.mean(self, axis, keepdims)

    def astype(self, dtype):
        return self.builder.astype(self, dtype)

    def __getitem__(self, key):
        return self.builder.getitem(self, key)

    def __add__(self, other):
        return self.builder.binary("Add", self, other)

    def __sub__(self, other):
        return self.builder.binary("Sub", self, other)

    def __mul__(self, other):
        return self.builder.binary("Mul", self, other)

    def __truediv__(self, other):
        return self.builder.binary("Div", self, other)

    def __radd__(self, other):
        return self.builder.binary("Add", other, self)

    def __rsub__(self, other):
        return self.builder.binary("Sub", other, self)

    def __rmul__(self, other):
        return self.builder.binary("Mul", other, self)

    def __rtruediv__(self, other):
        return self.builder.binary("Div", other, self)

    def __pow__(self, other):
        return self.builder.binary("Pow", self, other)

    def __neg__(self):
        return self.builder.unary("Neg", self)

    def __matmul__(self, other):
        return self.builder.matmul(self, other)

    def __gt__(self, other):
        return self.builder.binary("Greater", self, other, bool)

    def __lt__(self, other):
        return self.builder.binary("Less", self, other, bool)

    def __eq__(self, other):
        return self.builder.binary("Equal", self, other, bool)

    __hash__ = object.__hash__
