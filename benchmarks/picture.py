"""The conversion's costs as bars, an SVG that reads on light and dark pages."""

from collections.abc import Mapping, Sequence
from html import escape

from measure import Cost

_WIDTH, _LEFT, _RIGHT, _BAR, _GAP, _TOP = 760, 250, 130, 22, 14, 34
_SHADES = ("#8a94a6", "#a9b1bf", "#6d788c")
_OURS = "#2f8f6b"
_TEXT = 'font-family="system-ui, sans-serif" font-size="13" fill="#7a8290"'


def bars(costs: Mapping[str, Cost], usual: Sequence[str], ours: Sequence[str]) -> str:
    """Wall time: the usual steps end to end in one bar, each of ours in one; below it peak memory, likewise."""
    together = "peft, convert_hf_to_gguf.py, quantize"
    walls = [(together, [costs[step].wall_s for step in usual]), *((way, [costs[way].wall_s]) for way in ours)]
    largest = max(costs[step].peak_rss_mb for step in usual)
    memory = [(together, [largest]), *((way, [costs[way].peak_rss_mb]) for way in ours)]
    parts, y = list[str](), 0
    for title, rows, unit in (("wall time", walls, "s"), ("peak memory", memory, "MB")):
        drawn, y = _panel(title, rows, unit, y)
        parts += drawn
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}" viewBox="0 0 {_WIDTH} {y}" role="img">'
    )
    return "\n".join([head, f"<title>{escape(_said(walls))}</title>", *parts, "</svg>"]) + "\n"


def _panel(title: str, rows: Sequence[tuple[str, Sequence[float]]], unit: str, top: int) -> tuple[list[str], int]:
    whole = sum(rows[0][1])
    scale = (_WIDTH - _LEFT - _RIGHT) / max(sum(values) for _name, values in rows)
    parts = [f'<text x="0" y="{top + 20}" {_TEXT} font-weight="600">{title}</text>']
    y = top + _TOP
    for number, (name, values) in enumerate(rows):
        x = float(_LEFT)
        parts.append(f'<text x="0" y="{y + 16}" {_TEXT}>{escape(name)}</text>')
        for index, value in enumerate(values):
            width = max(2.0, value * scale)
            colour = _OURS if number else _SHADES[index]
            parts.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>')
            x += width
        total = sum(values)
        text = f"{total:,.1f} {unit}" if unit == "s" else f"{total:,.0f} {unit}"
        text += f" (1/{whole / total:.1f})" if number else ""
        parts.append(f'<text x="{x + 8:.1f}" y="{y + 16}" {_TEXT}>{text}</text>')
        y += _BAR + _GAP
    return parts, y + _GAP


def _said(rows: Sequence[tuple[str, Sequence[float]]]) -> str:
    return "; ".join(f"{name}: {sum(values):.1f} s" for name, values in rows)
