"""The generator of the starter's data: same seed same text, a split that leaks nothing, and answers that are true."""

import hashlib
import itertools
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import jinja2
import pytest

from localfin_convert.prompt_format import SEED_TEMPLATE
from recipes.data import calculation, knowledge, reading
from recipes.data import fraud as fraud_data
from recipes.data.corpus import documents, examples, held_out
from recipes.example import LANGUAGES, Example, divide
from recipes.text import particles, won_en, won_ko

MODELS = Path(__file__).resolve().parents[2] / "models"
TRAINED = list(examples(6000, 1))
HELD = list(examples(2000, 1, held=True))
BOTH = TRAINED + HELD


def of_kind(kind: str) -> list[Example]:
    return [example for example in BOTH if example.kind == kind]


def read_won(text: str) -> Decimal:
    """An amount as written in the data, read by rules of this test's own."""
    text = text.lower().removeprefix("krw ").replace(",", "")
    if match := re.fullmatch(r"([\d.]+) million won", text):
        return Decimal(match[1]) * 1_000_000
    if match := re.fullmatch(r"(?:(\d+)억)? ?(?:(\d+)만)?원", text):
        return Decimal(match[1] or 0) * 100_000_000 + Decimal(match[2] or 0) * 10_000
    return Decimal(re.fullmatch(r"(\d+)(?:원| won)?", text)[1])


def test_the_same_seed_gives_the_same_documents_in_every_process() -> None:
    code = (
        "import hashlib, itertools\nfrom recipes.data.corpus import documents\n"
        "print(hashlib.sha256('\\0'.join(itertools.islice(documents(3), 500)).encode()).hexdigest())"
    )
    environment = os.environ | {"PYTHONPATH": str(MODELS), "PYTHONHASHSEED": "5"}
    made = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    here = "\0".join(itertools.islice(documents(3), 500)).encode()
    assert made.stdout.strip() == hashlib.sha256(here).hexdigest()
    assert list(examples(50, 1)) != list(examples(50, 2))


def test_every_list_of_phrasings_is_divided_without_overlap() -> None:
    lists = [knowledge.DEFINE, knowledge.REVERSE, fraud_data.ASK, reading.ASK]
    phrasings = [each[language] for each in lists for language in LANGUAGES]
    phrasings += [knowledge.OFF_TOPIC[language][i] for language in LANGUAGES for i in (0, 1)]
    phrasings += [getattr(formula, language) for formula in calculation.FORMULAS for language in LANGUAGES]
    asked = [*knowledge.FAQ, *knowledge.CHAT]
    phrasings += [row[f"{language}_questions"].split("/") for row in asked for language in LANGUAGES]
    for each in phrasings:
        trained, held = set(divide(each, held=False)), set(divide(each, held=True))
        assert trained
        assert held
        assert not trained & held
        assert trained | held == set(each)
        assert len(set(each)) == len(each)


def test_the_further_ways_to_ask_are_no_held_out_phrasings() -> None:
    for language in LANGUAGES:
        assert not set(knowledge.DEFINE_MORE[language]) & set(divide(knowledge.DEFINE[language], held=True))


def test_no_held_out_question_is_in_training() -> None:
    trained = {example.prompt() for example in TRAINED}
    questions = held_out(500, 13, trained)
    assert len({question.prompt() for question in questions}) == 500
    assert not trained & {question.prompt() for question in questions}


def test_held_out_figures_are_not_in_training() -> None:
    cases = {(e.instruction.split(": ", 1)[-1] if not e.input else e.input) for e in TRAINED if e.kind == "fraud"}
    assert not cases & {e.input for e in HELD if e.kind == "fraud" and e.input}
    sheets = {e.input for e in TRAINED if e.kind == "reading"}
    assert not sheets & {e.input for e in HELD if e.kind == "reading"}


def test_months_are_twelve_times_the_years() -> None:
    found = [match for e in of_kind("calculation") for match in re.findall(r"(\d+) × 12 = (\d+)", e.output)]
    assert len(found) > 100
    for years, months in found:
        assert int(months) == int(years) * 12


def test_one_years_interest_is_principal_times_rate() -> None:
    checked = 0
    for example in of_kind("calculation"):
        if example.label == "round_interest":
            ends = ("입니다. ", "입니다. 세금") if example.language == "ko" else ("rate. ", ". That")
            stated = re.search(f"{re.escape(ends[0])}(.+) × ([\\d.]+)% = (.+?){re.escape(ends[1])}", example.told())
            principal, rate, interest = stated.groups()
            assert read_won(principal) * Decimal(rate) / 100 == read_won(interest)
            assert interest not in example.output
            checked += 1
    assert checked > 50


