"""What the chat can be doing, and the words the status line has for it."""

from typing import Literal

from localfin_models.language import _

Phase = Literal["no-model", "loading", "ready", "reading", "answering", "stopping", "ended"]

BUSY: frozenset[Phase] = frozenset({"reading", "answering", "stopping"})
"""An answer is under way."""


def phase_words(phase: Phase) -> tuple[str, str]:
    """The words, and a style that only tints them."""
    match phase:
        case "no-model":
            return _("No model"), "$warning"
        case "loading":
            return _("Loading the model..."), "$warning"
        case "ready":
            return _("Ready"), "$success"
        case "reading":
            return _("Reading the prompt"), "$accent"
        case "answering":
            return _("Answering. Esc stops."), "$accent"
        case "stopping":
            return _("Stopping..."), "$warning"
        case "ended":
            return _("The model is not running. Ctrl+L loads it."), "$error"


def refusal(phase: Phase) -> str:
    """Why a question cannot be sent now."""
    match phase:
        case "no-model" | "ended":
            return _("There is no model to answer. Your question stays here until one is loaded.")
        case "loading":
            return _("The model is still loading. Your question stays here; send it again in a moment.")
        case _other:
            return _("An answer is under way. Press Esc to stop it first.")
