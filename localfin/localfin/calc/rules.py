"""Lending rules by date: caps on DSR, LTV and DTI, and stress rates, each with the body it rests on.

`rules.toml` beside this file ships; a user's own, in localfin's home folder, is read after it and wins. Not covered:
exemptions (jeonse loans, policy loans, group loans), caps by price of the home, and what a bank decides for itself.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from localfin.calc.wording import Texts
from localfin_models.errors import InputRefused
from localfin_models.language import _

Kind = Literal["dsr", "stress", "ltv", "dti"]
SHIPPED = Path(__file__).with_name("rules.toml")
_LARGEST_FILE = 1 << 20


@dataclass(frozen=True, slots=True)
class Rule:
    kind: Kind
    scope: str
    """Whom it is for: a lender (`bank`, `other`), an area or a kind of loan."""
    since: date
    percent: Decimal
    body: Texts
    """The law or body that it rests on."""
    above: Decimal | None = None
    """In won: it holds for loans larger than this in all."""


def shipped() -> Sequence[Rule]:
    """The rules that come with localfin."""
    return _read_cached(SHIPPED)


def with_own(path: Path) -> Sequence[Rule]:
    """The shipped rules and those of the file at `path`, if there is one. Raises InputRefused where it is wrong."""
    return [*shipped(), *(read(path) if path.is_file() else [])]


def rule(rules: Sequence[Rule], kind: Kind, scope: str, on: date) -> Rule | None:
    """The rule that holds `on` that day; of two that began on the same day, the later in `rules`."""
    holding = [each for each in rules if each.kind == kind and each.scope == scope and each.since <= on]
    return max(enumerate(holding), key=lambda one: (one[1].since, one[0]))[1] if holding else None


def read(path: Path) -> list[Rule]:
    """The rules of one TOML file. Raises InputRefused, naming the file and what is wrong in it."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputRefused(_("{path}: larger than a file of rules is").format(path=path))
        found = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal).get("rule")
        if not isinstance(found, list):
            raise InputRefused(_("{path}: no [[rule]] in it").format(path=path))
        return [_rule(each) for each in found]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputRefused(f"{path}: {error}") from None


@cache
def _read_cached(path: Path) -> tuple[Rule, ...]:
    return tuple(read(path))


def _rule(fields: dict[str, Any]) -> Rule:
    kind, since, percent, body = fields["kind"], fields["from"], fields["percent"], fields["body"]
    if kind not in get_args(Kind):
        raise ValueError(_("{kind} is none of {kinds}").format(kind=kind, kinds=", ".join(get_args(Kind))))
    if type(since) is not date:
        raise ValueError(_("from: {value} is no date").format(value=since))
    if isinstance(percent, bool) or not isinstance(percent, int | Decimal) or not 0 <= percent <= 1000:
        raise ValueError(_("percent: {value} is no percentage").format(value=percent))
    above = fields.get("above")
    if above is not None and (isinstance(above, bool) or not isinstance(above, int) or not 0 <= above < 10**15):
        raise ValueError(_("above: {value} is no amount").format(value=above))
    texts: Texts = {"en": body, "ko": body} if isinstance(body, str) else {"en": str(body["en"]), "ko": str(body["ko"])}
    return Rule(
        kind, str(fields["scope"]), since, Decimal(percent), texts, None if above is None else Decimal(above)
    )  # fmt: skip