def test_units_say_the_same_amount_twice() -> None:
    checked = 0
    for example in of_kind("calculation"):
        if example.label in ("units", "units_back"):
            pattern = r"(.+?)(?:은|는) (.+)입니다\." if example.language == "ko" else r"(.+) is (.+)\."
            left, right = re.fullmatch(pattern, example.told()).groups()
            assert read_won(left) == read_won(right)
            assert right not in example.output
            checked += 1
    assert checked > 100


def test_instructions_bring_no_figure_of_their_own() -> None:
    constants = {"12", "1", "100", "15.4", "84.6", "14", "1.4", "100,000,000", "10,000", "1,000,000"}
    figure = r"\d[\d,]*(?:\.\d+)?"
    for example in of_kind("calculation"):
        stated = re.sub(r"(\d+ × 12) = \d+", r"\1", example.output)
        figures = {found.rstrip(",") for found in re.findall(figure, stated)} - constants
        assert figures <= {found.rstrip(",") for found in re.findall(figure, example.instruction)}, example


def test_the_verdict_of_a_case_follows_from_its_fields() -> None:
    for example in of_kind("fraud"):
        case = example.input or example.instruction
        normal = example.label in ("정상", "normal")
        assert ("정상 거래로" in example.output or "judged normal" in example.output) == normal
        if normal:
            assert not any(word in case for word in ("사칭", "posing", "휴면", "링크", "link", "기기", "device"))
        if example.label in ("쪼개기 거래", "structuring"):
            for amount in re.findall(r"(\d+)만원씩", case):
                assert 900 <= int(amount) < 1000
        for figure in re.findall(r"\d[\d,]*", re.sub(r"\d\) |1,000만원|10 million won", "", example.output)):
            assert figure in case, example


def test_reasons_are_numbered_from_one() -> None:
    for example in of_kind("fraud"):
        numbers = [int(n) for n in re.findall(r"(?:^| )(\d)\) ", example.output)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert numbers


def test_a_fact_read_from_a_sheet_stands_in_it() -> None:
    for example in of_kind("reading"):
        said = re.fullmatch(r".+?(?:은|는) (.+)입니다\.|The .+? is (.+)\.", example.output)
        if said:
            assert (said[1] or said[2]) in example.input
        else:
            assert example.label not in re.sub("우대금리", "", example.input) or example.label == "금리"


def test_answers_keep_the_language_of_the_question() -> None:
    for example in BOTH:
        korean = bool(re.search("[가-힣]", example.output))
        if example.kind != "term":
            assert korean == (example.language == "ko"), example


def test_every_kind_fraud_type_and_formula_occurs_in_both_languages() -> None:
    seen = {(example.kind, example.language, example.label) for example in BOTH}
    for column, language in enumerate(LANGUAGES):
        for names in fraud_data.TYPES.values():
            assert ("fraud", language, names[column]) in seen
        for formula in calculation.FORMULAS:
            assert ("calculation", language, formula.name) in seen


def test_the_prompt_is_the_seeds_format() -> None:
    asked = "다음 거래가 이상 거래인지 판단해주세요."
    case = "금액: 5000만원, 시간: 새벽 3시, 위치: 해외"
    assert (
        Example("fraud", "ko", asked, case, "", "").prompt()
        == f"### 지시사항:\n{asked}\n\n### 입력:\n{case}\n\n### 응답:\n"
    )
    assert Example("definition", "ko", "DSR이란?", "", "", "").prompt() == "### 지시사항:\nDSR이란?\n\n### 응답:\n"


def test_the_chat_template_renders_the_training_prompt() -> None:
    template = (MODELS / "recipes" / "chat_template.jinja").read_text(encoding="utf-8")
    assert template == SEED_TEMPLATE
    for example in TRAINED[:200]:
        content = example.instruction + (f"\n\n### 입력:\n{example.input}" if example.input else "")
        rendered = jinja2.Template(template).render(
            messages=[{"role": "user", "content": content}], add_generation_prompt=True, eos_token="</s>"
        )
        assert rendered == example.prompt()


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        ("DSR(은/는)", "DSR은"),
        ("LTV(을/를)", "LTV를"),
        ("복리(이/가)", "복리가"),
        ("채권(이/가)", "채권이"),
        ("서울(으로/로)", "서울로"),
        ("런던(으로/로)", "런던으로"),
        ("ETF(이/)란", "ETF란"),
        ("선물(이/)란", "선물이란"),
        ("3%(과/와)", "3%와"),
    ],
)
def test_particles(text: str, settled: str) -> None:
    assert particles(text) == settled


def test_money_is_written_as_people_write_it() -> None:
    assert [won_ko(150_000_000, style) for style in range(3)] == ["1억 5,000만원", "1억5000만원", "150,000,000원"]
    assert [won_en(150_500_000, s) for s in range(3)] == ["150,500,000 won", "KRW 150,500,000", "150.5 million won"]
    assert won_ko(12_345, 0) == "12,345원"
