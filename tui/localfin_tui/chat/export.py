"""A chat as a Markdown file."""

import os
from collections.abc import Sequence
from pathlib import Path

from localfin.store import Conversation, StoredMessage
from localfin.text import clean_text
from localfin_models.language import _


def as_markdown(chat: Conversation, messages: Sequence[StoredMessage]) -> str:
    """Questions and answers in order, with the model that gave each answer; what is not whole says so."""
    parts = [f"# {clean_text(chat.title)}"]
    for message in messages:
        if message.role == "user":
            parts.append(f"## {_('You')}  ({message.created})")
        else:
            parts.append(f"## {clean_text(message.model_name or _('Model'))}  ({message.created})")
            parts.append(f"`sha256 {message.model_sha256}`")
        if message.content:
            parts.append(clean_text(message.content))
        if message.state == "stopped":
            parts.append(f"*{_('Stopped: this answer is not whole.')}*")
        elif message.state == "failed":
            parts.append(f"*{_('Broken off: this answer is not whole.')}*")
    return "\n\n".join(parts) + "\n"


def save_new(path: Path, text: str) -> None:
    """Write a file that did not exist, readable by its owner only. Raises FileExistsError or another OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
