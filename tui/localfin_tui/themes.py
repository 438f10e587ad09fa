"""The themes of the app: ink for dark terminals and paper for light ones, each at 4.5:1 contrast; or the terminal's."""

from dataclasses import replace

from textual.theme import BUILTIN_THEMES, Theme

INK = Theme(
    name="localfin-ink",
    dark=True,
    primary="#7fb2e5",
    secondary="#8fa3b8",
    accent="#4fc1ad",
    foreground="#dde4ec",
    background="#10161d",
    surface="#161e27",
    panel="#1d2732",
    success="#6cc28b",
    warning="#e0b04f",
    error="#f08a80",
    variables={
        "quiet": "#93a3b5",
        "footer-background": "#0c1117",
        "footer-key-foreground": "#4fc1ad",
        "footer-description-foreground": "#93a3b5",
        "block-cursor-foreground": "#dde4ec",
        "block-cursor-background": "#24445a",
        "block-cursor-blurred-background": "#1d2732",
        "input-selection-background": "#35607f 60%",
    },
)

PAPER = Theme(
    name="localfin-paper",
    dark=False,
    primary="#1d4f7c",
    secondary="#51606f",
    accent="#0b6b5f",
    foreground="#1b2630",
    background="#fbfaf7",
    surface="#f3f1ec",
    panel="#e8e5de",
    success="#1f6b3c",
    warning="#855400",
    error="#a5281f",
    variables={
        "quiet": "#56626e",
        "footer-background": "#e8e5de",
        "footer-key-foreground": "#0b6b5f",
        "footer-description-foreground": "#4c5863",
        "block-cursor-foreground": "#1b2630",
        "block-cursor-background": "#c8dde9",
        "block-cursor-blurred-background": "#e8e5de",
        "input-selection-background": "#9cc3dd 60%",
    },
)

_PLAIN = BUILTIN_THEMES["ansi-dark"]
ANSI = replace(_PLAIN, name="localfin-ansi", variables={**_PLAIN.variables, "quiet": "ansi_default"})
"""The terminal's own colours."""

THEMES = {"dark": INK, "light": PAPER, "ansi": ANSI}
"""What LOCALFIN_THEME may say."""
