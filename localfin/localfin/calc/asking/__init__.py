"""A calculation in an ordinary Korean or English question: found by words and quantities, without a model.

What is covered: questions that name one calculation and its quantities. What is not: several steps, figures that
stand in a
document, anything with two readings; these give None. What is left out is named, never guessed; where usage has a
plain
default (equal instalments for a monthly payment, simple interest for a Korean deposit, the general tax) the result
says so.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from localfin.calc.asking import borrowing, business, investing, saving
from localfin.calc.asking.question import Found, Question, Unclear
from localfin.calc.business import Quote, quoted
from localfin.calc.calling import CALCULATORS, run
from localfin.calc.result import Argument
from localfin.calc.rules import Rule
from localfin.calc.wording import Language, Texts, plain
from localfin.computed import Computed
from localfin_models.errors import InputRefused

_LONGEST = 600
_RECOGNISERS: Sequence[Callable[[Question], Found | None]] = (
    investing.effective_rate, investing.nominal_rate, investing.irr, investing.npv, investing.bond_price,
    borrowing.dsr,
    borrowing.ltv, borrowing.dti, business.break_even, business.margin, business.exchange, business.growth,
    business.change,
    saving.savings, borrowing.interest, borrowing.loan, saving.deposit, business.mean, business.total,
    business.percent_of, business.ratio,
)  # fmt: skip
"""The first that finds its words and quantities decides."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A calculation that a question asks for, and what it leaves out."""

    calculator: str
    call: dict[str, Argument]
    """What was understood, as far as it goes."""
    missing: tuple[str, ...]
    """The arguments that are not there, as `run` names them."""
    text: str
    """What to ask back, in the language of the question."""


def asked(
    question: str, language: Language | None = None, rules: Sequence[Rule] | None = None,
    quotes: Mapping[str, Quote] | None = None,
) -> Computed | Missing | None:  # fmt: skip
    """What `question` asks to be computed, computed; what it leaves out; or None where it asks for no calculation.

    In `language`, or in the question's. `rules` as in `run`; `quotes` are exchange rates for questions that name none.
    """
    if len(question) > _LONGEST:
        return None
    spoken: Language = language or ("ko" if re.search("[가-힣]", question) else "en")
    if _about_something_else(Question.of(question)):
        return None
    for recognise in _RECOGNISERS:
        one = Question.of(question)
        try:
            found = recognise(one)
        except Unclear:
            return None
        if found is not None:
            _quote(found, quotes or {})
            return _answer(one, found, spoken, rules)
    return None


def _answer(
    question: Question, found: Found, language: Language, rules: Sequence[Rule] | None
) -> Computed | Missing | None:
    if question.left("money", "percent"):
        return None  # a quantity without a place: the question is another one
    call = {"calculator": found.calculator, **found.fields}
    if language == "en" and "currency" in CALCULATORS[found.calculator].takes:
        call.setdefault("currency", "XXX")  # no currency was named
    if found.missing:
        if not question.has(_ASKS):
            return None
        what = ", ".join(_ARGUMENTS[name][language] for name in found.missing)
        return Missing(found.calculator, call, tuple(found.missing), _ASK_BACK[language].format(what=what))
    try:
        return run(call, language, rules)
    except InputRefused:
        return None


def _quote(found: Found, quotes: Mapping[str, Quote]) -> None:
    """The user's own exchange rate, where a question leaves it out."""
    foreign = {str(found.fields.get(side)) for side in ("source", "target")} - {"KRW"}
    if found.missing == ["rate"] and foreign <= quotes.keys():
        rate, units = quoted(quotes, str(found.fields["source"]), str(found.fields["target"]))
        found.missing.clear()
        found.fields |= {"rate": plain(rate), "units": units}


def _about_something_else(question: Question) -> bool:
    if any(each.kind == "date" for each in question.quantities):
        return True  # figures of a year stand in documents
    return question.has(_OTHER_KOREAN) or question.has(_OTHER_ENGLISH)


