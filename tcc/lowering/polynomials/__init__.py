"""Own approximations of the elementary functions, at full vector width."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tcc.lowering.lanes import Lanes

TABLE: Mapping[str, Callable[..., Lanes]] = {}
