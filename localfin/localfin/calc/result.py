"""A result as it comes together: each part of a calculation adds its arguments, its values and a sentence."""

from dataclasses import dataclass, field
from decimal import Decimal

from localfin.calc.wording import Language, Texts, money
from localfin.computed import Computed, Value

Argument = str | int | list[str]
"""What a call holds by name, as JSON."""


@dataclass(slots=True)
class Result:
    name: str
    language: Language
    call: dict[str, Argument]
    currency: str = "KRW"
    values: dict[str, Value] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)

    def say(self, texts: Texts, **fields: Decimal | str) -> None:
        """Add a sentence. Decimals are money; everything else comes written."""
        shown = {
            key: money(value, self.currency, self.language) if isinstance(value, Decimal) else value
            for key, value in fields.items()
        }
        self.sentences.append(texts[self.language].format(**shown))

    def computed(self, formula: Texts, source: Texts, *more: str) -> Computed:
        """The whole; `more` are sources beside `source`."""
        call = {"calculator": self.name, **self.call, "language": self.language}
        text = " ".join(self.sentences)
        return Computed(
            self.name, call, self.values, text, formula[self.language], "; ".join([source[self.language], *more])
        )
