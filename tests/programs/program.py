"""A program: a function as a user writes it, makers of its arguments, and what it is compared with."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import tcc

Arguments = Callable[[np.random.Generator, int], tuple[Any, ...]]


@dataclass(frozen=True)
class Program:
    """``arguments(rng, n)`` makes the arguments for one size; ``reference`` is plain NumPy, or None:
    then the program's own body is run in NumPy."""

    function: Any
    arguments: Arguments
    sizes: Sequence[int]
    reference: Callable[..., Any] | None
    tolerance: float | None

    @property
    def name(self) -> str:
        return self.function.name

    def expected(self, arguments: tuple[Any, ...]) -> Any:
        with tcc.eager(), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return (self.reference or self.function)(*arguments)


class Programs(list[Program]):
    """The programs of one domain; its items are made by decorating the functions."""

    def add(
        self,
        arguments: Arguments,
        sizes: Sequence[int] = (0, 1, 2, 7, 33),
        reference: Callable[..., Any] | None = None,
        tolerance: float | None = None,
        **specs: Any,
    ) -> Callable[[Callable[..., Any]], Any]:
        def decorate(python: Callable[..., Any]) -> Any:
            function = tcc.function(**specs)(python) if specs else tcc.function(python)
            self.append(Program(function, arguments, sizes, reference, tolerance))
            return function

        return decorate
