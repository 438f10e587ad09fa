"""From a question to a checked answer: guard, evidence, the passages themselves or a model's words about them.

The steps stand in `answered`; what each covers and does not cover stands in its own module.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from localfin.answers.advice import asks_advice
from localfin.answers.budget import Prompt, fitted
from localfin.answers.checking import Checker
from localfin.answers.events import Basis, Checked, Event, Evidence, MakeUp, Source
from localfin.answers.guard import refusal
from localfin.answers.held import Held
from localfin.answers.leading import Led, from_computed, from_passages
from localfin.answers.library import Library
from localfin.answers.prompt import Language, place_of, says_nothing
from localfin.answers.small_talk import is_greeting, reply
from localfin.computed import Computed
from localfin.documents.passage import Passage
from localfin.engine.events import Engine, Finished, Message, ModelInfo, Prefill, Sampling, Shifted, Text, Usage
from localfin.text import clean_text
from localfin_models.language import translated

SMALL = 500_000_000
"""Parameters under which a model's words are no answer: its passages lead. The starter has 6.3 million."""
_NAMED = 3
"""Passages that are named as near, and files that are named as unread."""
_NO_USAGE = Usage(0, 0, 0.0, 0.0, 0.0, 0)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what goes with it."""

    text: str
    language: Language
    wish: str = ""
    """Behind the question where the answer's language is not the question's."""
    system: str | None = None
    history: tuple[Message, ...] = ()
    sampling: Sampling = Sampling()


def answered(engine: Engine, model: ModelInfo, asked: Asked, library: Library) -> Iterator[Event]:
    """The events of one answer. Raises ContextFull, EngineDied, and what reading a named document raises."""
    for event in _answered(engine, model, asked, library):
        if isinstance(event, Checked):
            yield replace(event, notes=(*event.notes, *_unread(library, asked.language)))
        else:
            yield event


def _answered(engine: Engine, model: ModelInfo, asked: Asked, library: Library) -> Iterator[Event]:
    refused = refusal(asked.text, asked.language)
    if refused is not None:
        yield from _said("refused", Led(refused.text), asked)
        return
    computed = library.computed(asked.text, asked.language)
    if computed:
        yield from _said("calculation", from_computed(computed, asked.language), asked, computed=computed)
        return
    small = model.parameters < SMALL
    if not small and (chosen := _chosen(engine, asked, library)) is not None:
        yield from chosen
        return
    sources, near = ([], []) if is_greeting(asked.text) else library.passages(asked.text, asked.language)
    led = from_passages(asked.text, sources) if sources and small else None
    if led is not None and led.citations:
        yield from _said("passages", led, asked, sources=sources)
        return
    if led is not None:  # what was found says nothing about the question: the head of a table
        sources, near = [], [source.passage for source in sources]
    said = None if sources else library.missing(asked.text, asked.language)
    if said is None and not sources and (library.named or small):
        said = reply(asked.text, asked.language) or _nothing(library, near, asked.language)
    if said is not None:
        yield from _said("nothing", Led(said), asked)
    else:
        yield from _worded(engine, model, asked, sources, library.whole())


def _chosen(engine: Engine, asked: Asked, library: Library) -> Iterator[Event] | None:
    """What the model's own call computed; None where it called nothing that holds."""
    from localfin.answers.calls import called  # its calculators and DuckDB only where a larger model is asked

    if library.missing(asked.text, asked.language) is not None:
        return None
    call = called(engine, asked.text, asked.language, library.table(asked.text))
    if call.end is not None and call.end.reason == "cancelled":
        return iter((Evidence((), (), None), Checked("nothing", ()), call.end))
    if call.computed is None:
        return None
    note = translated(
        "The model chose this calculation: see whether the formula is what you asked for.", asked.language
    )
    computed, usage = [call.computed], call.end.usage if call.end is not None else _NO_USAGE
    return _said(
        "calculation", from_computed(computed, asked.language), asked, computed=computed, notes=[note], usage=usage
    )


def _said(
    basis: Basis, led: Led, asked: Asked, *, sources: Sequence[Source] = (), computed: Sequence[Computed] = (),
    notes: Sequence[str] = (), usage: Usage = _NO_USAGE,
) -> Iterator[Event]:  # fmt: skip
    """An answer that no model makes."""
    yield Evidence(tuple(sources), tuple(computed), None)
    yield Text(led.text)
    yield Checked(basis, led.citations, notes=(*notes, *(_advice(asked) if basis != "refused" else ())))
    yield Finished("stop", usage)


