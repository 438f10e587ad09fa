"""The documents that answers may come from: added, searched, opened at the passage, removed."""

import threading
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from localfin.documents import Document, Documents, Hit, Outcome, Passage
from localfin.text import clean_text
from localfin_models.errors import LocalfinError
from localfin_models.language import _
from localfin_tui.beside import Stopped, beside
from localfin_tui.dialogs import AskLine, Confirm
from localfin_tui.host import Phase
from localfin_tui.place import House, Place

HITS = 20


class DocumentsScreen(Place):
    NAME = "documents"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", "Add", id="docs.add", key_display="a"),
        Binding("slash", "search", "Search", id="docs.search", key_display="/"),
        Binding("r", "refresh", "Read again", id="docs.refresh", key_display="r"),
        Binding("delete", "remove", "Remove", id="docs.remove", key_display="Del"),
        Binding("escape", "stop", "Stop", id="docs.stop", key_display="Esc"),
    ]

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._documents = Documents(house.store.database)
        self._hits: list[Hit] = []
        self._reading = False
        self._stop = threading.Event()

    def body(self) -> ComposeResult:
        with Horizontal(id="documents"):
            yield OptionList(id="document-list", compact=True, markup=False)
            with Vertical(id="found"):
                yield Input(placeholder=_("Search the documents"), id="words", compact=True)
                yield OptionList(id="hits", compact=True, markup=False)
                with VerticalScroll(id="page"):
                    yield Static("", id="page-text", markup=False)
        yield Static("", id="docs-state", markup=False)

    async def model_changed(self, phase: Phase) -> None:
        if not self._reading:
            self._list()
        if self.focused is None:
            self.query_one("#document-list").focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "stop":
                return self._reading
            case "refresh" | "remove":
                return self._chosen() is not None and not self._reading
            case "add":
                return not self._reading
            case _other:
                return super().check_action(action, parameters)

    # -- the list ----------------------------------------------------------------------------------------------------

    def _list(self) -> None:
        try:
            found = self._documents.list()
        except LocalfinError as error:
            self._wrong(error)
            return
        chosen = self._chosen()
        documents = self.query_one("#document-list", OptionList)
        documents.clear_options()
        documents.add_options(_document_line(document) for document in found)
        if found:
            documents.highlighted = next((n for n, document in enumerate(found) if document.path == chosen), 0)
        passages = sum(document.passages for document in found)
        if found:
            words = _("{documents:,} documents, {passages:,} passages").format(documents=len(found), passages=passages)
        else:
            words = _("No documents yet: press a to add a file or a folder.")
        self._state(words)
        self.refresh_bindings()

    def _chosen(self) -> Path | None:
        option = self.query_one("#document-list", OptionList).highlighted_option
        return Path(option.id) if option and option.id else None

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_add(self) -> None:
        """A path that is dropped on a terminal is typed by it, often in quotes."""
        line = await self.app.push_screen_wait(AskLine(_("Add a file, or a folder with all below it"), ""))
        if line:
            self._read([Path(line.strip("'\"")).expanduser()])

    def action_refresh(self) -> None:
        if self._chosen():
            self._read([document.path for document in self._documents.list() if document.path.exists()])

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_remove(self) -> None:
        path = self._chosen()
        if path is None:
            return
        question = _("Take {name} out of the index? The file stays where it is.").format(name=clean_text(path.name))
        if await self.app.push_screen_wait(Confirm(question, _("Remove"))):
            try:
                self._documents.remove(path)
            except LocalfinError as error:
                self._wrong(error)
                return
            self._list()

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read(self, paths: Sequence[Path]) -> None:
        self._reading = True
        self._stop.clear()
        self._state(_("Reading..."))
        self.refresh_bindings()
        beside(self, "read", partial(self._documents.add, paths, self._tell), self._have_read, self._wrong)

    def _tell(self, done: int, total: int) -> None:
        """Called by the reading thread."""
        if self._stop.is_set():
            raise Stopped(_("Stopped. What was read whole is in the index."))
        words = _("Reading {percent} %. Esc stops.").format(percent=100 * done // max(total, 1))
        self.app.call_from_thread(self._state, words)

    def _have_read(self, outcomes: tuple[Outcome, ...]) -> None:
        self._reading = False
        self._list()
        counts = Counter[str](outcome.state for outcome in outcomes)
        text = _("added {added:,}, changed {changed:,}, unchanged {unchanged:,}, gone {gone:,}, refused {refused:,}")
        names = ("added", "changed", "unchanged", "gone", "refused")
        refused = [outcome.reason for outcome in outcomes if outcome.state == "refused"]
        self._state("  ".join([text.format(**{name: counts[name] for name in names}), *refused[:1]]))

    def action_stop(self) -> None:
        self._stop.set()

    # -- searching ---------------------------------------------------------------------------------------------------

    def action_search(self) -> None:
        self.query_one("#words", Input).focus()

    @on(Input.Submitted, "#words")
    def _search(self, event: Input.Submitted) -> None:
        event.stop()
        if words := clean_text(event.value).strip():
            beside(self, "search", partial(self._documents.search, words, HITS), self._found, self._wrong)

    def _found(self, hits: list[Hit]) -> None:
        self._hits = hits
        found = self.query_one("#hits", OptionList)
        found.clear_options()
        found.add_options(Option(_hit_line(n, hit), id=str(n)) for n, hit in enumerate(hits))
        if hits:
            found.highlighted = 0
            found.focus()
        self.query_one("#page-text", Static).update("" if hits else _("Nothing found."))

    @on(OptionList.OptionHighlighted, "#hits")
    def _look(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        hit = self._hits[event.option_index]
        beside(self, "page", partial(self._documents.page_of, hit.passage), partial(self._show, hit), self._wrong)

    def _show(self, hit: Hit, page: list[Passage]) -> None:
        self.query_one("#page-text", Static).update(_marked(hit, page))
        before = sum(passage.text.count("\n") + 2 for passage in page if passage.id < hit.passage.id)
        self.query_one("#page", VerticalScroll).scroll_to(y=max(before - 2, 0), animate=False)

    def _wrong(self, error: LocalfinError) -> None:
        self._reading = False
        self._list()
        self._state(str(error))

    def _state(self, words: str) -> None:
        self.query_one("#docs-state", Static).update(clean_text(words))


def _document_line(document: Document) -> Option:
    name = clean_text(document.path.name)
    pages = _("{pages:,} pages").format(pages=document.pages) if document.pages else ""
    return Option(Content.assemble(name, "  ", (pages, "$quiet")), id=str(document.path))


def _hit_line(number: int, hit: Hit) -> Content:
    passage = hit.passage
    where = [clean_text(passage.document.name if passage.document else passage.title)]
    if passage.page is not None:
        where.append(_("page {page}").format(page=passage.page))
    where += [clean_text(part) for part in (passage.sheet, passage.cells) if part]
    quote = " ".join(clean_text(hit.quote).split())
    return Content.assemble((f"{number + 1}  {', '.join(where)}  ", "bold"), (quote, "$quiet"))


def _marked(hit: Hit, page: Sequence[Passage]) -> Content:
    """The page, the quote in it set off: underlined, so that it is seen without colours, too."""
    parts: list[Content] = []
    for passage in page:
        head, quote, tail = (
            passage.text.partition(hit.quote) if passage.id == hit.passage.id else (passage.text, "", "")
        )
        quoted = Content.styled(clean_text(quote), "bold underline $accent")
        parts.append(Content.assemble(clean_text(head), quoted, clean_text(tail)))
    return Content("\n\n").join(parts)
