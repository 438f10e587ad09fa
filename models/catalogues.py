"""`make catalogues`: collects every `_("…")` into the Korean catalogue, keeps its translations, compiles it.

English needs no catalogue: its texts are the keys. Needs babel (the `dev` extra); not part of the program.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

TOP = Path(__file__).parents[1]
PACKAGES = ("models/localfin_models", "convert/localfin_convert", "localfin/localfin", "tui/localfin_tui")
_ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)
PO = TOP / "models" / "localfin_models" / "locale" / "ko" / "LC_MESSAGES" / "localfin.po"


def collected() -> Catalog:
    """Every text of the packages, with the files it stands in; no line numbers, which would change with each edit."""
    catalog = Catalog()
    for package in PACKAGES:
        for file, _line, message, comments, _context in extract_from_dir(
            str(TOP / package), method_map=[("**.py", "python")], keywords=dict.fromkeys(("_", "gettext", "translated"))
        ):
            catalog.add(message, locations=[(f"{package}/{file}", 1)], auto_comments=comments)
    return catalog


def updated() -> Catalog:
    """The Korean catalogue with the texts of today; those no longer used are dropped."""
    if PO.is_file():
        with PO.open("rb") as file:
            catalog = read_po(file, locale="ko")
    else:
        catalog = Catalog(locale="ko")
    catalog.update(collected(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    catalog.creation_date = catalog.revision_date = _ANY_DAY  # else every run would change the file
    return catalog


def main() -> int:
    catalog = updated()
    with PO.open("wb") as file:
        write_po(file, catalog, width=120, sort_output=True, omit_header=True, include_lineno=False)
    with PO.with_suffix(".mo").open("wb") as file:
        write_mo(file, catalog)
    missing = [message.id for message in catalog if message.id and not message.string]
    for text in missing:
        print(f"not translated: {text!r}", file=sys.stderr)
    print(f"{len(catalog)} texts, {len(missing)} not translated", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
