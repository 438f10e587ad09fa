"""Questions that ask for a figure. The answer states the formula with the question's own numbers put in.

A model of this size cannot do long arithmetic, so it is not taught to pretend: the only result it states is months from
years, and it advises to use a calculator. Pre-training documents also work out 억/만 units and one year's interest on a
power of ten, computed here exactly; trials showed the trained model gets these wrong, so instructions leave them out.
"""

import random
import re
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from recipes.example import Example, divide, is_held, loosen
from recipes.text import EOK, MAN, fill, won, won_en, won_ko

CLOSE = {"ko": " 정확한 금액은 계산기로 확인하세요.", "en": " Use a calculator for the exact figure."}


@dataclass(frozen=True, slots=True)
class Formula:
    name: str
    ko: tuple[str, ...]
    en: tuple[str, ...]
    ko_answer: str
    en_answer: str
    closes: bool  # whether the advice to use a calculator follows
    ko_taught: str = ""  # what instructions say in place of an answer that ends in a result
    en_taught: str = ""


def formulas() -> tuple[Formula, ...]:
    """The table `formulas.toml`, in its order."""
    table = tomllib.loads(Path(__file__).with_name("formulas.toml").read_text(encoding="utf-8"))
    return tuple(
        Formula(**row | {"ko": tuple(row["ko"]), "en": tuple(row["en"])})  # the table's keys are the fields
        for row in table["formula"]
    )


FORMULAS = formulas()


def round_amount(rng: random.Random, low: int, high: int) -> int:
    """An amount of one or two leading digits, in won, between 10^low and 10^(high+1)."""
    digits = rng.choice((rng.randint(1, 9) * 10, rng.randint(10, 99)))
    power = rng.randint(low, high) - 1
    return digits * int(10**power)


def rate(rng: random.Random) -> Decimal:
    """A yearly rate in percent, 0.5 to 12, with none, one or two decimals."""
    return rng.choice(
        (
            Decimal(rng.randint(1, 12)),
            Decimal(rng.randint(5, 120)) / 10,
            Decimal(rng.randrange(100, 900, 5)) / 100,
        )
    ).normalize()


def draw_values(formula: Formula, language: str, rng: random.Random) -> dict[str, str]:
    """Every slot of one formula's templates, as text in one consistent way of writing."""
    style = rng.randrange(3)
    years = rng.choice((1, 2, 3, 4, 5, 7, 10, 12, 15, 20, 25, 30, 35, 40, rng.randint(1, 40)))
    percent = rate(rng)
    amount = round_amount(rng, 6, 9)
    other = round_amount(rng, 7, 9)
    if formula.name == "round_interest":
        amount = 10 ** rng.randint(6, 9)
    if formula.name == "change":
        other = max(MAN, amount + amount // 10 * rng.choice((-5, -3, -2, -1, 1, 2, 3, 5)))
    if formula.name in ("dsr", "dti"):
        other = rng.choice((rng.randint(20, 99) * 100, rng.randint(10, 30) * 1000)) * MAN
        amount = other // 100 * rng.randint(2, 18) * 5
    if formula.name == "ltv":
        other = rng.choice((rng.randint(10, 99) * 1000, rng.randint(10, 30) * 10_000)) * MAN
        amount = other // 100 * rng.randint(4, 18) * 5
    if formula.name.startswith("units"):
        amount = rng.randint(1, 99) * EOK + rng.choice(
            (0, rng.randint(1, 9) * 1000 * MAN, rng.randint(1, 99) * 100 * MAN)
        )
        style = 2 if language == "en" else rng.randrange(2)
    interest = Decimal(amount) * percent / 100
    return {
        "p": won(amount, language, style),
        "q": won(other, language, style),
        "r": f"{percent:f}",
        "y": str(years),
        "m": str(years * 12),
        "i": won(int(interest), language, style),
        "n": won_ko(amount, 2) if language == "ko" else won_en(amount, 0),
    }


def one_year(text: str) -> str:
    return re.sub(r"\b1 years\b", "1 year", text)


def calculation(language: str, held: bool, rng: random.Random) -> Example:
    formula = rng.choice(FORMULAS)
    while True:
        values = draw_values(formula, language, rng)
        if is_held(formula.name, values["n"], values["q"], values["r"], values["y"]) == held:
            break
    if language == "ko":
        questions, answer, taught = formula.ko, formula.ko_answer, formula.ko_taught
    else:
        questions, answer, taught = formula.en, formula.en_answer, formula.en_taught
    question = one_year(fill(rng.choice(divide(questions, held)), values))
    worked = one_year(fill(answer, values)) + (CLOSE[language] if formula.closes else "")
    output = one_year(fill(taught, values)) + CLOSE[language] if taught else worked
    return Example("calculation", language, loosen(question, language, rng), "", output, formula.name, worked)