def _worded(
    engine: Engine, model: ModelInfo, asked: Asked, sources: Sequence[Source], whole: Sequence[Source]
) -> Iterator[Event]:
    """A model's words, checked sentence by sentence. It reads the `whole` documents where they fit."""
    prompt = _prompt(engine, model, asked, whole) if sources and whole else None
    if prompt is None or prompt.make_up.dropped:
        prompt = _prompt(engine, model, asked, sources)
    yield Evidence(prompt.sources, (), prompt.make_up)
    own_words = [asked.text, *(message.content for message in asked.history if message.role == "user")]
    held = Held(source.passage.text for source in prompt.sources)
    checker = Checker(prompt.sources, held, own_words, asked.language)
    end: Finished | None = None
    waiting = ""
    """The beginning of what may be the one sentence that there is no answer."""
    begun = False
    for event in engine.generate(prompt.messages, asked.sampling):
        match event:
            case Prefill() | Shifted():
                yield event
            case Text(piece):
                text = waiting + checker.feed(piece)
                waiting = ""
                if text and not begun and prompt.sources and says_nothing(text, asked.language):
                    waiting = text
                elif text:
                    begun = True
                    yield Text(text)
            case Finished():
                end = event
    rest = waiting + checker.end()
    nothing = not begun and bool(prompt.sources) and says_nothing(rest, asked.language)
    if nothing:
        rest = translated("The passages that were found do not answer this.", asked.language)
    if rest:
        yield Text(rest)
    basis: Basis = "nothing" if nothing else "passages" if prompt.sources else "model"
    yield Checked(
        basis, tuple(checker.citations), tuple(checker.marked), tuple(checker.removed),
        tuple(_notes(basis, checker, prompt.make_up, asked)),
    )  # fmt: skip
    if end is not None:
        yield end


def _prompt(engine: Engine, model: ModelInfo, asked: Asked, sources: Sequence[Source]) -> Prompt:
    return fitted(
        f"{asked.text}\n\n{asked.wish}" if asked.wish else asked.text, sources, asked.history, asked.system,
        n_ctx=model.n_ctx, max_tokens=asked.sampling.max_tokens, language=asked.language, count=engine.count_tokens,
    )  # fmt: skip


def _notes(basis: Basis, checker: Checker, make_up: MakeUp, asked: Asked) -> Iterator[str]:
    language = asked.language
    if basis == "model":
        yield translated("No document and no entry matched: these are the model's own words, unchecked.", language)
    elif basis == "passages" and not checker.citations:
        yield translated("The model cites nothing: compare the passages that were found.", language)
    if checker.marked:
        yield translated("[?] marks a figure that stands in no passage and in no calculation.", language)
    passages = sum(dropped.what == "passage" for dropped in make_up.dropped)
    turns = len(make_up.dropped) - passages
    if passages:
        yield translated("Passages that matched and did not fit the context: {n}.", language).format(n=passages)
    if turns:
        yield translated("Earlier turns that no longer fit the context and were left out: {n}.", language).format(
            n=turns
        )
    yield from _advice(asked)


def _unread(library: Library, language: Language) -> Iterator[str]:
    """The files of a named folder that cannot be read, and so are in no answer."""
    for reason in library.refused[:_NAMED]:
        yield translated("Not read: {reason}", language).format(reason=clean_text(reason))
    if len(library.refused) > _NAMED:
        yield translated("and {count:,} more", language).format(count=len(library.refused) - _NAMED)


def _advice(asked: Asked) -> Iterator[str]:
    if asks_advice(asked.text):
        yield translated("General information, no advice for your case.", asked.language)


def _nothing(library: Library, near: Sequence[Passage], language: Language) -> str:
    if library.named:
        said = translated("This is not in your documents.", language)
    else:
        said = translated("Neither your documents nor the handbook answer this, and no calculator does.", language)
    names = list(dict.fromkeys(place_of(passage, language) for passage in near))[:_NAMED]
    if names:
        said += " " + translated("The nearest: {names}.", language).format(names="; ".join(names))
    if library.named:
        return said
    return said + " " + translated("A larger model or a document with the answer would.", language)
