"""A Python file as a module: imported under its own name, its mistakes shown at their lines."""

from __future__ import annotations

import importlib.util
import linecache
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType

from tcc.errors import Place, TccError, UserError
from tcc.ir.location import is_user_file


def load_source(path: Path) -> ModuleType:
    """Runs a ``.py`` file as a module. It may import its neighbours; ``__name__`` is the file's stem.

    UserError for a file that cannot be read, is not Python, or raises while it runs.
    """
    file = path.resolve()
    linecache.checkcache(str(file))
    try:
        code = compile(file.read_bytes(), str(file), "exec")
    except OSError as error:
        raise UserError(f"cannot read '{path}'", why=error.strerror or str(error), fix="check the path") from None
    except (SyntaxError, ValueError) as error:
        where = Place(str(file), error.lineno or 1) if isinstance(error, SyntaxError) else None
        raise UserError(
            f"'{path}' is not valid Python",
            where=where,
            why=error.msg if isinstance(error, SyntaxError) else str(error),
            fix="correct the source: Python itself cannot read it either",
        ) from None
    name = path.stem if path.stem.isidentifier() and path.stem not in sys.modules else f"tcc_source_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(file.parent))
    try:
        with user_errors(
            f"'{path}' failed while it was imported",
            f"importing it must succeed, since the functions that it defines are compiled: try python {path.name}",
        ):
            exec(code, module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(file.parent))
    return module


@contextmanager
def user_errors(what: str, fix: str) -> Generator[None]:
    """What the user's code raises in the block becomes a UserError ``what`` at the user's line."""
    try:
        yield
    except TccError:
        raise
    except (Exception, SystemExit) as error:
        text = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
        raise UserError(what, where=_place(error.__traceback__), why=text[:500], fix=fix) from error


def _place(trace: TracebackType | None) -> Place | None:
    """The innermost line of user code in a traceback."""
    found: Place | None = None
    while trace is not None:
        code = trace.tb_frame.f_code
        if is_user_file(code.co_filename, code.co_name) and "-packages" not in code.co_filename:
            found = Place(code.co_filename, trace.tb_lineno, code.co_name)
        trace = trace.tb_next
    return found
