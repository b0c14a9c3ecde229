"""Control flow of traced functions: loops and branches on values. Names, argument order and meaning are JAX's.

Each function traces the Python functions it is given to closed graphs, once. Inside `tcc.eager` they are run
as Python runs them.
"""

from tcc.control.branches import cond, switch
from tcc.control.loops import fori_loop, while_loop
from tcc.control.scan import scan

__all__ = ["cond", "fori_loop", "scan", "switch", "while_loop"]
