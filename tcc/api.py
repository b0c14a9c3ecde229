"""What a user calls: ``tcc.function``, and the stages trace → lower → compile → save.

Each stage is a value that can be printed. A ``tcc.function`` is compiled when it is first called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, overload

from tcc import ops, pipeline, runtime
from tcc.errors import UserError
from tcc.frontends.numpy import eager as eager_arrays
from tcc.frontends.numpy import scope as scopes
from tcc.frontends.numpy.function import Traceable
from tcc.frontends.numpy.signature import Signature
from tcc.frontends.numpy.source import load_source, user_errors
from tcc.frontends.numpy.state import StateVariable
from tcc.frontends.numpy.trace import TracedFunction
from tcc.ir import graph as ir
from tcc.ir import location as locations
from tcc.ir import text
from tcc.ir.graph import Module
from tcc.ir.parse import parse_module
from tcc.loops.text import to_text as program_text
from tcc.pipeline import Options, Scheduled, Stages
from tcc.tree import Tree, unflatten


class Function(Traceable):
    """A Python function that tcc compiles; made by ``@tcc.function``.

    Called with NumPy arrays it is compiled (once for each kind of arguments) and run; called while
    another function is traced it becomes part of that one; inside ``tcc.eager()`` its body runs as it is.
    """

    def __init__(self, python: Callable[..., Any], specs: Mapping[str, Any]) -> None:
        super().__init__(python, specs, locations.user_line().place())
        self._compiled: dict[Any, Callable[..., Any]] = {}
        self._direct: Callable[..., Any] | None = None

    def renamed(self, name: str) -> Function:
        made = super().renamed(name)
        made._compiled = {}
        made._direct = None
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if scopes.current() is not None:
            return self.inline(args, kwargs)
        if scopes.is_eager():
            return eager_arrays.plain(self.python(*eager_arrays.seen(args), **eager_arrays.seen(kwargs)))
        if self._direct is not None:
            return self._direct(*args, **kwargs)
        signature, leaves = self.bound(args, kwargs)
        key = _key(signature)
        run = self._compiled.get(key)
        if run is None:
            traced = self.trace(signature)
            run = self._compiled[key] = _callable(traced)
            if signature is self.signature and not traced.states:
                self._direct = run
        return run(*(unflatten(child, leaves) for child in signature.tree.children))


def _key(signature: Signature) -> Any:
    key = (signature.types, signature.tree, signature.static)
    try:
        hash(key)
    except TypeError:
        static = tuple((name, repr(value)) for name, value in signature.static)
        return (signature.types, signature.tree, static)
    return key


@overload
def function(python: Callable[..., Any], /) -> Function: ...
@overload
def function(**specs: Any) -> Callable[[Callable[..., Any]], Function]: ...
def function(python: Callable[..., Any] | None = None, /, **specs: Any) -> Any:
    """Marks a Python function for compilation: ``@tcc.function(x="f32[batch, 784]")``.

    A spec gives an argument's dtype and shape; a name in a shape is a symbolic size, one name one size
    in all arguments. Specs nest like the arguments. A parameter without a spec keeps its default and
    stays a Python value. Without any specs every call is traced with the types of its arguments.
    """
    if python is not None:
        return Function(python, {})

    def decorate(python: Callable[..., Any]) -> Function:
        return Function(python, specs)

    return decorate


def state(init: Any, name: str | None = None) -> StateVariable:
    """A tensor that lives between calls: read and set ``.value`` inside traced functions.

    In a library each instance (``model_new``) has its own, which begins as ``init``.
    """
    return StateVariable(init, name)


def eager() -> Any:
    """``with tcc.eager():`` calls of tcc functions run their Python bodies on NumPy values: print, pdb, step."""
    return scopes.eager()


# --- stages --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Traced:
    """The graphs of one or more functions; ``print`` shows them as text that reads back."""

    module: Module
    variables: Mapping[str, StateVariable] = field(default_factory=dict[str, StateVariable])

    def __str__(self) -> str:
        return text.to_text(self.module)

    def lower(
        self, target: str = "native", prefix: str | None = None, weights: str = "auto", tolerance: float = 0.0
    ) -> Lowered:
        """The loop program for a target (``tcc targets`` lists them), or for each of several with commas.

        ``tolerance`` is the error, relative to the magnitude of the largest result, that a faster algorithm may add
        to a convolution; with 0 it has no more than sums of products. UserError unless it is finite and ≥ 0.
        """
        options = Options(target=target, prefix=prefix, weights=weights, tolerance=tolerance)
        return Lowered(pipeline.schedule(self.module, options), options)


@dataclass(frozen=True)
class Lowered:
    """The loop program of a library, one for each target; ``print`` shows it."""

    scheduled: Scheduled
    options: Options

    def __str__(self) -> str:
        return "\n".join(map(program_text, self.scheduled.programs))

    def compile(self) -> Compiled:
        """The library, in memory."""
        return Compiled(self.scheduled, self.options)


class Compiled:
    """A compiled library: save it, or call its functions as attributes."""

    def __init__(self, scheduled: Scheduled, options: Options) -> None:
        self._scheduled = scheduled
        self._options = options
        self._library: runtime.Library | None = None

    def __repr__(self) -> str:
        return f"<tcc library: {', '.join(f.name for f in self._scheduled.module.functions)}>"

    def save(self, path: str | Path) -> list[Path]:
        """Writes the library (``.so``, ``.a`` or ``.o`` by its name) and the header; gives the files written.
        For a GPU that is a ``.ptx`` file with the kernels alone.

        Every exported name begins with the prefix: the one given to ``tcc.compile``, or the file's stem.
        """
        return pipeline.write(self._scheduled, Path(path), Stages(self._options))

    @property
    def library(self) -> runtime.Library:
        """The library, loaded into this process."""
        library = self._library
        if library is None:
            library = self._library = pipeline.load(self._scheduled, self._options)
        return library

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.library, name)


def trace(functions: Function | Iterable[Function]) -> Traced:
    """The graphs of one or more tcc functions, as one module."""
    chosen = [functions] if isinstance(functions, Function) else list(functions)
    return _module([(_checked(f).name, f) for f in chosen])


def compile(
    functions: Function | Iterable[Function],
    target: str = "native",
    prefix: str | None = None,
    tolerance: float = 0.0,
) -> Compiled:
    """One library of one or more tcc functions: ``tcc.compile(f).save("model.so")``.

    Several targets make one library for all of them: ``target="x86-64-v2,x86-64-v3,x86-64-v4"``. Convolutions may
    be faster with a ``tolerance``, as `Traced.lower` says.
    """
    return trace(functions).lower(target, prefix, tolerance=tolerance).compile()


def _checked(item: Any) -> Function:
    if isinstance(item, Function):
        return item
    raise UserError(
        f"{getattr(item, '__name__', item)!r} is no tcc function",
        where=locations.user_line().place(),
        why=f"it is of type {type(item).__name__}",
        fix='decorate it: @tcc.function(x="f32[batch, 784]")',
    )


def _module(functions: Sequence[tuple[str, Function]]) -> Traced:
    traced: list[TracedFunction] = []
    names: set[str] = set()
    for name, item in functions:
        if name in names:
            raise UserError(
                f"two functions are called '{name}'",
                where=item.where,
                why="a library exports each function under its name",
                fix="rename one of them",
            )
        names.add(name)
        traced.append(item.renamed(name).trace())
    variables: dict[str, StateVariable] = {}
    for function in traced:
        for name, variable in function.states:
            if variables.setdefault(name, variable) is not variable:
                raise UserError(
                    f"two states are called '{name}'",
                    where=function.function.location.place(),
                    why="a library keeps and saves each state under its name",
                    fix="name them: tcc.state(init, name='total')",
                )
    states = tuple(variable.declaration(name) for name, variable in variables.items())
    return Traced(Module(tuple(t.function for t in traced), states), variables)


# --- calls ---------------------------------------------------------------------------------------


def _callable(traced: TracedFunction) -> Callable[..., Any]:
    """The compiled function as one of its nested arguments, in order."""
    function = with_explicit_states(traced.function) if traced.states else traced.function
    library = Traced(Module((function,))).lower().compile().library
    compiled = getattr(library, function.name)
    if not traced.states:
        return compiled
    variables = dict(traced.states)

    def run(*arguments: Any) -> Any:
        reads = [variables[name].value for name in traced.function.reads]
        result, *news = compiled(*arguments, *reads)
        for name, new in zip(traced.function.writes, news, strict=True):
            variables[name].value = new
        return result

    return run


def with_explicit_states(function: ir.Function) -> ir.Function:
    """The function with its states as further arguments and results, so that Python keeps them."""
    inputs, outputs = function.arguments.leaves, function.results.leaves
    reads = tuple(f"state_{name}" for name in function.reads)
    writes = tuple(f"state_{name}" for name in function.writes)
    arguments = replace(
        function.arguments,
        children=(*function.arguments.children, *(Tree("leaf", index=inputs + i) for i in range(len(reads)))),
        keys=(*function.arguments.keys, *reads),
    )
    news = tuple(Tree("leaf", index=outputs + i) for i in range(len(writes)))
    return replace(
        function,
        parameters=(*function.parameters, *reads),
        arguments=arguments,
        results=Tree("tuple", (function.results, *news)),
        input_names=(*function.input_names, *reads),
        output_names=(*function.output_names, *(f"new_{name}" for name in writes)),
        reads=(),
        writes=(),
    )


# --- source files --------------------------------------------------------------------------------


def module_from_source(path: str | Path, functions: Sequence[str] = ()) -> Module:
    """The module that a file holds: the tcc functions that a ``.py`` file defines, in order, or graph text.

    ``functions`` chooses some by name. UserError for a file that cannot be read or has no functions.
    """
    path = Path(path)
    if path.suffix == ".tcc":
        return _chosen(path, _from_text(path), functions)
    if path.suffix != ".py" and path.exists():
        raise UserError(
            f"'{path}' is no source that tcc reads",
            why="it reads .py files and .tcc graph text",
            fix="write the program as a Python function with @tcc.function",
        )
    source = load_source(path)
    file = str(path.resolve())
    found: dict[Function, str] = {}
    for name, item in vars(source).items():
        if isinstance(item, Function) and item.where is not None and item.where.file == file and name[0] != "_":
            found.setdefault(item, name)
    _check_names(path, list(found.values()), functions)
    chosen = [(name, item) for item, name in found.items() if not functions or name in functions]
    if any(item.signature is not None for _, item in chosen) and not functions:
        chosen = [(name, item) for name, item in chosen if item.signature is not None]
    with user_errors(
        f"tracing the functions of '{path}' failed", "to see more, run its body on NumPy arrays: with tcc.eager(): …"
    ):
        return _module(chosen).module


def _from_text(path: Path) -> Module:
    try:
        return parse_module(path.read_text(), ops.TABLE, file=str(path))
    except (OSError, UnicodeDecodeError) as error:
        why = str(getattr(error, "strerror", None) or error)
        raise UserError(f"cannot read '{path}'", why=why, fix="check the path") from None


def _chosen(path: Path, module: Module, functions: Sequence[str]) -> Module:
    names = [f.name for f in module.functions]
    if not names:
        why = "graph text is functions, one after the other"
        raise UserError(f"'{path}' holds no functions", why=why, fix="tcc compile model.py --dump DIR writes such text")
    _check_wanted(path, names, functions)
    if not functions:
        return module
    return replace(module, functions=tuple(f for f in module.functions if f.name in functions))


def _check_names(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    if not names:
        raise UserError(
            f"'{path}' defines no tcc functions",
            why="only functions marked with @tcc.function are compiled",
            fix='import tcc\n\n@tcc.function(x="f32[batch, 784]")\ndef predict(x): …',
        )
    _check_wanted(path, names, wanted)


def _check_wanted(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in names:
            raise UserError(
                f"'{path}' defines no tcc function '{name}'",
                why=f"it defines {', '.join(names)}",
                fix=f"--function {names[0]}, for example, or all of them without --function",
            )
