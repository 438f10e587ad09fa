"""Explanations of judged transactions, in their order: the model's text where it holds, the template's where not."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from localfin.engine.errors import EngineDied
from localfin.engine.events import Engine
from localfin.fraud.explain.figures import Language, figures_of, unfounded
from localfin.fraud.explain.prompt import beginning, question
from localfin.fraud.explain.wording import Wording, wording_of
from localfin.fraud.judging import Checked, Explanation, Reason
from localfin.fraud.signals import SIGNALS
from localfin_models.errors import InputRefused
from localfin_models.language import _, translated

Which = Literal["flagged", "all"]
"""`flagged` are all whose verdict is not normal."""

_AT_ONCE = 256
"""Transactions that are looked through before the model is asked about those among them that need it."""
_SIGNALS = {signal.name: signal for signal in SIGNALS}


class Explainer:
    """Puts reasons into words. It reads what was judged and changes nothing of it."""

    def __init__(
        self,
        engine: Engine,
        which: Which,
        language: Language,
        *,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """`engine` has a model loaded.

        Where the engine dies or cannot take the prompt, `tell` is given one line, and the template explains the rest.
        """
        self._engine, self._tell = engine, tell
        self._which: Which = which
        self._language: Language = language
        self._beginning = beginning(language)
        self._asks = True
        model = engine.model
        self.made_from: Mapping[str, str | None] = {
            "which": which,
            "language": language,
            "model": None if model is None else model.sha256,
        }
        """What decides about the texts."""

    def __call__(self, rows: Sequence[Checked]) -> Iterator[Explanation | None]:
        """For each row in order, as soon as it is there; None for those that need none."""
        for start in range(0, len(rows), _AT_ONCE):
            yield from self._explained(rows[start : start + _AT_ONCE])

    def _explained(self, rows: Sequence[Checked]) -> Iterator[Explanation | None]:
        wanted = {at for at, row in enumerate(rows) if self._which == "all" or row.verdict != "normal"}
        texts: dict[int, str] = {}
        done = 0
        for at, text in self._answers({at: rows[at] for at in sorted(wanted)}):
            texts[at] = text
            while done < len(rows) and (done in texts or done not in wanted):
                yield self._explanation(rows[done], texts[done]) if done in wanted else None
                done += 1
        for late in range(done, len(rows)):
            yield self._explanation(rows[late], texts.get(late, "")) if late in wanted else None

    def _explanation(self, row: Checked, text: str) -> Explanation:
        return Explanation(text, "model") if text else Explanation(template(row.reasons, self._language), "template")

    def _answers(self, rows: Mapping[int, Checked]) -> Iterator[tuple[int, str]]:
        """The model's texts by the rows' numbers as they come, empty where one does not hold; some may be missing."""
        worded = {at: wording_of(row.reasons, self._language) for at, row in rows.items()}
        asked = [(at, wording) for at, wording in worded.items() if wording is not None]
        if not asked or not self._asks:
            return
        questions = [question(self._statements(rows[at].reasons), wording) for at, wording in asked]
        try:
            for answered in self._engine.answer_many(self._beginning, questions):
                at, wording = asked[answered.question]
                yield at, answered.text if holds(answered.text, rows[at].reasons, wording) else ""
        except (EngineDied, InputRefused) as error:
            self._asks = False
            self._tell(_("{error} The template explains the rest.").format(error=error))

    def _statements(self, reasons: Sequence[Reason]) -> list[tuple[str, str]]:
        return [(reason.signal, _said(reason, self._language)) for reason in reasons]


def holds(text: str, reasons: Sequence[Reason], wording: Wording) -> bool:
    """Whether the text is one that the wording allows, and every figure in it one of the evidence."""
    evidence = [figure for reason in reasons for figure in figures_of(reason.evidence).values()]
    return wording.pattern.fullmatch(text) is not None and unfounded(text, evidence) is None


def template(reasons: Sequence[Reason], language: Language) -> str:
    """The reasons' statements, one after the other."""
    if not reasons:
        return translated("No signal speaks for fraud.", language)
    return " ".join(f"{_said(reason, language).rstrip('.')}." for reason in reasons)


def _said(reason: Reason, language: Language) -> str:
    signal = _SIGNALS[reason.signal]
    [sentence] = signal.say_all([[reason.evidence[name] for name in signal.evidence]], language)
    return sentence
