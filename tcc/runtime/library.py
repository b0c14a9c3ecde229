"""A compiled library, opened: its functions as attributes, its states as objects."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from tcc.artifact import read_manifest
from tcc.errors import UserError
from tcc.runtime.function import Function
from tcc.runtime.opening import check_machine, check_weights, open_library
from tcc.runtime.profile import Profile
from tcc.runtime.session import Context, Session


def load(path: str | os.PathLike[str], *, threads: int | None = None, verify_weights: bool = False) -> Library:
    """Opens a compiled library (``.so``); its functions are attributes of what is returned.

    The file's length and hash are checked before it is opened, and ``verify_weights`` checks every byte
    of a weight file beside it, too. ``threads`` is the most threads a call may use (None: the
    environment variable TCC_NUM_THREADS, else the number of processors). UserError when the file is no
    complete library, or one for another machine.
    """
    path = Path(path)
    manifest = read_manifest(path)
    check_machine(path, manifest)
    check_weights(path, manifest, verify_weights)
    library = Library(path, Session(manifest, open_library(path, manifest)))
    library.threads = threads
    return library


class Library:
    """The functions of a compiled library: ``library.classify(x)`` or ``library["classify"](x)``.

    A library with state makes instances of it: ``counter = library.new(); counter.step(x)``.
    """

    def __init__(self, path: Path, session: Session) -> None:
        self.path = path
        self.manifest = session.manifest
        self._session = session
        self._threads: int | None = None
        self.functions = {f.name: session.bind(f) for f in self.manifest.functions if not f.states}
        _set_attributes(self, self.functions)

    def __getitem__(self, name: str) -> Function:
        if name in self.functions:
            return self.functions[name]
        self.manifest.function(name)
        raise UserError(
            f"{name} works on a state",
            why="each instance has a state of its own",
            fix=f"make one: s = library.new(); s.{name}(…)",
        )

    def __getattr__(self, name: str) -> Function:
        if name.startswith("_") or name == "functions":
            raise AttributeError(name)
        try:
            return self[name]
        except UserError as error:
            raise AttributeError(str(error)) from None

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.functions})

    def __repr__(self) -> str:
        return f"<compiled library {self.path}: {', '.join(f.described() for f in self.manifest.functions)}>"

    def call_leaves(self, function: str, leaves: dict[str, Any]) -> dict[str, Any]:
        """Calls a function with leaves by their dotted names (``p.W``); a state is made for the call."""
        if self.manifest.function(function).states:
            with self.new() as state:
                return state[function].call_leaves(leaves)
        return self[function].call_leaves(leaves)

    def profile(self, function: str) -> Profile:
        """A function without state, as one whose calls measure where their time goes."""
        return Profile(self._session, self[function].signature, self._threads)

    @property
    def isa(self) -> str:
        """The instruction set whose code runs here. UserError when this processor has none of the library's."""
        name: bytes = self._session.symbol("isa", ctypes.c_char_p)()
        self._session.check(not name)
        return name.decode()

    def new(self) -> State:
        """A new instance of the library's state, with the initial values."""
        if not self.manifest.states:
            why = "none of the functions it was compiled from has a tcc.state"
            raise UserError("the library has no state", why=why, fix="call its functions directly")
        return State(self, self._session)

    @property
    def threads(self) -> int | None:
        """The most threads that a call may use; None: as the environment says."""
        return self._threads

    @threads.setter
    def threads(self, number: int | None) -> None:
        if number is not None and not 1 <= number < 1 << 31:
            raise UserError(
                f"the number of threads is {number}, but must be at least 1",
                why="the calling thread works too",
                fix="threads=1 uses no other one, None as many as there are processors",
            )
        self._threads = number
        context = Context.of(max_workers=number) if number is not None else None
        # The structure and its address travel together: a call in another thread may still use the old ones.
        self._session.context = ctypes.byref(context) if context is not None else None

    def trim(self) -> None:
        """Frees the memory and ends the threads that the library keeps for further calls."""
        self._session.symbol("trim", None)()

    def close(self) -> None:
        """Unloads the library. No call may be under way, and none may follow."""
        if not self._session.closed:
            self._session.close()

    def __enter__(self) -> Library:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()


def _set_attributes(owner: Library | State, functions: dict[str, Function]) -> None:
    """Found faster than by ``__getattr__``; names that the class has itself are left to ``owner[name]``."""
    for name, function in functions.items():
        if not hasattr(type(owner), name):
            setattr(owner, name, function)


class State:
    """One instance of a library's state. One call at a time may change it."""

    def __init__(self, library: Library, session: Session) -> None:
        self._library = library
        self._session = session
        self._free = session.symbol("free", None, ctypes.c_void_p)
        self._pointer: int | None = session.symbol("new", ctypes.c_void_p)()
        session.check(not self._pointer)
        self.functions = {
            f.name: session.bind(f, (self._pointer or 0,)) for f in session.manifest.functions if f.states
        }
        _set_attributes(self, self.functions)

    def __getitem__(self, name: str) -> Function:
        if name in self.functions:
            return self.functions[name]
        return self._library[name]

    def __getattr__(self, name: str) -> Function:
        if name.startswith("_") or name == "functions":
            raise AttributeError(name)
        try:
            return self[name]
        except UserError as error:
            raise AttributeError(str(error)) from None

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.functions})

    def profile(self, function: str) -> Profile:
        """A function, as one whose calls on this state measure where their time goes."""
        return Profile(self._session, self[function].signature, self._library.threads, (self._pointer or 0,))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the state to a safetensors file."""
        self._file("save", path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Reads a state that `save` wrote; on failure the state stays as it was."""
        self._file("load", path)

    def _file(self, action: str, path: str | os.PathLike[str]) -> None:
        call = self._session.symbol(action, ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p)
        self._session.check(call(self._pointer, os.fsencode(path)))

    def close(self) -> None:
        """Frees the state. No call may be under way, and none may follow."""
        pointer, self._pointer = self._pointer, None
        for function in self.functions.values():
            function.close()
        if pointer and not self._session.closed:
            self._free(pointer)

    def __enter__(self) -> State:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_pointer", None):
            self.close()
