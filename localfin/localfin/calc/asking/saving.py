"""Questions about deposits and savings."""

from localfin.calc.asking.quantities import Quantity
from localfin.calc.asking.question import MONEY, Found, Question, Unclear, currency_of

_ABOUT_DEPOSITS = (
    r"예금|예치|맡기|맡길|맡겨|파킹통장|통장에|거치식|넣어 ?두|복리|단리"
    r"|deposit|simple interest|compound|\binvest|\bgrow(?:s)? to\b|\bcd\b"
)
_ABOUT_SAVINGS = r"적금|instal+ment savings?|savings plan|monthly savings?"
_GETS = (
    r"이자|만기|수령|얼마|받|되나|될까|세후|세전|원리금|합계|총액"
    r"|interest|earn|grow|worth|value|maturity|\bget\b|\bhave\b|end up|\bpay\b|after tax|savings plan"
)
_COMPOUNDINGS = (
    ("simple", r"단리|simple interest"),
    ("monthly", r"월 ?복리|compounded monthly|monthly compound"),
    ("quarterly", r"분기 ?복리|compounded quarterly|quarterly compound"),
    ("semiannual", r"반기 ?복리|compounded semi|semi-?annual(?:ly)? compound"),
    ("annual", r"연 ?복리|compounded (?:annually|yearly)|annual(?:ly)? compound"),
)
_TAXES = (
    ("exempt", r"비과세|tax[- ]free|tax[- ]exempt|no tax"),
    ("preferential", r"세금 ?우대|우대 ?세율"),
    ("cooperative", r"저율 ?과세|조합원"),
)


def deposit(question: Question) -> Found | None:
    if (
        not question.has(_ABOUT_DEPOSITS)
        or not question.has(_GETS)
        or any(each.monthly for each in question.quantities)
    ):
        return None
    found = Found("deposit")
    principal = question.only(*MONEY)
    if not _term_and_rate(question, found, "principal", principal):
        return None
    if currency := currency_of(principal):
        found.fields["currency"] = currency
    return found


def savings(question: Question) -> Found | None:
    by_month = any(each.monthly for each in question.quantities) and question.has(
        r"저축|모으|모아|\bsav(?:e|ing|ings)\b"
    )
    if not (question.has(_ABOUT_SAVINGS) or by_month) or not question.has(_GETS):
        return None
    found = Found("savings")
    monthly = question.only(*MONEY)
    if monthly is not None and not monthly.monthly:
        raise Unclear  # a sum of savings that may be the whole
    if not _term_and_rate(question, found, "monthly", monthly):
        return None
    if currency := currency_of(monthly):
        found.fields["currency"] = currency
    return found


def _term_and_rate(question: Question, found: Found, name: str, amount: Quantity | None) -> bool:
    """Whether enough is told to call it a calculation."""
    rate, months = question.only("percent"), question.only("months")
    if question.left("days") or question.has(r"중도 ?해지|compounded (?:daily|weekly|continuously)|일 ?복리"):
        raise Unclear
    if sum(one is not None for one in (amount, rate, months)) < (2 if name == "principal" else 1):
        return False
    found.put(name, amount)
    found.put("rate_percent", rate)
    found.put("months", months)
    compounding = [one for one, pattern in _COMPOUNDINGS if question.has(pattern)]
    if len(compounding) > 1:
        raise Unclear
    if compounding:
        found.fields["compounding"] = compounding[0]
    elif question.has(r"복리|compound|\bgrow"):
        found.missing.append("compounding")
    if tax := next((one for one, pattern in _TAXES if question.has(pattern)), None):
        found.fields["tax"] = tax
    return True
