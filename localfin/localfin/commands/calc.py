"""`localfin calc`: each calculator as a command, made from the same table that a model's calls are checked with."""

import csv
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from localfin import amounts
from localfin.answers.report import calculation
from localfin.calc import Instalment, loan_schedule, run
from localfin.calc.business import quoted, read_quotes
from localfin.calc.calling import CALCULATORS, Calculator, Kind
from localfin.calc.inputs import currency as currency_named
from localfin.calc.rules import Rule, with_own
from localfin.calc.wording import Language, plain
from localfin.commands.calc_table import table
from localfin.commands.computed import show
from localfin.computed import Computed
from localfin.text import clean_text
from localfin_models.errors import InputRefused, NotFound
from localfin_models.home import home
from localfin_models.language import _, ui_language

_TABLE = "currencies.csv"
_JSON = click.Option(["--json", "as_json"], is_flag=True, help=_("Print one JSON object instead of sentences."))
_LANGUAGE = click.Option(["--lang"], type=click.Choice(["ko", "en"]), help=_("The language of the result."))


@click.group(
    short_help=_("Calculate loans, savings, ratios, returns, bonds."),
    help=_(
        "Amounts may be written 1억 2천만원, ₩5,000,000 or $1,200, rates 4.5%, terms 30년, 2년6개월 or a number of "
        "months. "
        "Every result names its formula and its source."
    ),
)
def calc() -> None:
    """Only a name over the commands below."""


@calc.command("ask", short_help=_("Calculate what a question asks."), help=_("Calculate what QUESTION asks for."))
@click.argument("question")
@click.option("--lang", type=click.Choice(["ko", "en"]), help=_("The language of the result."))
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON object instead of sentences."))
def ask(question: str, lang: Language | None, as_json: bool) -> None:
    from localfin.calc import asked  # its patterns take a while to compile

    table = home() / _TABLE
    found = asked(question, lang, _rules(), read_quotes(table) if table.is_file() else None)
    if isinstance(found, Computed):
        show(found, as_json)
        return
    if found is None:
        raise click.UsageError(_("no calculation was recognised in this question"))
    if as_json:
        missing = {"calculator": found.calculator, "call": found.call, "missing": found.missing, "text": found.text}
        click.echo(json.dumps(missing, ensure_ascii=False))
    raise click.UsageError(found.text)


@calc.command("rules", short_help=_("List the lending rules that DSR, LTV and DTI are compared with."), help=_(
    "The rules by date, with the body each rests on; your own in `rules.toml` of localfin's home folder come last "
    "and win."
))  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help=_("One JSON object a line."))
def list_rules(as_json: bool) -> None:
    language = _language()
    for rule in _rules():
        row = {
            "kind": rule.kind, "scope": rule.scope, "from": rule.since.isoformat(), "percent": plain(rule.percent),
            "above": None if rule.above is None else plain(rule.above), "body": rule.body[language],
        }  # fmt: skip
        if as_json:
            click.echo(json.dumps(row, ensure_ascii=False))
        else:
            line = f"{rule.since}  {rule.kind:<6} {rule.scope:<10} {plain(rule.percent):>5}%  {rule.body[language]}"
            click.echo(clean_text(line))


def _command(name: str, calculator: Calculator) -> click.Command:
    """A calculator's needs are arguments in their order; what it also takes are options."""
    parameters: list[click.Parameter] = [
        click.Argument([key], nargs=-1 if _several(kind) else 1, required=True, metavar=_metavar(key, kind))
        for key, kind in calculator.needs.items()
    ]
    options = {key: _option(key, kind) for key, kind in calculator.takes.items()}
    return click.Command(
        name.replace("_", "-"),
        params=[*parameters, *options.values(), _LANGUAGE, _JSON],
        callback=_callback(name),
        short_help=_HELP[name],
        help=_HELP[name],
        context_settings={"ignore_unknown_options": True},  # -1000 is an amount
    )


def _callback(name: str) -> Callable[..., None]:
    def computed(lang: Language | None, as_json: bool, **arguments: Any) -> None:
        show(_computed(name, arguments, lang), as_json)

    return computed


def _computed(name: str, arguments: dict[str, Any], language: Language | None) -> Computed:
    """Raises UsageError for arguments that are wrong, InputRefused for a wrong file of rules."""
    given = {key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items() if value}
    if "currency" in CALCULATORS[name].takes and "currency" not in given and (named := _currency(given)):
        given["currency"] = named
    rules = _rules() if name in ("dsr", "ltv", "dti") else None
    try:
        return run({"calculator": name, **given}, language or _language(), rules)
    except InputRefused as error:
        raise click.UsageError(str(error)) from None


