"""Questions about prices, exchange rates and plain numbers."""

from localfin.calc.asking.question import MONEY, Found, Question, Unclear, written

_PRICE = (
    r"판매 ?가격?|판매 ?단가|개당 가격|단가|가격|파는|selling price(?: of)?|sales price(?: of)?"
    r"|unit price(?: of)?|price(?: of| is)?|sells? (?:it |them )?(?:for|at)|sold (?:for|at)"
)
_COST = (
    r"원가|매입 ?가격?|구입 ?가격?|사입 ?가격?|costs?(?: of| is| me)?"
    r"|bought (?:it )?(?:for|at)|buy (?:it )?(?:for|at)"
)
_SOLD, _BOUGHT = r"에 ?(?:팔|판매)", r"에 ?(?:사와|사서|떼와|떼어|사면|사고|산 |샀|매입|구입)"
"""Korean verbs, before which the amount stands."""


def margin(question: Question) -> Found | None:
    if not question.has(r"마진|이익률|margin|markup") or question.has(
        r"영업 ?이익률|순이익률|operating|net margin|gross margin of"
    ):
        return None
    cost = question.labelled(_BOUGHT, *MONEY, before=True) or question.labelled(_COST, *MONEY)
    price = question.labelled(_SOLD, *MONEY, before=True) or question.labelled(_PRICE, *MONEY)
    if cost is None and price is None:
        return None
    found = Found("margin")
    found.put("cost", cost)
    found.put("price", price)
    return found


def break_even(question: Question) -> Found | None:
    if not question.has(r"손익 ?분기|break[- ]?even"):
        return None
    fixed = question.labelled(r"고정 ?비(?:용)?|fixed costs?(?: of| are| is)?", *MONEY)
    variable = question.labelled(
        r"(?:개당 |단위당 )?변동 ?비(?:용)?|(?:unit )?variable costs?(?: of| per unit| is)?", *MONEY
    )
    price = question.labelled(_SOLD, *MONEY, before=True) or question.labelled(_PRICE, *MONEY)
    if fixed is None and variable is None and price is None:
        return None
    found = Found("break_even")
    for name, each in (("fixed", fixed), ("price", price), ("variable", variable)):
        found.put(name, each)
    return found


def exchange(question: Question) -> Found | None:
    """One amount into another currency, at a rate that the question names."""
    if not question.has(_EXCHANGES):
        return None
    rate = question.labelled(r"환율[이은 ]*|rate (?:of|is)|\bat\b", "number", "money")
    rate = rate or question.labelled(r"에 ?환전", "money", before=True)
    amounts = question.left("money")
    if len(amounts) != 1 or question.left("percent", "months", "number"):
        return None
    amount = question.take(amounts[0])
    source = amount.currency or "KRW"
    aims = [code for code, pattern in _AIMS if code != source and question.has(pattern)]
    if not aims and rate is not None and rate.currency not in (None, source):
        aims = [str(rate.currency)]
    if len(aims) != 1 or "JPY" in (source, aims[0]):
        return None  # yen are quoted by the hundred, or by the one
    found = Found("exchange", {"amount": written(amount), "source": source, "target": aims[0]})
    found.put("rate", rate)
    return found


_EXCHANGES = (
    r"환율|원화|한국 ?돈|환전|달러|엔화|유로|exchange"
    r"|\b(?:in|to|into) (?:korean )?(?:won|krw|(?:us )?dollars|usd|euros?|eur)\b"
)
_AIMS = (
    ("KRW", r"원화|한국 ?돈|몇 원|원으로|(?:in|to|into) (?:korean )?(?:won|krw)"),
    ("USD", r"몇 달러|몇 불|달러로|(?:in|to|into) (?:us )?(?:dollars|usd)"),
    ("EUR", r"몇 유로|유로로|(?:in|to|into) (?:euros?|eur)"),
    ("JPY", r"몇 엔|엔화로|엔으로|(?:in|to|into) (?:yen|jpy)"),
)


def growth(question: Question) -> Found | None:
    if not question.has(
        r"연평균 ?(?:성장|증가|수익)|\bcagr\b|\bcagr(?=[가-힣])|compound annual growth|average annual growth"
    ):
        return None
    sums = question.sums()
    if len(sums) != 2:
        return None
    before, after = (question.take(each) for each in sums)
    months = question.only("months")
    found = Found("growth", {"before": written(before), "after": written(after)})
    if months and months.value % 12:
        raise Unclear
    found.put("years", int(months.value) // 12 if months else None)
    return found


def change(question: Question) -> Found | None:
    if not question.has(
        r"증가율|감소율|성장률|상승률|인상률|인하율|하락률|변화율|변동률|growth rate"
        r"|percent(?:age)? (?:change|increase|decrease|growth)"
    ):
        return None
    sums = question.sums()
    if len(sums) != 2 or question.left("percent", "months"):
        return None
    backwards = question.has(r"\bto [$€£₩]?[\d.,]+ ?[a-z]* from\b")
    before, after = (question.take(each) for each in (reversed(sums) if backwards else sums))
    if question.has(r"[은는] [\d.,]+[가-힣 ]*에서"):
        raise Unclear  # 320은 250에서: which is the first of them is not said by their order
    return Found("change", {"before": written(before), "after": written(after)})


def mean(question: Question) -> Found | None:
    if not question.has(r"평균|average|\bmean of"):
        return None
    return _list(question, Found("mean"))


def total(question: Question) -> Found | None:
    if not question.has(r"합계|합은|합이|합하면|합치면|다 더하|더하면|총합|\bsum of|\btotal of|add(?:ed)? up"):
        return None
    return _list(question, Found("total"))


def _list(question: Question, found: Found) -> Found | None:
    numbers = [question.take(each) for each in question.sums()]
    if len(numbers) < 2 or not question.listed(numbers) or question.left("percent", "months", "other"):
        return None
    found.fields["numbers"] = [written(each) for each in numbers]
    return found


def percent_of(question: Question) -> Found | None:
    """`30만원의 15%`, `12% of 4,500`."""
    percents, sums = question.left("percent"), question.sums()
    if len(percents) != 1 or len(sums) != 1 or question.left("months", "days", "other"):
        return None
    part, whole = question.take(percents[0]), question.take(sums[0])
    korean = question.text[whole.end : part.start].strip() in ("의", "원의")
    if not korean and question.text[part.end : whole.start].strip() != "of":
        return None
    return Found("percent_of", {"percent": written(part), "of": written(whole)})


def ratio(question: Question) -> Found | None:
    """`3억 중에 4,500만원은 몇 퍼센트`, `what percentage of 2,000 is 350`."""
    reverse = question.has(r"\bis what percent(?:age)? of")
    if not reverse and not question.has(r"중(?:에서?)? .*몇 ?(?:%|퍼센트|프로)|what percent(?:age)? of .* is "):
        return None
    if len(question.sums()) != 2 or question.left("percent", "months"):
        return None
    first, second = question.sums()
    if korean := question.labelled(r"중(?:에서?)?(?= )", *MONEY, before=True):
        reverse = korean == second
    part, whole = (question.take(each) for each in ((first, second) if reverse else (second, first)))
    return Found("ratio", {"part": written(part), "whole": written(whole)})
