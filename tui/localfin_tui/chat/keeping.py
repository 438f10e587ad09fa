"""The conversations with the user about keeping a chat: its name, its end, its copy in a file. Run them in a worker."""

from pathlib import Path

from textual.app import App

from localfin.store import Store
from localfin_models.errors import LocalfinError
from localfin_models.language import _
from localfin_tui.chat import export
from localfin_tui.dialogs import AskLine, Confirm


async def rename(app: App[None], store: Store, chat_id: int) -> None:
    """Raises LocalfinError."""
    chat = store.conversation(chat_id)
    if title := await app.push_screen_wait(AskLine(_("Rename this chat"), chat.title)):
        store.rename(chat_id, title)


async def delete(app: App[None], store: Store, chat_id: int) -> bool:
    """Whether the user wanted it deleted, and it is. Raises LocalfinError."""
    chat = store.conversation(chat_id)
    question = _('Delete "{title}" for good?').format(title=chat.title)
    if not await app.push_screen_wait(Confirm(question, _("Delete"))):
        return False
    store.delete(chat_id)
    return True


async def save(app: App[None], store: Store, chat_id: int) -> Path | None:
    """The new file, or None where the user gave up; asks again, saying why, until one can be written."""
    line = str(Path.cwd() / f"localfin-{store.now().astimezone():%Y-%m-%d-%H%M}.md")
    error = ""
    while line := await app.push_screen_wait(AskLine(_("Save this chat as"), line, error)) or "":
        path = Path(line).expanduser()
        try:
            export.save_new(path, export.as_markdown(store.conversation(chat_id), store.messages(chat_id)))
        except FileExistsError:
            error = _("This file exists already; choose another name.")
        except (OSError, RuntimeError, LocalfinError) as failure:
            error = str(failure)
        else:
            return path
    return None