@click.command(
    "loan", short_help=_("A loan's payments, and its schedule."), help=_("A loan's payments, and its schedule.")
)
@click.argument("principal")
@click.argument("rate_percent", metavar="RATE")
@click.argument("months", metavar="TERM")
@click.option(
    "--method", type=click.Choice(["annuity", "equal_principal", "bullet"]), default="annuity", show_default=True,
    help=_("원리금균등 (equal payments), 원금균등 (equal principal) or 만기일시 (principal at the end)."),
)  # fmt: skip
@click.option("--grace-months", metavar="TERM", help=_("At first only interest is paid (거치), within the term."))
@click.option("--currency", help=_("The currency; won if none is named."))
@click.option("--schedule", is_flag=True, help=_("Show every month."))
@click.option("--csv", "as_csv", is_flag=True, help=_("Print the schedule as CSV, and nothing else."))
@click.option("--lang", type=click.Choice(["ko", "en"]), help=_("The language of the result."))
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON object instead of sentences."))
def loan(
    schedule: bool, as_csv: bool, lang: Language | None, as_json: bool, **arguments: Any
) -> None:  # fmt: skip
    found = _computed("loan", arguments, lang)
    terms = {key: value for key, value in found.call.items() if key not in ("calculator", "language")}
    rows = loan_schedule(**terms) if schedule or as_csv else []
    if as_csv:
        _write_csv(rows)
    elif as_json:
        click.echo(
            json.dumps({**calculation(found), **({"schedule": _listed(rows)} if schedule else {})}, ensure_ascii=False)
        )
    else:
        show(found, as_json=False)
        _write_table(rows)


@click.command("exchange", short_help=_("An amount in another currency."), help=_(
    "AMOUNT of SOURCE in TARGET, at --rate, or at the rates of your table: `currencies.csv` in localfin's home "
    "folder, "
    "with the columns currency, units, won and date."
))  # fmt: skip
@click.argument("amount")
@click.argument("source")
@click.argument("target")
@click.option("--rate", help=_("The price in won of `--units` of the foreign currency."))
@click.option(
    "--units", type=click.IntRange(1, 1000), default=1, show_default=True, help=_("100 for yen, as it is quoted.")
)
@click.option("--table", type=click.Path(path_type=Path), help=_("Another table of exchange rates."))
@click.option("--lang", type=click.Choice(["ko", "en"]), help=_("The language of the result."))
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON object instead of sentences."))
def exchange(
    amount: str, source: str, target: str, rate: str | None, units: int, table: Path | None, lang: Language | None,
    as_json: bool,
) -> None:  # fmt: skip
    try:
        pair = currency_named(source), currency_named(target)
    except InputRefused as error:
        raise click.UsageError(str(error)) from None
    if rate is None:
        path = table or home() / _TABLE
        if not path.is_file():
            raise NotFound(
                _("{path}: there is no table of exchange rates; write one, or give --rate").format(path=path)
            )
        won, units = quoted(read_quotes(path), *pair)
        rate = plain(won)
    arguments = {"amount": amount, "source": pair[0], "target": pair[1], "rate": rate, "units": units}
    show(_computed("exchange", arguments, lang), as_json)


@click.command("xirr", short_help=_("The yearly return of payments on given days."), help=_(
    "The yearly rate at which payments on given days are worth nothing. FLOW is a day and an amount: "
    "2026-01-02=-1000000."
), context_settings={"ignore_unknown_options": True})  # fmt: skip
@click.argument("flow", nargs=-1, required=True)
@click.option("--lang", type=click.Choice(["ko", "en"]), help=_("The language of the result."))
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON object instead of sentences."))
def xirr(flow: tuple[str, ...], lang: Language | None, as_json: bool) -> None:
    pairs = [one.partition("=") for one in flow]
    if wrong := next((day for day, sign, _amount in pairs if not sign), None):
        raise click.UsageError(_("{flow} is no day and amount like 2026-01-02=-1000000").format(flow=wrong))
    arguments = {"flows": [value for _day, _sign, value in pairs], "days": [day for day, _sign, _value in pairs]}
    show(_computed("xirr", arguments, lang), as_json)


_COLUMNS = ("number", "payment", "interest", "principal", "balance")


def _listed(rows: Iterable[Instalment]) -> list[dict[str, str | int]]:
    return [
        {"number": row.number, **{name: plain(getattr(row, name)) for name in _COLUMNS[1:]}} for row in rows
    ]  # fmt: skip