_ASKS = (
    r"얼마|몇|계산|구해|구하|알려|궁금|[은는]요? ?\?*$|(?:이자|[액금율]|가격|dsr|ltv|dti) ?\?$"
    r"|how much|how many|what|calculate|compute|convert|find|work out|[a-z\d)%]\?$"
)
_OTHER_KOREAN = (
    r"왜 |이유|차이|설명|[의무슨] ?뜻|의미|뭐야|뭐예|뭐에|뭔가|뭔지|뭐가|뭘 |무엇|무슨|언제|누가|누구|어디|어느|어떤"
    r"|방법|나을|좋을|좋은|안전|서류|조건|사기인|사기꾼|맞나|처벌|신고|영향|규제|불이익"
    r"|해야 (?:하|할)|넘어야|바뀐|떨어지|필요|유리|여야|포함[되하된]|부과|갈아|높은|낮은|한도|제 ?\d+조"
    r"|까지 ?(?:대출|빌릴|받을|되)|%p|보험료|증여|상속|양도|어떻게(?! ?(?:되나|돼|되는지|될까|되죠|되지|됩니까))"
)
_OTHER_ENGLISH = (
    r"\bwhy\b|explain|difference between|\bmeans?\b(?! of)|meaning|what happens|\bwho\b|\bwhich\b"
    r"|\bwhen (?:did|do|does|is|was|will)\b|\bshould\b|better|eligib|document|scam|\bcan i\b|^(?:is|are|does|do|did)\b"
    r"|rule of|\brules?\b|how (?:does|are|is|to|did)\b|how do (?!i (?:work|calc|comp|fig))|definition|describe"
    r"|tell me about|\bsafe\b|recommend|\blimit\b|\bmistake\b|percentage points?|\bfees?\b"
)
_ASK_BACK: Texts = {
    "en": "This is still needed to compute it: {what}.",
    "ko": "계산하려면 다음을 알려 주세요: {what}.",
}
_ARGUMENTS: dict[str, Texts] = {
    "principal": {"en": "the amount", "ko": "금액"},
    "monthly": {"en": "the amount paid in each month", "ko": "매월 납입액"},
    "rate_percent": {"en": "the yearly rate in percent", "ko": "연이율(%)"},
    "months": {"en": "the term", "ko": "기간"},
    "method": {
        "en": "how it is repaid (equal instalments, equal principal, or at the end)",
        "ko": "상환 방식(원리금균등, 원금균등, 만기일시)",
    },
    "compounding": {"en": "how often it is compounded", "ko": "복리 주기(월복리, 연복리 등)"},
    "income": {"en": "the yearly income", "ko": "연소득"},
    "repayment": {"en": "the yearly principal and interest of all loans", "ko": "모든 대출의 연간 원리금 상환액"},
    "loan": {"en": "the loan", "ko": "대출금"},
    "value": {"en": "the value of the home", "ko": "주택 가격"},
    "mortgage_repayment": {
        "en": "the yearly principal and interest of the mortgage",
        "ko": "주택담보대출의 연간 원리금",
    },
    "periods": {"en": "how often a year it is compounded", "ko": "복리 주기(연 몇 회)"},
    "flows": {"en": "the cash flows", "ko": "현금흐름"},
    "coupon_percent": {"en": "the coupon in percent", "ko": "표면금리(%)"},
    "yield_percent": {"en": "the yield in percent", "ko": "만기수익률(%)"},
    "cost": {"en": "the cost", "ko": "원가"},
    "price": {"en": "the price", "ko": "판매가"},
    "fixed": {"en": "the fixed costs", "ko": "고정비"},
    "variable": {"en": "the variable cost of a unit", "ko": "개당 변동비"},
    "rate": {"en": "the exchange rate", "ko": "환율"},
    "years": {"en": "the number of years", "ko": "기간(몇 년)"},
}
