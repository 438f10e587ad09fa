"""A text to measure a model on: a file in UTF-8, as it is, line ends included."""

from pathlib import Path

from localfin_models.errors import InputRefused, NotFound
from localfin_models.language import _

MAX_TEXT = 1 << 26  # bytes; hours of computing before that


def read_text(path: Path) -> str:
    """Raises NotFound, or InputRefused where it is no text or too long."""
    if not path.exists():
        raise NotFound(_("no such file: {path}").format(path=path))
    try:
        if not path.is_file():
            raise InputRefused(_("{file} is not a file").format(file=path))
        if path.stat().st_size > MAX_TEXT:
            raise InputRefused(_("{name} is larger than {limit} MB").format(name=path.name, limit=MAX_TEXT >> 20))
        return path.read_bytes().decode()
    except OSError as error:
        raise InputRefused(_("{file} cannot be read: {reason}").format(file=path, reason=error.strerror)) from None
    except UnicodeDecodeError:
        raise InputRefused(_("{file} is not a text in UTF-8").format(file=path)) from None