def _write_csv(rows: Iterable[Instalment]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(row.values() for row in _listed(rows))


def _write_table(rows: list[Instalment]) -> None:
    if not rows:
        return
    headings = (_("month"), _("payment"), _("interest"), _("principal"), _("balance"))
    click.echo("\t".join(headings))
    for row in rows:
        click.echo("\t".join([str(row.number), *(f"{getattr(row, name):,}" for name in _COLUMNS[1:])]))


def _option(key: str, kind: Kind | tuple[str, ...]) -> click.Option:
    name = f"--{key.replace('_', '-')}"
    if isinstance(kind, tuple):
        return click.Option([name, key], type=click.Choice(kind), help=_OPTIONS[key])
    return click.Option([name, key], metavar=_metavar(key, kind), help=_OPTIONS[key])


def _metavar(key: str, kind: Kind | tuple[str, ...]) -> str:
    if _several(kind):
        return "NUMBER..."
    return {"percent": "RATE", "months": "TERM", "day": "DATE"}.get(str(kind), key.upper())


def _several(kind: Kind | tuple[str, ...]) -> bool:
    return kind in ("numbers", "days")


def _currency(given: dict[str, Any]) -> str | None:
    """The one that an amount was written in."""
    for value in given.values():
        try:
            if isinstance(value, str) and (named := amounts.amount(value).currency):
                return named
        except ValueError:
            continue
    return None


def _rules() -> list[Rule]:
    return list(with_own(home() / "rules.toml"))


def _language() -> Language:
    return "ko" if ui_language() == "ko" else "en"


_HELP = {
    "deposit": _("Interest on a deposit (예금), before and after tax."),
    "savings": _("Interest on monthly savings (적금), before and after tax."),
    "interest": _("Plain interest for some months or days."),
    "effective_rate": _("The effective rate of a nominal one."),
    "nominal_rate": _("The nominal rate of an effective one."),
    "dsr": _("DSR from what is repaid in a year, or from a new loan with its stress rate."),
    "ltv": _("LTV: a loan beside the value of the home."),
    "dti": _("DTI: mortgage payments and other interest beside the income."),
    "npv": _("Net present value of cash flows, the first one now."),
    "irr": _("Internal rate of return of cash flows; all of them where there are several."),
    "bond_price": _("A bond's clean and dirty price from its yield."),
    "bond_yield": _("A bond's yield from its clean price."),
    "margin": _("Margin and markup from cost and price."),
    "break_even": _("How many units pay for the fixed costs."),
    "total": _("The sum of numbers."),
    "mean": _("The mean of numbers."),
    "percent_of": _("So many percent of a number."),
    "ratio": _("What share a part is of the whole."),
    "change": _("The change from one number to another in percent."),
    "growth": _("Compound annual growth (CAGR) from one number to another."),
}
_OPTIONS = {
    "compounding": _("Simple (단리, the default) or compounded."),
    "tax": _("general 15.4 % (the default), exempt (비과세), preferential 9.5 % or cooperative 1.4 %."),
    "currency": _("The currency; won if none is named."),
    "months": _("The time in years and months."),
    "days": _("The time in days."),
    "repayment": _("What the loans that exist take in a year."),
    "loan": _("A new loan, with --rate-percent and --months."),
    "rate_percent": _("The new loan's rate."),
    "method": _("How the new loan is repaid."),
    "area": _("Whose stress rate: the capital area and regulated areas, elsewhere, or an unsecured loan."),
    "rate_type": _("How much of the stress rate counts: floating all, fixed (the default) none."),
    "lender": _("Whose cap: a bank's (the default) or another lender's."),
    "on": _("The rules of this day instead of today's."),
    "zone": _("Compare with the cap of a regulated area, of a first home, or elsewhere."),
    "other_interest": _("The yearly interest of other loans."),
    "settlement": _("The day the bond is paid for."),
    "maturity": _("The day the bond is due."),
    "face": _("The face value; 100 if left out."),
    "frequency": _("Coupons a year: 1 (the default), 2, 4 or 12."),
    "day_count": _("How days are counted; act/act if left out."),
    "convention": _("compound (the default), or korea: simple interest to the next coupon."),
}

calc.add_command(loan)
for _name, _calculator in CALCULATORS.items():
    if _name not in ("loan", "exchange", "xirr"):
        calc.add_command(_command(_name, _calculator))
calc.add_command(exchange)
calc.add_command(xirr)
calc.add_command(table)
