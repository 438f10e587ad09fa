"""Plots as SVG inside a page: bars and lines on two axes. They take the page's ink, in the light and in the dark."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from localfin.report.page import Html, text

COLOURS = ("#3b76d0", "#c98500", "#2f9e77", "#a259c4", "#c8372d", "#8a94a6")
_WIDTH, _HEIGHT = 960, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 30, 48
_FONT = 'font-size="13" font-family="system-ui, sans-serif"'


@dataclass(frozen=True, slots=True)
class Series:
    """A line through points; None leaves a gap."""

    name: str
    points: Sequence[tuple[float, float | None]]
    dashed: bool = False


def bars(
    counts: Sequence[float],
    edges: Sequence[float],
    *,
    x_label: str,
    y_label: str,
    marks: Sequence[tuple[float, str, str]] = (),
    colours: Sequence[str] = (),
    log: bool = False,
) -> Html:
    """A histogram: `counts` between `edges`, one more. `marks`: upright lines at x, with their words and colour.

    `log` draws the counts on a logarithmic axis on which 0 has its place.
    """
    grow: Callable[[float], float] = math.log1p if log else float
    top = max([*counts, 1.0])
    ticks = [0.0, *(10.0**n for n in range(1 + int(math.log10(top))))] if log else nice_ticks(0, top)
    plot = _Plot((edges[0], edges[-1]), (0.0, grow(max(top, ticks[-1]))))
    parts = plot.frame(x_label, y_label, nice_ticks(edges[0], edges[-1]), [(grow(tick), tick) for tick in ticks])
    for at, count in enumerate(counts):
        if count:
            left, right, up = plot.x(edges[at]), plot.x(edges[at + 1]), plot.y(grow(count))
            colour = colours[at] if colours else COLOURS[0]
            parts.append(
                f'<rect x="{left + 1:.1f}" y="{up:.1f}" width="{max(right - left - 2, 1):.1f}" rx="2" '
                f'height="{plot.y(0) - up:.1f}" fill="{colour}"><title>{_number(edges[at])}–{_number(edges[at + 1])}: '
                f"{count:,.0f}</title></rect>"
            )
    parts.extend(plot.mark(x, words, colour, row) for row, (x, words, colour) in enumerate(marks))
    return plot.figure(parts)


def lines(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    x_ticks: Sequence[tuple[float, str]] | None = None,
) -> Html:
    """Lines with a dot at each point, and a legend above. `x_ticks`: places with their words, else numbers."""
    plot = _Plot(x_range, y_range)
    parts = plot.frame(
        x_label, y_label, x_ticks or nice_ticks(*x_range), [(tick, tick) for tick in nice_ticks(*y_range)]
    )
    legend = float(_LEFT)
    for at, line in enumerate(series):
        colour = COLOURS[at % len(COLOURS)]
        parts.append(plot.line(line, colour))
        dash = ' stroke-dasharray="5 4"' if line.dashed else ""
        parts.append(
            f'<line x1="{legend:.0f}" x2="{legend + 22:.0f}" y1="12" y2="12" stroke="{colour}" stroke-width="3"{dash}/>'
            f'<text x="{legend + 28:.0f}" y="16" fill="currentColor" {_FONT}>{text(line.name)}</text>'
        )
        legend += 48 + sum(13 if ord(letter) > 0x1100 else 7.3 for letter in line.name)
    return plot.figure(parts)


def nice_ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, `about` so many."""
    span = (high - low) or 1.0
    unit = 10 ** math.floor(math.log10(span / about))
    step = unit * min((1, 2, 5, 10), key=lambda factor: abs(span / (unit * factor) - about))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


class _Plot:
    """The drawing's area, from data to places."""

    def __init__(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
        self._x, self._y = x_range, y_range

    def x(self, value: float) -> float:
        low, high = self._x
        return _LEFT + (value - low) / ((high - low) or 1) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self._y
        return _HEIGHT - _BOTTOM - (value - low) / ((high - low) or 1) * (_HEIGHT - _TOP - _BOTTOM)

    def frame(
        self,
        x_label: str,
        y_label: str,
        x_ticks: Sequence[float] | Sequence[tuple[float, str]],
        y_ticks: Sequence[tuple[float, float]],
    ) -> list[str]:
        """Grid, ticks and names of the axes; a y tick is its place and the number that stands there."""
        parts = list[str]()
        for place, number in y_ticks:
            y = self.y(place)
            parts.append(
                f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="currentColor" '
                f'stroke-opacity="{0.5 if place == self._y[0] else 0.13}"/>'
                f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" {_SOFT}>{_number(number)}</text>'
            )
        for tick in x_ticks:
            place, words = tick if isinstance(tick, tuple) else (tick, _number(tick))
            parts.append(
                f'<text x="{self.x(place):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle" {_SOFT}>'
                f"{text(words)}</text>"
            )
        parts.append(
            f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2:.0f}" y="{_HEIGHT - 8}" text-anchor="middle" {_SOFT}>'
            f"{text(x_label)}</text>"
            f'<text transform="translate(14 {(_TOP + _HEIGHT - _BOTTOM) / 2:.0f}) rotate(-90)" text-anchor="middle" '
            f"{_SOFT}>{text(y_label)}</text>"
        )
        return parts

    def mark(self, value: float, words: str, colour: str, row: int) -> str:
        """An upright line; its words stand on the side where there is room, each mark's on a row of its own."""
        x, y = self.x(value), _TOP - 14 + 16 * row
        side, anchor = (-6, "end") if x > _WIDTH * 0.75 else (6, "start")
        return (
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 8:.1f}" y2="{_HEIGHT - _BOTTOM}" stroke="{colour}" '
            'stroke-width="1.5" stroke-dasharray="5 4"/>'
            f'<text x="{x + side:.1f}" y="{y + 2:.1f}" text-anchor="{anchor}" fill="{colour}" {_FONT}>'
            f"{text(words)}</text>"
        )

    def line(self, series: Series, colour: str) -> str:
        pieces, dots, begun = list[str](), list[str](), False
        for x, y in series.points:
            if y is None:
                begun = False
                continue
            pieces.append(f"{'L' if begun else 'M'}{self.x(x):.1f} {self.y(y):.1f}")
            begun = True
            dots.append(
                f'<circle cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="3.2" fill="{colour}">'
                f"<title>{text(series.name)}: {_number(y)}</title></circle>"
            )
        dash = ' stroke-dasharray="5 4"' if series.dashed else ""
        shown = "".join(dots) if len(dots) <= 60 and not series.dashed else ""
        return f'<path d="{" ".join(pieces)}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>{shown}'

    def figure(self, parts: Sequence[str]) -> Html:
        return Html(
            f'<figure><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
            f"{''.join(parts)}</svg></figure>\n"
        )


_SOFT = f'fill="currentColor" fill-opacity="0.65" {_FONT}'


def _number(value: float) -> str:
    """At most four figures, thousands separated."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.4g}"
