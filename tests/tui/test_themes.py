"""Every colour of words can be read on every ground it stands on, in both themes."""

import pytest
from textual.color import Color
from textual.theme import Theme

from localfin_tui.themes import INK, PAPER

WORDS = ("foreground", "primary", "accent", "success", "warning", "error", "quiet")
GROUNDS = ("background", "surface", "panel")


def luminance(color: Color) -> float:
    """WCAG 2.2, relative luminance."""
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (color.r / 255, color.g / 255, color.b / 255)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(Color.parse(one)), luminance(Color.parse(other))))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [INK, PAPER], ids=lambda theme: theme.name)
def test_words_stand_out_from_their_ground(theme: Theme) -> None:
    colours = theme.to_color_system().generate() | theme.variables
    pairs = [(word, ground) for word in WORDS for ground in GROUNDS]
    pairs += [("foreground", "block-cursor-background"), ("foreground", "block-cursor-blurred-background")]
    pairs += [(f"footer-{part}-foreground", "footer-background") for part in ("key", "description")]
    weak = {pair: ratio for pair in pairs if (ratio := contrast(colours[pair[0]], colours[pair[1]])) < 4.5}
    assert weak == {}


def test_black_on_white_is_21_to_1() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
