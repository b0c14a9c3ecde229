"""The ratios as an SVG: a bar for each ranked workload on a logarithmic scale, to the right where tcc leads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from tools.bench.summary import Row, duration, overall

_ROW, _LEFT, _WIDTH, _TOP = 16, 300, 520, 48
_FASTER, _SLOWER = "#2a7f62", "#c0392b"


def svg(table: Sequence[Row], title: str) -> str:
    """The picture of a report's rows, best first."""
    bars = sorted((r for r in table if r.ranked and math.isfinite(r.ratio)), key=lambda r: -r.ratio)
    span = max((abs(math.log2(r.ratio)) for r in bars), default=1.0)
    reach = max(math.ceil(min(span, 6.0)), 1)

    def x(ratio: float) -> float:
        return _LEFT + _WIDTH * (max(min(math.log2(ratio), reach), -reach) + reach) / (2 * reach)

    height = _TOP + _ROW * len(bars) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 190}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="18" font-size="14">{escape(title)}</text>',
        f'<text x="8" y="34" fill="#555">best peer\'s time over tcc\'s; geometric mean {overall(bars):.2f}</text>',
    ]
    for power in range(-reach, reach + 1):
        at = x(2.0**power)
        label = f"{2**power}×" if power >= 0 else f"1/{2**-power}"
        grey = "#333" if power == 0 else "#ddd"
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{height - 8}" stroke="{grey}"/>')
        parts.append(f'<text x="{at:.1f}" y="{_TOP - 4}" text-anchor="middle" fill="#555">{label}</text>')
    for number, r in enumerate(bars):
        y = _TOP + number * _ROW
        begin, end = sorted((x(1.0), x(r.ratio)))
        colour = _FASTER if r.ratio >= 1 else _SLOWER
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 12}" text-anchor="end">{escape(r.name)}</text>')
        parts.append(
            f'<rect x="{begin:.1f}" y="{y + 3}" width="{max(end - begin, 1):.1f}" height="{_ROW - 5}" fill="{colour}"/>'
        )
        note = f"{r.ratio:.2f}× · {duration(r.tcc)} · {r.best} {duration(r.best_seconds)}"
        parts.append(f'<text x="{_LEFT + _WIDTH + 8}" y="{y + 12}" fill="#333">{escape(note)}</text>')
    return "\n".join([*parts, "</svg>", ""])
