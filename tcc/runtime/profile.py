"""Where the time of a compiled function's calls goes: its steps, measured by the library itself."""

from __future__ import annotations

import copy
import ctypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tcc.artifact import Function as Signature
from tcc.artifact import Step
from tcc.runtime.session import Context

if TYPE_CHECKING:
    from tcc.runtime.session import Session


class _Counter(ctypes.Structure):
    """The profile structure of the C header."""

    _fields_ = (("nanoseconds", ctypes.c_int64), ("runs", ctypes.c_int64))


@dataclass(frozen=True)
class StepTime:
    """A step's time in seconds and how often it ran, in all calls since the last `Profile.reset`."""

    step: Step
    seconds: float
    runs: int


class Profile:
    """A compiled function whose calls are measured step by step.

    Call it as the function. It runs the same kernels with a look at the clock before and after each;
    calls of the function itself go on without. For one thread at a time.
    """

    def __init__(
        self, session: Session, signature: Signature, threads: int | None, state: tuple[int, ...] = ()
    ) -> None:
        self.signature = signature
        self._counters = (_Counter * max(1, len(signature.steps)))()
        self._context = Context.of(max_workers=threads or 0, profile=ctypes.addressof(self._counters))
        measured = copy.copy(session)
        measured.context = ctypes.byref(self._context)
        self._function = measured.bind(signature, state if signature.states else ())

    def __call__(self, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        return self._function(*args, out=out, **kwargs)

    def times(self) -> list[StepTime]:
        """The times of all steps, in order."""
        return [
            StepTime(step, counter.nanoseconds * 1e-9, counter.runs)
            for step, counter in zip(self.signature.steps, self._counters, strict=False)
        ]

    def reset(self) -> None:
        """Forgets what was measured."""
        ctypes.memset(self._counters, 0, ctypes.sizeof(self._counters))
