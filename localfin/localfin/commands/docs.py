"""`localfin docs`: the documents to answer from; added, listed, searched, removed."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localfin.lines import wrapped
from localfin.text import clean_text
from localfin_models.errors import InputRefused
from localfin_models.home import home
from localfin_models.language import _
from localfin_models.progress import ProgressBar

if TYPE_CHECKING:
    from localfin.documents import Document, Documents, Hit, Outcome
    from localfin.store import Database

_CELLS = 80
_SHOWN = 20
"""Refused files that are named; the rest is counted."""


@click.group(
    short_help=_("Add documents to answer from; list, search and remove them."),
    help=_("The documents that answers may come from. They are read once and searched without a model."),
)
def docs() -> None:
    """Only a name over the commands below."""


@docs.command(
    "add",
    short_help=_("Add files and folders."),
    help=_(
        "Read files, and folders with all below them, and index their words. A file that has not changed is not read "
        "again; one that has left its folder leaves the index. A file that cannot be read is named with the reason and "
        "kept out: the exit code is 3 then."
    ),
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help=_("One JSON object a line."))
def add(paths: Sequence[Path], as_json: bool) -> None:
    with _database() as database, ProgressBar(_("Reading"), unit="kB", of_unit=1e3, after_s=1.0) as bar:
        outcomes = _documents(database).add(paths, bar)
    if as_json:
        for outcome in outcomes:
            click.echo(_outcome_line(outcome))
    counts = Counter[str](outcome.state for outcome in outcomes)
    _tell_notes(outcomes)
    _tell_refused([outcome for outcome in outcomes if outcome.state == "refused"])
    text = _("added {added:,}, changed {changed:,}, unchanged {unchanged:,}, gone {gone:,}, refused {refused:,}")
    names = ("added", "changed", "unchanged", "gone", "refused")
    click.echo(text.format(**{name: counts[name] for name in names}), err=True)
    if counts["refused"]:
        raise click.exceptions.Exit(InputRefused.exit_code)


@docs.command(
    "list", short_help=_("List the documents."), help=_("One line for each document: passages, pages, title, path.")
)
@click.option("--json", "as_json", is_flag=True, help=_("One JSON object a line."))
def list_documents(as_json: bool) -> None:
    with _database() as database:
        found = _documents(database).list()
    for document in found:
        click.echo(_document_line(document) if as_json else clean_text(_document_text(document)))
    if not found:
        click.echo(_("no documents yet; add some with localfin docs add"), err=True)


@docs.command(
    "search",
    short_help=_("Find passages; no model is needed."),
    help=_("Print the passages that match QUERY best, best first, each with where it stands and a literal quote."),
)
@click.argument("query")
@click.option("-d", "--document", "paths", multiple=True, metavar="PATH", type=click.Path(path_type=Path),
              help=_("Only in this document or folder."))  # fmt: skip
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=10, show_default=True, help=_("At most so many."))
@click.option("--handbook", is_flag=True, help=_("In the handbook that ships, instead of the documents."))
@click.option("--json", "as_json", is_flag=True,
              help=_("One JSON object a line, best first: document, page, score, quote, and more."))  # fmt: skip
def search(query: str, paths: Sequence[Path], limit: int, handbook: bool, as_json: bool) -> None:
    if handbook and paths:
        raise click.UsageError(_("--handbook and --document do not go together"))
    hits = _in_handbook(query, limit) if handbook else _in_documents(query, limit, paths)
    for number, hit in enumerate(hits, 1):
        click.echo(_hit_line(hit) if as_json else "\n".join(_hit_text(number, hit)))
    if not hits:
        click.echo(_("nothing found"), err=True)


@docs.command(
    "remove",
    short_help=_("Remove a document, or a folder's."),
    help=_("Take the document PATH, or all below the folder PATH, out of the index. The files stay where they are."),
)
@click.argument("path", type=click.Path(path_type=Path))
def remove(path: Path) -> None:
    with _database() as database:
        removed = _documents(database).remove(path)
    click.echo(_("removed {count:,}").format(count=len(removed)), err=True)


def _database() -> "Database":
    from localfin.store import Database

    return Database(home() / "localfin.db")


def _documents(database: "Database") -> "Documents":
    from localfin.documents import Documents

    return Documents(database)


def _in_documents(query: str, limit: int, paths: Sequence[Path]) -> "list[Hit]":
    with _database() as database:
        return _documents(database).search(query, limit, paths or None)


def _in_handbook(query: str, limit: int) -> "list[Hit]":
    from localfin.handbook import search

    return search(query, limit)


def _tell_notes(outcomes: "Sequence[Outcome]") -> None:
    for outcome in outcomes:
        for note in outcome.notes:
            click.echo(clean_text(f"{outcome.path.name}: {note}"), err=True)


def _tell_refused(refused: "Sequence[Outcome]") -> None:
    for outcome in refused[:_SHOWN]:
        click.echo(clean_text(outcome.reason), err=True)
    if len(refused) > _SHOWN:
        click.echo(_("and {count:,} more").format(count=len(refused) - _SHOWN), err=True)


def _outcome_line(outcome: "Outcome") -> str:
    row = {"document": clean_text(str(outcome.path)), "state": outcome.state, "passages": outcome.passages}
    more = {"reason": clean_text(outcome.reason), "notes": outcome.notes}
    return json.dumps({**row, **more}, ensure_ascii=False)


def _document_line(document: "Document") -> str:
    row = {"document": str(document.path), "title": document.title, "pages": document.pages}
    more = {"passages": document.passages, "size_bytes": document.size, "added": document.added}
    return json.dumps({**row, **more}, ensure_ascii=False)


def _document_text(document: "Document") -> str:
    pages = _("{pages:,} pages").format(pages=document.pages) if document.pages else ""
    passages = _("{passages:,} passages").format(passages=document.passages)
    title = "" if document.title == document.path.stem else f"{document.title}  "
    return f"{passages:>16}  {pages:>12}  {title}{document.path}"


def _hit_line(hit: "Hit") -> str:
    """What scripts rely on first."""
    passage = hit.passage
    row = {
        "document": str(passage.document) if passage.document else None,
        "page": passage.page,
        "score": round(hit.score, 4),
        "quote": clean_text(hit.quote),
        "title": passage.title,
        "heading": passage.heading,
        "sheet": passage.sheet,
        "cells": passage.cells,
    }
    return json.dumps(row, ensure_ascii=False)


def _hit_text(number: int, hit: "Hit") -> list[str]:
    passage = hit.passage
    where = [passage.title]
    if passage.page is not None:
        where.append(_("page {page}").format(page=passage.page))
    where += [text for text in (passage.sheet, passage.cells) if text]
    path = clean_text(str(passage.document)) if passage.document else ""
    return [
        *wrapped(clean_text(f"{number}. {' · '.join(where)}  ({hit.score:.2f})"), _CELLS),
        *wrapped(path, _CELLS, "   "),
        *wrapped(clean_text(hit.quote), _CELLS, "   | "),
    ]
