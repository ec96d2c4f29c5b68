"""Draws what a message costs over the number of recipients, as one SVG of two panels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from typing import TYPE_CHECKING

from benchmarks.plot import LIMIT, OURS, STYLE, WIDTH

if TYPE_CHECKING:
    from collections.abc import Mapping

Line = Sequence[tuple[int, float]]
"""(N, what was measured), by N."""

TOP, HIGH, LEFT, GAP = 44, 190, 60, 90
WIDE = (WIDTH - LEFT - GAP - 40) / 2  # and room for half of a number


@dataclass(frozen=True)
class Panel:
    """Both axes are logarithmic, down to `least` and up to the last of `marks`."""

    title: str
    left: float
    most: int  # recipients
    marks: Sequence[float]

    def _along(self, count: int) -> float:
        return self.left + WIDE * (log10(count) - 2) / (log10(self.most) - 2)

    def _down(self, value: float) -> float:
        low, high = log10(self.marks[0]), log10(self.marks[-1])
        return TOP + HIGH * (1 - (log10(max(value, self.marks[0])) - low) / (high - low))

    def axes(self, counts: Sequence[int]) -> list[str]:
        """The title, the grid and its numbers."""
        parts = [f'<text class="title" x="{self.left:.1f}" y="{TOP - 16}">{self.title}</text>']
        for mark in self.marks:
            at = self._down(mark)
            parts.append(f'<path class="grid" d="M{self.left:.1f} {at:.1f}h{WIDE:.1f}"/>')
            parts.append(_text(self.left - 6, at + 4, f"{mark:,.0f}", "end"))
        below = TOP + HIGH + 18
        return [*parts, *(_text(self._along(n), below, f"{n:,}", "middle") for n in counts)]

    def line(self, points: Line, color: str) -> str:
        """What one program took."""
        path = " ".join(f"{self._along(n):.1f},{self._down(value):.1f}" for n, value in points)
        return f'<polyline class="line" stroke="{color}" points="{path}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def drawn(cpu: Mapping[str, Line], memory: Mapping[str, Line]) -> str:
    """The picture: microseconds of CPU a message, and megabytes at the peak, by program."""
    counts = sorted({n for line in cpu.values() for n, _ in line})
    panels = (
        (Panel("CPU per message, in µs", LEFT, counts[-1], (10, 100, 1_000, 10_000)), cpu),
        (
            Panel("peak memory, in MB", LEFT + WIDE + GAP, counts[-1], (10, 100, 1_000, 10_000)),
            memory,
        ),
    )
    colors = dict(zip(cpu, (LIMIT, OURS), strict=True))
    parts: list[str] = []
    for panel, lines in panels:
        parts += panel.axes(counts)
        parts += [panel.line(points, colors[name]) for name, points in lines.items()]
    y = TOP + HIGH + 46
    for place, (name, color) in enumerate(colors.items()):
        x = LEFT + 240 * place
        parts.append(f'<path stroke="{color}" stroke-width="3" d="M{x} {y - 4}h16"/>')
        parts.append(_text(x + 22, y, name, "start"))
    parts.append(_text(WIDTH - 16, y, "recipients", "end"))
    title = "<title>What a message costs, by the number of recipients</title>"
    body = "\n".join([title, STYLE, *parts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 14}" role="img">'
        f"\n{body}\n</svg>\n"
    )
