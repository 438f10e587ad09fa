"""User-facing texts in Korean and English, through gettext. English is the key; `locale/` holds the catalogues."""

import gettext as _gettext
import os
from functools import cache
from pathlib import Path

LOCALE_DIR = Path(__file__).with_name("locale")


def ui_language() -> str:
    """`ko` or `en`: LOCALFIN_LANG if set, else the usual locale variables in their usual order, else English."""
    for name in ("LOCALFIN_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "")
        if value:
            return "ko" if value.lower().startswith("ko") else "en"
    return "en"


@cache
def _catalogue(language: str) -> _gettext.NullTranslations:
    return _gettext.translation("localfin", LOCALE_DIR, [language], fallback=True)


def _(message: str) -> str:
    """`message` in the user's language. Format the result, not the argument: `_("{n} rows").format(n=n)`."""
    return _catalogue(ui_language()).gettext(message)


def translated(message: str, language: str) -> str:
    """`message` in `ko` or `en`, whatever the user's language is."""
    return _catalogue(language).gettext(message)
