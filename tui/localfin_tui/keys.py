"""The keys of the app by the ids of their bindings: what each does, in the user's language.

A Binding's description is fixed when its class is made; the words here are looked up when the footer draws, so that
they follow the language.
"""

from collections.abc import Mapping
from dataclasses import replace

from textual.binding import ActiveBinding

from localfin_models.language import _

KEYS = {
    "chat.send": "Enter",
    "chat.newline": "Shift+Enter, Ctrl+J",
    "chat.stop": "Esc",
    "chat.new": "Ctrl+N",
    "chat.history": "Ctrl+B",
    "chat.search": "Ctrl+F",
    "chat.copy": "Ctrl+Y",
    "chat.save": "Ctrl+S",
    "chat.again": "Ctrl+R",
    "chat.load": "Ctrl+L",
    "chat.scroll": "PageUp, PageDown",
    "chat.end": "Ctrl+End",
    "history.rename": "F2",
    "history.delete": "Del",
    "chat.theme": "Ctrl+T",
    "chat.help": "F1",
    "chat.quit": "Ctrl+Q",
}
"""In the order of the help screen; a key as it is printed on a keyboard."""


def short_words() -> dict[str, str]:
    """One or two words for each binding, as the footer shows them."""
    return {
        "chat.send": _("Send"),
        "chat.stop": _("Stop"),
        "chat.new": _("New"),
        "chat.history": _("History"),
        "chat.copy": _("Copy"),
        "chat.save": _("Save"),
        "chat.again": _("Again"),
        "chat.load": _("Load"),
        "chat.help": _("Help"),
        "chat.quit": _("Quit"),
        "history.rename": _("Rename"),
        "history.delete": _("Delete"),
        "dialog.cancel": _("Cancel"),
        "dialog.accept": _("OK"),
    }


def long_words() -> dict[str, str]:
    """One line for each entry of KEYS, as the help shows them."""
    return {
        "chat.send": _("send the question"),
        "chat.newline": _("start a new line in the question"),
        "chat.stop": _("stop the answer; what has come so far is kept"),
        "chat.new": _("start a new chat"),
        "chat.history": _("show or hide the history"),
        "chat.search": _("search all chats"),
        "chat.copy": _("copy the last answer to the clipboard"),
        "chat.save": _("save this chat as a Markdown file"),
        "chat.again": _("ask again where an answer was stopped or broke off"),
        "chat.load": _("load the model again after it has ended"),
        "chat.scroll": _("read back and forth"),
        "chat.end": _("return to the end"),
        "history.rename": _("rename the chat chosen in the history"),
        "history.delete": _("delete the chat chosen in the history"),
        "chat.theme": _("switch between dark and light"),
        "chat.help": _("this help"),
        "chat.quit": _("quit; a running answer is stopped and kept"),
    }


def in_words(bindings: Mapping[str, ActiveBinding]) -> dict[str, ActiveBinding]:
    """The same bindings, described in the user's language and in the order of KEYS."""
    words, order = short_words(), {name: place for place, name in enumerate(KEYS)}

    def place(entry: tuple[str, ActiveBinding]) -> int:
        return order.get(entry[1].binding.id or "", len(order))

    return {
        key: active._replace(
            binding=replace(active.binding, description=words.get(active.binding.id or "", active.binding.description))
        )
        for key, active in sorted(bindings.items(), key=place)
    }
