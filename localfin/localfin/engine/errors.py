"""What can go wrong in an engine beside the errors of the ground floor. Imports no engine."""

from localfin_models.errors import InputRefused, LocalfinError


class EngineDied(LocalfinError):  # noqa: N818 - reads as what happened
    """The child process ended while it was needed. The parent lives; load the model again."""


class ContextFull(InputRefused):
    """The prompt does not fit the context; nothing of it was dropped, and nothing was generated."""
