"""Functions for the user: inside a traced function they trace, on NumPy values they compute."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tcc.frontends.numpy import dispatch
from tcc.frontends.numpy import scope as scopes
from tcc.frontends.numpy.operand import as_operand, attribute
from tcc.frontends.numpy.signature import is_array
from tcc.frontends.numpy.trace import evaluate, is_leaf
from tcc.frontends.numpy.tracer import wrap
from tcc.tree import flatten, unflatten

Body = Callable[..., Any]


def public(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` of graph values as a user calls it: on traced values, or outside of a trace on NumPy arrays."""

    def body(*args: Any, **kwargs: Any) -> Any:
        converted = {k: _argument(v) for k, v in kwargs.items()}
        return wrap(dispatch.located(function, *map(_argument, args), **converted))

    return functools.wraps(function)(traced_or_computed(body, function.__name__))


def traced_or_computed(body: Body, name: str) -> Callable[..., Any]:
    """``body``, a function of traced values, for both worlds.

    Called outside of a trace it is traced on the arrays among its arguments and run in NumPy.
    """

    def called(*args: Any, **kwargs: Any) -> Any:
        if scopes.current() is not None:
            return body(*args, **kwargs)
        leaves, tree = flatten((args, kwargs), is_leaf)
        places = [i for i, leaf in enumerate(leaves) if is_array(leaf)]

        def call(traced: list[Any]) -> Any:
            filled = list(leaves)
            for place, item in zip(places, traced, strict=True):
                filled[place] = item
            positional, named = unflatten(tree, filled)
            return body(*positional, **named)

        return evaluate(call, [np.asarray(leaves[i]) for i in places], name)

    return called


def _argument(item: Any) -> Any:
    leaves, tree = flatten(item, is_leaf)
    return unflatten(tree, [as_operand(x) if is_array(x) else attribute(x) for x in leaves])
