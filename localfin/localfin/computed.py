"""A figure that was computed, with what a customer needs to check it: the inputs, the formula, the source.

Calculators and questions about tables give these; answers cite them. Nothing here computes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Value = Decimal | int | str


@dataclass(frozen=True, slots=True)
class Computed:
    name: str
    """What computed it: a calculator's name (`loan`), or `table`."""
    call: Mapping[str, Any]
    """How it was asked for, as JSON: asked again, it gives the same."""
    values: Mapping[str, Value]
    """The results by name, rounded as stated in `formula`. Money is in the currency that `call` names, else in won."""
    text: str
    """The result in sentences of the language asked for; every figure in it is in `call` or in `values`."""
    formula: str
    """The formula with its rounding, in words or symbols a customer understands; for a table the query that ran."""
    source: str
    """The law, body, textbook or file that the formula or the rows come from, with its date where it changes."""
