"""The keys of the app by the ids of their bindings: what each does, in the user's language.

A Binding's description is fixed when its class is made; the words here are looked up when the footer draws, so that
they follow the language. The footer, the help, the command palette and docs/app.md show what stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from textual.binding import ActiveBinding

from localfin_models.language import _, gettext


@dataclass(frozen=True, slots=True)
class Key:
    id: str
    shown: str
    """As it is printed on a keyboard."""
    long: str
    """One line for the help and the palette; English."""
    short: str = ""
    """One or two words for the footer; English, empty where the footer leaves it out."""


CHAT = (
    Key("chat.send", "Enter", gettext("send the question"), gettext("Send")),
    Key("chat.newline", "Shift+Enter, Ctrl+J", gettext("start a new line in the question")),
    Key("chat.stop", "Esc", gettext("stop the answer; what has come so far is kept"), gettext("Stop")),
    Key("chat.new", "Ctrl+N", gettext("start a new chat"), gettext("New")),
    Key("chat.history", "Ctrl+B", gettext("show or hide the history"), gettext("History")),
    Key("chat.search", "Ctrl+F", gettext("search all chats")),
    Key("chat.copy", "Ctrl+Y", gettext("copy the last answer to the clipboard"), gettext("Copy")),
    Key("chat.save", "Ctrl+S", gettext("save this chat as a Markdown file"), gettext("Save")),
    Key("chat.again", "Ctrl+R", gettext("ask again where an answer was stopped or broke off"), gettext("Again")),
    Key("chat.scroll", "PageUp, PageDown", gettext("read back and forth")),
    Key("chat.end", "Ctrl+End", gettext("return to the end")),
    Key("history.rename", "F2", gettext("rename the chat chosen in the history"), gettext("Rename")),
    Key("history.delete", "Del", gettext("delete the chat chosen in the history"), gettext("Delete")),
)
FRAUD = (
    Key("fraud.open", "o", gettext("open a file of transactions, with a history and a scorer"), gettext("Open")),
    Key("fraud.confirm", "c", gettext("confirm; the cursor goes to the next open row"), gettext("Confirm")),
    Key("fraud.dismiss", "d", gettext("dismiss; the cursor goes to the next open row"), gettext("Dismiss")),
    Key("fraud.hold", "h", gettext("hold; the cursor goes to the next open row"), gettext("Hold")),
    Key("fraud.note", "n", gettext("write a note"), gettext("Note")),
    Key("fraud.undo", "u", gettext("undo the last decision or note"), gettext("Undo")),
    Key("fraud.sort", "s", gettext("sort by score; again for the order of the file"), gettext("Sort")),
    Key("fraud.export", "e", gettext("export the decided cases as CSV or JSON lines"), gettext("Export")),
    Key("fraud.stop", "Esc", gettext("stop the check; the rows that have come stay"), gettext("Stop")),
    Key("fraud.all", "1", gettext("show all rows")),
    Key("fraud.suspicious", "2", gettext("show suspicious rows")),
    Key("fraud.review", "3", gettext("show rows to review")),
    Key("fraud.open-rows", "4", gettext("show rows that are not normal and not decided")),
    Key("fraud.confirmed", "5", gettext("show confirmed rows")),
    Key("fraud.dismissed", "6", gettext("show dismissed rows")),
    Key("fraud.held", "7", gettext("show held rows")),
)
DOCUMENTS = (
    Key("docs.add", "a", gettext("add a file, or a folder with all below it"), gettext("Add")),
    Key("docs.search", "/", gettext("search the documents"), gettext("Search")),
    Key("docs.refresh", "r", gettext("read again what has changed"), gettext("Refresh")),
    Key("docs.remove", "Del", gettext("take a document out of the index; the file stays"), gettext("Remove")),
    Key("docs.stop", "Esc", gettext("stop the reading; what was read whole stays"), gettext("Stop")),
)
MODELS = (
    Key("models.load", "Enter", gettext("load the model chosen; it answers from now on")),
    Key("models.unload", "u", gettext("unload the model and free its memory"), gettext("Unload")),
    Key("models.default", "d", gettext("make the model chosen the default"), gettext("Default")),
    Key("models.verify", "v", gettext("read the model whole and compare it with its manifest"), gettext("Verify")),
    Key("models.import", "i", gettext("copy a GGUF file to the models of localfin"), gettext("Import")),
)
STATUS = (Key("status.copy", "Ctrl+Y", gettext("copy all this to the clipboard"), gettext("Copy")),)
EVERYWHERE = (
    Key("model.load", "Ctrl+L", gettext("load the model again after it has ended"), gettext("Load")),
    Key("go.chat", "F5, Alt+1", gettext("go to the chat")),
    Key("go.fraud", "F6, Alt+2", gettext("check transactions and decide cases")),
    Key("go.documents", "F7, Alt+3", gettext("add documents and search them")),
    Key("go.models", "F8, Alt+4", gettext("see the models, load another, import one")),
    Key("go.status", "F9, Alt+5", gettext("see the seal, the model and what is recorded")),
    Key("app.commands", "Ctrl+P", gettext("find a command by its name"), gettext("Commands")),
    Key("app.settings", "Ctrl+O", gettext("change the settings")),
    Key("app.theme", "Ctrl+T", gettext("switch between dark, light and the terminal's own colours")),
    Key("app.help", "F1", gettext("this help"), gettext("Help")),
    Key("app.quit", "Ctrl+Q", gettext("quit; a running answer is stopped and kept"), gettext("Quit")),
)
DIALOG = (
    Key("dialog.cancel", "Esc", gettext("leave this window"), gettext("Cancel")),
    Key("dialog.accept", "Enter", gettext("accept"), gettext("OK")),
)
PLACES: dict[str, tuple[Key, ...]] = {
    "chat": CHAT,
    "fraud": FRAUD,
    "documents": DOCUMENTS,
    "models": MODELS,
    "status": STATUS,
}
KEYS: dict[str, Key] = {key.id: key for keys in (*PLACES.values(), EVERYWHERE, DIALOG) for key in keys}
"""By id, in the order of the footer."""


def shown(key: Key, chosen: Mapping[str, str]) -> str:
    """The key as it is printed on a keyboard, or as the settings name it."""
    return chosen.get(key.id) or key.shown


def in_words(bindings: Mapping[str, ActiveBinding]) -> dict[str, ActiveBinding]:
    """The same bindings, described in the user's language and in the order of KEYS."""
    order = {name: place for place, name in enumerate(KEYS)}

    def place(entry: tuple[str, ActiveBinding]) -> int:
        return order.get(entry[1].binding.id or "", len(order))

    def described(active: ActiveBinding) -> ActiveBinding:
        key = KEYS.get(active.binding.id or "")
        if key is None or not key.short:
            return active
        return active._replace(binding=replace(active.binding, description=_(key.short)))

    return {name: described(active) for name, active in sorted(bindings.items(), key=place)}
