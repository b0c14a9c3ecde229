"""PTX for NVIDIA GPUs: what has to hold of it before it is given away."""

from __future__ import annotations

import re

from tcc.errors import InternalError

_EXTERN = re.compile(r"^\s*\.extern\b.*$", re.MULTILINE)
_INTRINSIC = re.compile(r"\bllvm[.$_]\w[\w.$]*")


def check_ptx(text: str) -> None:
    """InternalError unless the driver can load the text by itself: no function or variable of others in it."""
    foreign = [*_EXTERN.findall(text), *_INTRINSIC.findall(text)]
    if foreign:
        raise InternalError("the GPU's code refers to what it does not have", why="\n".join(sorted(set(foreign))[:5]))
