"""Draws two plots as one SVG by hand, readable on a light and on a dark page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.simulation import Outcome, Server

WIDTH, HEIGHT, LEFT, RIGHT = 760, 560, 46, 16
OURS, LIMIT, RIVALS = "#1f8fff", "#d9534f", ("#e08e0b", "#8e8e93")
STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #57606a } .title { font-weight: 600 }
.axis { stroke: #8c959f; fill: none } .grid { stroke: #8c959f; stroke-opacity: .25; fill: none }
.line { fill: none; stroke-width: 1.8 } .limit { stroke-dasharray: 5 4; stroke-width: 1.4 }
@media (prefers-color-scheme: dark) { text { fill: #b1bac4 } }
</style>"""


def per_second(times: Sequence[float], until: float, window: float) -> list[tuple[float, float]]:
    """How many a second, in windows."""
    counts = [0] * (int(until / window) + 1)
    for time in times:
        if time < until:
            counts[int(time / window)] += 1
    return [(index * window + window / 2, n / window) for index, n in enumerate(counts[:-1])]


def steps(rates: Sequence[tuple[float, float]], until: float) -> list[tuple[float, float]]:
    """A line that keeps each value until the next."""
    points: list[tuple[float, float]] = []
    for (time, rate), (later, _) in zip(rates, [*rates[1:], (until, 0.0)], strict=True):
        if time > until:
            break
        points += [(time, rate), (min(later, until), rate)]
    return points


class Plot:
    """Axes from 0 to `x` seconds and 0 to `y` a second, `top` pixels from above."""

    def __init__(self, title: str, x: float, y: float, top: float, height: float) -> None:
        self.x, self.y, self.top, self.height = x, y, top, height
        self.parts = [f'<text class="title" x="{LEFT}" y="{top - 10}">{title}</text>']
        for part in range(6):
            value, across = y * part / 5, self._down(y * part / 5)
            self.parts.append(f'<path class="grid" d="M{LEFT} {across:.1f}H{WIDTH - RIGHT}"/>')
            self._text(LEFT - 6, across + 4, f"{value:g}", "end")
            self._text(self._along(x * part / 5), top + height + 16, f"{x * part / 5:g} s")
        bottom = top + height
        self.parts.append(f'<path class="axis" d="M{LEFT} {top}V{bottom}H{WIDTH - RIGHT}"/>')

    def line(self, points: Sequence[tuple[float, float]], color: str, kind: str = "line") -> None:
        """Points beyond the axes are cut."""
        path = " ".join(
            f"{self._along(min(time, self.x)):.1f},{self._down(min(value, self.y)):.1f}"
            for time, value in points
        )
        self.parts.append(f'<polyline class="line {kind}" stroke="{color}" points="{path}"/>')

    def legend(self, entries: Mapping[str, str]) -> None:
        """Names and colours, from the right."""
        place = WIDTH - RIGHT
        for name, color in reversed(list(entries.items())):
            place -= 7 * len(name) + 30
            line = f'<path stroke="{color}" stroke-width="3" d="M{place} {self.top - 14}h16"/>'
            self.parts.append(line)
            self._text(place + 20, self.top - 10, name, "start")

    def _text(self, x: float, y: float, text: str, anchor: str = "middle") -> None:
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>')

    def _along(self, time: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * time / self.x

    def _down(self, value: float) -> float:
        return self.top + self.height * (1 - value / self.y)


def drawn(
    five: Server,
    first: Outcome,
    half: Server,
    rivals: Mapping[str, Sequence[float]],
) -> str:
    """The whole picture."""
    above = Plot("From 30 a second to the 5 that are allowed: the rate", 120, 35, 40, 190)
    above.line([(0, five.rate), (120, five.rate)], LIMIT, "limit")
    above.line(steps(first.rates, 120), OURS)
    above.legend({"allowed": LIMIT, "the pacer's rate": OURS})
    below = Plot("The limit halves: accepted a second", 300, 40, 320, 200)
    change, rate = half.change or (0.0, 0.0)
    allowed = [(0, half.rate), (change, half.rate), (change, rate), (300.0, rate)]
    below.line(allowed, LIMIT, "limit")
    names = {"allowed": LIMIT}
    for (name, times), color in zip(rivals.items(), RIVALS, strict=True):
        below.line(per_second(times, 300, 5), color)
        names[name] = color
    below.line(per_second(half.accepted, 300, 5), OURS)
    below.legend({**names, "broadcast": OURS})
    body = "\n".join([*above.parts, *below.parts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        f"\n<title>What the pacer does, simulated</title>\n{STYLE}\n{body}\n</svg>\n"
    )
