"""What an answer says beside its text: the evidence it was given, what was checked, what was left out.

They come among the engine's events: one Evidence first, then Prefill and Text, one Checked, one Finished.
"""

from dataclasses import dataclass
from typing import Literal

from localfin.computed import Computed
from localfin.documents.passage import Passage
from localfin.engine import events as engine

Basis = Literal["calculation", "passages", "model", "nothing", "refused"]
"""What an answer rests on: computed figures, passages of documents or of the handbook, the model's own words alone,
nothing that was found (the answer says so), or it was refused."""


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that the answer may cite."""

    number: int
    """From 1: the answer cites it as `[1]`."""
    passage: Passage
    match: float
    """How much of the question it covers, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A quote that was found in its source: `source.passage.text[start:end]` is the quote."""

    source: Source
    start: int
    end: int
    at: int
    """Where its mark `[1]` stands in the answer."""

    @property
    def quote(self) -> str:
        return self.source.passage.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Marked:
    """A figure of the answer that stands in no passage and in no calculation; the answer marks it with `[?]`."""

    text: str
    start: int
    end: int
    """In the answer."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What the model wrote and the answer does not show: a quote of no source, or a citation that carries nothing."""

    what: Literal["quote", "citation"]
    text: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """What did not fit the context."""

    what: Literal["passage", "turn"]
    text: str
    """Where the passage stands, or the first words of the turn."""
    tokens: int


@dataclass(frozen=True, slots=True)
class MakeUp:
    """What a prompt is made of, in tokens. Its template adds some."""

    context: int
    """What the model holds at once."""
    reserved: int
    """Kept free for the answer."""
    system: int = 0
    documents: int = 0
    history: int = 0
    question: int = 0
    dropped: tuple[Dropped, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the answer may rest on. The first event."""

    sources: tuple[Source, ...]
    computed: tuple[Computed, ...]
    make_up: MakeUp | None
    """None where no model was asked."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check of the whole answer found. The last event but one."""

    basis: Basis
    citations: tuple[Citation, ...] = ()
    marked: tuple[Marked, ...] = ()
    removed: tuple[Removed, ...] = ()
    notes: tuple[str, ...] = ()
    """Lines to be shown below the answer, in its language."""


Event = Evidence | Checked | engine.Event
