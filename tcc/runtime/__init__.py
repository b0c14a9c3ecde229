"""Loading and calling compiled libraries. Needs NumPy only, none of the compiler."""

from tcc.runtime.function import Function
from tcc.runtime.library import Library, State, load

__all__ = ["Function", "Library", "State", "load"]
